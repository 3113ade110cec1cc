"""The proof: it checks for every recorded balance whether it is the sum of its recorded movements.

Token amounts must agree exactly, apart from the rounding of sums to 28 digits (`tradeexecutor.ledger.exact`). No
balancing entry is ever made up: a difference is reported as it is, and its possible causes are reported beside it.
"""

import enum
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.checkpoints import Checkpoint
from tradeexecutor.ledger.entry import Account, AccountKind, Entry
from tradeexecutor.ledger.exact import ZERO, exact_arithmetic, is_snapped_to_zero, write_amount
from tradeexecutor.ledger.explanation import Break, Explainer
from tradeexecutor.ledger.journal import Journal, derive, list_positions
from tradeexecutor.ledger.recorded import Recorded, list_recorded
from tradeexecutor.ledger.timeline import Timeline
from tradeexecutor.ledger.trades import is_counter_trade
from tradeexecutor.ledger.unexplained import UnexplainedCash, find_unexplained_cash
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.state.impossible_balances import ImpossibleBalance, find_impossible_balances

__all__ = ["Conservation", "Finding", "Proof", "Verdict", "prove"]


class Verdict(enum.StrEnum):
    """Result of the proof for one balance."""

    #: The balance, and each earlier recorded value of it, is the sum of its movements.
    balanced = "balanced"
    #: The balance is the sum of its movements, but some earlier recorded values are not.
    recovered = "recovered"
    #: The balance is not the sum of its movements.
    mismatch = "mismatch"
    #: The file does not contain enough to decide.
    unprovable = "unprovable"

    @property
    def label(self) -> str:
        """The verdict in words; it follows the name of the balance in a sentence."""
        return _LABELS[self]


_LABELS = {
    Verdict.balanced: "balanced",
    Verdict.recovered: "balanced at the end",
    Verdict.mismatch: "does not balance",
    Verdict.unprovable: "cannot be proven",
}


@dataclass(slots=True)
class Finding:
    """Result of the proof for one recorded balance.

    Attributes
    ----------
    name, asset, position_id
        Name, asset identifier and position of the balance; see `Recorded`.
    accounts
        Accounts of the journal whose sum it was compared with.
    derived, recorded, difference
        Token units; the difference is recorded less derived. `recorded` and `difference` are None when the file does
        not contain the figure.
    limit
        The largest difference that counts as rounding, token units.
    verdict, reason
        Result, and why it is not ``balanced``; the reason is empty when the breaks contain it.
    breaks
        Where the difference between recorded and derived balance changed, in order.
    remarks
        Oddities that are not a difference, in words.
    is_owned
        Whether the figure is part of what the strategy owns; see `Recorded`.
    is_opening_known
        Whether the file contains the opening balance.
    checkpoints
        The earlier values of the figure and the present one, in order.
    """

    name: str
    asset: str
    position_id: int | None
    accounts: tuple[Account, ...]
    derived: Decimal
    recorded: Decimal | None
    difference: Decimal | None
    limit: Decimal
    verdict: Verdict
    reason: str = ""
    breaks: list[Break] = field(default_factory=list[Break])
    remarks: list[str] = field(default_factory=list[str])
    is_owned: bool = True
    is_opening_known: bool = True
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])

    @property
    def first_break(self) -> Break | None:
        """The break since which the balances do not agree; the first one when they agree now; None without breaks."""
        last_good = 0
        for number, item in enumerate(self.breaks):
            if item.change.is_recovery:
                last_good = number + 1
        if last_good < len(self.breaks):
            return self.breaks[last_good]
        return self.breaks[0] if self.breaks else None


