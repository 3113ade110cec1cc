"""What needs attention: issues with the command that mends them, and problems of the file, its ledger and samples."""

import shlex
from pathlib import Path

from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.report.jumps import find_unexplained_jumps
from tradeexecutor.report.problems import Problem, find_problems
from tradeexecutor.state.checks import check_state
from tradeexecutor.state.repair.issues import FILE, Issue, find_issues
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.overview import to_seconds
from tradeexecutor.web.views.records import Attention, AttentionItem

__all__ = ["find_attention", "make_attention_view"]

_LEVELS = ("blocking", "error", "warning", "note")

#: Problems of a trade or position that an issue describes better, with a command.
_COVERED = frozenset({"failed", "in flight", "frozen"})


def make_attention_view(question: Question) -> Body:
    """Return what needs attention, the worst first, with the command that mends it."""
    return encode(find_attention(question))


def find_attention(question: Question) -> Attention:
    """Find the issues, and the problems of the file, its ledger and samples; the worst come first."""
    state = question.saved.state
    with share_results():
        proof = prove(state)
        problems = find_problems(
            state, check_state(state), proof, find_unexplained_jumps(state, read_equity_curve(state))
        )
    issues = find_issues(state)
    items = [_from_issue(issue, question.place) for issue in issues]
    named = {f"trade #{issue.trade_id}" for issue in issues} | {f"position #{issue.position_id}" for issue in issues}
    items += [
        _from_problem(problem, question.place)
        for problem in problems
        if not (problem.topic in _COVERED and problem.subject in named)
    ]
    items.sort(key=lambda item: (_LEVELS.index(item.level), -(item.at or 0)))
    return Attention(items=items, is_balanced=proof.is_balanced, entries=len(proof.journal.entries))


def _from_issue(issue: Issue, place: StateLocation) -> AttentionItem:
    subject = f"position #{issue.position_id}" if issue.trade_id is None else f"trade #{issue.trade_id}"
    if issue.position_id is None and issue.trade_id is None:
        subject = "cash"
    return AttentionItem(
        level="blocking" if issue.is_blocking else "error",
        kind=issue.kind.value,
        subject=f"{subject} {issue.ticker}",
        position_id=issue.position_id,
        trade_id=issue.trade_id,
        at=to_seconds(issue.since),
        text=issue.reason,
        advice=_fill_in(issue.advice, place),
        command=_fill_in(issue.command, place),
    )


def _from_problem(problem: Problem, place: StateLocation) -> AttentionItem:
    kind, _, number = problem.subject.partition(" #")
    is_number = number.isdigit()
    return AttentionItem(
        level=problem.severity.value,
        kind=problem.topic,
        subject=problem.subject,
        position_id=int(number) if kind == "position" and is_number else None,
        trade_id=int(number) if kind == "trade" and is_number else None,
        at=to_seconds(problem.at),
        text=problem.text,
        advice="",
        command=_fill_in(_COMMANDS.get(problem.topic, ""), place),
    )


#: What shows more about a problem, or mends it.
_COMMANDS = {
    "check failed": f"tradeexecutor validate {FILE}",
    "does not balance": f"tradeexecutor audit {FILE}",
    "cannot be proven": f"tradeexecutor audit {FILE}",
    "not conserved": f"tradeexecutor audit {FILE}",
    "doubtful equity": f"tradeexecutor correct-history {FILE} --dry-run",
}


def _fill_in(text: str, place: StateLocation) -> str:
    """Return a text with the name of the file; where its folder is on this machine is nobody's business."""
    return text.replace(FILE, shlex.quote(place.name if isinstance(place, Path) else str(place)))
