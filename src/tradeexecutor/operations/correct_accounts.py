"""Correcting a state so that it matches actual balances, with one entry for each difference."""

import datetime
from dataclasses import dataclass, field

from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.errors import (
    InvalidTrade,
    OperationRefused,
    TradeExecutorError,
    UncleanState,
    UnexecutedTrades,
    UnexpectedAccountingCorrectionIssue,
    WrongPositionStatus,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.accounts.account_check import AccountComparison, AccountingBalanceCheck, compare_accounts
from tradeexecutor.strategy.accounts.account_correction import (
    apply_accounting_correction,
    find_correction_obstacle,
    is_token_without_position,
    preflight_state_for_account_correction,
)
from tradeexecutor.strategy.accounts.balance_source import RecordedBalances
from tradeexecutor.strategy.accounts.missing_position import apply_missing_position, find_missing_position

__all__ = ["AccountCorrection", "UncorrectedDifference", "correct_state_accounts"]


@dataclass(frozen=True, slots=True)
class UncorrectedDifference:
    """A difference that is not corrected, with the reason and a remedy; None without a remedy."""

    check: AccountingBalanceCheck
    reason: str
    remedy: Remedy | None = None


@dataclass(slots=True)
class AccountCorrection:
    """Result of a correction.

    Attributes
    ----------
    booked
        Corrected differences with their entries.
    opened
        Differences for which a position was opened, with its first trade.
    left_alone
        Differences that are not corrected.
    after
        Comparison of the accounts after the correction.
    equity_before, equity_after
        USD; None for a state that cannot be valued.
    """

    booked: list[tuple[AccountingBalanceCheck, BalanceUpdate]]
    opened: list[tuple[AccountingBalanceCheck, TradeExecution]]
    left_alone: list[UncorrectedDifference]
    after: AccountComparison
    equity_before: USDollarAmount | None
    equity_after: USDollarAmount | None


def correct_state_accounts(
    state: State,
    balances: RecordedBalances,
    now: datetime.datetime,
    *,
    tolerance: Percent | None = None,
    open_missing: bool = False,
) -> AccountCorrection:
    """Book the differences between the balances of a state and the actual ones.

    Parameters
    ----------
    balances
        The actual balances.
    now
        When the differences were found, naive UTC.
    tolerance
        Largest difference that is tolerated, a fraction of the amount; None uses the default of each asset.
    open_missing
        Whether to open positions for tokens that no position holds, if the strategy has traded them before.

    Raises
    ------
    OperationRefused
        The expected balances are unknown until the state is repaired.
    """
    try:
        preflight_state_for_account_correction(state)
    except (UncleanState, UnexecutedTrades, WrongPositionStatus) as error:
        raise OperationRefused(str(error), remedy=Remedy.repair_first) from error
    equity_before = _get_equity(state)
    run = _Run(state, now, open_missing)
    for check in _compare(state, balances, tolerance).checks:
        if check.mismatch:
            run.correct(check)
    after = _compare(state, balances, tolerance)
    return AccountCorrection(run.booked, run.opened, run.left_alone, after, equity_before, _get_equity(state))


def _compare(state: State, balances: RecordedBalances, tolerance: Percent | None) -> AccountComparison:
    return compare_accounts(state, balances, assets=balances.get_assets(), relative_epsilon=tolerance, as_of=True)


def _get_equity(state: State) -> USDollarAmount | None:
    try:
        return state.portfolio.calculate_total_equity()
    except TradeExecutorError:
        return None


@dataclass(slots=True)
class _Run:
    """Correction of differences one by one, with the result of each."""

    state: State
    now: datetime.datetime
    open_missing: bool
    booked: list[tuple[AccountingBalanceCheck, BalanceUpdate]] = field(
        default_factory=list[tuple[AccountingBalanceCheck, BalanceUpdate]]
    )
    opened: list[tuple[AccountingBalanceCheck, TradeExecution]] = field(
        default_factory=list[tuple[AccountingBalanceCheck, TradeExecution]]
    )
    left_alone: list[UncorrectedDifference] = field(default_factory=list[UncorrectedDifference])

    def correct(self, check: AccountingBalanceCheck) -> None:
        if is_token_without_position(check):
            if check.is_unclean():
                self._open(check)
            return
        obstacle = find_correction_obstacle(check)
        if obstacle is not None:
            self.left_alone.append(UncorrectedDifference(check, obstacle))
        else:
            self.booked.append((check, apply_accounting_correction(self.state, check, self.now)))

    def _open(self, check: AccountingBalanceCheck) -> None:
        if not self.open_missing:
            self.left_alone.append(UncorrectedDifference(check, "no position holds it", Remedy.open_position))
            return
        try:
            missing = find_missing_position(self.state, check)
            _, trade = apply_missing_position(self.state, missing, check.timestamp)
        except UnexpectedAccountingCorrectionIssue as error:
            self.left_alone.append(UncorrectedDifference(check, error.reason))
        except InvalidTrade as error:
            self.left_alone.append(UncorrectedDifference(check, str(error)))
        else:
            self.opened.append((check, trade))
