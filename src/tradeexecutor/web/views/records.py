"""The answers of the views. Times are epoch seconds, UTC; fractions are 0.05 for 5 %."""

from typing import Literal

from tradeexecutor.web.records import Count, Record, Seconds, Tree

__all__ = [
    "ActionList",
    "ActionView",
    "Attention",
    "AttentionItem",
    "CauseView",
    "CheckResultView",
    "CheckRunView",
    "ChecksView",
    "ColumnKind",
    "ColumnView",
    "ComparisonView",
    "Curve",
    "CurveUnit",
    "DrawingEntry",
    "DrawingList",
    "EquityView",
    "FactView",
    "FigureGroupView",
    "FlowMark",
    "LedgerLine",
    "LedgerView",
    "MetricView",
    "PlotLine",
    "PlotRow",
    "PlotsView",
    "PositionMark",
    "PositionView",
    "ProcessState",
    "ProcessView",
    "SidesRowView",
    "StatisticsView",
    "SummaryView",
    "TableView",
    "TransactionView",
    "YearView",
]

ColumnKind = Literal["id", "text", "time", "span", "quantity", "price", "usd", "profit", "fraction", "gain", "count"]
CurveUnit = Literal["usd", "fraction", "price", "quantity"]
ProcessState = Literal["running", "crashed", "seen", "old", "backtest"]
FigureUnit = Literal["usd", "fraction", "ratio", "count", "time", "span", "text", "price", "quantity"]


class SummaryView(Record):
    """A strategy at a glance. Money is USD; figures are adjusted for deposits, None where there are too few samples.

    `months` are the month of the newest sample and the one before it, oldest first.
    """

    id: str
    name: str | None
    kind: Literal["live", "backtest"]
    key: str
    revision: Count
    saved_at: Seconds | None
    start_at: Seconds | None
    end_at: Seconds | None
    value: float | None
    cash: float | None
    net_deposits: float | None
    profit: float | None
    total_return: float | None
    cagr: float | None
    buy_and_hold: float | None
    max_drawdown: float | None
    drawdown: float | None
    sharpe: float | None
    growth: list[float]
    months: "list[YearView]"
    open_positions: Count
    frozen_positions: Count
    pending_positions: Count
    closed_positions: Count
    trades: Count
    failed_trades: Count
    last_trade_at: Seconds | None
    last_cycle: Count
    issues: Count
    blocking_issues: Count
    is_paused: bool


class ProcessView(Record):
    """What is known about the process that runs a strategy.

    `state` is ``running`` or ``crashed`` if this server runs it; ``seen`` if a live state was saved within a day,
    ``old`` if not; ``backtest`` for a result that nothing runs.
    """

    state: ProcessState
    started_at: Seconds | None
    crashed_at: Seconds | None
    error: str | None
    wallet_gas: float | None
    gas_warning: str | None
    has_source: bool
    saved_at: Seconds | None


class Curve(Record):
    """A line: times, and the values at them."""

    name: str
    unit: CurveUnit
    times: list[Seconds]
    values: list[float | None]


class FlowMark(Record):
    """A deposit (> 0) or redemption (< 0), USD."""

    at: Seconds
    usd: float


class EquityView(Record):
    """Value, growth and drawdown over time; `samples` counts all recorded ones in the range, lines may have fewer.

    `benchmark` is the growth of buy and hold, `benchmark_value` what the starting capital and the deposits would be
    worth in it, USD.
    """

    value: Curve
    growth: Curve
    drawdown: Curve
    benchmark: Curve | None
    benchmark_value: Curve | None
    flows: list[FlowMark]
    samples: Count


class ColumnView(Record):
    """A column; times are milliseconds, and a minor column is left out on narrow screens."""

    name: str
    kind: ColumnKind
    minor: bool
    values: list[float | str | None]


class TableView(Record):
    """A table by column; `sort` is the column by which it is sorted at first, the highest value first."""

    name: str
    sort: Count | None
    columns: list[ColumnView]


class FactView(Record):
    """A named figure; `text` is ready to be shown, `help` explains it, `note` is a remark."""

    key: str
    name: str
    unit: FigureUnit
    value: float | str | None
    text: str
    help: str = ""
    note: str = ""


class FigureGroupView(Record):
    """Figures under a title."""

    title: str
    figures: list[FactView]


class MetricView(Record):
    """A figure with the definition of recorded files; `caveat` says why it misleads for this state."""

    name: str
    text: str
    source: str
    reason: str
    caveat: str


class SidesRowView(Record):
    """A row of the recorded table of long and short positions."""

    group: str
    label: str
    all: str
    long: str
    short: str
    caveat: str


class YearView(Record):
    """Return of a calendar year or month, and of buy and hold, as fractions; and the profit without deposits, USD."""

    label: str
    value: float | None
    benchmark: float | None
    profit: float | None


