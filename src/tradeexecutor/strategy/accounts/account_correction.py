"""Correcting the balances of a state to the actual ones.

A correction is a normal entry in the ledger: a balance update with the cause ``correction`` of the reserve or position
whose balance was wrong. Equity changes by exactly the value of the difference. The reserves do not pay for it, and no
profit is booked.

Tokens that no position holds become a new position, see :mod:`tradeexecutor.strategy.accounts.missing_position`.

The functions do not ask the user. For a confirmation, pass a function ``confirm`` that gets the differences and returns
whether to correct them.
"""

import datetime
import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tradeexecutor.execution.simulated import calculate_total_assets
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.treasury import EventOrigin, book_position_correction, book_reserve_correction
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    AccountingCorrectionAborted,
    InvalidValue,
    UnexecutedTrades,
    UnexpectedAccountingCorrectionIssue,
    WrongPositionStatus,
)
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.counter_trade import close_position_with_empty_trade
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.strategy.accounts.account_check import (
    AccountComparison,
    AccountingBalanceCheck,
    AccountingCorrectionCause,
    calculate_account_corrections,
    compare_accounts,
    find_account_corrections,
    is_relative_mismatch,
)
from tradeexecutor.strategy.accounts.account_table import check_accounts
from tradeexecutor.strategy.accounts.missing_position import (
    MissingPosition,
    apply_missing_position,
    find_missing_position,
    open_missing_credit_position,
    open_missing_position,
    open_missing_spot_position,
    open_missing_spot_position_direct,
)
from tradeexecutor.strategy.asset import PairUniverse, build_expected_asset_map
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = [
    "AccountComparison",
    "AccountingBalanceCheck",
    "AccountingCorrectionAborted",
    "AccountingCorrectionCause",
    "CorrectionOptions",
    "MissingPosition",
    "UnexpectedAccountingCorrectionIssue",
    "UnknownTokenPositionFix",
    "apply_account_corrections",
    "apply_accounting_correction",
    "apply_missing_position",
    "build_expected_asset_map",
    "calculate_account_corrections",
    "calculate_total_assets",
    "check_accounts",
    "check_state_internal_coherence",
    "compare_accounts",
    "correct_accounts",
    "find_account_corrections",
    "find_correction_obstacle",
    "find_missing_position",
    "is_accounting_correction_confirmation_yes",
    "is_relative_mismatch",
    "is_token_without_position",
    "open_missing_credit_position",
    "open_missing_position",
    "open_missing_spot_position",
    "open_missing_spot_position_direct",
    "preflight_state_for_account_correction",
]

#: Gets the differences, and returns whether to correct them.
Confirm = Callable[[Sequence[AccountingBalanceCheck]], bool]


class UnknownTokenPositionFix(enum.Enum):
    """What to do with tokens that no position holds."""

    open_missing_position = "open_missing_position"
    #: The value has the spelling of existing configurations.
    transfer_away = "tranfer_away"


def is_accounting_correction_confirmation_yes(answer: str | None) -> bool:
    """Return True if an answer to "correct the accounts?" is exactly ``y`` or ``Y``."""
    return answer in ("y", "Y")


# --- Before


def check_state_internal_coherence(state: State) -> None:
    """Check that no trade is planned, and that each started trade has a transaction.

    Raises
    ------
    UnexecutedTrades
        There is such a trade; the message names the first one.
    """
    for position in state.portfolio.get_open_and_frozen_positions():
        for trade in position.get_unsettled_trades():
            status = trade.get_status()
            if status is TradeStatus.planned and not trade.is_partial_take_profit():
                raise UnexecutedTrades(f"trade #{trade.trade_id} of {position} is planned and was not executed")
            if status is TradeStatus.started and not trade.blockchain_transactions:
                raise UnexecutedTrades(f"trade #{trade.trade_id} of {position} has started and has no transaction")


def preflight_state_for_account_correction(state: State) -> None:
    """Check that the balances of the state can be compared with actual ones.

    Raises
    ------
    UncleanState
        A trade was broadcasted, and its outcome was not recorded.
    UnexecutedTrades
        A trade was not executed completely.
    WrongPositionStatus
        A position is frozen; its failed trade must be repaired first, because the repair may return tokens.
    """
    state.check_if_clean()
    try:
        check_state_internal_coherence(state)
    except UnexecutedTrades as error:
        raise UnexecutedTrades(f"the accounts cannot be corrected: {error}; repair it first") from error
    frozen = list(state.portfolio.frozen_positions)
    if frozen:
        names = ", ".join(f"#{number}" for number in frozen[:5])
        raise WrongPositionStatus(
            f"the accounts cannot be corrected while positions are frozen ({names}): repair them first"
        )


