"""The versioned interface: ``/v1/{id}/...``."""

import bisect
import dataclasses
import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.database.address import parse_as_of
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.codec.json_patch import find_changes
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.errors import InvalidValue, LegacyDataException, RevisionNotFound
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.store.snapshot import Snapshot
from tradeexecutor.state.types import to_epoch
from tradeexecutor.statistics.key_metric import calculate_key_metrics
from tradeexecutor.visual.web_chart import WebChartType, render_web_chart
from tradeexecutor.web import records
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Endpoint, Parameter, Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.sources import Saved, Strategy, list_backups, read_backup
from tradeexecutor.web.summary import find_cycle_duration, make_metadata, metric_to_json

__all__ = ["ENDPOINTS", "find_save"]

_MAX_LIMIT = 1_000
_MAX_SAMPLES = 100_000

#: A save number, a date, or a time (UTC).
_AS_OF = r"^([0-9]{1,12}|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?)$"

AsOfText = Annotated[str, msgspec.Meta(pattern=_AS_OF, description="Save number, or date or time, UTC")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=_MAX_LIMIT)]
Cursor = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Time = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]
Resolution = Literal["1m", "5m", "15m", "1h", "4h", "8h", "1d", "7d", "30d"]
PositionStatus = Literal["all", "open", "frozen", "closed", "pending"]
ChartName = Literal[
    "compounding_unrealised_trading_profitability_sampled",
    "compounding_realised_profitability",
    "total_equity",
    "netflow",
    "share_price",
    "share_price_based_return",
    "realised_profitability",
]

_AT = Parameter("at", AsOfText, "The save to read, or the newest one at that time. Default: the newest.", None)
_PAGE = (
    Parameter("limit", Limit, "Largest number of entries.", 100),
    Parameter("cursor", Cursor, "Where to continue: the `cursor` of the page before.", 0),
)


# --- Time travel


def find_save(strategy: Strategy, at: str | None) -> Saved:
    """Return the newest save, or an earlier one. Reads the disk, so it is called in a thread.

    Raises
    ------
    ProblemRaised
        There is no such save.
    """
    newest = strategy.read()
    if at is None:
        return newest
    try:
        moment, _ = parse_as_of(at)
    except (InvalidValue, ValueError):
        raise ProblemRaised(400, f"at: {at} is neither the number of a save nor a time") from None
    assert moment is not None
    if not isinstance(strategy.place, Path):
        return _find_in_database(strategy, moment)
    found = [(number, when) for number, when, _ in list_backups(strategy.place)]
    paths = {number: path for number, _, path in list_backups(strategy.place)}
    if isinstance(moment, int):
        if moment == newest.snapshot.revision:
            return newest
        number = moment if moment in paths else None
    elif newest.saved_at is not None and newest.saved_at <= moment:
        return newest
    else:
        number = next((number for number, when in reversed(found) if when <= moment), None)
    if number is None:
        raise ProblemRaised(404, f"there is no save of {at}, or it is not kept any more")
    return read_backup(paths[number])


def _find_in_database(strategy: Strategy, moment: int | datetime.datetime) -> Saved:
    assert isinstance(strategy.store, SQLStateStore)
    try:
        revision, text = strategy.store.read(moment)
    except RevisionNotFound as error:
        raise ProblemRaised(404, str(error)) from None
    return Saved.of(Snapshot.make(revision.number, revision.sha256, revision.last_updated_at, (text,)))


# --- The state and its parts


def make_state(question: Question) -> Body:
    """Return the whole state, as it is stored, without the checksum header of the file."""
    return Body(dump(question.tree))


def _list_positions(question: Question, status: str) -> list[dict[str, Any]]:
    portfolio = question.tree["portfolio"]
    names = ["pending", "open", "frozen", "closed"] if status == "all" else [status]
    found = [
        {**position, "status": name}
        for name in names
        for position in (portfolio.get(f"{name}_positions") or {}).values()
    ]
    return sorted(found, key=lambda position: position["position_id"])


def _page(items: list[dict[str, Any]], key: str, question: Question) -> Body:
    start = bisect.bisect_right([item[key] for item in items], question["cursor"])
    shown = items[start : start + question["limit"]]
    is_last = start + len(shown) >= len(items)
    cursor = None if is_last or not shown else str(shown[-1][key])
    return Body(dump({"items": shown, "total": len(items), "cursor": cursor}))


