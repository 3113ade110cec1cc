"""The proof of the ledger for people: each balance, and the first entry after which its movements do not make it."""

from decimal import Decimal

from tradeexecutor.ledger.proof import Finding, Proof, Verdict, prove
from tradeexecutor.state.display.formatting import format_time
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.overview import to_seconds
from tradeexecutor.web.views.records import LedgerLine, LedgerView

__all__ = ["make_ledger_view", "prove_ledger"]

_ORDER = (Verdict.mismatch, Verdict.unprovable, Verdict.recovered, Verdict.balanced)

#: Largest number of causes that are named of one balance.
_MAX_CAUSES = 5


def make_ledger_view(question: Question) -> Body:
    """Return the proof of the ledger, and for each wrong balance the first entry after which it is wrong."""
    return encode(prove_ledger(question))


def prove_ledger(question: Question) -> LedgerView:
    """Prove every balance; the worst come first."""
    proof = prove(question.saved.state)
    findings = sorted(proof.findings, key=lambda finding: _ORDER.index(finding.verdict))
    return LedgerView(
        is_balanced=proof.is_balanced,
        has_mismatch=proof.has_mismatch,
        entries=len(proof.journal.entries),
        lines=[_to_line(proof, finding) for finding in findings],
        remarks=list(proof.remarks),
    )


def _to_line(proof: Proof, finding: Finding) -> LedgerLine:
    first = finding.first_break
    at = None if first is None else first.change.after.time
    entry = None if first is None or first.first_entry is None else proof.journal.entries[first.first_entry]
    causes = [] if first is None else list(dict.fromkeys(cause.text for cause in first.causes))
    return LedgerLine(
        name=finding.name,
        position_id=finding.position_id,
        verdict=finding.verdict.value,
        recorded=_to_text(finding.recorded),
        derived=_to_text(finding.derived) or "",
        difference=_to_text(finding.difference),
        reason=finding.reason,
        first_break="" if at is None else format_time(at, seconds=True),
        first_break_at=to_seconds(at),
        first_entry="" if entry is None else f"{format_time(entry.time, seconds=True)}: {entry.description}",
        causes=causes[:_MAX_CAUSES],
        breaks=len(finding.breaks),
    )


def _to_text(amount: Decimal | None) -> str | None:
    """Return an amount with all its digits, without zeros that say nothing."""
    if amount is None:
        return None
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
