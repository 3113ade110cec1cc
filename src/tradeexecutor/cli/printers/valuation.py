"""Values of positions, as ``show-valuation`` prints them."""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_price,
    format_quantity,
    format_time,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.cli.printers.positions import PositionType, get_figure, get_status, select_positions
from tradeexecutor.operations.state_location import StateLocation, describe_state
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State


@dataclass(frozen=True, slots=True)
class Valuation:
    """A position: price in USD per base token, quantity in base tokens, value in USD; None for missing figures.

    `age` is the age of the valuation at the time of the report.
    """

    position_id: int
    ticker: str
    kind: str
    status: str
    quantity: Decimal | None
    price: float | None
    value_usd: float | None
    valued_at: datetime.datetime | None
    age: datetime.timedelta | None


@dataclass(frozen=True, slots=True)
class ValuationReport:
    """Data of ``show-valuation``; ages are measured at `as_of`, `shown_value_usd` is the sum of the shown positions."""

    name: str | None
    as_of: datetime.datetime | None
    positions: list[Valuation]
    shown_value_usd: float
    cash_usd: float | None
    net_asset_value_usd: float | None


def collect_valuation(state: State, which: PositionType) -> ValuationReport:
    """Return the data of ``show-valuation``."""
    as_of = _get_time(state)
    positions = [_make_row(state, position, as_of) for position in select_positions(state, which)]
    return ValuationReport(
        state.name,
        as_of,
        positions,
        sum(item.value_usd or 0.0 for item in positions),
        get_figure(state.portfolio.get_cash),
        get_figure(state.portfolio.get_net_asset_value),
    )


def _get_time(state: State) -> datetime.datetime | None:
    if state.backtest_data is not None:  # it was saved in real time, but valued in simulated time
        return state.last_cycle_at or state.backtest_data.end_at
    return state.last_updated_at


def _make_row(state: State, position: TradingPosition, as_of: datetime.datetime | None) -> Valuation:
    valued_at = get_figure(position.get_last_valued_at)
    return Valuation(
        position.position_id,
        position.pair.get_ticker(),
        position.pair.kind.value,
        get_status(state, position),
        get_figure(position.get_quantity),
        position.last_token_price,
        get_figure(position.get_value),
        valued_at,
        None if as_of is None or valued_at is None else max(as_of - valued_at, datetime.timedelta(0)),
    )


_COLUMNS = (
    Column("Id"),
    Column("Ticker"),
    Column("Kind", priority=4),
    Column("Status", priority=3),
    Column("Quantity", right=True, priority=2),
    Column("Price USD", right=True),
    Column("Value USD", right=True),
    Column("Valued at (UTC)", priority=1),
    Column("Age", right=True),
)


def print_valuation(report: ValuationReport, state: State, path: StateLocation) -> None:
    """Print the report as text."""
    print_line(describe_state(state, path), "bold")
    if report.as_of is None:
        print_line("The state has no time of its last save, so ages are unknown.")
    else:
        what = "Saved" if state.backtest_data is None else "Simulated until"
        print_line(f"{what} {format_time(report.as_of)} UTC; ages are measured at that time.")
    print_heading(f"Positions: {len(report.positions):,}")
    if report.positions:
        print_table(_COLUMNS, [_format_row(item) for item in report.positions])
    else:
        print_line("None.")
    print_heading("Totals")
    facts = {
        "Positions shown": f"{format_usd(report.shown_value_usd)} USD",
        "Cash": f"{format_usd(report.cash_usd)} USD",
        "Net asset value": f"{format_usd(report.net_asset_value_usd)} USD",
    }
    oldest = max((item.age for item in report.positions if item.age and item.status != "closed"), default=None)
    if oldest is not None:
        facts["Oldest price"] = format_age(oldest)
    print_facts(facts)


def _format_row(item: Valuation) -> tuple[str, ...]:
    return (
        f"#{item.position_id}",
        item.ticker,
        item.kind.replace("_", " "),
        item.status,
        format_quantity(item.quantity),
        format_price(item.price),
        format_usd(item.value_usd),
        format_time(item.valued_at),
        format_age(item.age),
    )


def format_age(age: datetime.timedelta | None) -> str:
    """Format a duration in its two largest units.

    >>> format_age(datetime.timedelta(days=3, hours=4, minutes=5)), format_age(datetime.timedelta(seconds=61))
    ('3 d 4 h', '1 min 1 s')
    >>> format_age(datetime.timedelta(0)), format_age(None)
    ('0 s', '-')
    """
    if age is None:
        return NOTHING
    parts: list[str] = []
    rest = int(age.total_seconds())
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ")) or "0 s"