def make_positions(question: Question) -> Body:
    """Return positions by id, each with its table as `status`."""
    return _page(_list_positions(question, question["status"]), "position_id", question)


def make_position(question: Question) -> Body:
    """Return one position."""
    for position in _list_positions(question, "all"):
        if position["position_id"] == question["position_id"]:
            return Body(dump(position))
    raise ProblemRaised(404, f"there is no position {question['position_id']}")


def make_trades(question: Question) -> Body:
    """Return trades by id, of all positions or of one."""
    wanted = question["position"]
    trades = [
        trade
        for position in _list_positions(question, "all")
        if wanted is None or position["position_id"] == wanted
        for trade in position["trades"].values()
    ]
    return _page(sorted(trades, key=lambda trade: trade["trade_id"]), "trade_id", question)


# --- Figures


def make_statistics(question: Question) -> Body:
    """Return the figures, adjusted for deposits, and as recorded."""
    state = question.saved.state
    now = question.saved.saved_at or utc_now()
    with share_results():
        adjusted = summarise_performance(state)
        recorded = calculate_key_metrics(state, cycle_duration=find_cycle_duration(state), now_=now)
        return encode(
            records.StatisticsAnswer(
                calculated_at=to_epoch(now),
                adjusted=to_plain(adjusted),
                recorded={metric.kind.value: metric_to_json(metric) for metric in recorded},
                long_short=question.tree["stats"].get("long_short_metrics_latest"),
            )
        )


