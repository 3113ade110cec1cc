"""A wallet with money on a local chain, and the books about it."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.testing.chain_fixtures import DevMarket


@dataclass
class Trader:
    """A wallet with 10,000 USDC on a chain, its books, and what it needs to trade."""

    chain: DevChain
    market: DevMarket
    wallet: HotWallet
    connection: ChainConnection
    state: State
    saved: list[str] = field(default_factory=list)

    @property
    def usdc(self) -> AssetIdentifier:
        return self.market.usdc

    def save(self, state: State) -> None:
        self.saved.append(state.to_json())

    def load(self) -> State:
        """What a new process would find on file."""
        return State.from_json(self.saved[-1])

    def make_execution(
        self,
        connection: ChainConnection | None = None,
        *,
        wait_rules: WaitRules | None = None,
        fee_rules: FeeRules | None = None,
        save: Callable[[State], None] | None = None,
    ) -> EthereumExecution:
        connection = connection or self.connection
        exchange = self.market.exchange
        return EthereumExecution(
            connection,
            self.wallet,
            [UniswapV2Venue(connection, exchange.router, exchange.factory)],
            save or self.save,
            wait_rules=wait_rules or WaitRules(timeout=5, poll=0.01),
            fee_rules=fee_rules,
        )

    @property
    def pricing(self) -> EthereumPricing:
        exchange = self.market.exchange
        return EthereumPricing([UniswapV2Venue(self.connection, exchange.router, exchange.factory)])

    def plan_buy(self, reserve: Decimal, state: State | None = None) -> TradeExecution:
        now, pair = self.chain.now, self.market.pair
        price = self.pricing.get_buy_price(now, pair, reserve)
        return self._plan(state or self.state, now, price, quantity=None, reserve=reserve)

    def plan_sell(self, quantity: Decimal, state: State | None = None) -> TradeExecution:
        now, pair = self.chain.now, self.market.pair
        price = self.pricing.get_sell_price(now, pair, quantity)
        return self._plan(state or self.state, now, price, quantity=-quantity, reserve=None)

    def _plan(self, state: State, now: datetime.datetime, price, *, quantity, reserve) -> TradeExecution:
        _, trade, _ = state.create_trade(
            strategy_cycle_at=now,
            pair=self.market.pair,
            quantity=quantity,
            reserve=reserve,
            assumed_price=price.price,
            trade_type=TradeType.rebalance,
            reserve_currency=self.usdc,
            reserve_currency_price=1.0,
            pair_fee=0.003,
            price_structure=price,
            planned_mid_price=price.mid_price,
            slippage_tolerance=0.01,
        )
        return trade

    def assert_books_equal_chain(self, state: State | None = None) -> None:
        """Cash and tokens of the books are those of the wallet, to the last unit."""
        portfolio = (state or self.state).portfolio
        held = sum((p.get_quantity() for p in portfolio.get_open_and_frozen_positions()), Decimal(0))
        books = portfolio.get_reserve_position(self.usdc).quantity, held
        chain = tuple(self.chain.get_balance(a, self.wallet.address) for a in (self.usdc, self.market.weth))
        assert books == chain
