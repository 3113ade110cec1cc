"""Buys that the sells before them do not pay, as in a backtest; the chain is replaced by objects in memory."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.kit.markets import START
from tradeexecutor.backtest.universe import create_pair, create_reserve_asset
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.interface import Outcome, Quote, Venue
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.execution.shortage import CashShortage
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType

USD = create_reserve_asset()
BTC = create_pair("BTC", USD, 1, 0)
ETH = create_pair("ETH", USD, 2, 0)


class Connection:
    """A chain on which gas costs nothing."""

    chain_id = USD.chain_id

    def get_native_balance(self, address: str) -> int:
        return 0


class SmallVenue(Venue):
    """Sells bring the given share of what was planned, or fail; buys are filled as planned."""

    def __init__(self, proceeds: Decimal | None):
        super().__init__(cast("ChainConnection", Connection()))
        self.proceeds = proceeds

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        return True

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        return []

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        share = Decimal(1) if trade.is_buy() else self.proceeds
        if share is None:
            return None
        reserve = trade.planned_reserve * share
        return Outcome(trade.planned_quantity, reserve, float(reserve / abs(trade.planned_quantity)))

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        return 100.0

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        raise NotImplementedError

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        raise NotImplementedError


class Broadcaster:
    """Mines every transaction at once."""

    def sign(self, state: State, calls: Sequence[Call]) -> list[BlockchainTransaction]:
        return [BlockchainTransaction(chain_id=USD.chain_id, details={"gas": 0}, included_at=START)]

    def send(self, state: State, trade: TradeExecution, transactions: Sequence[BlockchainTransaction]) -> None:
        state.mark_broadcasted(START, trade)

    def wait(self, state: State, trade: TradeExecution) -> list[Receipt]:
        return [Receipt("0x01", 1, "0x02", succeeded=True, gas_used=0, gas_price=0, logs=())]

    def save(self, state: State) -> None:
        pass


def make_execution(proceeds: Decimal | None, policy: CashShortage = CashShortage.reduce) -> EthereumExecution:
    connection = cast("ChainConnection", Connection())
    wallet = HotWallet("0x" + "1" * 40, lambda transaction: pytest.fail("nothing is signed here"))
    execution = EthereumExecution(connection, wallet, [SmallVenue(proceeds)], lambda state: None, cash_shortage=policy)
    execution.broadcaster = cast("Any", Broadcaster())
    return execution


def plan(state: State, pair: TradingPairIdentifier, **amount: Decimal) -> TradeExecution:
    """Plan to sell a negative `quantity`, or to spend a `reserve`, at 100."""
    _, trade, _ = state.create_trade(
        strategy_cycle_at=START,
        pair=pair,
        quantity=amount.get("quantity"),
        reserve=amount.get("reserve"),
        assumed_price=100.0,
        trade_type=TradeType.rebalance,
        reserve_currency=USD,
        reserve_currency_price=1.0,
    )
    return trade


def make_books() -> State:
    """10,000 USD in 100 BTC."""
    state = State(created_at=START)
    book_reserve_flow(state, USD, Decimal(10_000), EventOrigin(START, START))
    bought = plan(state, BTC, reserve=Decimal(10_000))
    make_execution(None).execute_trades(START, state, [bought])
    assert state.portfolio.get_cash() == 0
    return state


def plan_switch(state: State) -> tuple[TradeExecution, TradeExecution]:
    return plan(state, BTC, quantity=Decimal(-100)), plan(state, ETH, reserve=Decimal(10_000))


def test_a_buy_spends_what_the_sell_has_brought():
    state, execution = make_books(), make_execution(Decimal("0.99"))
    sell, buy = plan_switch(state)
    report = execution.execute_trades(START, state, [sell, buy])
    assert report.succeeded == [sell, buy]
    assert (buy.executed_quantity, buy.executed_reserve) == (99, 9_900)
    assert buy.notes == "reduced: it was planned for 10000 USD, 9900.00 were left\n"
    assert execution.shortages.reduced == [buy]
    assert state.portfolio.get_cash() == 0
    assert prove(state).is_balanced


def test_a_buy_is_refused_where_that_is_wanted():
    state, execution = make_books(), make_execution(Decimal("0.99"), CashShortage.refuse)
    sell, buy = plan_switch(state)
    assert execution.execute_trades(START, state, [sell, buy]).succeeded == [sell]
    assert buy.get_status() is TradeStatus.expired
    assert execution.shortages.refused == [buy]
    assert state.portfolio.get_cash() == 9_900
    assert prove(state).is_balanced


def test_after_a_failed_sell_there_is_nothing_to_buy_with():
    state, execution = make_books(), make_execution(None)
    sell, buy = plan_switch(state)
    report = execution.execute_trades(START, state, [sell, buy])
    assert (report.succeeded, report.failed) == ([], [sell])
    assert buy.get_status() is TradeStatus.expired
    assert buy.notes == "lapsed: it was planned for 10000 USD, 0 were left\n"
    assert [position.pair for position in state.portfolio.frozen_positions.values()] == [BTC]
    assert prove(state).is_balanced


def test_a_plan_that_spends_more_than_there_is_is_refused_as_a_whole():
    state, execution = make_books(), make_execution(Decimal(1))
    sell = plan(state, BTC, quantity=Decimal(-100))
    buys = [plan(state, ETH, reserve=Decimal(10_000)), plan(state, ETH, reserve=Decimal(1))]
    before = state.to_json()
    with pytest.raises(ExecutionError, match="needs 1 USD, 0 are left by the trades before it, nothing was traded"):
        execution.check_plan(state, [*buys, sell])
    assert state.to_json() == before
