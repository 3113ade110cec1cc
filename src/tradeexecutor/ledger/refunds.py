"""Find out whether the capital of a failed trade came back.

The fields of a trade do not contain the answer: all versions of the program leave the allocation of a failed trade in
place. Some gave the capital back when the trade failed, others relied on the next sync to set the cash to the balance
on the chain, and a repair may have given it back a second time. The answer follows from the balances that the file has
recorded after the failure.
"""

import enum
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.checkpoints import Checkpoint
from tradeexecutor.ledger.entry import Account, AccountKind, Entry
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.explanation import RELEASE_KINDS, Break, CauseKind
from tradeexecutor.ledger.proof import Finding, Proof, prove
from tradeexecutor.state.state import State

__all__ = ["Refund", "RefundAnswer", "RefundReason", "find_refund"]


class RefundAnswer(enum.StrEnum):
    """Whether the capital of a failed trade came back."""

    yes = "yes"
    no = "no"
    unknown = "unknown"


class RefundReason(enum.Enum):
    """Reason of an answer; the first part of the value is the answer."""

    #: The trade has no failure with capital set aside.
    nothing_set_aside = RefundAnswer.yes, 1
    #: The next recorded balance contains the capital.
    contained = RefundAnswer.yes, 2
    #: The next recorded balance lacks the capital, a later one contains it.
    contained_later = RefundAnswer.yes, 3
    #: The recorded balances lack the capital until a repair gave it back.
    given_back_by_repair = RefundAnswer.yes, 4
    #: The trade is marked: its capital is stuck outside.
    stuck_outside = RefundAnswer.no, 5
    #: The recorded balances lack the capital, and nothing gave it back.
    missing = RefundAnswer.no, 6
    #: The balance to which it belongs is not recorded, or not before the failure.
    not_recorded = RefundAnswer.unknown, 7
    not_recorded_before = RefundAnswer.unknown, 8
    #: The balances differ for other reasons as well, or other trades had the same capital at that time.
    other_differences = RefundAnswer.unknown, 9

    @property
    def answer(self) -> RefundAnswer:
        """Whether the capital came back."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Refund:
    """The answer for the capital of one failed trade.

    Attributes
    ----------
    reason
        Reason of the answer.
    amount
        Capital that the trade had set aside, token units of the asset of the account it came from.
    times
        Number of times that it was given back; None when unknown.
    evidence
        The reason in words.
    """

    reason: RefundReason
    amount: Decimal
    times: int | None
    evidence: str

    @property
    def answer(self) -> RefundAnswer:
        """Whether the capital came back; also ``yes`` for a trade that had set nothing aside."""
        return self.reason.answer


def find_refund(state: State, trade_id: int, proof: Proof | None = None) -> Refund:
    """Return whether the recorded balances show that the capital of a failed trade is back in its account.

    Parameters
    ----------
    state
        Only read.
    trade_id
        Id of a trade that failed (whether it was repaired later or not), or that was repaired without an outcome.
    proof
        The proof of this state; it is made when not given.
    """
    proof = prove(state) if proof is None else proof
    failure = _find_failure(proof, trade_id)
    if failure is None:
        text = f"trade #{trade_id} has no failure with capital set aside"
        return Refund(RefundReason.nothing_set_aside, ZERO, 0, text)
    amount = failure.amount
    if failure.account.kind is AccountKind.stuck:
        text = f"trade #{trade_id} is marked: its capital is stuck outside"
        return Refund(RefundReason.stuck_outside, amount, 0, text)
    finding = next((item for item in proof.findings if item.accounts == (failure.account,)), None)
    if finding is None or finding.recorded is None:
        text = "the file does not record the balance it would go to"
        return Refund(RefundReason.not_recorded, amount, None, text)
    judgement = _judge(finding, failure)
    return Refund(judgement.reason, amount, judgement.times, _describe(judgement, finding))


# --- The verdict


@dataclass(frozen=True, slots=True)
class _Failure:
    """The entry that gives the capital of a failed trade back.

    Attributes
    ----------
    number, entry
        Its number in the journal, and the entry.
    account, amount
        Account to which the capital should go, and the amount, token units.
    rivals
        Numbers of entries of other failures that give the same amount to the same account.
    """

    number: int
    entry: Entry
    account: Account
    amount: Decimal
    rivals: list[Entry]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """An answer without its sentences.

    Attributes
    ----------
    lacking
        The recorded balance that does not contain the capital, or differs for other reasons; None if there is none.
    containing
        The recorded balance that contains it; None if there is none.
    """

    reason: RefundReason
    times: int | None
    lacking: Checkpoint | None = None
    containing: Checkpoint | None = None


def _find_failure(proof: Proof, trade_id: int) -> _Failure | None:
    entries = proof.journal.entries
    for number, entry in enumerate(entries):
        if entry.trade_id == trade_id and entry.kind in RELEASE_KINDS:
            account, amount = next((account, amount) for account, amount in entry.postings if amount > 0)
            rivals = [
                other
                for other in entries
                if other.kind in RELEASE_KINDS and other is not entry and other.get_change((account,)) == amount
            ]
            return _Failure(number, entry, account, amount, rivals)
    return None


def _judge(finding: Finding, failure: _Failure) -> _Judgement:
    """Return the answer that follows from the recorded values of the balance to which the capital should go."""
    number, trade_id = failure.number, failure.entry.trade_id
    checkpoints, breaks = finding.checkpoints, finding.breaks
    if not finding.is_opening_known and checkpoints[0].place > number:
        return _Judgement(RefundReason.not_recorded_before, None)
    repairs = [item for item in breaks if _names(item, CauseKind.refund_repeated, trade_id)]
    index = next((at for at, item in enumerate(breaks) if item.change.first <= number < item.change.end), None)
    if index is None:
        after = next(item for item in checkpoints if item.place > number)
        return _Judgement(RefundReason.contained, 1 + len(repairs), containing=after)
    covering, later = breaks[index], breaks[index + 1 :]
    after = covering.change.after
    # Trades with the same capital that failed between the same two balances cannot be distinguished.
    is_certain = not any(_is_between(covering, other) for other in failure.rivals)
    is_missing = _names(covering, CauseKind.refund_missing, trade_id)
    if covering.is_explained and is_certain and not is_missing:
        return _Judgement(RefundReason.contained, 1 + len(repairs), containing=after)
    recovery = next((at for at, item in enumerate(later) if item.change.is_recovery), None)
    if recovery is not None:
        again = [item for item in later[recovery + 1 :] if item in repairs]
        containing = later[recovery].change.after
        return _Judgement(RefundReason.contained_later, 1 + len(again), after, containing)
    if not (is_missing and is_certain):
        return _Judgement(RefundReason.other_differences, None, after)
    if repairs:
        return _Judgement(RefundReason.given_back_by_repair, len(repairs), after)
    return _Judgement(RefundReason.missing, 0, after)


def _names(item: Break, kind: CauseKind, trade_id: int | None) -> bool:
    return any(cause.kind is kind and cause.trade_id == trade_id for cause in item.causes)


def _is_between(item: Break, entry: Entry) -> bool:
    start = item.change.before.time if item.change.before is not None else None
    end = item.change.after.time
    return (start is None or entry.time >= start) and (end is None or entry.time <= end)


# --- Its sentences


def _describe(judgement: _Judgement, finding: Finding) -> str:
    lacking, containing = _name(judgement.lacking), _name(judgement.containing)
    match judgement.reason:
        case RefundReason.not_recorded_before:
            return f"the file does not record the {finding.name} before the failure"
        case RefundReason.contained:
            repeated = ", and it was given back once more" if (judgement.times or 0) > 1 else ""
            return f"{containing} contains it{repeated}"
        case RefundReason.contained_later:
            return f"{lacking} lacks it, {containing} contains it"
        case RefundReason.given_back_by_repair:
            return f"{lacking} lacks it, the repair gave it back"
        case RefundReason.missing:
            return f"{lacking} lacks it, and nothing gave it back since"
        case _:
            return f"from {lacking} on, the {finding.name} differs for other reasons, too"


def _name(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return ""
    if checkpoint.time is None:
        return checkpoint.source
    return f"the {checkpoint.source} of {checkpoint.time:%Y-%m-%d %H:%M:%S}"
