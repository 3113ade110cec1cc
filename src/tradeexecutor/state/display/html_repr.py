"""HTML of a state, a portfolio and a position for notebooks: small tables instead of one line of text.

The HTML is self-contained and uses the colours of the notebook, so that it is readable on light and dark pages. The
number of rows is limited for any length of the history. Every text from the state is escaped.
"""

import datetime
import html
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Protocol, TypeVar, cast

from tradeexecutor.state.display.formatting import (
    NOTHING,
    format_count,
    format_percent,
    format_price,
    format_quantity,
    format_span,
    format_time,
    format_usd,
)
from tradeexecutor.state.display.visible import make_visible
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

__all__ = ["render_figures", "render_portfolio", "render_position", "render_state"]

#: Largest number of rows of one table; the number of further entries is shown below the table.
MAX_ROWS = 10

#: Colours that are legible on white and on black.
_GAIN, _LOSS = "#1c9a68", "#d9604c"

_TABLE = "border-collapse:collapse;font-size:13px;margin:0.4em 0;font-variant-numeric:tabular-nums;color:inherit"
_CELL = "padding:0.15em 0.7em 0.15em 0;border:0;border-bottom:1px solid rgba(128,128,128,0.25);color:inherit"
_FAINT = "opacity:0.7"

T = TypeVar("T")


# --- Attributes of the shown objects (their modules import this one)


class ShownReserve(Protocol):
    """Attributes of a reserve that are shown."""

    @property
    def quantity(self) -> Decimal: ...

    @property
    def asset(self) -> AssetIdentifier: ...


class ShownPosition(Protocol):
    """Attributes of a position that are shown."""

    @property
    def position_id(self) -> int: ...

    @property
    def pair(self) -> TradingPairIdentifier: ...

    @property
    def opened_at(self) -> datetime.datetime: ...

    @property
    def closed_at(self) -> datetime.datetime | None: ...

    @property
    def frozen_at(self) -> datetime.datetime | None: ...

    @property
    def last_pricing_at(self) -> datetime.datetime: ...

    @property
    def last_token_price(self) -> USDollarPrice: ...

    @property
    def stop_loss(self) -> USDollarPrice | None: ...

    @property
    def take_profit(self) -> USDollarPrice | None: ...

    @property
    def trades(self) -> Mapping[int, TradeExecution]: ...

    def get_quantity(self) -> Decimal: ...

    def get_value(self) -> USDollarAmount: ...

    def get_total_profit(self) -> tuple[USDollarAmount, float]: ...

    def get_duration(self) -> datetime.timedelta | None: ...


class ShownPortfolio(Protocol):
    """Attributes of a portfolio that are shown."""

    @property
    def reserves(self) -> Mapping[str, ShownReserve]: ...

    @property
    def open_positions(self) -> Mapping[int, ShownPosition]: ...

    @property
    def frozen_positions(self) -> Mapping[int, ShownPosition]: ...

    @property
    def pending_positions(self) -> Mapping[int, ShownPosition]: ...

    @property
    def closed_positions(self) -> Mapping[int, ShownPosition]: ...

    def get_net_asset_value(self) -> USDollarAmount: ...


class ShownPeriod(Protocol):
    """Attributes of the data of a backtest that are shown."""

    @property
    def start_at(self) -> datetime.datetime | None: ...

    @property
    def end_at(self) -> datetime.datetime | None: ...


class ShownStatistics(Protocol):
    """Attributes of the statistics that are shown."""

    @property
    def portfolio(self) -> Sized: ...


class ShownState(Protocol):
    """Attributes of a state that are shown."""

    @property
    def name(self) -> str | None: ...

    @property
    def created_at(self) -> datetime.datetime: ...

    @property
    def last_updated_at(self) -> datetime.datetime | None: ...

    @property
    def cycle(self) -> int: ...

    @property
    def stats(self) -> ShownStatistics: ...

    @property
    def backtest_data(self) -> ShownPeriod | None: ...

    @property
    def portfolio(self) -> ShownPortfolio: ...


def _get(accessor: Callable[[], T]) -> T | None:
    """Return a figure; None when the object does not have it."""
    try:
        return accessor()
    except TradeExecutorError:
        return None


