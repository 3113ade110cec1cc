"""Did the capital of a failed trade come back?

The fields of a trade do not say: programs of all times leave the allocation of a failed trade in place.  Some gave it
back when the trade failed, others had the cash set to the balance on the chain by the next sync, and a repair may have
given it back once more.  The balances that the file records afterwards tell.
"""

import enum
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.checkpoints import Checkpoint
from tradeexecutor.ledger.entry import AccountKind, Entry
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.explanation import STOP_KINDS, Break, CauseKind
from tradeexecutor.ledger.proof import Finding, Proof, prove
from tradeexecutor.state.state import State

__all__ = ["Refund", "RefundAnswer", "find_refund"]


class RefundAnswer(enum.StrEnum):
    """Whether the capital of a failed trade came back."""

    yes = "yes"
    no = "no"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class Refund:
    """What the file tells about the capital of one failed trade.

    Attributes
    ----------
    answer
        ``yes`` also for a trade that had set nothing aside.
    amount
        What it had set aside, token units of the account it came from.
    times
        How often it was given back; None when unknown.
    evidence
        Why, for people.
    """

    answer: RefundAnswer
    amount: Decimal
    times: int | None
    evidence: str


def find_refund(state: State, trade_id: int, proof: Proof | None = None) -> Refund:
    """Return whether the capital of a failed trade is back where it came from, by the balances of this file.

    Parameters
    ----------
    state
        Only read.
    trade_id
        A trade that failed, repaired since or not, or that was repaired without an outcome.
    proof
        Of this state; made when not given.
    """
    proof = prove(state) if proof is None else proof
    number = _find_failure(proof, trade_id)
    if number is None:
        return Refund(RefundAnswer.yes, ZERO, 0, f"trade #{trade_id} has no failure with capital set aside")
    entry = proof.journal.entries[number]
    account, amount = next((account, amount) for account, amount in entry.postings if amount > 0)
    if account.kind is AccountKind.stuck:
        return Refund(RefundAnswer.no, amount, 0, f"trade #{trade_id} is marked: its capital is stuck outside")
    finding = next((item for item in proof.findings if item.accounts == (account,)), None)
    if finding is None or finding.recorded is None:
        return Refund(RefundAnswer.unknown, amount, None, "the file does not record the balance it would go to")
    rivals = [
        other
        for other in proof.journal.entries
        if other.kind in STOP_KINDS and other is not entry and other.get_change((account,)) == amount
    ]
    return _judge(finding, entry, number, amount, rivals)


def _find_failure(proof: Proof, trade_id: int) -> int | None:
    for number, entry in enumerate(proof.journal.entries):
        if entry.trade_id == trade_id and entry.kind in STOP_KINDS:
            return number
    return None


def _judge(finding: Finding, entry: Entry, number: int, amount: Decimal, rivals: list[Entry]) -> Refund:
    trade_id = entry.trade_id
    checkpoints = finding.checkpoints
    if not finding.is_opening_known and checkpoints[0].place > number:
        evidence = f"the file does not record the {finding.name} before the failure"
        return Refund(RefundAnswer.unknown, amount, None, evidence)
    repairs = [item for item in finding.breaks if _names(item, CauseKind.refund_repeated, trade_id)]
    index = next(
        (index for index, item in enumerate(finding.breaks) if item.jump.first <= number < item.jump.end), None
    )
    covering = None if index is None else finding.breaks[index]
    # Trades with the same capital that failed between the same balances cannot be told apart.
    is_certain = covering is None or not any(_is_between(covering, other) for other in rivals)
    is_missing = covering is not None and _names(covering, CauseKind.refund_missing, trade_id)
    if covering is None or index is None or (covering.is_explained and is_certain and not is_missing):
        after = covering.jump.after if covering else next(item for item in checkpoints if item.place > number)
        evidence = f"{_describe(after)} contains it"
        if repairs:
            evidence += ", and it was given back once more"
        return Refund(RefundAnswer.yes, amount, 1 + len(repairs), evidence)
    lacking = f"{_describe(covering.jump.after)} lacks it"
    later = finding.breaks[index + 1 :]
    settled = next((item for item in later if item.jump.is_recovery), None)
    if settled is not None:
        evidence = f"{lacking}, {_describe(settled.jump.after)} contains it"
        again = [item for item in later[later.index(settled) + 1 :] if item in repairs]
        return Refund(RefundAnswer.yes, amount, 1 + len(again), evidence)
    if is_missing and is_certain:
        if repairs:
            return Refund(RefundAnswer.yes, amount, len(repairs), f"{lacking}, the repair gave it back")
        return Refund(RefundAnswer.no, amount, 0, f"{lacking}, and nothing gave it back since")
    evidence = f"from {_describe(covering.jump.after)} on, the {finding.name} differs for other reasons, too"
    return Refund(RefundAnswer.unknown, amount, None, evidence)


def _names(item: Break, kind: CauseKind, trade_id: int | None) -> bool:
    return any(cause.kind is kind and cause.trade_id == trade_id for cause in item.causes)


def _is_between(item: Break, entry: Entry) -> bool:
    start = item.jump.before.time if item.jump.before is not None else None
    end = item.jump.after.time
    return (start is None or entry.time >= start) and (end is None or entry.time <= end)


def _describe(checkpoint: Checkpoint) -> str:
    if checkpoint.time is None:
        return checkpoint.source
    return f"the {checkpoint.source} of {checkpoint.time:%Y-%m-%d %H:%M:%S}"
