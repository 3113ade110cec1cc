"""A list of the problems of a state: failures, damage and doubtful numbers."""

import datetime
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tradeexecutor.ledger.proof import Finding, Proof, Verdict
from tradeexecutor.report.jumps import Jump
from tradeexecutor.state.checks import Check
from tradeexecutor.state.display.formatting import format_quantity, format_time, format_usd
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Problem", "Severity", "find_problems"]


class Severity(enum.StrEnum):
    """Severity of a problem."""

    #: Money is missing or stuck, or the file contradicts itself.
    error = "error"
    #: Something failed or is doubtful.
    warning = "warning"
    #: A problem that was repaired, or a remark.
    note = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes
    ----------
    severity
        Severity of the problem.
    topic
        Kind of problem, one or two words.
    subject
        Object with the problem, e.g. ``trade #12``.
    at
        Time of the problem, naive UTC; None if it has no time.
    text
        Description.
    """

    severity: Severity
    topic: str
    subject: str
    at: datetime.datetime | None
    text: str


def find_problems(state: State, checks: Sequence[Check], proof: Proof, jumps: Sequence[Jump]) -> list[Problem]:
    """Return all problems, sorted by severity, then by time, the latest first.

    Parameters
    ----------
    state
        The state, which is not changed.
    checks
        Outcome of the checks of the file.
    proof
        Proof of the ledger of this state.
    jumps
        Doubtful changes of the equity, see `find_unexplained_jumps`.
    """
    found = [
        *(
            Problem(Severity.error, "check failed", check.name, None, check.detail)
            for check in checks
            if not check.passed
        ),
        *_find_in_proof(proof),
        *_find_in_positions(state),
        *_find_in_samples(jumps),
    ]
    order = list(Severity)
    return sorted(found, key=lambda item: (order.index(item.severity), -_to_seconds(item.at)))


def _to_seconds(when: datetime.datetime | None) -> float:
    return float("inf") if when is None else (when - datetime.datetime(1970, 1, 1)).total_seconds()


def _find_in_proof(proof: Proof) -> Iterator[Problem]:
    severities = {
        Verdict.mismatch: Severity.error,
        Verdict.unprovable: Severity.warning,
        Verdict.recovered: Severity.note,
    }
    for finding in proof.findings:
        severity = severities.get(finding.verdict)
        if severity is not None:
            first = finding.first_break
            at = None if first is None or first.change.after.time is None else first.change.after.time
            yield Problem(severity, finding.verdict.label, finding.name, at, _describe_finding(proof, finding))
    for item in proof.conservation:
        if not item.is_conserved and item.difference is not None:
            text = (
                f"{format_quantity(item.recorded)} {item.symbol} are recorded, what came in makes "
                f"{format_quantity(item.derived)}"
            )
            yield Problem(Severity.error, "not conserved", item.symbol, None, text)


def _describe_finding(proof: Proof, finding: Finding) -> str:
    parts: list[str] = []
    symbol = proof.journal.get_symbol(finding.asset)
    if finding.verdict is Verdict.mismatch and finding.difference:
        parts.append(
            f"{format_quantity(finding.recorded)} {symbol} are recorded, the movements make "
            f"{format_quantity(finding.derived)}"
        )
    if finding.reason:
        parts.append(finding.reason)
    first = finding.first_break
    if first is not None:
        causes = list(dict.fromkeys(cause.text for cause in first.causes))
        parts += causes[:3]
        if len(finding.breaks) > 1:
            parts.append(f"and {len(finding.breaks) - 1} more differences")
    return "; ".join(parts) or "the file does not say enough"


def _find_in_positions(state: State) -> Iterator[Problem]:
    portfolio = state.portfolio
    for position in portfolio.frozen_positions.values():
        yield _make_frozen(position)
    for table in portfolio.get_position_tables():
        for position in table.values():
            for trade in position.trades.values():
                if trade.executed_at is None or trade.failed_at is not None or trade.repaired_at is not None:
                    yield from _find_in_trade(position, trade)


def _make_frozen(position: TradingPosition) -> Problem:
    text = f"{position.pair.get_ticker()} is frozen: it is not traded until it has been repaired"
    return Problem(Severity.error, "frozen", f"position #{position.position_id}", position.frozen_at, text)


def _find_in_trade(position: TradingPosition, trade: TradeExecution) -> Iterator[Problem]:
    subject = f"trade #{trade.trade_id}"
    what = f"{'buy' if trade.is_buy() else 'sell'} {trade.pair.get_ticker()} of position #{position.position_id}"
    if trade.is_repaired():
        text = f"{what}: {_get_reason(trade)}; repaired {format_time(trade.repaired_at)}"
        yield Problem(Severity.note, "repaired", subject, trade.failed_at or trade.repaired_at, text)
    elif trade.is_failed():
        yield Problem(Severity.warning, "failed", subject, trade.failed_at, f"{what}: {_get_reason(trade)}")
    elif trade.is_unfinished():
        text = f"{what}: {trade.get_status().value} since {format_time(trade.started_at)}, outcome not recorded"
        yield Problem(Severity.warning, "in flight", subject, trade.started_at, text)


def _get_reason(trade: TradeExecution) -> str:
    reason = trade.get_revert_reason()
    return " ".join(reason.split()) if reason else "no reason is recorded"


def _find_in_samples(jumps: Iterable[Jump]) -> Iterator[Problem]:
    for jump in jumps:
        change = f"from {format_usd(jump.before)} to {format_usd(jump.after)} USD"
        flow = f", recorded deposits {format_usd(jump.flow)} USD" if jump.flow else " without a recorded deposit"
        yield Problem(
            Severity.warning,
            "doubtful equity",
            "sample",
            jump.at,
            f"the net asset value jumps {change}{flow}: money moved without a record, an unvalued position, or a wrong "
            "price; return and risk figures count it as profit or loss",
        )
