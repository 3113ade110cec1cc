"""What ``tradeexecutor compare`` prints."""

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary
from tradeexecutor.analysis.compare.attribution import Attribution, Occurrence
from tradeexecutor.analysis.compare.causes import CAUSE_TEXTS
from tradeexecutor.analysis.compare.states import (
    Comparison,
    Difference,
    Pairing,
    PositionFigures,
    TradeFigures,
)
from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_percent,
    format_price,
    format_quantity,
    format_ratio,
    format_time,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.display.formatting import format_count, format_span

#: Display names of figures.
_NAMES = {
    "decided_at": "decision",
    "executed_at": "execution",
    "planned_price": "planned price",
    "price": "fill price",
    "profit_pct": "profit",
    "opened_at": "opening",
    "closed_at": "closing",
    "trades": "number of trades",
}

_SUMMARY_COLUMNS = (Column("Figure"), Column("A", right=True), Column("B", right=True), Column("B - A", right=True))

_TRADE_COLUMNS = (
    Column("Decided"),
    Column("Pair", is_text=True),
    Column("Side"),
    Column("A", right=True),
    Column("B", right=True),
    Column("Quantity A", right=True, priority=2),
    Column("Quantity B", right=True, priority=2),
    Column("Price A", right=True, priority=1),
    Column("Price B", right=True, priority=1),
    Column("Slippage A", right=True, priority=4),
    Column("Slippage B", right=True, priority=4),
    Column("Fees A", right=True, priority=5),
    Column("Fees B", right=True, priority=5),
    Column("Lag A", right=True, priority=6),
    Column("Lag B", right=True, priority=6),
    Column("What differs", is_text=True),
)

_POSITION_COLUMNS = (
    Column("Opened"),
    Column("Pair", is_text=True),
    Column("A", right=True),
    Column("B", right=True),
    Column("Status A", priority=2),
    Column("Status B", priority=2),
    Column("Profit A", right=True, priority=1),
    Column("Profit B", right=True, priority=1),
    Column("What differs", is_text=True),
)


_CAUSE_COLUMNS = (
    Column("Cause"),
    Column("USD", right=True),
    Column("Trades", right=True, priority=2),
    Column("First", priority=1),
)


def comparison_to_json(
    result: Comparison, attribution: Attribution, a: StateLocation, b: StateLocation
) -> dict[str, Any]:
    """Return the comparison, and the causes of the difference of the equity, as plain data."""
    return {
        "equal": result.is_equal,
        "a": a,
        "b": b,
        "divergence": result.divergence and {**_to_dict(result.divergence), "text": describe_divergence(result)},
        "counts": {
            "trades": _count(result.trades),
            "positions": _count(result.positions),
        },
        "tolerances": result.tolerances,
        "summary": {"a": result.summary_a, "b": result.summary_b},
        "fills": result.fills,
        "equity": result.equity,
        "attribution": {
            **_to_dict(attribution),
            "gas": attribution.gas,
            "difference_after_gas": attribution.difference_after_gas,
        },
        "nearest_miss_seconds": result.nearest_miss,
        "trades": result.trades,
        "positions": result.positions,
    }


def _to_dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _count(pairings: Sequence[Pairing[Any]]) -> dict[str, int]:
    return {
        "equal": sum(item.is_equal for item in pairings),
        "different": sum(item.a is not None and item.b is not None and bool(item.differences) for item in pairings),
        "only_a": sum(item.b is None for item in pairings),
        "only_b": sum(item.a is None for item in pairings),
    }


# --- Text


