"""Shorts with Aave v3 on a local chain: opened, changed and closed, with books that are those of the chain."""

import dataclasses
import datetime
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.ethereum.trader import Trader
from tests.kit.soak import SOAK
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.devchain.aave import AaveReserve, deploy_aave, provide_liquidity
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.errors import NotTradeable, PartlyExecuted
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.valuation import EthereumValuation
from tradeexecutor.ethereum.venues.aave_v3_short import AaveV3ShortVenue
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.operations.chain_balances import fetch_state_balances
from tradeexecutor.operations.check_accounts import check_state_accounts
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.retry import retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType

D = Decimal


class Desk:
    """Opens, changes and closes one short."""

    def __init__(self, trader: Trader):
        self.trader, self.chain = trader, trader.chain
        usdc, weth = trader.usdc, trader.market.weth
        self.market = deploy_aave(self.chain, [AaveReserve(usdc, 1), AaveReserve(weth, 2_000)])
        provide_liquidity(self.chain, self.market, weth, 100, 0)
        provide_liquidity(self.chain, self.market, usdc, 100_000, 60_000)
        self.a_token, self.v_token = self.market.a_tokens["USDC"], self.market.v_tokens["WETH"]
        self.pair = TradingPairIdentifier(
            self.v_token,
            self.a_token,
            self.v_token.address,
            self.market.pool.lower(),
            internal_id=4,
            fee=0.003,
            kind=TradingPairKind.lending_protocol_short,
            underlying_spot_pair=trader.market.pair,
        )
        exchange = trader.market.exchange
        swaps = UniswapV2Venue(trader.connection, exchange.router, exchange.factory)
        self.venue = AaveV3ShortVenue(trader.connection, self.market.pool, [swaps])
        self.pricing = EthereumPricing([self.venue, swaps])
        self.sync_model = EthereumSync(trader.connection, trader.wallet)
        self.state = trader.state = State(created_at=self.chain.now, name="short")
        self.sync_model.sync_initial(self.state, reserve_assets=[usdc])
        self.execution = EthereumExecution(
            trader.connection,
            trader.wallet,
            [self.venue, swaps],
            trader.save,
            wait_rules=WaitRules(timeout=10, poll=0.01),
        )
        self.execution.check_pairs([self.pair])

    @property
    def position(self) -> TradingPosition:
        (position,) = self.state.portfolio.get_open_and_frozen_positions()
        return position

    def execute(self, trade: TradeExecution) -> TradeExecution:
        self.execution.execute_trades(self.chain.now, self.state, [trade])
        return trade

    def plan_open(self, reserve: str = "1000", leverage: float = 1.0) -> TradeExecution:
        price = self.pricing.get_sell_price(self.chain.now, self.pair, D("0.5"))
        estimate = LeverageEstimate.open_short(D(reserve), leverage, price.price, self.pair, 0.0)
        return self.plan(
            price.price,
            -estimate.borrowed_quantity,
            D(reserve),
            planned_collateral_consumption=estimate.additional_collateral_quantity,
            flags={TradeFlag.open},
        )

    def plan_reduce(self, quantity: str, released: str) -> TradeExecution:
        price = self.pricing.get_buy_price(self.chain.now, self.pair, D(quantity) * 2_000)
        return self.plan(
            price.price,
            D(quantity),
            D(0),
            planned_collateral_consumption=-D(quantity) * D(price.price),
            planned_collateral_allocation=-D(released),
            flags={TradeFlag.reduce},
            position=self.position,
        )

    def plan_close(self) -> TradeExecution:
        price = self.pricing.get_buy_price(self.chain.now, self.pair, D(1_000))
        return self.plan(price.price, None, None, closing=True, flags={TradeFlag.close}, position=self.position)

    def plan(self, price: float, quantity: Decimal | None, reserve: Decimal | None, **more: object) -> TradeExecution:
        _, trade, _ = self.state.trade_short(
            self.chain.now,
            self.pair,
            price,
            TradeType.rebalance,
            self.trader.usdc,
            1.0,
            quantity,
            reserve,
            pair_fee=0.003,
            planned_mid_price=self.pricing.get_mid_price(self.chain.now, self.pair),
            slippage_tolerance=0.02,
            **more,  # pyright: ignore[reportArgumentType]
        )
        return trade

    def accrue(self, days: int) -> None:
        self.chain.anvil.travel(datetime.timedelta(days=days))
        self.sync_model.sync_interests(self.chain.now, self.state, None, self.pricing)

    def assert_books_equal_chain(self) -> None:
        chain, wallet, usdc = self.chain, self.trader.wallet.address, self.trader.usdc
        assert self.state.portfolio.get_reserve_position(usdc).quantity == chain.get_balance(usdc, wallet)
        assert chain.get_balance(self.trader.market.weth, wallet) == 0
        positions = self.state.portfolio.get_open_and_frozen_positions()
        held = {asset: amount for position in positions for asset, amount in position.get_held_assets()}
        for token in (self.a_token, self.v_token):
            # The balances grow with every block; the books have those of the last reading or trade.
            balance = chain.get_balance(token, wallet)
            assert held.get(token, D(0)) == pytest.approx(balance, rel=D("1e-6"), abs=D("1e-9"))
        assert not prove(self.state).get_findings(Verdict.mismatch)
        settings = ChainFile(Path(), CHAIN_ID, 1, usdc, {self.pair: Path()}, [])
        balances = fetch_state_balances(self.state, settings, self.trader.connection)
        assert check_state_accounts(self.state, balances).is_clean


