"""Execution of trades on a chain.

A trade consists of one or more transactions. All of them are recorded in the state, and the state is on disk, before
the first one is sent. Trades are executed one after the other, so that sells pay for later buys.
"""

import datetime
import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from tradeexecutor.ethereum.broadcast import Broadcaster, WaitRules
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, OutOfGasFunds
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.pricing import find_venue
from tradeexecutor.ethereum.trade_history import TradeHistory
from tradeexecutor.ethereum.transactions import get_fees
from tradeexecutor.ethereum.venues.interface import Outcome, Venue
from tradeexecutor.execution.interface import ExecutionError, ExecutionModel, ExecutionReport
from tradeexecutor.execution.shortage import CashShortage, Shortages, check_cash, settle_shortage
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_correction
from tradeexecutor.state.booking.waiting_orders import expire_if_never_opened, is_waiting, wait_again
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import NotEnoughMoney
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.repair.attempts import reopen_failed_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = ["EthereumExecution"]

__getattr__ = refuse_names(__name__)

logger = logging.getLogger(__name__)

_WEI = Decimal(10) ** 18

#: Slippage tolerance of trades that do not have their own, a fraction.
DEFAULT_SLIPPAGE_TOLERANCE = 0.01


class EthereumExecution(ExecutionModel):
    """Executes trades with a hot wallet.

    Parameters
    ----------
    connection
        Connection to the chain.
    wallet
        Wallet whose tokens are traded and that pays for gas.
    venues
        Venues in order of preference: the first one that trades a pair is used.
    save
        Function that saves the state durably, e.g. ``store.sync``.
    default_slippage_tolerance
        Used for trades that do not have their own tolerance, a fraction.
    max_slippage
        Largest tolerance, a fraction; larger ones are reduced to it. None for no limit.
    fee_rules, wait_rules
        Prices to offer for gas, and times to wait.
    native_token_price
        USD per native token, recorded with each trade; None when unknown.
    min_gas_balance
        Native tokens that are kept to pay for leaving positions: trades that enter one are refused when the wallet has
        less.
    cash_shortage
        What becomes of a spot buy that the cash does not pay, because the trades before it have brought less than
        planned.

    Attributes
    ----------
    shortages
        The buys for which there was less cash than planned.
    """

    def __init__(
        self,
        connection: ChainConnection,
        wallet: HotWallet,
        venues: Sequence[Venue],
        save: Callable[[State], None],
        *,
        default_slippage_tolerance: float = DEFAULT_SLIPPAGE_TOLERANCE,
        max_slippage: float | None = None,
        fee_rules: FeeRules | None = None,
        wait_rules: WaitRules | None = None,
        native_token_price: float | None = None,
        min_gas_balance: Decimal = Decimal(0),
        cash_shortage: CashShortage = CashShortage.reduce,
    ):
        self.connection = connection
        self.wallet = wallet
        self.venues = list(venues)
        self.default_slippage_tolerance = default_slippage_tolerance
        self.max_slippage = max_slippage
        self.native_token_price = native_token_price
        self.min_gas_balance = min_gas_balance
        self.cash_shortage = cash_shortage
        self.shortages = Shortages()
        self.broadcaster = Broadcaster(connection, wallet, save, fee_rules=fee_rules, wait_rules=wait_rules)
        # A position with a trade in flight cannot be closed, so the trades that may still change are enough.
        self._history = TradeHistory(lambda: None, lambda trade: None)

    def preflight_check(self) -> None:
        """Check that trading can start.

        Raises
        ------
        OutOfGasFunds
            The wallet has nothing to pay for gas, or less than the least balance.
        ChainUnavailable
            No node answers.
        """
        available = self.wallet.get_gas_balance(self.connection)
        if not available or available < self.min_gas_balance:
            raise OutOfGasFunds(
                f"{self.wallet.address} has {available or 'nothing'} to pay for gas with on chain "
                f"{self.connection.chain_id}, {self.min_gas_balance or 'some'} is needed",
                available,
                self.min_gas_balance,
            )

    def check_pairs(self, pairs: Sequence[TradingPairIdentifier]) -> None:
        """Compare the settings of pairs with the chain.

        Raises
        ------
        WrongChain
            A token has other decimals, or a contract is not the one described in the settings.
        NotTradeable
            No venue trades the pair.
        """
        for pair in pairs:
            find_venue(self.venues, pair).check(pair)

    # --- Trades

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
        """Execute trades in the given order, see `ExecutionModel.execute_trades`.

        The state is saved before and after each sending, so that nothing is lost when the program dies here. A spot buy
        that the sells before it do not pay is reduced or expires; an expired one is not in the report.

        Raises
        ------
        NotTradeable
            No venue trades the pair, or the amount.
        GasTooExpensive, OutOfGasFunds, ChainUnavailable
            A trade cannot be sent now and has not started; the trades before it are executed.
        TransactionsUnconfirmed, PartlyExecuted
            The outcome of a trade is open, or a person has to decide.
        ExecutionError
            There is less money than a trade needs that is not a spot buy, or that is sent again.
        """
        del routing_model, routing_state, check_balances
        for trade in trades:
            find_venue(self.venues, trade.pair)
            obstacle = self.find_rebroadcast_obstacle(state, trade) if rebroadcast else None
            if obstacle is not None:
                raise ExecutionError(obstacle)
        done: list[TradeExecution] = []
        try:
            for trade in trades:
                if not rebroadcast and not self._settle_shortage(ts, state, trade):
                    continue
                undo = reopen_failed_trade(trade, ts) if rebroadcast else None
                try:
                    self._start(ts, state, trade, triggered=triggered or rebroadcast)
                except BaseException:
                    if undo is not None and trade.is_planned():
                        undo()
                    raise
                done.append(trade)
                self._finish(state, trade)
        finally:
            # Positions of failed trades are frozen even when a later trade raises.
            finished = [trade for trade in done if not trade.is_pending()]
            succeeded, failed = freeze_position_on_failed_trade(ts, state, finished)
        self.broadcaster.save(state)
        return ExecutionReport(succeeded, failed)

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be sent again; None when it can be."""
        if not trade.is_failed():
            return f"trade #{trade.trade_id} has not failed, it is {trade.get_status().value}"
        try:
            find_venue(self.venues, trade.pair)
        except NotTradeable as error:
            return str(error)
        if state.portfolio.find_position_for_trade(trade).closed_at is not None:
            return f"position #{trade.position_id} of trade #{trade.trade_id} is closed"
        return None

    def _settle_shortage(self, ts: datetime.datetime, state: State, trade: TradeExecution) -> bool:
        """Return whether a trade can start; a spot buy is made to fit the cash, or expires."""
        return not trade.is_spot() or settle_shortage(state.portfolio, trade, ts, self.cash_shortage, self.shortages)

    def _start(self, ts: datetime.datetime, state: State, trade: TradeExecution, *, triggered: bool) -> None:
        """Plan, sign, start and send a trade. An error before the start leaves the state unchanged."""
        venue = find_venue(self.venues, trade.pair)
        tolerance = self.default_slippage_tolerance if trade.slippage_tolerance is None else trade.slippage_tolerance
        if self.max_slippage is not None:
            tolerance = min(tolerance, self.max_slippage)
        obstacle = venue.find_obstacle(state.portfolio, trade)
        if obstacle is not None:
            raise NotTradeable(f"{trade}: {obstacle}")
        calls = venue.plan(trade, self.wallet.address, tolerance)
        transactions = self.broadcaster.sign(state, calls)
        self._check_gas(trade, transactions)
        try:
            state.start_execution(ts, trade, underflow_check=True, triggered=triggered)
        except NotEnoughMoney as error:
            raise ExecutionError(f"{ts}: {error}") from error
        trade.planned_max_slippage = tolerance
        trade.set_blockchain_transactions(transactions)
        self.broadcaster.send(state, trade, transactions)

    def _check_gas(self, trade: TradeExecution, transactions: Sequence[BlockchainTransaction]) -> None:
        """Raise `OutOfGasFunds` when a trade may cost more than there is; one that enters must leave the reserve."""
        cost = Decimal(sum(tx.get_gas_limit() * get_fees(tx).max_fee for tx in transactions)) / _WEI
        needed = cost if trade.is_reduce() else max(cost, self.min_gas_balance)
        available = self.wallet.get_gas_balance(self.connection)
        if available < needed:
            raise OutOfGasFunds(
                f"{self.wallet.address} has {available} for gas on chain {self.connection.chain_id}, "
                f"trade #{trade.trade_id} needs {needed}",
                available,
                needed,
            )

    def _finish(self, state: State, trade: TradeExecution) -> None:
        """Wait for a trade that was sent, send its later transactions, and book its outcome."""
        venue = find_venue(self.venues, trade.pair)
        address = self.wallet.address
        while True:
            receipts = self.broadcaster.wait(state, trade)
            mined = [receipt for receipt in receipts if receipt is not None and receipt.succeeded]
            if len(mined) < len(receipts):
                calls = venue.plan_undo(trade, address, receipts)
            else:
                calls = venue.plan_next(trade, address, mined)
            if not calls:
                break
            transactions = self.broadcaster.sign(state, calls)
            trade.blockchain_transactions.extend(transactions)
            self.broadcaster.send(state, trade, transactions)
        ticket = venue.read_ticket(trade, address, receipts)
        if ticket is None:
            outcome = venue.read_outcome(trade, address, receipts)
            self._book(state, trade, outcome, receipts)
            if outcome is None:
                self._book_undo(state, trade, venue.read_undo_cost(trade, address, receipts))
        else:
            requested_at = max(tx.included_at for tx in trade.blockchain_transactions if tx.included_at is not None)
            state.mark_vault_settlement_pending(requested_at, trade, ticket)
        self.broadcaster.save(state)

    def _book(
        self, state: State, trade: TradeExecution, outcome: Outcome | None, receipts: Sequence[Receipt | None]
    ) -> None:
        executed_at = max(tx.included_at for tx in trade.blockchain_transactions if tx.included_at is not None)
        if outcome is None:
            state.mark_trade_failed(executed_at, trade)
            logger.error("%s failed: %s", trade, trade.get_revert_reason())
            return
        gas = sum(receipt.gas_used * receipt.gas_price for receipt in receipts if receipt is not None)
        state.mark_trade_success(
            executed_at,
            trade,
            executed_price=outcome.price,
            executed_amount=outcome.quantity,
            executed_reserve=outcome.reserve,
            lp_fees=outcome.lp_fees,
            native_token_price=self.native_token_price,
            cost_of_gas=gas / _WEI,
            executed_collateral_consumption=outcome.collateral_consumption,
            executed_collateral_allocation=outcome.collateral_allocation,
        )

    @staticmethod
    def _book_undo(state: State, trade: TradeExecution, cost: Decimal) -> None:
        """Book what it has cost to undo a failed trade, whose whole capital is back in the cash."""
        if cost:
            assert trade.failed_at is not None, "booked as failed"
            origin = EventOrigin(trade.failed_at, notes=f"Cost of undoing trade #{trade.trade_id}")
            book_reserve_correction(state, trade.reserve_currency, -cost, origin)

    # --- After a crash

    def resolve_unconfirmed(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Find out the outcomes of trades that an earlier process has sent, and claim what vaults have settled.

        A trade with signed transactions is completed with the same bytes: it is never signed twice. A planned trade
        without signed transactions was never sent, so it expires. `recovery` describes the requests to the chain.

        Raises
        ------
        TransactionsUnconfirmed, PartlyExecuted
            See `execute_trades`; trades that were resolved before the error are booked and saved.
        """
        resolved: list[TradeExecution] = []
        for trade in self._list_unconfirmed(state):
            logger.info("%s was under way when the program ended, the chain is asked", trade)
            if trade.is_started():
                self.broadcaster.send(state, trade, ())
            self._finish(state, trade)
            freeze_position_on_failed_trade(ts, state, [trade])
            self.broadcaster.save(state)
            resolved.append(trade)
        if expire_unsent_trades(state, ts):
            self.broadcaster.save(state)
        return resolved + self._claim_settled(ts, state)

    def _claim_settled(self, ts: datetime.datetime, state: State) -> list[TradeExecution]:
        """Claim what asynchronous vaults have settled, and return the completed trades."""
        completed: list[TradeExecution] = []
        for trade in self._history.read(state):
            is_waiting = trade.get_status() is TradeStatus.vault_settlement_pending
            if not is_waiting or not all(self._is_ours(tx) for tx in trade.blockchain_transactions):
                continue
            calls = find_venue(self.venues, trade.pair).plan_claim(trade, self.wallet.address)
            if not calls:
                continue
            transactions = self.broadcaster.sign(state, calls)
            self._check_gas(trade, transactions)
            state.resume_vault_settlement(trade)
            trade.blockchain_transactions.extend(transactions)
            self.broadcaster.send(state, trade, transactions)
            self._finish(state, trade)
            freeze_position_on_failed_trade(ts, state, [trade])
            completed.append(trade)
        return completed

    def _list_unconfirmed(self, state: State) -> list[TradeExecution]:
        """Return the trades of this wallet that are in flight, in the order of their transactions."""
        found: list[tuple[int, TradeExecution]] = []
        for trade in self._history.read(state):
            if trade.get_status() not in (TradeStatus.started, TradeStatus.broadcasted):
                continue
            transactions = trade.blockchain_transactions
            if transactions and all(self._is_ours(tx) for tx in transactions):
                found.append((min(tx.nonce or 0 for tx in transactions), trade))
        return [trade for _, trade in sorted(found, key=lambda item: item[0])]

    def _is_ours(self, transaction: BlockchainTransaction) -> bool:
        return (
            transaction.chain_id == self.connection.chain_id
            and transaction.signed_bytes is not None
            and (transaction.from_address or "").lower() == self.wallet.address.lower()
        )


def expire_unsent_trades(state: State, ts: datetime.datetime) -> list[TradeExecution]:
    """Expire planned trades that were never sent, and open and pending positions that never opened.

    Trades that wait for a trigger are not changed. An exit whose trigger has fired waits for it again, because it
    protects the position; the next check sends it if the price is still there.

    Returns
    -------
    list
        The trades that were changed.
    """
    portfolio = state.portfolio
    changed: list[TradeExecution] = []
    for position in [*portfolio.open_positions.values(), *portfolio.pending_positions.values()]:
        for trade in position.trades.values():
            if not trade.is_planned() or is_waiting(position, trade):
                continue
            if trade.activated_trigger is not None and trade.is_spot() and trade.is_sell():
                wait_again(position, trade)
            else:
                trade.mark_expired(ts)
                trade.add_note("lapsed: it was not sent")
            changed.append(trade)
        if expire_if_never_opened(portfolio, position, ts):
            logger.warning("%s never opened, and expires at %s", position, ts)
    return changed