def _get_latest(table: Mapping[int, T]) -> list[T]:
    """Return the last `MAX_ROWS` entries, the last one first."""
    entries = cast(dict[int, T], table)  # `Mapping` does not guarantee an order
    return list(islice(reversed(entries.values()), MAX_ROWS))


# --- HTML


@dataclass(frozen=True, slots=True)
class _Signed:
    """A text in the colour of the sign of its value."""

    text: str
    value: float | None


_Cell = str | _Signed


def _escape(text: str) -> str:
    return html.escape(make_visible(text, keep_newlines=True))


def _render_cell(cell: _Cell, *, right: bool) -> str:
    style = f"{_CELL};text-align:{'right' if right else 'left'}"
    if isinstance(cell, _Signed):
        if cell.value:
            style += f";color:{_GAIN if cell.value > 0 else _LOSS}"
        cell = cell.text
    return f'<td style="{style}">{_escape(cell)}</td>'


def _render_table(names: Sequence[str], rows: Iterable[Sequence[_Cell]], left: int) -> str:
    """Return a table; the first `left` columns are aligned left, the others right."""
    head = "".join(
        f'<th style="{_CELL};text-align:{"left" if index < left else "right"};{_FAINT}">{_escape(name)}</th>'
        for index, name in enumerate(names)
    )
    body = "".join(
        "<tr>" + "".join(_render_cell(cell, right=index >= left) for index, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<table style="{_TABLE}"><thead><tr style="background:transparent">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _render_facts(facts: Iterable[tuple[str, _Cell]]) -> str:
    body = "".join(
        f'<tr style="background:transparent"><th style="{_CELL};text-align:left;font-weight:normal;{_FAINT}">'
        f"{_escape(name)}</th>{_render_cell(value, right=False)}</tr>"
        for name, value in facts
    )
    return f'<table style="{_TABLE}"><tbody>{body}</tbody></table>'


def _render_title(text: str, faint: str = "") -> str:
    rest = f' <span style="font-weight:normal;{_FAINT}">{_escape(faint)}</span>' if faint else ""
    return f'<div style="margin-top:0.6em"><b>{_escape(text)}</b>{rest}</div>'


def _wrap(*parts: str) -> str:
    return f'<div style="font-size:13px;line-height:1.35;overflow-x:auto">{"".join(parts)}</div>'


def _color_usd(value: float | None) -> _Signed:
    return _Signed(format_usd(value), value)


def _color_percent(value: float | None) -> _Signed:
    return _Signed(format_percent(value), value)


def render_figures(title: str, faint: str, figures: Iterable[tuple[str, str, float | None]], picture: str) -> str:
    """Return the HTML of figures with a picture below them.

    Parameters
    ----------
    title, faint
        Title, and a remark behind it.
    figures
        Name, text, and the value whose sign gives the colour; None for no colour.
    picture
        HTML, which is used as it is. Everything else is escaped.
    """
    facts = [(name, _Signed(text, value)) for name, text, value in figures]
    return _wrap(_render_title(title, faint), _render_facts(facts), picture)


# --- State and portfolio


def render_state(state: ShownState) -> str:
    """Return the HTML of a state: name, times, cycle, and its portfolio."""
    samples = state.stats.portfolio
    facts: list[tuple[str, _Cell]] = [
        ("Created", format_time(state.created_at)),
        ("Last updated", format_time(state.last_updated_at)),
        ("Cycle", format_count(state.cycle)),
        ("Recorded samples", format_count(len(samples))),
    ]
    if state.backtest_data is not None:
        data = state.backtest_data
        facts.insert(0, ("Backtest", f"{format_time(data.start_at)} to {format_time(data.end_at)}"))
    return _wrap(
        _render_title(state.name or "State", "" if state.name else "without a name"),
        _render_facts(facts),
        _render_holdings(state.portfolio),
    )


def render_portfolio(portfolio: ShownPortfolio) -> str:
    """Return the HTML of a portfolio: cash, and the open, frozen and latest closed positions."""
    return _wrap(_render_title("Portfolio"), _render_holdings(portfolio))


def _render_holdings(portfolio: ShownPortfolio) -> str:
    facts: list[tuple[str, _Cell]] = [
        ("Net asset value", f"{format_usd(_get(portfolio.get_net_asset_value))} USD"),
        ("Cash", ", ".join(_describe_reserve(item) for item in islice(portfolio.reserves.values(), 5)) or NOTHING),
        (
            "Positions",
            f"{len(portfolio.open_positions):,} open, {len(portfolio.frozen_positions):,} frozen, "
            f"{len(portfolio.pending_positions):,} pending, {len(portfolio.closed_positions):,} closed",
        ),
    ]
    parts = [_render_facts(facts)]
    for title, table in (
        ("Open positions", portfolio.open_positions),
        ("Frozen positions", portfolio.frozen_positions),
        ("Pending positions", portfolio.pending_positions),
        ("Closed positions", portfolio.closed_positions),
    ):
        if table:
            parts.append(_render_positions(title, _get_latest(table), len(table)))
    return "".join(parts)


def _describe_reserve(reserve: ShownReserve) -> str:
    return f"{format_quantity(reserve.quantity)} {reserve.asset.token_symbol}"


_POSITION_NAMES = ("#", "Pair", "Opened", "Closed", "Quantity", "Price", "Value USD", "Profit USD", "Profit")


def _render_positions(title: str, positions: Sequence[ShownPosition], count: int) -> str:
    rows = [_make_position_row(position) for position in positions]
    more = f"the latest {len(rows)} of {count:,}" if count > len(rows) else f"{count:,}"
    return _render_title(title, more) + _render_table(_POSITION_NAMES, rows, left=4)


def _make_position_row(position: ShownPosition) -> tuple[_Cell, ...]:
    profit = _get(position.get_total_profit)
    usd, percent = profit if profit is not None else (None, None)
    return (
        str(position.position_id),
        position.pair.get_ticker(),
        format_time(position.opened_at),
        format_time(position.closed_at),
        format_quantity(_get(position.get_quantity)),
        format_price(position.last_token_price),
        format_usd(_get(position.get_value)),
        _color_usd(usd),
        _color_percent(percent),
    )


# --- Position

_TRADE_NAMES = ("#", "Side", "Type", "Status", "Decided", "Executed", "Quantity", "Price", "Value USD")


def render_position(position: ShownPosition) -> str:
    """Return the HTML of a position: its figures and its latest trades."""
    pair = position.pair
    profit = _get(position.get_total_profit)
    usd, percent = profit if profit is not None else (None, None)
    span = position.get_duration()
    facts: list[tuple[str, _Cell]] = [
        ("Opened", format_time(position.opened_at)),
        ("Closed", format_time(position.closed_at) + (f", after {format_span(span)}" if span else "")),
        ("Quantity", f"{format_quantity(_get(position.get_quantity))} {pair.base.token_symbol}"),
        ("Price", f"{format_price(position.last_token_price)} USD at {format_time(position.last_pricing_at)}"),
        ("Value", f"{format_usd(_get(position.get_value))} USD"),
        ("Profit", _Signed(f"{format_usd(usd)} USD, {format_percent(percent)}", usd)),
    ]
    if position.frozen_at is not None:
        facts.append(("Frozen", format_time(position.frozen_at)))
    if position.stop_loss is not None:
        facts.append(("Stop loss", f"{format_price(position.stop_loss)} USD"))
    if position.take_profit is not None:
        facts.append(("Take profit", f"{format_price(position.take_profit)} USD"))
    trades = _get_latest(position.trades)
    count = len(position.trades)
    more = f"the latest {len(trades)} of {count:,}" if count > len(trades) else f"{count:,}"
    return _wrap(
        _render_title(f"Position #{position.position_id} {pair.get_ticker()}", pair.kind.value),
        _render_facts(facts),
        _render_title("Trades", more),
        _render_table(_TRADE_NAMES, [_make_trade_row(trade) for trade in trades], left=6) if trades else "",
    )


def _make_trade_row(trade: TradeExecution) -> tuple[_Cell, ...]:
    return (
        str(trade.trade_id),
        "buy" if trade.is_buy() else "sell",
        trade.trade_type.value,
        trade.get_status().value,
        format_time(trade.opened_at),
        format_time(trade.executed_at),
        format_quantity(trade.planned_quantity if trade.executed_quantity is None else trade.executed_quantity),
        format_price(trade.executed_price or trade.planned_price),
        format_usd(trade.get_value()),
    )