@dataclass(slots=True)
class Conservation:
    """Comparison of the amount of an asset that came in with the amount that is there, over the whole state.

    Attributes
    ----------
    asset, symbol
        Identifier and ticker.
    came_in
        Amounts by kind of counter account, token units; positive for what came in.
    derived, recorded
        Amount owned according to the journal and according to the state, token units; debts are negative. Each entry
        balances, so `derived` is always the sum of `came_in`. `recorded` is None when a figure is missing.
    limit
        The largest difference that counts as rounding, token units.
    """

    asset: str
    symbol: str
    came_in: dict[AccountKind, Decimal]
    derived: Decimal
    recorded: Decimal | None
    limit: Decimal

    @property
    def difference(self) -> Decimal | None:
        """Recorded less derived amount, token units; None when a figure is missing."""
        if self.recorded is None:
            return None
        with exact_arithmetic():
            return self.recorded - self.derived

    @property
    def is_conserved(self) -> bool:
        """Whether the difference is known and within `limit`."""
        difference = self.difference
        return difference is not None and abs(difference) <= self.limit


@dataclass(slots=True)
class Proof:
    """Result of `prove`."""

    journal: Journal
    findings: list[Finding]
    conservation: list[Conservation]
    #: Remarks about the file as a whole, such as missing trade numbers.
    remarks: list[str] = field(default_factory=list[str])
    #: Trades whose cash differs from price times amount; no balance is wrong because of this.
    unexplained_cash: list[UnexplainedCash] = field(default_factory=list[UnexplainedCash])
    #: Balances below zero, which may nevertheless be the sum of their movements.
    impossible: list[ImpossibleBalance] = field(default_factory=list[ImpossibleBalance])

    @property
    def is_balanced(self) -> bool:
        """Whether every balance is proven to be the sum of its movements."""
        return all(item.verdict in (Verdict.balanced, Verdict.recovered) for item in self.findings)

    @property
    def has_mismatch(self) -> bool:
        """Whether at least one balance is not the sum of its movements."""
        return any(item.verdict is Verdict.mismatch for item in self.findings)

    def get_findings(self, verdict: Verdict) -> list[Finding]:
        """Return the findings that have this verdict."""
        return [item for item in self.findings if item.verdict is verdict]

    def get_first_entry(self) -> Entry | None:
        """Return the first entry after which some balance does not add up; None when all do."""
        numbers = [
            item.first_break.first_entry
            for item in self.get_findings(Verdict.mismatch)
            if item.first_break is not None and item.first_break.first_entry is not None
        ]
        return self.journal.entries[min(numbers)] if numbers else None


def prove(state: State, journal: Journal | None = None) -> Proof:
    """Compare every recorded balance of a state with the sum of its recorded movements.

    Parameters
    ----------
    state
        Only read.
    journal
        The journal of this state; it is derived when not given.
    """
    with pause_garbage_collection():
        journal = derive(state) if journal is None else journal
        prover = _Prover(state, journal)
        balances = list_recorded(state, journal)
        with exact_arithmetic():
            findings = [prover.judge(recorded) for recorded in balances]
        return Proof(
            journal,
            findings,
            _sum_up(journal, findings),
            prover.get_remarks(),
            find_unexplained_cash(state),
            find_impossible_balances(state),
        )


_OF_HOLDING = {AccountKind.holding}
_BALANCED = Verdict.balanced  # reading a member from its enum class is slow in Python 3.11


