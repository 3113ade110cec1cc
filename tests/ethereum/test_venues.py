"""Every kind of venue: what is quoted is what happens, and what happened is booked to the last unit."""

import dataclasses
import datetime
from decimal import Decimal

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.devchain.aave import AaveReserve, deploy_aave, provide_liquidity
from tradeexecutor.ethereum.devchain.uniswap_v3 import create_v3_pool, deploy_uniswap_v3
from tradeexecutor.ethereum.errors import NotTradeable, WrongChain
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.venues.aave_v3 import AaveV3CreditVenue
from tradeexecutor.ethereum.venues.erc4626 import ERC4626Venue
from tradeexecutor.ethereum.venues.interface import Venue
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.ethereum.venues.uniswap_v3 import UniswapV3Venue
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.pricing_model import PriceUnavailable


class Desk:
    """Trades one pair at one venue."""

    def __init__(self, trader: Trader, venue: Venue, pair: TradingPairIdentifier):
        self.trader, self.venue, self.pair, self.state = trader, venue, pair, trader.state
        self.pricing = EthereumPricing([venue])
        self.execution = EthereumExecution(
            trader.connection, trader.wallet, [venue], trader.save, wait_rules=WaitRules(timeout=5, poll=0.01)
        )
        self.execution.check_pairs([pair])

    def plan(self, *, reserve: Decimal | None = None, quantity: Decimal | None = None) -> TradeExecution:
        now = self.trader.chain.now
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
            pair_fee=self.pair.fee,
            price_structure=price,
            slippage_tolerance=0.01,
        )
        return trade

    def execute(self, trade: TradeExecution) -> TradeExecution:
        self.execution.execute_trades(self.trader.chain.now, self.state, [trade])
        return trade

    def assert_books_equal_chain(self) -> None:
        chain, wallet = self.trader.chain, self.trader.wallet.address
        cash = self.state.portfolio.get_reserve_position(self.trader.usdc).quantity
        assert cash == chain.get_balance(self.trader.usdc, wallet)
        held = sum((p.get_quantity() for p in self.state.portfolio.get_open_and_frozen_positions()), Decimal(0))
        assert held == chain.get_balance(self.pair.base, wallet)
        assert State.from_json(self.trader.saved[-1]).to_json() == self.trader.saved[-1]


@pytest.fixture
def v3(trader: Trader) -> Desk:
    exchange = deploy_uniswap_v3(trader.chain)
    market = trader.market
    pair = create_v3_pool(trader.chain, exchange, market.weth, market.usdc, Decimal(1_000), price=Decimal(2_000))
    venue = UniswapV3Venue(trader.connection, exchange.router, exchange.factory, exchange.quoter)
    return Desk(trader, venue, pair)


@pytest.fixture
def vault(trader: Trader) -> Desk:
    pair = trader.chain.deploy_vault(trader.usdc, "vaultUSDC")
    return Desk(trader, ERC4626Venue(trader.connection), pair)


def test_a_pool_of_v3_is_traded_both_ways(v3: Desk):
    assert v3.venue.get_mid_price(v3.pair) == pytest.approx(2_000)
    buy = v3.execute(v3.plan(reserve=Decimal(1_000)))
    assert buy.executed_quantity == pytest.approx(buy.planned_quantity, rel=Decimal("1e-9")), "quoted exactly"
    v3.assert_books_equal_chain()
    (position,) = v3.state.portfolio.get_open_positions()
    sell = v3.execute(v3.plan(quantity=position.get_quantity()))
    assert sell.is_success()
    assert position.is_closed()
    v3.assert_books_equal_chain()


def test_a_swap_of_v3_whose_price_has_run_away_reverts(v3: Desk):
    trade = v3.plan(reserve=Decimal(1_000))
    other = v3.trader.chain.create_wallet({v3.trader.usdc: Decimal(400_000)})
    rich = Trader(v3.trader.chain, v3.trader.market, other, v3.trader.connection, State(name="rich"))
    rich.state.portfolio.initialise_reserves(v3.trader.usdc, reserve_token_price=1.0)
    rich.state.portfolio.adjust_reserves(v3.trader.usdc, Decimal(400_000), "a test")
    desk = Desk(rich, v3.venue, v3.pair)
    desk.execute(desk.plan(reserve=Decimal(400_000)))
    assert v3.execute(trade).is_failed()
    assert "Too little received" in (trade.get_revert_reason() or "")
    v3.assert_books_equal_chain()


def test_a_vault_is_entered_earns_and_is_left(vault: Desk):
    vault.execute(vault.plan(reserve=Decimal(5_000)))
    vault.assert_books_equal_chain()
    (position,) = vault.state.portfolio.get_open_positions()
    vault.trader.chain.mint(vault.trader.usdc, vault.pair.base.address, Decimal(100))
    assert vault.venue.get_mid_price(vault.pair) == pytest.approx(1.02, abs=1e-5)
    sell = vault.execute(vault.plan(quantity=position.get_quantity()))
    assert sell.is_success()
    assert position.is_closed()
    assert position.get_realised_profit_usd() == pytest.approx(100, abs=0.01)
    vault.assert_books_equal_chain()


def test_a_vault_whose_price_has_changed_is_refused_before_anything_is_signed(vault: Desk):
    vault.execute(vault.plan(reserve=Decimal(5_000)))
    trade = vault.plan(reserve=Decimal(1_000))
    vault.trader.chain.mint(vault.trader.usdc, vault.pair.base.address, Decimal(500))
    with pytest.raises(NotTradeable, match="the plan needs"):
        vault.execute(trade)
    assert trade.is_planned()
    assert not trade.blockchain_transactions
    vault.assert_books_equal_chain()


