"""Draw the pictures of docs/state.md: `python docs/images/concepts.py`.

They are made from the code: the tree from the fields of its classes, the life of a trade and of its money from a trade
that is taken through it. A test compares them with what this program draws.
"""

import datetime
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tradeexecutor.backtest.universe import create_pair, create_reserve_asset
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution, TradeStatus, TradeType

FOLDER = Path(__file__).resolve().parent / "concepts"

USD = create_reserve_asset()
PAIR = create_pair("ETH", USD, 1)
START = datetime.datetime(2024, 1, 1)

#: Background and text change together with the colours of the system; the other colours are legible on both.
_STYLE = """\
<style>
.page { fill: #ffffff } .ink { fill: #24292f } .faint { fill: #6e7781 }
.line { stroke: #8c959f; fill: none } .box { fill: #f6f8fa; stroke: #8c959f }
.good { stroke: #2da44e } .bad { stroke: #d1612d }
.cash { fill: #4c8fd0 } .way { fill: #c9a227 } .held { fill: #3fa66b }
text { font-family: system-ui, sans-serif; font-size: 13px }
.code { font-family: ui-monospace, monospace; font-size: 12.5px }
@media (prefers-color-scheme: dark) {
  .page { fill: #14181f } .ink { fill: #e4e8ee } .faint { fill: #9aa5b4 } .line { stroke: #6e7781 }
  .box { fill: #222933; stroke: #6e7781 }
}
</style>"""