@pytest.fixture
def desk(trader: Trader) -> Desk:
    return Desk(trader)


@pytest.mark.parametrize("leverage", [0.7, 1.0, 2.0])
def test_a_short_is_opened_and_closed(desk: Desk, leverage: float):
    opened = desk.execute(desk.plan_open(leverage=leverage))
    assert opened.is_success(), opened.get_revert_reason()
    assert desk.state.portfolio.get_cash() == 9_000
    desk.assert_books_equal_chain()
    desk.accrue(30)
    desk.assert_books_equal_chain()
    position = desk.position
    closed = desk.execute(desk.plan_close())
    assert closed.is_success(), closed.get_revert_reason()
    assert position.is_closed()
    assert desk.state.portfolio.get_cash() == pytest.approx(10_000, rel=0.002)
    desk.assert_books_equal_chain()
    assert desk.chain.get_balance(desk.a_token, desk.trader.wallet.address) == 0
    assert desk.chain.get_balance(desk.v_token, desk.trader.wallet.address) == 0


def test_a_short_is_increased_and_reduced(desk: Desk):
    desk.execute(desk.plan_open())
    price = desk.pricing.get_sell_price(desk.chain.now, desk.pair, D("0.2"))
    more = desk.plan(
        price.price,
        D("-0.2"),
        D(500),
        planned_collateral_consumption=D("0.2") * D(price.price),
        flags={TradeFlag.increase},
        position=desk.position,
    )
    assert desk.execute(more).is_success()
    desk.assert_books_equal_chain()
    desk.accrue(1)
    less = desk.execute(desk.plan_reduce("0.3", "250"))
    assert less.is_success(), less.get_revert_reason()
    assert less.executed_quantity == D("0.3")
    assert less.executed_collateral_allocation == -250
    desk.assert_books_equal_chain()
    assert desk.execute(desk.plan_close()).is_success()
    desk.assert_books_equal_chain()


def test_profit_of_a_falling_price_reaches_the_cash(desk: Desk):
    desk.execute(desk.plan_open())
    desk.chain.set_v2_price(desk.trader.market.exchange, desk.trader.market.pair, D(1_800))
    position = desk.position
    EthereumValuation(desk.pricing)(desk.chain.now, position)
    assert position.get_unrealised_profit_usd() == pytest.approx(95, abs=5)
    assert desk.execute(desk.plan_close()).is_success()
    assert desk.state.portfolio.get_cash() == pytest.approx(10_095, abs=5)
    desk.assert_books_equal_chain()


def test_more_than_the_pool_lends_is_refused_before_anything_is_signed(desk: Desk):
    trade = desk.plan_open(leverage=4.2)
    with pytest.raises(NotTradeable, match="the pool lends at most"):
        desk.execute(trade)
    assert trade.is_planned()


def test_two_positions_with_one_account_are_refused(desk: Desk):
    desk.execute(desk.plan_open("500"))
    desk.pair = dataclasses.replace(desk.pair, internal_id=5, pool_address="0x" + "12" * 20)
    trade = desk.plan_open("500")
    with pytest.raises(NotTradeable, match="uses the same account"):
        desk.execute(trade)
    assert trade.is_planned()


# --- A short is not atomic


def fail_swaps(desk: Desk, *numbers: int) -> None:
    """Make the swaps with these numbers, counted from now, revert: their deadline has passed."""
    swaps = desk.venue.swaps[0]
    make_swap = type(swaps).make_swap
    count = 0

    def make(*args: Any, **options: Any) -> Call:
        nonlocal count
        swaps.deadline = datetime.timedelta(days=-2) if count in numbers else datetime.timedelta(minutes=20)
        count += 1
        return make_swap(swaps, *args, **options)

    swaps.make_swap = make  # pyright: ignore[reportAttributeAccessIssue]


def get_loan(desk: Desk) -> tuple[Decimal, Decimal]:
    wallet = desk.trader.wallet.address
    return desk.chain.get_balance(desk.a_token, wallet), desk.chain.get_balance(desk.v_token, wallet)