def print_comparison(
    result: Comparison, attribution: Attribution, a: StateLocation, b: StateLocation, *, all_: bool, limit: int
) -> None:
    """Print figures side by side, what differs, why the equity differs, and the first difference."""
    print_facts(
        {
            "A": _describe_file(result.summary_a, a),
            "B": _describe_file(result.summary_b, b),
        }
    )
    print_line()
    print_table(_SUMMARY_COLUMNS, _make_summary_rows(result))
    _print_pairings("Trades", result.trades, _TRADE_COLUMNS, _format_trade, all_=all_, limit=limit)
    _print_pairings("Positions", result.positions, _POSITION_COLUMNS, _format_position, all_=all_, limit=limit)
    _print_equity(result)
    _print_attribution(attribution)
    print_line()
    if result.divergence is None:
        exact = not (result.tolerances.time or result.tolerances.price or result.tolerances.amount)
        print_line("EQUAL" if exact else "EQUAL within the tolerances", "bold green")
        return
    print_line(f"DIFFERENT. {describe_divergence(result)}", "bold red")
    miss = result.nearest_miss
    if miss is not None and miss > result.tolerances.time:
        print_line(
            f"Some trades without a partner are only {format_span(miss)} apart; a larger --time-tolerance matches them."
        )


def _describe_file(summary: PerformanceSummary, path: StateLocation) -> str:
    return f"{path} ({summary.name})" if summary.name else str(path)


def _make_summary_rows(result: Comparison) -> list[tuple[str, str, str, str]]:
    a, b, fills = result.summary_a, result.summary_b, result.fills
    rows: list[tuple[str, str, str, str]] = []

    def add(name: str, x: Any, y: Any, show: Callable[[Any], str], *, skip_equal: bool = False) -> None:
        if x is None and y is None:
            return
        if not (skip_equal and x == y):
            rows.append((name, show(x), show(y), _format_gap(x, y, show)))

    add("First sample", a.start_at, b.start_at, format_time)
    add("Last sample", a.end_at, b.end_at, format_time)
    add("Initial equity, USD", a.initial_equity, b.initial_equity, format_usd)
    add("Final equity, USD", a.final_equity, b.final_equity, format_usd)
    add("Net deposits, USD", a.net_deposits, b.net_deposits, format_usd)
    add("Return", a.total_return, b.total_return, format_percent)
    add("Buy and hold", a.buy_and_hold, b.buy_and_hold, format_percent)
    add("Max drawdown", a.max_drawdown, b.max_drawdown, format_percent)
    add("Sharpe ratio", a.sharpe, b.sharpe, format_ratio)
    add("Sortino ratio", a.sortino, b.sortino, format_ratio)
    add("Positions open", a.positions_open, b.positions_open, format_count)
    add("Positions closed", a.positions_closed, b.positions_closed, format_count)
    add("Positions frozen", a.positions_frozen, b.positions_frozen, format_count, skip_equal=True)
    add("Win rate", a.win_rate, b.win_rate, format_percent)
    add("Trades", a.trades, b.trades, format_count)
    add("Failed trades", a.failed_trades, b.failed_trades, format_count, skip_equal=True)
    add("Volume, USD", a.volume, b.volume, format_usd)
    add("Fees, USD", a.fees, b.fees, format_usd)
    if fills.trades:
        rows.append((f"Of {fills.trades:,} matched fills", "", "", ""))
        add("  Value, USD", fills.value_a, fills.value_b, format_usd)
        add("  Fees, USD", fills.fees_a, fills.fees_b, format_usd)
        add("  Slippage against plan", fills.slippage_a, fills.slippage_b, _format_fine)
        add("  Lag of execution", fills.lag_a, fills.lag_b, format_span)
        if fills.worse_in_b is not None:
            rows.append(("  Price worse than in A", "", _format_fine(fills.worse_in_b), ""))
    return rows


def _format_gap(x: Any, y: Any, show: Callable[[Any], str]) -> str:
    if x is None or y is None:
        return NOTHING
    if x == y:
        return ""
    if isinstance(x, datetime.datetime):
        return format_span(y - x, sign=True)
    if isinstance(x, datetime.timedelta):
        return format_span(y - x, sign=True)
    text = show(y - x)
    return text if text.startswith("-") else f"+{text}"


def _format_fine(value: float | None) -> str:
    """Format a small fraction, such as slippage, with enough digits."""
    if value is None:
        return NOTHING
    text = f"{value * 100:.4f}"
    return "0 %" if float(text) == 0 else f"{text} %"