def to_plain(value: Any) -> Any:
    """Return a record as plain data; None for numbers that JSON lacks."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, datetime.datetime):
        return to_epoch(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in cast(Iterable[Any], value)]
    return value


def make_samples(question: Question) -> Body:
    """Return the samples of the portfolio in a range of time, thinned to a resolution."""
    samples = question.saved.state.stats.portfolio
    start, end = question["start"], question["end"]
    chosen = [
        (at, sample)
        for sample in samples
        if (at := to_epoch(sample.calculated_at)) >= start and (end is None or at <= end)
    ]
    chosen.sort(key=lambda pair: pair[0])
    resolution = question["resolution"]
    if resolution is not None:
        length = TimeBucket(resolution).to_timedelta().total_seconds()
        chosen = list({at // length: (at, sample) for at, sample in chosen}.values())
    total = len(chosen)
    shown = chosen[: question["limit"]]
    return encode(
        records.Samples(samples=[_to_sample(at, sample) for at, sample in shown], total=total, resolution=resolution)
    )


def _to_sample(at: float, sample: PortfolioStatistics) -> records.Sample:
    return records.Sample(
        at=at,
        net_asset_value=sample.net_asset_value,
        total_equity=sample.total_equity,
        free_cash=sample.free_cash,
        share_price_usd=sample.share_price_usd,
        unrealised_profitability=sample.unrealised_profitability,
        open_position_count=sample.open_position_count,
    )


def make_chart(question: Question) -> Body:
    """Return a recorded series by its name, with the definition of recorded files."""
    kind = WebChartType(question["name"])
    try:
        drawn = render_web_chart(question.saved.state, kind)
    except LegacyDataException as error:
        raise ProblemRaised(422, str(error)) from None
    return encode(records.Series(name=kind.value, title=drawn.title, data=drawn.data))


def make_ledger(question: Question) -> Body:
    """Return the proof that every balance is the sum of its movements."""
    proof = prove(question.saved.state)
    return encode(
        records.LedgerAnswer(
            is_balanced=proof.is_balanced,
            has_mismatch=proof.has_mismatch,
            entries=len(proof.journal.entries),
            findings=[
                records.LedgerFinding(
                    name=finding.name,
                    asset=finding.asset,
                    position_id=finding.position_id,
                    recorded=_to_text(finding.recorded),
                    derived=str(finding.derived),
                    difference=_to_text(finding.difference),
                    verdict=finding.verdict.value,
                    reason=finding.reason,
                )
                for finding in proof.findings
            ],
            remarks=list(proof.remarks),
        )
    )


def _to_text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def make_description(question: Question) -> Body:
    """Return the description of the strategy, as `/metadata`."""
    site, strategy = question.site, question.strategy
    with share_results():
        return encode(make_metadata(strategy, question.saved, site.describe(strategy), site.statuses.get(strategy.id)))


# --- History


def make_history(question: Question) -> Body:
    """Return the saves that can be read with `at`, oldest first."""
    newest = question.saved.snapshot
    saves: list[records.SaveEntry] = []
    if isinstance(question.place, Path):
        for number, when, _ in list_backups(question.place):
            if number != newest.revision:
                saves.append(_to_save(number, when, is_newest=False))
        saves.append(_to_save(newest.revision, newest.saved_at, is_newest=True))
    else:
        saves = _list_database_saves(question)
    return encode(records.History(saves=saves[-question["limit"] :], total=len(saves)))


def _to_save(
    number: int, when: datetime.datetime | None, *, is_newest: bool, summary: str | None = None
) -> records.SaveEntry:
    at = None if when is None else to_epoch(when)
    return records.SaveEntry(revision=number, saved_at=at, is_newest=is_newest, summary=summary)


def _list_database_saves(question: Question) -> list[records.SaveEntry]:
    store = question.strategy.store
    assert isinstance(store, SQLStateStore)
    saves: list[records.SaveEntry] = []
    before = None
    history = store.history()
    for revision in history:
        text = revision.summary.describe_since(before)
        is_newest = revision.number == history[-1].number
        saves.append(_to_save(revision.number, revision.saved_at, is_newest=is_newest, summary=text))
        before = revision.summary
    return saves


def make_diff(question: Question) -> Body:
    """Return the difference between two saves as a JSON Patch, with the old values."""
    before = find_save(question.strategy, question["before"])
    after = find_save(question.strategy, question["after"])
    changes = find_changes(question.site.get_tree(before), question.site.get_tree(after))
    patch = [change.to_operation(with_old=True) for change in changes]
    return Body(dump({"before": before.key, "after": after.key, "patch": patch}))


#: Below ``/v1/{id}``.
ENDPOINTS = (
    Endpoint.of("/state", records.Tree, make_state, _AT),
    Endpoint.of(
        "/positions",
        records.Page,
        make_positions,
        Parameter("status", PositionStatus, "Table of the positions.", "all"),
        *_PAGE,
        _AT,
    ),
    Endpoint.of(
        "/positions/{position_id}",
        records.Tree,
        make_position,
        Parameter("position_id", Number, "Id of the position.", in_path=True),
        _AT,
    ),
    Endpoint.of(
        "/trades",
        records.Page,
        make_trades,
        Parameter("position", Number, "Only the trades of this position.", None),
        *_PAGE,
        _AT,
    ),
    Endpoint.of("/statistics", records.StatisticsAnswer, make_statistics, _AT),
    Endpoint.of(
        "/statistics/samples",
        records.Samples,
        make_samples,
        Parameter("start", Time, "First time, epoch seconds.", 0.0),
        Parameter("end", Time, "Last time, epoch seconds.", None),
        Parameter("resolution", Resolution, "Length of the periods; default: every sample.", None),
        Parameter(
            "limit", Annotated[int, msgspec.Meta(ge=1, le=_MAX_SAMPLES)], "Largest number of samples.", _MAX_SAMPLES
        ),
        _AT,
    ),
    Endpoint.of(
        "/charts/{name}",
        records.Series,
        make_chart,
        Parameter("name", ChartName, "Name of the series.", in_path=True),
        _AT,
        problems=(422,),
    ),
    Endpoint.of("/ledger", records.LedgerAnswer, make_ledger, _AT),
    Endpoint.of("/metadata", records.Tree, make_description, _AT, is_stable=False),
    Endpoint.of(
        "/history",
        records.History,
        make_history,
        Parameter("limit", Limit, "Largest number of saves, the newest ones.", 100),
        is_stable=False,
    ),
    Endpoint.of(
        "/diff",
        records.Difference,
        make_diff,
        Parameter("before", AsOfText, "The older save."),
        Parameter("after", AsOfText, "The newer save; default: the newest one.", None),
        is_stable=False,
    ),
)
