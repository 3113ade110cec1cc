"""What ``validate``, ``check-trades`` and ``audit`` say about a save."""

import shlex
from pathlib import Path

from tradeexecutor.operations.run_checks import run_checks
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.records import CheckResultView, CheckRunView, ChecksView

__all__ = ["check", "make_checks_view"]


def check(question: Question) -> ChecksView:
    """Run the checks."""
    saved = question.saved
    runs = run_checks(saved.snapshot.text, question.place)
    return ChecksView(
        key=saved.key,
        passed=all(run.passed for run in runs),
        runs=[
            CheckRunView(
                name=run.name,
                command=_make_command(run.name, question.place),
                passed=run.passed,
                summary=run.summary,
                results=[
                    CheckResultView(name=item.name, passed=item.passed, detail=item.detail) for item in run.results
                ],
            )
            for run in runs
        ],
    )


def _make_command(name: str, place: StateLocation) -> str:
    """Return the command that shows the same, without the folder of the file."""
    return f"tradeexecutor {name} {shlex.quote(place.name if isinstance(place, Path) else str(place))}"


def make_checks_view(question: Question) -> Body:
    """Return what `validate`, `check-trades` and `audit` say about the save, each with the verdict of its command."""
    return encode(check(question))