def is_token_without_position(check: AccountingBalanceCheck) -> bool:
    """Return True if there are tokens that no reserve and no open position holds."""
    holder = check.position
    return holder is None or (isinstance(holder, TradingPosition) and holder.closed_at is not None)


def find_correction_obstacle(check: AccountingBalanceCheck) -> str | None:
    """Return why a balance cannot be corrected; None if it can. Tokens without a position are handled elsewhere."""
    if is_token_without_position(check):
        return "no open position holds it"
    if len(check.positions) > 1:
        return "several positions hold it, and it is not known which of them is wrong"
    if check.type is not AccountingCorrectionCause.unknown_cause:
        return f"differences of the cause {check.type.value} are not corrected"
    holder = check.position
    assert holder is not None
    if isinstance(holder, ReservePosition):
        return None
    kind = holder.pair.kind
    if not (holder.is_spot() or kind.is_credit_supply() or kind.is_cctp_bridge()):
        return f"the balances of a position of kind {kind.value} depend on each other"
    if kind.is_credit_supply() and holder.loan is None:
        return f"position #{holder.position_id} has not lent anything yet"
    if holder.get_quantity() + check.quantity < 0:
        return f"position #{holder.position_id} would hold less than nothing"
    return None


# --- Corrections


def apply_accounting_correction(
    state: State, correction: AccountingBalanceCheck, strategy_cycle_included_at: datetime.datetime | None
) -> BalanceUpdate:
    """Book the difference of one balance; a position that holds nothing afterwards is closed.

    A correction of a credit supply keeps its interest: missing tokens are deducted from the principal first.

    Parameters
    ----------
    strategy_cycle_included_at
        Cycle in which the difference was found.

    Returns
    -------
    BalanceUpdate
        The entry.

    Raises
    ------
    UnexpectedAccountingCorrectionIssue
        There is no difference, or it cannot be corrected, see `find_correction_obstacle`; nothing has changed.
    """
    _require_correctable(correction)
    holder = correction.position
    quantity = correction.quantity
    when = correction.timestamp
    origin = EventOrigin(
        when,
        strategy_cycle_included_at,
        block_number=correction.block_number,
        notes=(
            f"Accounting correction based on the actual balance.\n"
            f"Expected amount: {correction.expected_amount}\n"
            f"Actual amount: {correction.actual_amount}\n"
            f"Difference: {quantity} {correction.asset.token_symbol}"
        ),
    )
    if isinstance(holder, ReservePosition):
        event = book_reserve_correction(state, correction.asset, quantity, origin)
    else:
        assert isinstance(holder, TradingPosition)
        event = book_position_correction(state, holder, quantity, origin)
        if holder.can_be_closed() and holder.is_properly_opened() and not holder.has_trades_in_flight():
            close_position_with_empty_trade(
                state.portfolio, holder, strategy_cycle_included_at or when, "Closed: its tokens are gone"
            )
    accounting = state.sync.accounting
    accounting.last_updated_at = strategy_cycle_included_at or when
    if correction.block_number is not None:
        accounting.last_block_scanned = max(correction.block_number, accounting.last_block_scanned or 0)
    return event


def _require_correctable(correction: AccountingBalanceCheck) -> None:
    obstacle = find_correction_obstacle(correction)
    if obstacle is None and not correction.quantity:
        obstacle = "there is no difference"
    if obstacle is not None:
        raise UnexpectedAccountingCorrectionIssue(
            f"cannot correct {correction.asset} from {correction.expected_amount} to {correction.actual_amount}: "
            f"{obstacle}",
            correction.asset.get_identifier(),
            correction.expected_amount,
            correction.actual_amount,
        )


@dataclass(frozen=True, slots=True)
class CorrectionOptions:
    """Options of a correction.

    Attributes
    ----------
    block_number, block_timestamp
        Block of the balances; deposits up to it count as known afterwards. None without a block.
    token_fix_method
        What to do with tokens that no position holds.
    pair_universe, pricing_model
        Pairs and prices of new positions; None uses pairs and prices in the state.
    confirm
        Gets the differences, and returns whether to correct them; None corrects them without asking.
    """

    block_number: int | None = None
    block_timestamp: datetime.datetime | None = None
    token_fix_method: UnknownTokenPositionFix = UnknownTokenPositionFix.open_missing_position
    pair_universe: PairUniverse | None = None
    pricing_model: PricingModel | None = None
    confirm: Confirm | None = None