class _Prover:
    def __init__(self, state: State, journal: Journal):
        self.state = state
        self.journal = journal
        self.positions = {position.position_id: position for position in list_positions(state)}
        self.missing_trades, self.missing_events = _find_missing_numbers(state, self.positions)
        self._explainer: Explainer | None = None

    @property
    def explainer(self) -> Explainer:
        """The explainer of this state, created when the first difference is found."""
        if self._explainer is None:
            self._explainer = Explainer(self.state, self.journal)
        return self._explainer

    def get_remarks(self) -> list[str]:
        """Return the remarks about the file as a whole."""
        remarks: list[str] = []
        if self.missing_trades:
            remarks.append(f"the file lacks {_list_numbers('trade', self.missing_trades)}")
        if self.missing_events:
            remarks.append(f"the file lacks {_list_numbers('balance update', self.missing_events)}")
        return remarks

    def judge(self, recorded: Recorded) -> Finding:
        """Return the finding about one balance. Arithmetic has to be exact meanwhile."""
        timeline = Timeline(self.journal, recorded)
        derived, limit = timeline.derived, timeline.limit
        finding = Finding(
            recorded.name, recorded.asset, recorded.position_id, recorded.accounts, derived, recorded.amount, None,
            limit, _BALANCED, is_owned=recorded.is_owned, is_opening_known=recorded.is_opening_known,
            checkpoints=list(timeline.checkpoints),
        )  # fmt: skip
        difference = timeline.difference
        if recorded.amount is None or difference is None:
            finding.verdict = Verdict.unprovable
            finding.reason = "the file has no such figure"
            return finding
        finding.difference = difference
        changes = timeline.find_changes()
        since = 0
        for change in changes:
            finding.breaks.append(self.explainer.explain(timeline, change, since))
            since = change.end
        if abs(difference) > limit and not is_snapped_to_zero(recorded.amount, derived):
            self._judge_difference(finding)
        elif changes:
            finding.verdict = Verdict.recovered
        position = self.positions.get(recorded.position_id or 0)
        if position is not None:
            self._judge_position(finding, recorded, timeline, position)
        return finding

    @staticmethod
    def _judge_difference(finding: Finding) -> None:
        finding.verdict = Verdict.mismatch
        if finding.is_opening_known:
            return
        first = finding.checkpoints[0]
        when = "" if first.time is None else f" of {first.time:%Y-%m-%d %H:%M:%S}"
        finding.reason = (
            "the history begins with a balance that nothing records "
            f"({first.source}{when}: {write_amount(first.amount)}); "
            "the file has neither a first deposit nor an event that found nothing there"
        )
        if not finding.breaks:
            finding.verdict = Verdict.unprovable
            finding.reason += (
                "; from there on everything adds up"
                if len(finding.checkpoints) > 1
                else "; there is no earlier balance to compare with"
            )

    def _judge_position(
        self, finding: Finding, recorded: Recorded, timeline: Timeline, position: TradingPosition
    ) -> None:
        problem = ""
        kinds = {account.kind for account in recorded.accounts}
        if kinds == _OF_HOLDING:
            problem = self._find_holding_problem(timeline, position)
            if not problem and finding.verdict is _BALANCED:  # nearly always
                return
        elif kinds == {AccountKind.collateral} or kinds == {AccountKind.debt}:
            problem = self._check_loan_dust(finding, recorded)
        is_pruned = self.missing_events and position.closed_at is not None and not position.balance_updates
        if is_pruned and (problem or finding.verdict is Verdict.mismatch):
            finding.verdict = Verdict.unprovable
            finding.reason = (
                "the balance updates of this closed position are not in the file: "
                f"it lacks {_list_numbers('balance update', self.missing_events)}, which were pruned"
            )
        elif problem and finding.verdict is not Verdict.mismatch and (self.missing_trades or self.missing_events):
            finding.verdict = Verdict.unprovable
            finding.reason = f"{problem}, and the file does not have all entries: {'; '.join(self.get_remarks())}"
        elif problem:
            # The balance is the sum of its entries, so this is an oddity and not a mismatch.
            finding.remarks.append(problem)

    def _find_holding_problem(self, timeline: Timeline, position: TradingPosition) -> str:
        """Return why a position cannot hold the sum of its trades and events; empty when it can."""
        number = position.position_id
        left = timeline.derived
        lowest, entry = timeline.find_lowest()
        if not left and not lowest:  # nearly all closed positions
            return ""
        symbol = position.pair.base.token_symbol
        raw_unit = Decimal(1).scaleb(-position.pair.base.decimals)
        kind = position.pair.kind
        has_tokens = not kind.is_exchange_account() and not kind.is_cctp_bridge()
        if has_tokens and lowest < -raw_unit - timeline.limit:
            last = self.journal.entries[entry].description
            return f"{write_amount(-lowest)} {symbol} more left position #{number} than had come in, after: {last}"
        is_closed = position.closed_at is not None and "marked_down_at" not in (position.other_data or {})
        if not is_closed or abs(left) <= max(raw_unit, Decimal(get_close_epsilon_for_pair(position.pair))):
            return ""
        last = next(reversed(position.trades.values()), None)
        if kind.is_cctp_bridge() or (last is not None and is_counter_trade(last)):
            return ""
        return f"position #{number} is closed, but its trades and events leave {write_amount(left)} {symbol}"

    def _check_loan_dust(self, finding: Finding, recorded: Recorded) -> str:
        symbol = self.journal.get_symbol(recorded.asset)
        dust, unbooked = (
            recorded.sign * self.journal.get_balance(Account(kind, recorded.asset, recorded.position_id))
            for kind in (AccountKind.loan_dust, AccountKind.unbooked_interest)
        )
        if unbooked:
            finding.remarks.append(
                f"{write_amount(-unbooked)} {symbol} of interest was taken out that no event has booked"
            )
        if dust > 0:
            finding.remarks.append(f"{write_amount(dust)} {symbol} was written off when the loan was closed")
        # A loss that was settled as interest at the close is still part of the principal.
        overdrawn = -dust - finding.derived
        return f"{write_amount(overdrawn)} {symbol} more was taken out than there was" if overdrawn > 0 else ""


