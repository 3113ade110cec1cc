"""Simulated execution: trades fill at their planned price with slippage, or fail on purpose.

Money moves exactly as in live trading: the reserve is debited when a trade starts, the outcome is booked when it
succeeds, and a failed buy returns its allocation. The only difference is that there are no other traders in the
market.
"""

import datetime
import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.raw_units import round_down_to_units, round_up_to_units, size_sale
from tradeexecutor.accounting.values import to_exact_price
from tradeexecutor.execution.bridge_transfers import end_transfer, fail_transfer, find_due_transfers, send_transfer
from tradeexecutor.execution.failures import FailureModel
from tradeexecutor.execution.interface import ExecutionError, ExecutionModel, ExecutionReport, SettlementPrice
from tradeexecutor.execution.loans import calculate_loan_fill, has_market
from tradeexecutor.execution.shortage import (
    CASH_HINT,
    CashShortage,
    Shortages,
    check_cash,
    get_available_capital,
    settle_shortage,
)
from tradeexecutor.execution.slippage import MarketTooThin, NoSlippage, SlippageModel
from tradeexecutor.execution.vault_requests import fill_request, find_due_requests, send_request
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, NotEnoughMoney, NotEnoughTokens, UnsupportedPairKind
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairKind
from tradeexecutor.state.identifier.dust import SELL_EPSILON
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.repair.attempts import find_real_transaction, reopen_failed_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.trade.planned_amounts import LOAN_KINDS

__all__ = ["NotSimulated", "SimulatedExecution", "calculate_total_assets"]

logger = logging.getLogger(__name__)

_SPOT = TradingPairKind.spot_market_hold

_make_transaction = make_short_constructor(BlockchainTransaction, ("chain_id", "nonce", "tx_hash"), InvalidValue)


class NotSimulated(ExecutionError):
    """A failed trade cannot be tried again in a simulation; nothing has changed.

    Attributes
    ----------
    trade_id
        Id of the trade.
    """

    def __init__(self, message: str, trade_id: int):
        super().__init__(message)
        self.trade_id = trade_id