def apply_account_corrections(
    state: State,
    corrections: Iterable[AccountingBalanceCheck],
    strategy_cycle_included_at: datetime.datetime | None,
    options: CorrectionOptions | None = None,
) -> list[BalanceUpdate]:
    """Book differences, and open positions for tokens that have none.

    Everything is checked before anything changes.

    Parameters
    ----------
    corrections
        From `find_account_corrections`.
    strategy_cycle_included_at
        Cycle in which the differences were found.

    Returns
    -------
    list of BalanceUpdate
        The entries. A new position has none, because its trade is the entry.

    Raises
    ------
    AccountingCorrectionAborted
        `CorrectionOptions.confirm` returned False.
    UnexpectedAccountingCorrectionIssue
        A difference cannot be corrected; nothing has changed.
    UncleanState, UnexecutedTrades, WrongPositionStatus
        See `preflight_state_for_account_correction`.
    """
    options = options or CorrectionOptions()
    chosen = list(corrections)
    preflight_state_for_account_correction(state)
    missing = _plan_missing_positions(state, chosen, options)
    if options.confirm is not None and not options.confirm(chosen):
        raise AccountingCorrectionAborted("the correction of the accounts was declined")
    events: list[BalanceUpdate] = []
    for number, correction in enumerate(chosen):
        if number in missing:
            apply_missing_position(state, missing[number], correction.timestamp)
        elif not is_token_without_position(correction):
            events.append(apply_accounting_correction(state, correction, strategy_cycle_included_at))
    _remember_block(state, options)
    return events


def _plan_missing_positions(
    state: State, corrections: Sequence[AccountingBalanceCheck], options: CorrectionOptions
) -> dict[int, MissingPosition]:
    """Check every difference, and return the positions to open by the index of the difference."""
    missing: dict[int, MissingPosition] = {}
    for number, correction in enumerate(corrections):
        if not is_token_without_position(correction):
            _require_correctable(correction)
        elif options.token_fix_method is UnknownTokenPositionFix.transfer_away:
            raise UnexpectedAccountingCorrectionIssue(
                f"{correction.quantity} {correction.asset} cannot be sent away: this version sends no transactions",
                correction.asset.get_identifier(),
                correction.expected_amount,
                correction.actual_amount,
            )
        elif correction.positions or not correction.is_usd_low_value_diff():
            missing[number] = find_missing_position(state, correction, options.pair_universe, options.pricing_model)
    return missing


def _remember_block(state: State, options: CorrectionOptions) -> None:
    if options.block_number is None:
        return
    treasury = state.sync.treasury
    treasury.last_block_scanned = max(options.block_number, treasury.last_block_scanned or 0)
    if options.block_timestamp is not None:
        treasury.last_updated_at = max(options.block_timestamp, treasury.last_updated_at or options.block_timestamp)


@contract_signature
def correct_accounts(
    state: State,
    corrections: Iterable[AccountingBalanceCheck],
    strategy_cycle_included_at: datetime.datetime | None,
    tx_builder: object | None = None,
    interactive: bool = False,
    unknown_token_receiver: str | None = None,
    block_identifier: int | None = None,
    block_timestamp: datetime.datetime | None = None,
    token_fix_method: UnknownTokenPositionFix = UnknownTokenPositionFix.open_missing_position,
    strategy_universe: PairUniverse | None = None,
    pricing_model: PricingModel | None = None,
    confirm: Confirm | None = None,
) -> Iterator[BalanceUpdate]:
    """Call `apply_account_corrections` with the parameters of existing code, and return an iterator over the entries.

    The accounts are corrected when the function returns, even without iterating.

    Parameters
    ----------
    tx_builder, unknown_token_receiver
        Not used, because this version does not send tokens away.
    interactive
        Whether `confirm` is required.

    Raises
    ------
    InvalidValue
        The correction is interactive, and `confirm` is missing.
    """
    del tx_builder, unknown_token_receiver
    if interactive and confirm is None:
        raise InvalidValue("an interactive correction needs a function to confirm it: pass confirm")
    options = CorrectionOptions(
        block_identifier, block_timestamp, token_fix_method, strategy_universe, pricing_model, confirm
    )
    return iter(apply_account_corrections(state, corrections, strategy_cycle_included_at, options))
