"""The answers of ``/v1``; the OpenAPI document is made from these types. Times are epoch seconds, UTC."""

from typing import Any, Literal

import msgspec

Count = int
Seconds = float

#: A JSON object of the state, see docs/web-api.md.
Tree = dict[str, Any]


class Record(msgspec.Struct, kw_only=True):
    """Base of the answers."""


class StrategyEntry(Record):
    """A strategy in the list; `problem` says why its state cannot be read, and the other fields are then None."""

    id: str
    name: str | None
    kind: Literal["live", "backtest"] | None
    revision: Count | None
    key: str | None
    saved_at: Seconds | None
    bytes: Count | None
    is_running_here: bool
    problem: str | None


class StrategyList(Record):
    """All strategies that are served, by id."""

    strategies: list[StrategyEntry]


class Page(Record):
    """A page of positions or trades, by id; `cursor` is that of the next page, None on the last one."""

    items: list[Tree]
    total: Count
    cursor: str | None


class Sample(Record):
    """A sample of the portfolio, USD."""

    at: Seconds
    net_asset_value: float | None
    total_equity: float | None
    free_cash: float | None
    share_price_usd: float | None
    unrealised_profitability: float | None
    open_position_count: Count | None


class Samples(Record):
    """Samples of the portfolio, ascending; with a resolution the last one of each period."""

    samples: list[Sample]
    total: Count
    resolution: str | None


class StatisticsAnswer(Record):
    """Figures of a strategy.

    `adjusted` are those of `show-statistics`: deposits and redemptions are no profit. `recorded` has the definitions
    of recorded files and existing dashboards, by the kind of the metric.
    """

    calculated_at: Seconds
    adjusted: Tree
    recorded: Tree
    long_short: Tree | None


class Series(Record):
    """A recorded time series: pairs of epoch seconds and value, ascending."""

    name: str
    title: str
    data: list[tuple[float, float]]


class LedgerFinding(Record):
    """One balance: what is recorded, and what the sum of its movements is; token units as text."""

    name: str
    asset: str
    position_id: int | None
    recorded: str | None
    derived: str
    difference: str | None
    verdict: Literal["balanced", "recovered", "mismatch", "unprovable"]
    reason: str


class LedgerAnswer(Record):
    """The proof that every balance is the sum of its movements."""

    is_balanced: bool
    has_mismatch: bool
    entries: Count
    findings: list[LedgerFinding]
    remarks: list[str]


class SaveEntry(Record):
    """One save that can be read with `at`."""

    revision: Count
    saved_at: Seconds | None
    is_newest: bool
    summary: str | None


class History(Record):
    """The saves that are kept, oldest first."""

    saves: list[SaveEntry]
    total: Count


class Operation(msgspec.Struct, frozen=True):
    """One operation of a JSON Patch (RFC 6902), and as `old` what was there before.

    Programs that apply a patch ignore `old`, as the standard says. It is left out where nothing was there.
    """

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any = msgspec.UNSET
    old: Any = msgspec.UNSET


class Difference(Record):
    """The difference between two saves as a JSON Patch (RFC 6902)."""

    before: str
    after: str
    patch: list[Operation]


class Health(Record):
    """Whether the server answers, and can read every strategy."""

    status: Literal["ok", "degraded"]
    version: str
    strategies: Count
    unreadable: list[str]
