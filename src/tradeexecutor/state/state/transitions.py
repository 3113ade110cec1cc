"""The transitions of a trade from plan to outcome, and the money they move.

Each transition checks everything first and then changes the tree, so a refused one changes nothing.  Capital moves
like this, reserve token units:

=================  =============================  ====================================================
trade              start                          success
=================  =============================  ====================================================
spot, vault buy    planned reserve out of cash,   what was not spent comes back
                   or of the bridge position
spot, vault sell                                  proceeds go to cash, or to the bridge position
exchange account   like spot                      like spot
bridge out         planned reserve out of cash    what was not sent comes back
bridge back                                       what arrived goes to cash
credit supply      planned reserve out of cash    what was not lent comes back
credit recall                                     what was recalled goes to cash
short              planned reserve out of cash    what was not used comes back, released collateral goes
                                                  to cash, added collateral comes out of it
=================  =============================  ====================================================

A failure gives back what the start took.
"""

import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.value_checks import check_finite, check_naive_utc
from tradeexecutor.state.errors import (
    InvalidTrade,
    PositionNotFound,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS, TradingPairKind
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.loan.changes import LoanChange, LoanPayments, get_loan_after_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.pnl import create_share_price_state, update_share_price_state
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state.settlement import StateSettlement
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.capital_at_risk import keeps_allocation_on_failure
from tradeexecutor.state.trade.lifecycle import check_fill, set_fill
from tradeexecutor.state.trade.planned_amounts import EXCHANGE_KINDS, LOAN_KINDS
from tradeexecutor.state.types import BPS, USDollarAmount, USDollarPrice

_PLANNED = TradeStatus.planned
_REPAIR = TradeType.repair
_SHORT = TradingPairKind.lending_protocol_short
_CCTP_BRIDGE = TradingPairKind.cctp_bridge

#: Kinds whose trades can be executed; a leveraged long, for one, cannot.
EXECUTABLE_KINDS = EXCHANGE_KINDS | LOAN_KINDS

#: Kinds whose positions keep an internal share price.
_SHARE_PRICE_KINDS = EXCHANGE_KINDS - {_CCTP_BRIDGE}


class StateTrading(StateSettlement):
    """Trade transitions.  See `TradeExecution` for the life cycle."""

    __slots__ = ()

    # --- Starting

    def start_execution(
        self,
        ts: datetime.datetime,
        trade: TradeExecution,
        txid: str | None = None,
        nonce: int | None = None,
        underflow_check: bool = False,
        triggered: bool = False,
    ) -> None:
        """Allocate the capital of a planned trade and mark it started.

        A buy, and any trade of a short, takes its planned reserve out of the cash; a token bought on a chain that a
        bridge position has capital on takes it from there.

        Parameters
        ----------
        nonce
            Refused with `NonceAlreadyUsed` when a transaction has it already.
        underflow_check
            Refuse to start when there is not enough cash; otherwise the cash may become negative, for batches
            whose sells pay for their buys.
        triggered
            Must be set for trades with the flag ``triggered``.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, NotEnoughMoney,
        NonceAlreadyUsed, UnsupportedPairKind
            The state is unchanged.
        """
        check_naive_utc(ts, "started_at")
        if trade.get_status() is not _PLANNED:
            trade.check_status(_PLANNED)
        if not triggered and trade.flags and TradeFlag.triggered in trade.flags:
            raise WrongTradeStatus(f"trade #{trade.trade_id} waits for a trigger", trade.trade_id, _PLANNED)
        kind = trade.pair.kind
        if kind not in EXECUTABLE_KINDS:
            raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
        portfolio = self.portfolio
        position = portfolio.find_position_for_trade(trade, pending=triggered)
        if position.closed_at is not None:
            raise WrongPositionStatus(
                f"position #{position.position_id} is closed, trade #{trade.trade_id} cannot start"
            )
        if nonce is not None:
            portfolio.check_for_nonce_reuse(nonce)
        if trade.planned_quantity > 0 or kind is _SHORT:
            if kind in TOKEN_TRADE_KINDS and portfolio.get_bridge_position_for_chain(trade.pair.chain_id) is not None:
                portfolio.move_capital_from_bridge_to_spot_trade(trade, underflow_check)
            else:
                portfolio.move_capital_from_reserves_to_spot_trade(trade, underflow_check)
        trade.started_at = ts
        # Ad-hoc attributes, for callers that track their transaction this way.
        ad_hoc: Any = trade
        if txid is not None:
            ad_hoc.txid = txid
        if nonce is not None:
            ad_hoc.nonce = nonce

    def start_execution_all(
        self,
        ts: datetime.datetime,
        trades: list[TradeExecution],
        max_slippage: BPS | None = None,
        underflow_check: bool = False,
        rebroadcast: bool = False,
        triggered: bool = False,
    ) -> None:
        """Start trades in the given order, all or none; `max_slippage` is recorded on each.

        Raises the errors of `start_execution`, after giving the capital of the trades before the refused one back.
        """
        portfolio = self.portfolio
        cash = [(reserve, reserve.quantity) for reserve in portfolio.reserves.values()]
        bridges = [(position, position.bridge_capital_allocated) for position in portfolio.open_positions.values()]
        plans = [(trade, trade.planned_quantity, trade.planned_reserve) for trade in trades]
        started = 0
        try:
            for trade in trades:
                self.start_execution(ts, trade, underflow_check=underflow_check, triggered=triggered)
                started += 1
        except BaseException:
            for reserve, quantity in cash:
                reserve.quantity = quantity
            for position, allocated in bridges:
                position.bridge_capital_allocated = allocated
            for trade, planned_quantity, planned_reserve in plans[:started]:
                trade.reserve_currency_allocated = trade.bridge_currency_allocated = trade.started_at = None
                trade.planned_quantity, trade.planned_reserve = planned_quantity, planned_reserve
            raise
        if max_slippage is not None:
            for trade in trades:
                trade.planned_max_slippage = max_slippage

    def mark_broadcasted(self, broadcasted_at: datetime.datetime, trade: TradeExecution) -> None:
        """Record that the transactions of a started trade were sent."""
        trade.mark_broadcasted(broadcasted_at)

    # --- Outcome

    def mark_trade_success(
        self,
        executed_at: datetime.datetime,
        trade: TradeExecution,
        executed_price: USDollarPrice,
        executed_amount: Decimal,
        executed_reserve: Decimal,
        lp_fees: USDollarAmount | None,
        native_token_price: USDollarPrice | None,
        cost_of_gas: Decimal | None = None,
        executed_collateral_consumption: Decimal | None = None,
        executed_collateral_allocation: Decimal | None = None,
        force: bool = False,
    ) -> None:
        """Record the outcome of a broadcasted trade, return capital, and close the position if nothing is left.

        What a sell brought in goes to the cash (or the bridge position it came from).  A buy that reports in
        `executed_reserve` what it spent gives the rest of its allocation back, and takes what it spent beyond it; 0
        means not reported: all of it was spent, and credit, which is lent one for one, records the amount.  LP fees
        and gas are recorded, they are already part of price and quantity.

        Parameters
        ----------
        executed_price
            USD per base token, exactly a float.
        executed_amount
            Base token units, + bought, - sold.
        executed_reserve
            Reserve token units, >= 0.
        lp_fees, native_token_price
            USD, and USD per gas token.
        cost_of_gas
            Native token units.
        force
            Accept a trade that was started and not broadcasted; a repair need not be started.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, UnsupportedPairKind
            The state is unchanged.
        """
        kind = trade.pair.kind
        if kind not in EXECUTABLE_KINDS:
            raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
        portfolio = self.portfolio
        position = portfolio.find_position_for_trade(trade, pending=True)
        is_repair = trade.trade_type is _REPAIR
        if force and not is_repair:
            trade.check_status(TradeStatus.started, TradeStatus.broadcasted)
        fill = Fill(
            executed_at=executed_at,
            price=executed_price,
            quantity=executed_amount,
            reserve=executed_reserve,
            lp_fees=lp_fees,
            native_token_price=native_token_price,
            cost_of_gas=cost_of_gas,
            collateral_consumption=executed_collateral_consumption,
            collateral_allocation=executed_collateral_allocation,
        )
        check_fill(trade, fill, force=force)
        has_loan = kind in LOAN_KINDS
        if position.closed_at is not None and (has_loan or trade.planned_quantity > 0):
            raise WrongPositionStatus(
                f"position #{position.position_id} is closed, what trade #{trade.trade_id} brings would be in no equity"
            )
        if not isinstance(executed_reserve, Decimal) or not executed_reserve.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(
                f"executed reserve of trade #{trade.trade_id} must be a finite Decimal, got {executed_reserve!r}"
            )
        check_finite(trade.trade_id, lp_fees, native_token_price, cost_of_gas)
        loan, payments = None, LoanPayments()
        if has_loan:
            executed_collateral_consumption, executed_collateral_allocation = _complete_collateral_moves(
                trade, executed_collateral_consumption, executed_collateral_allocation
            )
            if not is_repair:
                _check_executed_loan_amounts(trade, executed_amount, executed_reserve)
                if kind is not _SHORT and executed_amount > 0:
                    executed_reserve = executed_reserve or executed_amount
                change = LoanChange(
                    executed_amount,
                    executed_reserve,
                    executed_collateral_consumption or ZERO_DECIMAL,
                    executed_collateral_allocation or ZERO_DECIMAL,
                    executed_price,
                    float(trade.get_reserve_currency_exchange_rate()),
                    executed_at,
                )
                closing = TradeFlag.close in (trade.flags or ())
                loan, payments = get_loan_after_trade(position.loan, trade, change, closing)
        elif not is_repair:
            self._check_executed_amounts(trade, executed_amount, executed_reserve)
        returned, account = self._find_returned_capital(trade, executed_reserve, executed_collateral_allocation)
        # From here on nothing fails.
        fill = msgspec.structs.replace(
            fill,
            reserve=executed_reserve,
            collateral_consumption=executed_collateral_consumption,
            collateral_allocation=executed_collateral_allocation,
        )
        set_fill(trade, fill)
        if executed_amount and kind in _SHARE_PRICE_KINDS:
            shares = position.share_price_state
            position.share_price_state = (
                create_share_price_state(trade) if shares is None else update_share_price_state(shares, trade)
            )
        if account is not None:
            self._return_capital(returned, account, executed_at)
        if position.position_id in portfolio.pending_positions:
            del portfolio.pending_positions[position.position_id]
            portfolio.open_positions[position.position_id] = position
            position.pending_since_at = None
        if kind.is_vault():
            self.maybe_set_vault_lockup_expiry(position, trade)
        if loan is not None:
            position.loan = loan
            _record_payments(trade, payments)
        if _may_close(position):
            portfolio.move_to_closed(position, executed_at)
            if loan is not None:
                _record_payments(trade, payments, final_loan=loan)
        if loan is not None:
            trade.executed_loan_update = loan.clone()

    @staticmethod
    def _check_executed_amounts(trade: TradeExecution, amount: Decimal, reserve: Decimal) -> None:
        if trade.planned_quantity > 0:
            if amount <= 0:
                raise InvalidTrade(f"buy #{trade.trade_id} must have a positive executed amount, got {amount}")
            if reserve < 0:
                raise InvalidTrade(f"buy #{trade.trade_id} must not have a negative executed reserve, got {reserve}")
        elif amount >= 0 or reserve <= 0:
            raise InvalidTrade(
                f"sell #{trade.trade_id} must have a negative executed amount and a positive executed reserve, "
                f"got {amount} and {reserve}"
            )

    def _find_returned_capital(
        self, trade: TradeExecution, executed_reserve: Decimal, executed_allocation: Decimal | None
    ) -> tuple[Decimal, ReservePosition | TradingPosition | None]:
        """Return what a success gives back, reserve token units, and the cash or bridge position that gets it.

        That is the proceeds of a sell, or the part of a buy's allocation that it did not spend (negative when it
        spent more), and the collateral that a short released.  Nothing changes here.
        """
        kind = trade.pair.kind
        allocated = trade.reserve_currency_allocated
        if kind not in TOKEN_TRADE_KINDS:
            if kind in LOAN_KINDS and (kind is _SHORT or trade.planned_quantity > 0):
                returned = ZERO_DECIMAL if allocated is None else allocated - executed_reserve
                if executed_allocation and kind is _SHORT:
                    returned -= executed_allocation
            elif trade.planned_quantity > 0:
                returned = allocated - executed_reserve if executed_reserve and allocated is not None else ZERO_DECIMAL
            else:
                returned = executed_reserve
            return returned, self._require_reserve(trade) if returned else None
        if trade.planned_quantity <= 0:
            return executed_reserve, self._get_account_of_proceeds(trade) if executed_reserve else None
        from_bridge = allocated is None
        if from_bridge:
            allocated = trade.bridge_currency_allocated
        if not executed_reserve or allocated is None or allocated == executed_reserve:
            return ZERO_DECIMAL, None
        account = self._require_bridge(trade) if from_bridge else self._require_reserve(trade)
        return allocated - executed_reserve, account

    def _get_account_of_proceeds(self, trade: TradeExecution) -> ReservePosition | TradingPosition:
        """Return the cash, or the bridge position of the chain, that gets what a sell of tokens brought in.

        What was sold on another chain while its bridge position is frozen or closed is there, not in the cash.
        """
        portfolio = self.portfolio
        chain_id = trade.pair.chain_id
        bridge = portfolio.get_bridge_position_for_chain(chain_id)
        if bridge is None:
            quote, reserve_currency = trade.pair.quote, trade.reserve_currency
            if quote is reserve_currency or quote == reserve_currency:
                reserve = self._find_reserve(trade)
                if reserve is not None:
                    return reserve
            bridge = portfolio.find_bridge_position_for_chain(chain_id)
        return self._require_reserve(trade) if bridge is None else bridge

    def _require_bridge(self, trade: TradeExecution) -> TradingPosition:
        """Return the bridge position that a trade on another chain was paid from, which may be closed by now."""
        bridge = self.portfolio.find_bridge_position_for_chain(trade.pair.chain_id)
        if bridge is None:
            raise PositionNotFound(f"no bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}")
        return bridge

    def _find_reserve(self, trade: TradeExecution) -> ReservePosition | None:
        try:
            return self.portfolio.get_reserve_position(trade.reserve_currency)
        except KeyError:
            return None

    def _require_reserve(self, trade: TradeExecution) -> ReservePosition:
        reserve = self._find_reserve(trade)
        if reserve is None:
            raise ReserveMissing(f"no reserve {trade.reserve_currency} for the capital of trade #{trade.trade_id}")
        return reserve

    def _return_capital(
        self, amount: Decimal, account: ReservePosition | TradingPosition, executed_at: datetime.datetime
    ) -> None:
        if isinstance(account, ReservePosition):
            account.quantity += amount
            return
        if account.closed_at is not None:
            self.portfolio.reopen_closed_bridge_position_for_chain(account.pair.get_destination_chain_id(), executed_at)
        account.adjust_bridge_capital_allocated(-amount)

    def mark_trade_failed(self, failed_at: datetime.datetime, trade: TradeExecution) -> None:
        """Record the failure of a started or broadcasted trade and give its allocation back.

        The allocation fields keep their value, as evidence.  Capital that is stuck elsewhere stays debited, see
        :mod:`~tradeexecutor.state.trade.capital_at_risk`.

        Raises
        ------
        WrongTradeStatus, ReserveMissing, PositionNotFound
            The state is unchanged.
        """
        trade.check_status(TradeStatus.broadcasted, TradeStatus.started)
        self.portfolio.find_position_for_trade(trade, pending=True)  # refuses a trade of another state
        from_reserves, from_bridge = trade.reserve_currency_allocated, trade.bridge_currency_allocated
        account: ReservePosition | TradingPosition | None = None
        if not keeps_allocation_on_failure(trade) and (from_reserves or from_bridge):
            account = self._require_reserve(trade) if from_reserves else self._require_bridge(trade)
        trade.mark_failed(failed_at)
        if account is not None:
            self._return_capital(from_reserves or from_bridge or ZERO_DECIMAL, account, failed_at)


def _may_close(position: TradingPosition) -> bool:
    """Tell whether nothing is hidden when a position closes after a success.

    Capital of another trade in flight would be invisible in a closed position, and so would capital of a bridge that
    trades on the far chain have overdrawn.
    """
    if not position.can_be_closed() or position.has_trades_in_flight():
        return False
    return position.pair.kind is not _CCTP_BRIDGE or (
        position.get_available_bridge_capital() >= -get_close_epsilon_for_pair(position.pair)
    )


def _complete_collateral_moves(
    trade: TradeExecution, consumption: Decimal | None, allocation: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Return the collateral moves of an outcome.

    A caller that has set `executed_loan_update` says by it that the plan was executed as it was; from any other the
    figures that the plan has must come.
    """
    if trade.pair.kind is not _SHORT:
        return consumption, allocation
    as_planned = trade.executed_loan_update is not None
    return (
        _complete_move(trade, "consumption", consumption, trade.planned_collateral_consumption, as_planned),
        _complete_move(trade, "allocation", allocation, trade.planned_collateral_allocation, as_planned),
    )


def _complete_move(
    trade: TradeExecution, what: str, executed: Decimal | None, planned: Decimal | None, as_planned: bool
) -> Decimal | None:
    if executed is None:
        if planned and not as_planned:
            raise InvalidTrade(
                f"trade #{trade.trade_id} planned a collateral {what} of {planned}, give the executed one"
            )
        return planned
    if not isinstance(executed, Decimal) or not executed.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTrade(f"collateral {what} of trade #{trade.trade_id} must be a finite Decimal, got {executed!r}")
    return executed


def _check_executed_loan_amounts(trade: TradeExecution, amount: Decimal, reserve: Decimal) -> None:
    planned = trade.planned_quantity
    if reserve < 0:
        raise InvalidTrade(f"trade #{trade.trade_id} must not have a negative executed reserve, got {reserve}")
    if (amount > 0) != (planned > 0) or (amount < 0) != (planned < 0):
        raise InvalidTrade(f"trade #{trade.trade_id} planned a quantity of {planned}, it cannot have executed {amount}")
    if trade.pair.kind is not _SHORT and planned < 0 and not reserve:
        raise InvalidTrade(f"trade #{trade.trade_id} recalled {-amount} and brought in nothing")


def _record_payments(trade: TradeExecution, payments: LoanPayments, final_loan: Loan | None = None) -> None:
    """Note the interest that a trade moved; the last trade of a position settles all that is left."""
    claimed, repaid = payments
    if final_loan is not None:
        claimed += final_loan.claim_interest()
        if final_loan.borrowed_interest is not None:
            repaid += final_loan.repay_interest()
    if claimed or final_loan is not None:
        trade.claimed_interest = claimed
    if repaid or (final_loan is not None and final_loan.borrowed_interest is not None):
        trade.paid_interest = repaid
