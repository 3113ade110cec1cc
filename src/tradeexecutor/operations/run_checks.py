"""The three checks of a stored state at once: ``validate``, ``check-trades`` and ``audit``.

Each has the verdict of its command, and as findings what the command would print. Nothing is changed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.ledger.proof import Finding, Proof, Verdict, prove
from tradeexecutor.operations.prune import restore_in_memory
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.operations.validate import Validation, validate_text
from tradeexecutor.state.repair.issues import Issue, find_issues

__all__ = ["CheckRun", "Result", "run_checks", "summarise_runs"]


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was checked.

    Attributes
    ----------
    name
        What was checked.
    passed
        Whether it is as it should be.
    detail
        Description of what was found, good or bad.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    """The outcome of one command.

    Attributes
    ----------
    name
        ``validate``, ``check-trades`` or ``audit``.
    passed
        Whether its exit code would be 0.
    summary
        The outcome in a few words.
    results
        What was found; of passed balances only their number.
    """

    name: str
    passed: bool
    summary: str
    results: Sequence[Result]


def run_checks(text: bytes, place: StateLocation) -> list[CheckRun]:
    """Return the outcomes of all checks of one save.

    Parameters
    ----------
    text
        The save, with the checksum header of a file if it has one.
    place
        Where it is stored; archives of pruned details are beside it.
    """
    validation, state = validate_text(text, place)
    runs = [_describe_validation(validation, place)]
    if state is None:
        return runs  # the first check says why it cannot be read
    runs.append(_describe_issues(find_issues(state)))
    lack = restore_in_memory(state, place)
    runs.append(_describe_proof(prove(state), lack, place))
    return runs


def summarise_runs(runs: Sequence[CheckRun]) -> str:
    """Return the outcomes in one line, e.g. ``validate: 6 checks passed; check-trades: nothing to do; ...``."""
    return "; ".join(f"{run.name}: {run.summary}" for run in runs)


def _shorten(text: str, place: StateLocation) -> str:
    """Return a text without the folder of the file, which is nobody's business."""
    return text.replace(f"{place.absolute().parent}/", "") if isinstance(place, Path) else text


def _describe_validation(validation: Validation, place: StateLocation) -> CheckRun:
    failed = sum(not check.passed for check in validation.checks)
    count = len(validation.checks)
    return CheckRun(
        "validate",
        validation.passed,
        f"{failed} of {count} checks failed" if failed else f"{count} checks passed",
        [Result(check.name, check.passed, _shorten(check.detail, place)) for check in validation.checks],
    )


def _describe_issues(issues: Sequence[Issue]) -> CheckRun:
    return CheckRun(
        "check-trades",
        not issues,
        f"{len(issues)} to look at" if issues else "nothing to look at",
        [Result(f"{issue.kind.value}: {_name(issue)}", False, issue.reason) for issue in issues],
    )


def _name(issue: Issue) -> str:
    if issue.trade_id is not None:
        return f"trade #{issue.trade_id} {issue.ticker}"
    return f"{issue.ticker} cash" if issue.position_id is None else f"position #{issue.position_id} {issue.ticker}"


def _describe_proof(proof: Proof, lack: str, place: StateLocation) -> CheckRun:
    verdicts = Counter(finding.verdict for finding in proof.findings)
    bad = [
        Result(finding.name, finding.verdict is not Verdict.mismatch, _describe_finding(finding))
        for finding in proof.findings
        if finding.verdict in (Verdict.mismatch, Verdict.unprovable)
    ]
    bad += [Result(item.what, False, str(item)) for item in proof.impossible]
    good = [
        Result("1 balance" if verdicts[verdict] == 1 else f"{verdicts[verdict]:,} balances", True, verdict.label)
        for verdict in (Verdict.balanced, Verdict.recovered)
        if verdicts[verdict]
    ]
    remarks = [Result("remark", True, _shorten(text, place)) for text in (*proof.remarks, lack) if text]
    counts = ", ".join(f"{verdicts[verdict]:,} {verdict.label}" for verdict in Verdict if verdicts[verdict])
    return CheckRun(
        "audit",
        not (proof.has_mismatch or proof.impossible),
        counts or "no balance is recorded",
        [*bad, *good, *remarks],
    )


def _describe_finding(finding: Finding) -> str:
    sums = f"{finding.recorded} are recorded, the movements make {finding.derived}"
    return f"{finding.verdict.label}: {finding.reason or sums}"