class SimulatedExecution(ExecutionModel):
    """Executes trades of spot positions, vaults, shorts, credit supplies and bridges without a market.

    Parameters
    ----------
    slippage
        Model for how much worse than planned trades fill; None for no slippage.
    failures
        Function that returns True for a trade that shall fail; None when none shall.
    cash_shortage
        What becomes of a buy that the cash does not pay, because the trades before it have brought less than planned.

    Attributes
    ----------
    shortages
        The buys for which there was less cash than planned.

    Notes
    -----
    A trade also fails when its slippage exceeds its `slippage_tolerance`, as on a decentralised exchange. LP fees are
    part of the planned price; `lp_fees_paid` gets the estimate from the plan of the trade.
    """

    def __init__(
        self,
        slippage: SlippageModel | None = None,
        failures: FailureModel | None = None,
        *,
        cash_shortage: CashShortage = CashShortage.reduce,
    ):
        self.slippage = slippage or NoSlippage()
        self.failures = failures
        self.cash_shortage = cash_shortage
        self.shortages = Shortages()
        self.next_nonce = 0
        #: Whether requests to vaults may wait, also those of an earlier process.
        self.may_settle_requests = True
        #: The same of transfers over bridges.
        self.may_settle_transfers = True

    def check_plan(self, state: State, trades: Iterable[TradeExecution]) -> None:
        """Refuse a decision whose buys cost more than the cash and its sells, see `ExecutionModel.check_plan`."""
        check_cash(state.portfolio, trades)

    @contract_signature
    def execute_trades(
        self,
        ts: datetime.datetime,
        state: State,
        trades: list[TradeExecution],
        routing_model: Any = None,
        routing_state: Any = None,
        check_balances: bool = False,
        triggered: bool = False,
        rebroadcast: bool = False,
    ) -> ExecutionReport:
        """Start, fill and book each trade, see `ExecutionModel.execute_trades`.

        Each trade is finished before the next one starts, so that sells pay for later buys and the reserve is never
        negative in between. A buy that they do not pay is reduced or expires; an expired one is not in the report.

        Raises
        ------
        NotSimulated
            With `rebroadcast`: one of the trades has not failed, has a real transaction, or cannot be paid.
        UnsupportedPairKind
            Trades of this kind cannot be simulated.
        """
        for trade in trades:
            if not (trade.is_spot() or trade.pair.kind in LOAN_KINDS or trade.pair.is_cctp_bridge()):
                raise UnsupportedPairKind(f"trades of this kind cannot be simulated: {trade}")
            obstacle = self.find_rebroadcast_obstacle(state, trade) if rebroadcast else None
            if obstacle is not None:
                raise NotSimulated(obstacle, trade.trade_id)
        if check_balances:
            self.check_balances(state)
        executed: list[TradeExecution] = []
        for trade in trades:
            if rebroadcast:
                reopen_failed_trade(trade, ts)
            elif not settle_shortage(state.portfolio, trade, ts, self.cash_shortage, self.shortages):
                continue
            self._execute_one(ts, state, trade, triggered=triggered or rebroadcast)
            executed.append(trade)
        failed = [trade for trade in executed if trade.is_failed()]
        if failed:
            executed = [trade for trade in executed if not trade.is_failed()]
            freezable = [trade for trade in failed if not trade.pair.is_cctp_bridge()]
            freeze_position_on_failed_trade(ts, state, freezable)
        if trades:
            self.check_balances(state)
        return ExecutionReport(executed, failed)

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be tried again; None when it can be."""
        number = trade.trade_id
        if not trade.is_failed():
            return f"trade #{number} has not failed, it is {trade.get_status().value}"
        if not _is_simulated_spot(trade):
            return f"trade #{number} is not a trade of a spot pair, only those can be simulated"
        transaction = find_real_transaction(trade)
        if transaction is not None:
            return (
                f"trade #{number} has the real transaction {transaction.tx_hash}: only a connection to its chain can "
                "try it again, a simulation would invent the result"
            )
        position = state.portfolio.find_position_for_trade(trade)
        if position.closed_at is not None:
            return f"position #{position.position_id} of trade #{number} is closed"
        if trade.is_buy():
            available, _ = get_available_capital(state.portfolio, trade)
            if available < trade.planned_reserve:
                return f"trade #{number} needs {trade.planned_reserve}, {available} is available"
        elif -trade.planned_quantity - position.get_quantity() > SELL_EPSILON:
            return f"trade #{number} sells {-trade.planned_quantity}, its position holds {position.get_quantity()}"
        return None

    def _execute_one(self, ts: datetime.datetime, state: State, trade: TradeExecution, *, triggered: bool) -> None:
        try:
            state.start_execution(ts, trade, underflow_check=True, triggered=triggered)
        except NotEnoughMoney as error:
            raise ExecutionError(f"{ts}: {error}; {CASH_HINT}") from error
        except NotEnoughTokens as error:
            raise ExecutionError(f"{ts}: {error}") from error
        trade.planned_max_slippage = trade.slippage_tolerance
        transaction = self._create_transaction(trade)
        trade.set_blockchain_transactions([transaction])
        state.mark_broadcasted(ts, trade)
        transaction.broadcasted_at = ts
        if trade.pair.is_async_vault():
            transaction.included_at, transaction.status = ts, True
            self.send_request(trade)
            send_request(ts, state, trade)
            self.may_settle_requests = True
            return
        if trade.pair.is_cctp_bridge() and not (self.failures is not None and self.failures(trade)):
            transaction.included_at, transaction.status = ts, True
            self.send_transfer(trade)
            send_transfer(ts, state, trade)
            self.may_settle_transfers = True
            self.settle_transfers(ts, state)
            return
        fill, reason = self._try_fill(ts, state, trade)
        transaction.included_at = ts
        transaction.status = fill is not None
        if fill is None:
            transaction.revert_reason = reason
            if trade.pair.is_cctp_bridge():
                fail_transfer(ts, state, trade)
            else:
                state.mark_trade_failed(ts, trade)
            return
        state.record_fill(trade, fill)

    def _try_fill(self, ts: datetime.datetime, state: State, trade: TradeExecution) -> tuple[Fill | None, str]:
        """Return the fill of a trade, or None and the reason why it fails."""
        if trade.pair.is_cctp_bridge() or (self.failures is not None and self.failures(trade)):
            return None, "simulated failure"
        if not has_market(trade):
            fill = calculate_loan_fill(ts, trade, 0.0)
            self.settle(trade, fill)
            return fill, ""
        try:
            slippage = self.slippage.get_slippage(ts, trade)
        except MarketTooThin as error:
            return None, str(error)
        tolerance = trade.slippage_tolerance
        if tolerance is not None and slippage > tolerance:
            return None, f"slippage {slippage:.4%} exceeds the tolerance of {tolerance:.4%}"
        if trade.pair.kind in LOAN_KINDS:
            fill = calculate_loan_fill(ts, trade, slippage)
            self.settle(trade, fill)
            return fill, ""
        fill = self.calculate_fill(ts, state, trade, slippage)
        share = self.slippage.get_filled_share(ts, trade)
        fill = fill if share >= 1 else _take_part(trade, fill, share)
        if not fill.quantity or not fill.reserve:
            return None, f"{abs(fill.quantity)} for {fill.reserve} is less than one unit of a token"
        self.settle(trade, fill)
        return fill, ""

    def calculate_fill(self, ts: datetime.datetime, state: State, trade: TradeExecution, slippage: float) -> Fill:
        """Return the fill of a trade, in whole units of both tokens.

        A buy receives ``planned_quantity * (1 - slippage)`` for at most its planned reserve. A sell pays its planned
        quantity, at most the quantity of the position, and receives ``quantity * planned_price * (1 - slippage)``.

        Raises
        ------
        ExecutionError
            The trade sells more than the position holds.
        """
        price = to_exact_price(trade.planned_price)
        if slippage:
            price *= _worsen(slippage, is_buy=trade.is_buy())
        base_decimals, reserve_decimals = trade.pair.base.decimals, trade.reserve_currency.decimals
        if trade.is_buy():
            planned = trade.planned_quantity
            wanted = planned * (1 - Decimal(slippage)) if slippage else planned
            quantity = round_down_to_units(wanted, base_decimals)
            reserve = trade.planned_reserve
            if slippage or quantity != planned:
                reserve = min(round_up_to_units(quantity * price, reserve_decimals), reserve)
        else:
            position = state.portfolio.find_position_for_trade(trade)
            held = position.get_quantity()
            excess = -trade.planned_quantity - held
            if excess > SELL_EPSILON:
                raise ExecutionError(f"{trade} sells {-trade.planned_quantity}, but {position} holds only {held}")
            # Holdings in old files may contain fractions of a unit, which are sold with the rest.
            quantity = -held if excess >= 0 else -round_down_to_units(-trade.planned_quantity, base_decimals)
            reserve = size_sale(-quantity, price, reserve_decimals)
        return Fill(
            executed_at=ts,
            price=float(reserve / abs(quantity)) if quantity else 0.0,
            quantity=quantity,
            reserve=reserve,
            lp_fees=float(sum_fees(trade.lp_fees_estimated)),
            native_token_price=1.0,
        )

    def settle_requests(self, ts: datetime.datetime, state: State, get_price: SettlementPrice) -> list[TradeExecution]:
        """Fill the requests that are due at the share price of now, see `ExecutionModel.settle_requests`."""
        if not self.may_settle_requests:
            return []
        due, self.may_settle_requests = find_due_requests(state.portfolio, ts)
        settled: list[TradeExecution] = []
        for trade in due:
            price = get_price(ts, trade)
            if price is None:
                self.may_settle_requests = True
                continue
            fill = fill_request(ts, trade, price)
            self.settle_request(trade, fill)
            state.resume_vault_settlement(trade)
            state.record_fill(trade, fill)
            settled.append(trade)
        if settled:
            self.check_balances(state)
        return settled

    def settle_transfers(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Book the transfers over bridges that have ended until now, see `ExecutionModel.settle_transfers`."""
        if not self.may_settle_transfers:
            return []
        due, self.may_settle_transfers = find_due_transfers(state.portfolio, ts)
        for trade in due:
            self.settle_transfer(trade, end_transfer(state, trade))
        if due:
            self.check_balances(state)
        return due

    def settle(self, trade: TradeExecution, fill: Fill) -> None:
        """Move the money of a fill outside the state. Does nothing here, because there is no wallet."""

    def send_request(self, trade: TradeExecution) -> None:
        """Move what a request to a vault takes out of the wallet. Does nothing here, because there is no wallet."""

    def settle_request(self, trade: TradeExecution, fill: Fill) -> None:
        """Move what a settled request brings. Does nothing here, because there is no wallet."""

    def send_transfer(self, trade: TradeExecution) -> None:
        """Move what a transfer takes out of the wallet. Does nothing here, because there is no wallet."""

    def settle_transfer(self, trade: TradeExecution, fill: Fill | None) -> None:
        """Move what a transfer brings, or gives back without a fill. Does nothing here, because there is no wallet."""

    def check_balances(self, state: State) -> None:
        """Compare balances outside with the state. Does nothing here, because there is no wallet."""

    def _create_transaction(self, trade: TradeExecution) -> BlockchainTransaction:
        nonce, tx_hash = self.allocate_nonce()
        return _make_transaction(trade.pair.chain_id, nonce, tx_hash)

    def allocate_nonce(self) -> tuple[int, str]:
        """Return the number of the next simulated transaction and its hash."""
        nonce = self.next_nonce
        self.next_nonce += 1
        return nonce, hex(nonce)