def wrap(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """Return a whole SVG file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title)}">'
    )
    page = f'<rect class="page" width="{width}" height="{height}" rx="8"/>'
    return "\n".join([head, _STYLE, page, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "ink", anchor: str = "start") -> str:
    """Return a text element."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


# --- The tree


@dataclass(frozen=True)
class Branch:
    """A field of the tree that is drawn: its key, what it is, and fields below it."""

    key: str
    words: str
    below: tuple["Branch", ...] = ()


_POSITION = (
    Branch(
        "trades",
        "by id: planned, executed, failed",
        (Branch("blockchain_transactions", "hash, nonce, signed bytes, receipt"),),
    ),
    Branch("balance_updates", "by id: interest, corrections, redemptions in kind"),
    Branch("valuation_updates", "each revaluation"),
    Branch("trigger_updates", "each move of a stop loss or take profit"),
    Branch("loan", "collateral, debt and interest, of shorts and credit"),
)

TREE = (
    Branch(
        "portfolio",
        "what is owned",
        (
            Branch("reserves", "cash, by token", (Branch("balance_updates", "by id: deposits and redemptions"),)),
            Branch("open_positions", "by id", _POSITION),
            Branch("closed_positions", "the same"),
            Branch("frozen_positions", "the same, with a failed trade"),
            Branch("pending_positions", "entries that wait for their price"),
            Branch("expired_positions", "entries that lapsed"),
        ),
    ),
    Branch(
        "stats",
        "samples over time",
        (Branch("portfolio", "equity, cash, share price"), Branch("positions", "by id: value, profit")),
    ),
    Branch("sync", "what was read from the chain, and up to where", (Branch("treasury", "deposits and redemptions"),)),
    Branch("visualisation", "what the strategy draws", (Branch("plots", "by name"),)),
    Branch("uptime", "completed cycles"),
    Branch("other_data", "what the strategy stores"),
    Branch("backtest_data", "period and benchmarks; only of a backtest"),
)


def find_class(kind: type, key: str) -> type | None:
    """Return the class of a field of the tree, or that of its entries; raises ``KeyError`` without the field."""
    found: Any = typing.get_type_hints(kind)[key]
    while True:
        inner = [part for part in typing.get_args(found) if part is not type(None)]
        if not inner:
            return found if isinstance(found, type) and found.__module__.startswith("tradeexecutor.") else None
        found = inner[-1]


def get_bracket(kind: type, key: str) -> str:
    """Return the brackets of the JSON of a field: of an object, an object by id or name, or a list."""
    hint = str(typing.get_type_hints(kind)[key])
    return " { }" if hint.startswith("dict") else " [ ]" if hint.startswith("list") else ""


def iterate_rows(kind: type, branches: Sequence[Branch], depth: int = 1) -> Iterator[tuple[int, str, str, str]]:
    """Yield depth, key with brackets, class and words of each row."""
    for branch in branches:
        child = find_class(kind, branch.key)
        name = child.__name__ if child is not None else ""
        yield depth, branch.key + get_bracket(kind, branch.key), name, branch.words
        if branch.below:
            assert child is not None, branch.key
            yield from iterate_rows(child, branch.below, depth + 1)


def draw_tree() -> str:
    """Return the picture of the tree, a row for each field."""
    rows = [(0, "", "State", "one strategy, one file"), *iterate_rows(State, TREE)]
    step, indent, width = 25, 22, 900
    parts: list[str] = []
    last: dict[int, float] = {}
    for number, (depth, key, name, words) in enumerate(rows):
        x, y = 24 + depth * indent, 34 + number * step
        last[depth] = y
        if depth:
            above = last[depth - 1]
            parts.append(f'<path class="line" d="M{x - 14} {above + 7:g}V{y - 4:g}H{x - 3}"/>')
        parts.append(text(x, y, key or name, "ink code"))
        parts.append(text(330, y, name if key else "", "faint code"))
        parts.append(text(545, y, words, "faint"))
        # A later row of this depth must not be joined to a deeper one above it.
        last = {level: place for level, place in last.items() if level <= depth}
    return wrap(
        width, 34 + len(rows) * step, "The tree of a state: keys of the JSON, classes, and what they hold", parts
    )


# --- The life of a trade


def make_state() -> State:
    """Return a state with 10,000 USD in cash."""
    state = State(created_at=START)
    reserve = ReservePosition(USD, Decimal(10_000), START, 1.0, START)
    state.portfolio.reserves[reserve.get_identifier()] = reserve
    return state


def plan(state: State, quantity: int, price: float) -> TradeExecution:
    """Plan a trade of ETH at a price in USD."""
    return state.create_trade(START, PAIR, Decimal(quantity), None, price, TradeType.rebalance, USD, 1.0)[1]


def send(state: State, trade: TradeExecution) -> None:
    """Record that a trade was sent."""
    trade.set_blockchain_transactions([BlockchainTransaction(chain_id=1, nonce=1, tx_hash="0x01")])
    state.mark_broadcasted(START, trade)


def fill(state: State, trade: TradeExecution, price: float) -> None:
    """Book the outcome of a trade at a price."""
    quantity = trade.planned_quantity
    state.record_fill(
        trade, Fill(executed_at=START, price=price, quantity=quantity, reserve=abs(quantity) * Decimal(str(price)))
    )


def walk() -> list[tuple[str, str, str]]:
    """Take two trades through their lives; return status before, method and status after of each step."""
    steps: list[tuple[str, str, str]] = []

    def take(trade: TradeExecution, method: str, act: Any) -> None:
        before = trade.get_status().value
        act()
        steps.append((before, method, trade.get_status().value))

    state = make_state()
    good, bad = plan(state, 2, 1_000.0), plan(state, 1, 1_000.0)
    take(good, "start_execution", lambda: state.start_execution(START, good))
    take(good, "mark_broadcasted", lambda: send(state, good))
    take(good, "record_fill", lambda: fill(state, good, 1_000.0))
    state.start_execution(START, bad)
    send(state, bad)
    take(bad, "mark_trade_failed", lambda: state.mark_trade_failed(START, bad))
    return steps


#: Place of each status: column and row.
_PLACES = {
    TradeStatus.planned: (0, 1),
    TradeStatus.started: (1, 1),
    TradeStatus.broadcasted: (2, 1),
    TradeStatus.success: (3, 1),
    TradeStatus.failed: (3, 2),
    TradeStatus.repaired: (2, 2),
    TradeStatus.expired: (0, 2),
    TradeStatus.vault_settlement_pending: (3, 0),
    TradeStatus.cctp_in_transit: (2, 0),
}

#: Statuses that are written in old files only.
_OLD = {TradeStatus.repair_entry}

#: What each status means for the money.
_MEANINGS = {
    TradeStatus.planned: "money is where it was",
    TradeStatus.started: "money has left the cash",
    TradeStatus.broadcasted: "the outcome is open",
    TradeStatus.success: "the outcome is booked",
    TradeStatus.failed: "money is back; frozen",
    TradeStatus.repaired: "a counter trade undid it",
    TradeStatus.expired: "an order that lapsed",
    TradeStatus.vault_settlement_pending: "the vault settles later",
    TradeStatus.cctp_in_transit: "between two chains",
}

#: Steps that `walk` does not take: status before, what does it, status after.
_FURTHER = (
    ("planned", "", "expired"),
    ("failed", "repair", "repaired"),
    ("broadcasted", "", "cctp_in_transit"),
    ("broadcasted", "", "vault_settlement_pending"),
    ("vault_settlement_pending", "", "success"),
)

_BOX, _GAP, _TALL, _ROW = 190, 74, 58, 112


def _place(status: TradeStatus) -> tuple[float, float]:
    column, row = _PLACES[status]
    return 20 + column * (_BOX + _GAP), 26 + row * _ROW


def _draw_step(before: TradeStatus, method: str, after: TradeStatus) -> Iterator[str]:
    (x1, y1), (x2, y2) = _place(before), _place(after)
    kind = "bad" if after is TradeStatus.failed else "good"
    if y1 == y2 and x1 < x2:
        begin, end, at = (x1 + _BOX, y1 + _TALL / 2), (x2 - 5, y2 + _TALL / 2), (x1 + _BOX + _GAP / 2, y1 - 8)
    elif y1 == y2:
        begin, end, at = (x1, y1 + _TALL / 2), (x2 + _BOX + 5, y2 + _TALL / 2), (x2 + _BOX + _GAP / 2, y1 + _TALL + 16)
    elif x1 == x2:
        down = y2 > y1
        begin = (x1 + _BOX / 2, y1 + _TALL if down else y1)
        end, at = (x2 + _BOX / 2, y2 - 5 if down else y2 + _TALL + 5), (x1 + _BOX / 2 + 8, (y1 + y2 + _TALL) / 2 + 4)
    else:
        down = y2 > y1
        begin = (x1 + _BOX - 30, y1 + _TALL if down else y1)
        end = (x2 - 5, y2 + _TALL / 2 + (-12 if down else 12))
        at = (begin[0] - 4, begin[1] + 28)
    yield f'<path class="line {kind}" marker-end="url(#tip)" d="M{begin[0]:g} {begin[1]:g}L{end[0]:g} {end[1]:g}"/>'
    if method:
        anchor = "middle" if y1 == y2 else "start" if x1 == x2 else "end"
        yield text(at[0], at[1], method, "faint code", anchor)


def draw_trade() -> str:
    """Return the picture of the life of a trade."""
    assert set(_PLACES) | _OLD == set(TradeStatus)
    parts = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8c959f"/></marker></defs>'
    ]
    for before, method, after in [*walk(), *_FURTHER]:
        parts += _draw_step(TradeStatus(before), method, TradeStatus(after))
    for status in _PLACES:
        x, y = _place(status)
        parts.append(f'<rect class="box" x="{x:g}" y="{y:g}" width="{_BOX}" height="{_TALL}" rx="6"/>')
        parts.append(text(x + _BOX / 2, y + 24, status.value, "ink code", "middle"))
        parts.append(text(x + _BOX / 2, y + 43, _MEANINGS[status], "faint", "middle"))
    return wrap(20 + 4 * _BOX + 3 * _GAP + 20, 26 + 3 * _ROW, "The life of a trade", parts)