def test_lending_to_aave_earns_interest_that_is_booked(trader: Trader):
    chain, usdc, weth = trader.chain, trader.usdc, trader.market.weth
    market = deploy_aave(chain, [AaveReserve(usdc, 1), AaveReserve(weth, 2_000)])
    provide_liquidity(chain, market, weth, 100, 0)
    provide_liquidity(chain, market, usdc, 100_000, 60_000)
    pair = TradingPairIdentifier(
        market.a_tokens["USDC"],
        usdc,
        market.a_tokens["USDC"].address,
        market.pool.lower(),
        internal_id=3,
        fee=0.0,
        kind=TradingPairKind.credit_supply,
    )
    desk = Desk(trader, AaveV3CreditVenue(trader.connection, market.pool), pair)
    state, sync_model = trader.state, EthereumSync(trader.connection, trader.wallet)

    def get_cash() -> tuple[Decimal, Decimal]:
        return state.portfolio.get_reserve_position(usdc).quantity, chain.get_balance(usdc, trader.wallet.address)

    position, trade, _ = state.supply_credit(
        chain.now, pair, TradeType.rebalance, usdc, 1.0, collateral_quantity=Decimal(4_000), flags={TradeFlag.open}
    )
    assert desk.execute(trade).is_success()
    assert get_cash() == (6_000, 6_000)
    chain.anvil.travel(datetime.timedelta(days=60))
    (update,) = sync_model.sync_interests(chain.now, state, None, desk.pricing)
    assert 0 < update.quantity < 100
    assert position.get_quantity() == pytest.approx(
        chain.get_balance(pair.base, trader.wallet.address), abs=Decimal("0.00001")
    )
    chain.anvil.travel(datetime.timedelta(days=1))
    assert position.loan is not None
    amount = position.loan.get_collateral_quantity()
    _, trade, _ = state.supply_credit(
        chain.now,
        pair,
        TradeType.rebalance,
        usdc,
        1.0,
        collateral_quantity=-amount,
        position=position,
        closing=True,
        flags={TradeFlag.close},
    )
    assert desk.execute(trade).is_success()
    assert position.is_closed()
    assert chain.get_balance(pair.base, trader.wallet.address) == 0
    books, on_chain = get_cash()
    assert books == on_chain > 10_000


# --- Settings that do not fit the chain


def change(pair: TradingPairIdentifier, **changes: object) -> TradingPairIdentifier:
    return dataclasses.replace(pair, **changes)  # pyright: ignore[reportArgumentType]


def test_a_token_with_other_decimals_is_refused(trader: Trader):
    pair = trader.market.pair
    wrong = change(pair, quote=dataclasses.replace(pair.quote, decimals=18))
    with pytest.raises(WrongChain, match="6 decimals"):
        trader.make_execution().check_pairs([wrong])


def test_a_token_that_is_none_is_refused(trader: Trader):
    pair = trader.market.pair
    wrong = change(pair, base=dataclasses.replace(pair.base, address="0x" + "ab" * 20))
    with pytest.raises(WrongChain, match="is no token"):
        trader.make_execution().check_pairs([wrong])


def test_a_pool_of_other_tokens_is_refused(trader: Trader):
    third = trader.chain.deploy_token("WBTC", 18)
    with pytest.raises(WrongChain, match="trades"):
        trader.make_execution().check_pairs([change(trader.market.pair, base=third)])


def test_a_router_of_another_factory_is_refused(trader: Trader):
    other = trader.chain.deploy_uniswap_v2()
    venue = UniswapV2Venue(trader.connection, other.router, trader.market.exchange.factory)
    with pytest.raises(WrongChain, match="belong to"):
        venue.check(trader.market.pair)


def test_a_pool_with_another_fee_is_refused(v3: Desk):
    with pytest.raises(WrongChain, match="fee"):
        v3.venue.check(change(v3.pair, fee=0.0005))


def test_a_vault_of_another_token_is_refused(vault: Desk):
    other = vault.trader.chain.deploy_token("DAI", 6)
    with pytest.raises(WrongChain, match="takes"):
        vault.venue.check(change(vault.pair, quote=other))


def test_a_pair_that_nobody_trades_has_no_price_and_no_trade(trader: Trader):
    pair = change(trader.market.pair, exchange_address="0x" + "11" * 20)
    with pytest.raises(PriceUnavailable, match="none of the configured venues"):
        trader.pricing.get_mid_price(trader.chain.now, pair)
    with pytest.raises(NotTradeable):
        trader.make_execution().check_pairs([pair])


@pytest.mark.parametrize("amount", [None, Decimal("0.01"), Decimal(1_000), Decimal(100_000)])
def test_a_quote_is_what_the_router_says(trader: Trader, amount: Decimal | None):
    price = trader.pricing.get_buy_price(trader.chain.now, trader.market.pair, amount)
    assert price.price >= price.mid_price
    if amount is not None:
        trade = trader.plan_buy(Decimal(min(amount, Decimal(10_000))))
        if trade.planned_reserve >= 1:
            trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
            assert trade.executed_quantity == pytest.approx(trade.planned_quantity, rel=Decimal("1e-9"))
    sell = trader.pricing.get_sell_price(trader.chain.now, trader.market.pair, amount)
    assert sell.price <= sell.mid_price
