"""What ``validate``, ``check-trades`` and ``audit`` say about a save."""

from tradeexecutor.operations.run_checks import run_checks
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
                command=run.command,
                passed=run.passed,
                summary=run.summary,
                results=[
                    CheckResultView(name=item.name, passed=item.passed, detail=item.detail) for item in run.results
                ],
            )
            for run in runs
        ],
    )


def make_checks_view(question: Question) -> Body:
    """Return what `validate`, `check-trades` and `audit` say about the save, each with the verdict of its command."""
    return encode(check(question))