# --- The life of money


@dataclass(frozen=True)
class Moment:
    """Where the money is after a step, USD."""

    words: str
    cash: float
    in_flight: float
    held: float


def follow_money() -> list[Moment]:
    """Buy for 4,000 USD, let the price rise, and sell; return where the money is after each step."""
    moments: list[Moment] = []
    state = make_state()
    portfolio = state.portfolio

    def note(words: str) -> None:
        trades = list(portfolio.get_all_trades())
        way = sum(float(trade.planned_reserve) for trade in trades if trade.is_buy() and trade.is_pending())
        total, cash = portfolio.get_net_asset_value(), portfolio.get_cash()
        moments.append(Moment(words, cash, way, total - cash - way))

    note("deposit of 10,000")
    buy = plan(state, 4, 1_000.0)
    note("a purchase of 4,000 is planned")
    state.start_execution(START, buy)
    send(state, buy)
    note("it is sent")
    fill(state, buy, 990.0)
    note("it fills at 990; 40 come back")
    (position,) = portfolio.open_positions.values()
    position.revalue_base_asset(START, 1_250.0)
    note("the price rises to 1,250")
    sell = plan(state, -4, 1_250.0)
    state.start_execution(START, sell)
    send(state, sell)
    note("a sale is sent: tokens stay counted")
    fill(state, sell, 1_240.0)
    note("it fills at 1,240")
    return moments


def draw_money() -> str:
    """Return the picture of where the money is, a bar for each step."""
    moments = follow_money()
    most = max(moment.cash + moment.in_flight + moment.held for moment in moments)
    left, room, step = 270, 430, 44
    parts: list[str] = []
    for place, (name, kind) in zip(
        (270, 345, 450), (("cash", "cash"), ("in flight", "way"), ("tokens", "held")), strict=True
    ):
        parts.append(f'<rect class="{kind}" x="{place}" y="16" width="12" height="12" rx="2"/>')
        parts.append(text(place + 18, 27, name, "faint"))
    for number, moment in enumerate(moments):
        y = 46 + number * step
        parts.append(text(255, y + 17, moment.words, "ink", "end"))
        x = float(left)
        for kind, amount in (("cash", moment.cash), ("way", moment.in_flight), ("held", moment.held)):
            if amount > 0.005:
                wide = amount / most * room
                parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="26"/>')
                x += wide
        total = moment.cash + moment.in_flight + moment.held
        parts.append(text(left + room + 14, y + 17, f"{total:,.0f} USD", "ink"))
    height = 46 + len(moments) * step + 6
    return wrap(left + room + 110, height, "Where the money of a trade is: counted once at every step", parts)


def render() -> dict[str, str]:
    """Return the name and the SVG of each picture."""
    return {"tree": draw_tree(), "trade": draw_trade(), "money": draw_money()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, picture in render().items():
        (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")
