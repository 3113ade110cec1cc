"""Vaults that answer later (ERC-7540): requests wait over restarts, and are claimed once they are settled."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.abi import parse_fragment
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.errors import NotTradeable
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.valuation import EthereumValuation
from tradeexecutor.ethereum.venues.erc4626 import ERC4626Venue
from tradeexecutor.ethereum.venues.erc7540 import ERC7540Venue
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.operations.chain_balances import fetch_state_balances
from tradeexecutor.operations.check_accounts import check_state_accounts
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType

SETTLE = parse_fragment("settle(address)")


class Desk:
    """Trades one asynchronous vault."""

    def __init__(self, trader: Trader):
        self.trader, self.chain = trader, trader.chain
        self.pair = trader.chain.deploy_vault(trader.usdc, "slowUSDC", is_async=True)
        self.state = trader.state = State(created_at=self.chain.now, name="slow")
        self.sync_model = EthereumSync(trader.connection, trader.wallet)
        self.sync_model.sync_initial(self.state, reserve_assets=[trader.usdc])
        self.venues = [ERC7540Venue(trader.connection), ERC4626Venue(trader.connection)]
        self.pricing = EthereumPricing(self.venues)
        self.execution = EthereumExecution(
            trader.connection, trader.wallet, self.venues, trader.save, wait_rules=WaitRules(timeout=5, poll=0.01)
        )
        self.execution.check_pairs([self.pair])

    def plan(self, *, reserve: Decimal | None = None, quantity: Decimal | None = None) -> TradeExecution:
        now = self.chain.now
        if quantity is None:
            price = self.pricing.get_buy_price(now, self.pair, reserve)
        else:
            price = self.pricing.get_sell_price(now, self.pair, quantity)
        _, trade, _ = self.state.create_trade(
            strategy_cycle_at=now,
            pair=self.pair,
            quantity=None if quantity is None else -quantity,
            reserve=reserve,
            assumed_price=price.price,
            trade_type=TradeType.rebalance,
            reserve_currency=self.trader.usdc,
            reserve_currency_price=1.0,
            pair_fee=0.0,
            price_structure=price,
        )
        return trade

    def execute(self, trade: TradeExecution) -> TradeExecution:
        self.execution.execute_trades(self.chain.now, self.state, [trade])
        return trade

    def settle(self) -> None:
        self.chain.send(self.pair.base.address, SETTLE, self.trader.wallet.address)

    def next_job(self) -> list[TradeExecution]:
        """What a live loop does before each job, after a restart: the state is that on file."""
        self.state = State.from_json(self.trader.saved[-1])
        return self.execution.resolve_unconfirmed(self.chain.now, self.state)

    def assert_books_equal_chain(self) -> None:
        wallet, usdc = self.trader.wallet.address, self.trader.usdc
        assert self.state.portfolio.get_reserve_position(usdc).quantity == self.chain.get_balance(usdc, wallet)
        positions = self.state.portfolio.get_open_and_frozen_positions()
        held = {asset: amount for position in positions for asset, amount in position.get_held_assets()}
        assert held.get(self.pair.base, Decimal(0)) == self.chain.get_balance(self.pair.base, wallet)
        assert not prove(self.state).get_findings(Verdict.mismatch)
        settings = ChainFile(Path(), CHAIN_ID, 1, usdc, {self.pair: Path()}, [])
        assert check_state_accounts(
            self.state, fetch_state_balances(self.state, settings, self.trader.connection)
        ).is_clean


@pytest.fixture
def desk(trader: Trader) -> Desk:
    return Desk(trader)


def test_a_vault_is_entered_and_left_by_requests(desk: Desk):
    trade = desk.execute(desk.plan(reserve=Decimal(5_000)))
    assert trade.get_status() is TradeStatus.vault_settlement_pending
    desk.assert_books_equal_chain()
    assert desk.state.portfolio.get_cash() == 5_000
    assert desk.state.portfolio.calculate_total_equity() == 10_000, "money in the vault is not lost"
    assert desk.next_job() == []
    desk.assert_books_equal_chain()
    desk.settle()
    (bought,) = desk.next_job()
    assert bought.is_success()
    assert bought.executed_quantity == 5_000
    desk.assert_books_equal_chain()

    (position,) = desk.state.portfolio.get_open_positions()
    desk.chain.mint(desk.trader.usdc, desk.pair.base.address, Decimal(100))
    EthereumValuation(desk.pricing)(desk.chain.now, position)
    assert position.get_value() == pytest.approx(5_100, abs=0.01)
    sold = desk.execute(desk.plan(quantity=position.get_quantity()))
    assert sold.get_status() is TradeStatus.vault_settlement_pending
    desk.assert_books_equal_chain()
    assert desk.next_job() == []
    desk.chain.anvil.travel(datetime.timedelta(days=3))
    desk.settle()
    (sold,) = desk.next_job()
    assert sold.is_success()
    (closed,) = desk.state.portfolio.closed_positions.values()
    assert closed.get_realised_profit_usd() == pytest.approx(100, abs=0.01)
    desk.assert_books_equal_chain()
    assert desk.next_job() == []


def test_the_price_is_that_of_the_settlement(desk: Desk):
    desk.execute(desk.plan(reserve=Decimal(1_000)))
    desk.settle()
    desk.next_job()
    desk.execute(desk.plan(reserve=Decimal(1_000)))
    desk.chain.mint(desk.trader.usdc, desk.pair.base.address, Decimal(1_000))
    desk.settle()
    (trade,) = desk.next_job()
    assert trade.executed_quantity == pytest.approx(Decimal(500), abs=Decimal("0.01"))
    desk.assert_books_equal_chain()


def test_a_second_request_waits_for_the_first(desk: Desk):
    desk.execute(desk.plan(reserve=Decimal(1_000)))
    second = desk.plan(reserve=Decimal(1_000))
    with pytest.raises(NotTradeable, match="has not settled trade #1"):
        desk.execute(second)
    assert second.is_planned()
    desk.assert_books_equal_chain()


def test_a_claim_that_is_reverted_is_made_again(desk: Desk):
    desk.execute(desk.plan(reserve=Decimal(1_000)))
    desk.settle()
    plan_claim = desk.venues[0].plan_claim

    def claim_too_much(trade: TradeExecution, wallet: str):
        (call,) = plan_claim(trade, wallet)
        return [type(call)(call.contract, call.function, (call.args[0] * 2, *call.args[1:]), call.gas)]

    desk.venues[0].plan_claim = claim_too_much  # pyright: ignore[reportAttributeAccessIssue]
    (trade,) = desk.next_job()
    assert trade.get_status() is TradeStatus.vault_settlement_pending
    desk.assert_books_equal_chain()
    desk.venues[0].plan_claim = plan_claim  # pyright: ignore[reportAttributeAccessIssue]
    (trade,) = desk.next_job()
    assert trade.is_success()
    desk.assert_books_equal_chain()


@pytest.mark.parametrize("crash_at", range(7))
def test_a_request_and_its_claim_survive_a_crash_at_every_save(desk: Desk, crash_at: int):
    left = crash_at

    def save(state: State) -> None:
        nonlocal left
        desk.trader.save(state)
        left -= 1
        if left == -1:
            raise SystemExit

    desk.trader.save(desk.state)
    trade = desk.plan(reserve=Decimal(1_000))
    desk.execution.broadcaster.save = save
    try:
        desk.execute(trade)
        desk.settle()
        desk.next_job()
    except SystemExit:
        desk.next_job()
        desk.settle()
        desk.next_job()
    state = desk.state
    state.check_if_clean()
    (trade,) = state.portfolio.get_all_trades()
    assert trade.is_success()
    desk.assert_books_equal_chain()
    assert len(trade.blockchain_transactions) == desk.trader.connection.get_transaction_count(
        desk.trader.wallet.address
    )