def _print_pairings(
    title: str,
    pairings: Sequence[Pairing[Any]],
    columns: Sequence[Column],
    show: Callable[[Pairing[Any]], tuple[str, ...]],
    *,
    all_: bool,
    limit: int,
) -> None:
    counts = _count(pairings)
    print_heading(
        f"{title}: {counts['equal']:,} the same, {counts['different']:,} different, "
        f"{counts['only_a']:,} only in A, {counts['only_b']:,} only in B"
    )
    wanted = [item for item in pairings if all_ or not item.is_equal]
    if not wanted:
        return
    shown = wanted[:limit]
    print_table(columns, [show(item) for item in shown], ["" if item.is_equal else "yellow" for item in shown])
    if len(wanted) > len(shown):
        print_line(f"and {len(wanted) - len(shown):,} more (--limit)", "dim")


def _format_trade(pairing: Pairing[TradeFigures]) -> tuple[str, ...]:
    a, b = pairing.a, pairing.b
    trade = a or b
    assert trade is not None
    return (
        format_time(trade.decided_at, seconds=True),
        trade.ticker,
        trade.side,
        _format_id(a and a.trade_id),
        _format_id(b and b.trade_id),
        format_quantity(a.quantity) if a else "",
        format_quantity(b.quantity) if b else "",
        format_price(a.price) if a else "",
        format_price(b.price) if b else "",
        _format_fine(a.slippage) if a else "",
        _format_fine(b.slippage) if b else "",
        format_usd(a.fees) if a else "",
        format_usd(b.fees) if b else "",
        format_span(a.lag) if a else "",
        format_span(b.lag) if b else "",
        _describe_pairing(pairing),
    )


def _format_position(pairing: Pairing[PositionFigures]) -> tuple[str, ...]:
    a, b = pairing.a, pairing.b
    position = a or b
    assert position is not None
    return (
        format_time(position.opened_at, seconds=True),
        position.ticker,
        _format_id(a and a.position_id),
        _format_id(b and b.position_id),
        a.status if a else "",
        b.status if b else "",
        format_usd(a.profit_usd) if a else "",
        format_usd(b.profit_usd) if b else "",
        _describe_pairing(pairing),
    )


def _format_id(number: int | None) -> str:
    return "" if number is None else f"#{number}"


def _describe_pairing(pairing: Pairing[Any]) -> str:
    if pairing.b is None:
        return "only in A"
    if pairing.a is None:
        return "only in B"
    return ", ".join(_describe_difference(item) for item in pairing.differences)


def _describe_difference(item: Difference) -> str:
    """Return e.g. ``fill price +0.12 %``, ``status success / failed``."""
    name = _NAMES.get(item.figure, item.figure)
    if item.size is None:
        return f"{name} {_format_value(item.a)} / {_format_value(item.b)}"
    if isinstance(item.a, datetime.datetime):
        return f"{name} {format_span(datetime.timedelta(seconds=item.size), sign=True)}"
    if item.figure == "profit_pct":
        return f"{name} {item.size * 100:+.4g} % of the investment"
    if abs(item.size) < 1e-6:
        return f"{name} by {abs(item.size):.0e} of it" if item.size else f"{name} in the last digits"
    return f"{name} {item.size * 100:+.4g} %"


def _format_value(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, datetime.datetime):
        return format_time(value, seconds=True)
    if isinstance(value, Decimal):
        return format_quantity(value)
    if isinstance(value, float):
        return format_price(value)
    return str(value)


def _print_equity(result: Comparison) -> None:
    equity = result.equity
    print_heading(f"Equity: {equity.samples_a:,} samples in A, {equity.samples_b:,} in B")
    if equity.start_at is None:
        print_line("A and B have no period in common.")
        return
    facts = {"Compared": f"{equity.compared:,} points, {format_time(equity.start_at)} to {format_time(equity.end_at)}"}
    if equity.largest is not None and equity.largest.difference:
        facts["Average difference"] = _format_fine(equity.average)
        facts["Largest difference"] = f"{_format_fine(equity.largest.difference)}, {format_time(equity.largest.at)}"
    if equity.first is not None:
        facts["First beyond the tolerance"] = format_time(equity.first.at, seconds=True)
    if equity.last is not None:
        facts["At the end"] = f"{_format_fine(equity.last.difference)}, {format_time(equity.last.at)}"
    print_facts(facts)