def test_a_new_short_whose_sale_reverts_is_undone(desk: Desk):
    fail_swaps(desk, 0)
    trade = desk.execute(desk.plan_open())
    assert trade.is_failed()
    assert "EXPIRED" in (trade.get_revert_reason() or "")
    assert get_loan(desk) == (0, 0)
    desk.assert_books_equal_chain()
    (reserve,) = desk.state.portfolio.reserves.values()
    cost = list(reserve.balance_updates.values())[-1]
    assert cost.cause is BalanceUpdateCause.correction
    assert -D("0.01") < cost.quantity < 0
    assert cost.notes == "Cost of undoing trade #1"
    # The program goes on.
    desk.state.check_if_clean()


def test_a_short_whose_later_sale_reverts_is_executed_in_part(desk: Desk):
    fail_swaps(desk, 1)
    trade = desk.execute(desk.plan_open(leverage=2.0))
    assert trade.is_success()
    assert trade.executed_quantity is not None
    assert trade.planned_quantity < trade.executed_quantity < 0
    desk.assert_books_equal_chain()
    desk.accrue(1)
    assert desk.execute(desk.plan_close()).is_success()
    desk.assert_books_equal_chain()
    assert get_loan(desk) == (0, 0)


def test_a_larger_short_whose_sale_reverts_is_as_before(desk: Desk):
    desk.execute(desk.plan_open())
    before = get_loan(desk)
    fail_swaps(desk, 0)
    price = desk.pricing.get_sell_price(desk.chain.now, desk.pair, D("0.2"))
    more = desk.plan(
        price.price,
        D("-0.2"),
        D(500),
        planned_collateral_consumption=D("0.2") * D(price.price),
        flags={TradeFlag.increase},
        position=desk.position,
    )
    assert desk.execute(more).is_failed()
    assert get_loan(desk) == pytest.approx(before, rel=D("1e-6"))
    desk.assert_books_equal_chain()


@pytest.mark.parametrize("action", ["reduce", "close"])
def test_a_purchase_that_reverts_leaves_the_short_as_it_was(desk: Desk, action: str):
    desk.execute(desk.plan_open())
    before, position = get_loan(desk), desk.position
    fail_swaps(desk, 0)
    trade = desk.execute(desk.plan_close() if action == "close" else desk.plan_reduce("0.3", "250"))
    assert trade.is_failed()
    assert get_loan(desk) == pytest.approx(before, rel=D("1e-6"))
    desk.assert_books_equal_chain()
    retried = retry_trades(state=desk.state, execution_model=desk.execution, now=desk.chain.now)
    assert [item.is_success() for item in retried.trades_needing_repair] == [True]
    assert position.is_closed() == (action == "close")
    desk.assert_books_equal_chain()


def test_a_later_purchase_that_reverts_leaves_a_smaller_short(desk: Desk):
    desk.execute(desk.plan_open(leverage=2.0))
    fail_swaps(desk, 1)
    trade = desk.execute(desk.plan_reduce("0.9", "100"))
    assert trade.is_success()
    assert 0 < (trade.executed_quantity or 0) < D("0.9")
    assert trade.executed_collateral_allocation == 0
    desk.assert_books_equal_chain()


def test_undoing_that_reverts_stops_the_program(desk: Desk):
    fail_swaps(desk, 0, 1)
    trade = desk.plan_open()
    with pytest.raises(PartlyExecuted, match="stopped between its steps"):
        desk.execute(trade)
    assert trade.is_pending()
    with pytest.raises(PartlyExecuted, match="stopped between its steps"):
        desk.execution.resolve_unconfirmed(desk.chain.now, State.from_json(desk.trader.saved[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("action", ["open", "close", "undo a new one", "undo a part", "undo a close"])
def test_a_short_goes_on_after_a_crash_at_every_save(desk: Desk, action: str):
    plan: Callable[[], TradeExecution] = desk.plan_open
    if "close" in action:
        desk.execute(desk.plan_open(leverage=1.0 if action.startswith("undo") else 2.0))
        plan = desk.plan_close
    elif action == "undo a part":
        plan = partial(desk.plan_open, leverage=2.0)
    saves = 0
    while True:
        with desk.chain.restoring():
            if action.startswith("undo"):
                fail_swaps(desk, 1 if action == "undo a part" else 0)
            before = desk.state.to_json()
            left = saves
            saved: list[str] = []

            def save(state: State, saved: list[str] = saved) -> None:
                nonlocal left
                saved.append(state.to_json())
                left -= 1
                if left < 0:
                    raise SystemExit

            desk.execution.broadcaster.save = save
            try:
                desk.execute(plan())
            except SystemExit:
                finished = False
            else:
                finished = True
            desk.execution.broadcaster.save = desk.trader.save
            desk.state = State.from_json(saved[-1])
            desk.execution.resolve_unconfirmed(desk.chain.now, desk.state)
            desk.state.check_if_clean()
            desk.assert_books_equal_chain()
            desk.state = State.from_json(before)
        if finished:
            break
        saves += 2 if SOAK == 1 else 1
    assert saves >= 6