def _find_missing_numbers(state: State, positions: dict[int, TradingPosition]) -> tuple[list[int], list[int]]:
    """Return the numbers of trades and of balance updates that were assigned and are not in the file."""
    trades: set[int] = set()
    events: set[int] = set()
    for position in positions.values():
        trades.update(position.trades, position.pending_trades, position.expired_trades)
        events.update(position.balance_updates)
    for reserve in state.portfolio.reserves.values():
        events.update(reserve.balance_updates)
    portfolio = state.portfolio
    return (
        sorted(set(range(1, portfolio.next_trade_id)) - trades),
        sorted(set(range(1, portfolio.next_balance_update_id)) - events),
    )


#: The largest number of ids listed in one sentence.
_MAX_LISTED = 8


def _list_numbers(what: str, numbers: list[int]) -> str:
    shown = ", ".join(f"#{number}" for number in numbers[:_MAX_LISTED])
    more = f" and {len(numbers) - _MAX_LISTED} more" if len(numbers) > _MAX_LISTED else ""
    return f"{what}{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _sum_up(journal: Journal, findings: list[Finding]) -> list[Conservation]:
    """Return the conservation of each asset over the whole state."""
    results: dict[str, Conservation] = {}
    covered: set[Account] = set()

    def get(asset: str) -> Conservation:
        item = results.get(asset)
        if item is None:
            item = results[asset] = Conservation(asset, journal.get_symbol(asset), {}, ZERO, ZERO, ZERO)
        return item

    with exact_arithmetic():
        for finding in findings:
            if not finding.is_owned:
                continue
            item = get(finding.asset)
            covered.update(finding.accounts)
            item.limit += finding.limit
            if finding.recorded is None or item.recorded is None:
                item.recorded = None
            else:
                item.recorded += _get_sign(finding) * finding.recorded
        for account, balance in journal.balances.items():
            item = get(account.asset)
            if not account.kind.is_owned:
                item.came_in[account.kind] = item.came_in.get(account.kind, ZERO) - balance
                continue
            item.derived += balance
            if balance and account not in covered:
                item.recorded = None
    return list(results.values())


def _get_sign(finding: Finding) -> int:
    """Return -1 for figures that the state records as positive and that reduce what is owned."""
    return -1 if finding.accounts[0].kind in _REDUCING_KINDS else 1


_REDUCING_KINDS = frozenset(
    {AccountKind.bridge_lent, AccountKind.debt, AccountKind.debt_interest, AccountKind.collateral_claimed}
)