class StatisticsView(Record):
    """All figures: `groups` are adjusted for deposits, `recorded` and `sides` are defined as in recorded files."""

    calculated_at: Seconds
    groups: list[FigureGroupView]
    years: list[YearView]
    months: list[YearView]
    breakdowns: list[TableView]
    recorded: list[MetricView]
    sides: list[SidesRowView]


class AttentionItem(Record):
    """Something that a person has to look at.

    `level` is ``blocking`` if the strategy does not trade before it is mended; then ``error``, ``warning``, ``note``.
    """

    level: Literal["blocking", "error", "warning", "note"]
    kind: str
    subject: str
    position_id: int | None
    trade_id: int | None
    at: Seconds | None
    text: str
    advice: str
    command: str


class ActionView(Record):
    """What an operator did: who, when, what, and more about it as text."""

    at: Seconds
    by: str
    action: str
    details: str


class ActionList(Record):
    """The recorded actions of operators, the latest first."""

    is_paused: bool
    actions: list[ActionView]


class Attention(Record):
    """What needs attention, the worst first."""

    items: list[AttentionItem]
    is_balanced: bool
    entries: Count


class CheckResultView(Record):
    """One thing that was checked; `detail` describes what was found, good or bad."""

    name: str
    passed: bool
    detail: str


class CheckRunView(Record):
    """The outcome of a checking command; `command` shows the same in a terminal."""

    name: str
    command: str
    passed: bool
    summary: str
    results: list[CheckResultView]


class ChecksView(Record):
    """The outcomes of ``validate``, ``check-trades`` and ``audit``; `key` is the save that was checked."""

    key: str
    passed: bool
    runs: list[CheckRunView]


class TransactionView(Record):
    """A blockchain transaction of a trade."""

    trade_id: int
    tx_hash: str | None
    chain_id: int | None
    status: str
    function: str | None
    contract: str | None
    nonce: int | None
    block_number: int | None
    broadcasted_at: Seconds | None
    included_at: Seconds | None
    gas_used: int | None
    fee: float | None
    reason: str | None


class PositionMark(Record):
    """A trade on the price chart."""

    at: Seconds
    price: float
    side: Literal["buy", "sell"]
    text: str


class PositionView(Record):
    """A position with everything that its page shows."""

    position_id: int
    ticker: str
    kind: str
    status: str
    facts: list[FactView]
    prices: Curve
    quantity: Curve
    marks: list[PositionMark]
    levels: list[Curve]
    interest: Curve | None
    trades: TableView
    events: TableView
    transactions: list[TransactionView]
    notes: str
    before: int | None
    after: int | None


class PlotLine(Record):
    """A plot of the strategy; `colour` is None where the page chooses one, and `points` counts those in the range."""

    name: str
    shape: Literal["line", "steps", "markers"]
    colour: str | None
    points: Count
    times: list[Seconds]
    values: list[float | None]


class PlotRow(Record):
    """Plots that share an axis; on that of the price are the trades, too, if there are few enough to be seen."""

    title: str
    is_price: bool
    lines: list[PlotLine]
    marks: list[PositionMark]
    trades: Count


class PlotsView(Record):
    """What the strategy has plotted (``state.visualisation``) about a pair, and the pairs that there are."""

    pairs: list[str]
    pair: str | None
    rows: list[PlotRow]
    start: Seconds | None
    end: Seconds | None


class DrawingEntry(Record):
    """A chart; `needs_pair` if one is drawn for each pair."""

    name: str
    title: str
    description: str
    is_own: bool
    needs_pair: bool


class DrawingList(Record):
    """The charts that can be drawn, and the traded pairs, those with the most positions first."""

    drawings: list[DrawingEntry]
    pairs: list[str]


class LedgerLine(Record):
    """One balance of the proof, token units as text; `first_break` tells the first entry after which it is wrong."""

    name: str
    position_id: int | None
    verdict: Literal["balanced", "recovered", "mismatch", "unprovable"]
    recorded: str | None
    derived: str
    difference: str | None
    reason: str
    first_break: str
    first_break_at: Seconds | None
    first_entry: str
    causes: list[str]
    breaks: Count


class LedgerView(Record):
    """The proof that every balance is the sum of its movements, the worst balances first."""

    is_balanced: bool
    has_mismatch: bool
    entries: Count
    lines: list[LedgerLine]
    remarks: list[str]


class CauseView(Record):
    """A part of the difference of two equities, USD."""

    text: str
    usd: float
    trades: Count
    first: str


class ComparisonView(Record):
    """Two strategies side by side: figures of both, their growth, and the causes of the difference of their equity."""

    first: str
    second: str
    first_key: str
    second_key: str
    mismatch: str
    groups: list[FigureGroupView]
    other_groups: list[FigureGroupView]
    growth: list[Curve]
    causes: list[CauseView]
    first_input: str
    differing: TableView
    equal_trades: Count


#: A figure of plotly: ``data`` and ``layout``.
Drawing = Tree