def _print_attribution(attribution: Attribution) -> None:
    rounded = attribution.round_amounts()
    shown = [part for part in attribution.parts if rounded[part.cause]]
    total = sum(rounded.values())
    if not shown:
        return
    more = f"B has {format_usd(abs(float(total)))} USD {'more' if total > 0 else 'less'}" if total else "it is the same"
    print_heading(f"Why the equity differs: {more}")
    rows = [
        (
            CAUSE_TEXTS[part.cause],
            f"{rounded[part.cause]:,.2f}",
            format_count(part.trades) if part.trades else "",
            _describe_occurrence(part.first),
        )
        for part in shown
    ]
    rows.append(("Sum", f"{total:,.2f}", "", ""))
    if attribution.gas:
        rows.append(("Gas, paid outside the books", f"{attribution.gas:,.2f}", "", ""))
    print_table(_CAUSE_COLUMNS, rows)
    found = attribution.first_input
    if found is not None:
        print_line(
            f"The first plotted value that differed before a decision: {found.plot} at "
            f"{format_time(found.at, seconds=True)}, A {_format_value(found.a)}, B {_format_value(found.b)}."
        )


def _describe_occurrence(first: Occurrence | None) -> str:
    """Return e.g. ``2024-01-01 00:00 ETH-USD #1 in A``."""
    if first is None:
        return ""
    ids = [
        f"#{number} in {name}" for name, number in (("A", first.trade_a), ("B", first.trade_b)) if number is not None
    ]
    return f"{format_time(first.at)} {first.pair} {', '.join(ids)}"


def describe_divergence(result: Comparison) -> str:
    """Return one sentence about the first difference; empty when there is none."""
    divergence = result.divergence
    if divergence is None:
        return ""
    if divergence.trade is not None:
        return f"The first difference is a trade, {_describe_trade(divergence.trade)}."
    if divergence.position is not None:
        a = divergence.position.a or divergence.position.b
        assert a is not None
        return (
            f"All trades are the same; the first difference is position {_format_ids(divergence.position)} in "
            f"{a.ticker}, opened {format_time(a.opened_at, seconds=True)}: {_describe_pairing(divergence.position)}."
        )
    first = result.equity.first
    if first is not None:
        return (
            f"The first difference is the equity at {format_time(first.at, seconds=True)}: "
            f"A {_format_equity(first.a)}, B {_format_equity(first.b)}."
        )
    if not result.equity.is_span_equal:
        return "The recorded equity begins or ends at different times; the common period is the same."
    return "The current net asset value differs; everything recorded before is the same."


def _describe_trade(pairing: Pairing[TradeFigures]) -> str:
    trade = pairing.a or pairing.b
    assert trade is not None
    action = f"{trade.side} {trade.ticker} decided {format_time(trade.decided_at, seconds=True)}"
    if pairing.a is None or pairing.b is None:
        where = "A" if pairing.b is None else "B"
        return f"#{trade.trade_id} {action}: it is only in {where}"
    return f"{_format_ids(pairing)} {action}: {_describe_pairing(pairing)}"


def _format_ids(pairing: Pairing[Any]) -> str:
    ids = [
        None if item is None else (item.trade_id if isinstance(item, TradeFigures) else item.position_id)
        for item in (pairing.a, pairing.b)
    ]
    known = [f"#{number}" for number in ids if number is not None]
    return known[0] if len(set(known)) == 1 else " / ".join(known)


def _format_equity(value: float) -> str:
    return f"{value:,.6f}" if abs(value) < 10 else f"{value:,.2f}"