def _is_simulated_spot(trade: TradeExecution) -> bool:
    return trade.is_spot() and (not trade.is_vault() or trade.pair.is_synchronous_vault())


def _take_part(trade: TradeExecution, fill: Fill, share: float) -> Fill:
    """Return the fill of a fraction of a trade, because its market fills no more."""
    base_decimals, reserve_decimals = trade.pair.base.decimals, trade.reserve_currency.decimals
    quantity = round_down_to_units(abs(fill.quantity) * Decimal(share), base_decimals).copy_sign(fill.quantity)
    reserve = fill.reserve * Decimal(share)
    is_buy = fill.quantity > 0
    reserve = round_up_to_units(reserve, reserve_decimals) if is_buy else round_down_to_units(reserve, reserve_decimals)
    trade.add_note(f"filled in part: {share:.1%} of {abs(fill.quantity)} {trade.pair.base.token_symbol}")
    return msgspec.structs.replace(
        fill,
        quantity=quantity,
        reserve=reserve,
        price=float(reserve / abs(quantity)) if quantity else 0.0,
        lp_fees=(fill.lp_fees or 0.0) * share,
    )


def _worsen(slippage: float, *, is_buy: bool) -> Decimal:
    """Return the factor by which slippage changes a price; negative slippage improves the price."""
    keep = 1 - Decimal(slippage)
    return 1 / keep if is_buy else keep


def calculate_total_assets(portfolio: Portfolio) -> dict[AssetIdentifier, Decimal]:
    """Return the holdings of open and frozen positions by asset, token units; reserves are not included."""
    totals: dict[AssetIdentifier, Decimal] = {}
    for position in portfolio.get_open_and_frozen_positions():
        pair = position.pair
        is_spot = pair.kind is _SPOT  # nearly always: saves a generator
        for asset, amount in ((pair.base, position.get_quantity()),) if is_spot else position.get_held_assets():
            totals[asset] = totals.get(asset, ZERO_DECIMAL) + amount
    return totals
