"""A small trader for tests: plans a trade and walks it through its life, one second per step.

The assets and pairs here are made for tests, the numbers of the worked examples in `test_trading.py` belong to them.
"""

import datetime
from decimal import Decimal
from typing import Any

from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType

T0 = datetime.datetime(2022, 1, 1)
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


def asset(symbol: str, decimals: int, number: int, chain_id: int = 1) -> AssetIdentifier:
    return AssetIdentifier(chain_id, f"0x{number:040x}", symbol, decimals)


def pair(
    base: AssetIdentifier, quote: AssetIdentifier, fee: float | None, number: int, **more: Any
) -> TradingPairIdentifier:
    return TradingPairIdentifier(base, quote, f"0x{number:040x}", f"0x{99:040x}", internal_id=number, fee=fee, **more)


USDC = asset("USDC", 6, 1)
WETH = asset("WETH", 18, 2)
WBTC = asset("WBTC", 8, 3)
LINK = asset("LINK", 18, 4)
SHARES = asset("vUSD", 18, 5)

WETH_USDC = pair(WETH, USDC, 0.003, 101)
WBTC_USDC = pair(WBTC, USDC, 0.0005, 102)
LINK_USDC = pair(LINK, USDC, 0.003, 103)
VAULT = pair(SHARES, USDC, 0.0, 104, kind=TradingPairKind.vault, other_data={"vault_lockup_days": 3})

#: The reserve currency and a token on another chain.
FAR_CHAIN = 8453
FAR_USDC = asset("USDC", 6, 11, FAR_CHAIN)
FAR_WETH = asset("WETH", 18, 12, FAR_CHAIN)
FAR_WETH_USDC = pair(FAR_WETH, FAR_USDC, 0.003, 111)
BRIDGE = pair(FAR_USDC, USDC, None, 112, kind=TradingPairKind.cctp_bridge)


def new_state(cash: str | int | Decimal = 10_000) -> State:
    """A state with one reserve currency and nothing else."""
    state = State(created_at=T0, name="test")
    reserve = ReservePosition(USDC, Decimal(cash), T0, 1.0, T0)
    state.portfolio.reserves[reserve.get_identifier()] = reserve
    return state


def cash_of(state: State) -> Decimal:
    return state.portfolio.get_default_reserve_position().quantity


class Trader:
    """Trades on a state.

    The fill price is the asked price times `price_impact`; a buy also gets that much less of the token.
    """

    def __init__(self, state: State, lp_fees: float = 2.50, price_impact: float = 0.99):
        self.state = state
        self.lp_fees = lp_fees
        self.price_impact = price_impact
        self.ts = T0
        self.nonce = 1

    def plan(
        self,
        pair: TradingPairIdentifier,
        quantity: str | Decimal | None = None,
        price: float = 1.0,
        reserve: str | Decimal | None = None,
        **more: Any,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade; `quantity` is signed."""
        position, trade, _ = self.state.create_trade(
            strategy_cycle_at=more.pop("strategy_cycle_at", self.ts),
            pair=pair,
            quantity=None if quantity is None else Decimal(quantity),
            reserve=None if reserve is None else Decimal(reserve),
            assumed_price=price,
            trade_type=more.pop("trade_type", TradeType.rebalance),
            reserve_currency=more.pop("reserve_currency", USDC),
            reserve_currency_price=more.pop("reserve_currency_price", 1.0),
            pair_fee=more.pop("pair_fee", pair.fee),
            planned_mid_price=more.pop("planned_mid_price", price),
            **more,
        )
        self.ts += SECOND
        return position, trade

    def start(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        self.state.start_execution(self.ts, trade, hex(self.nonce), self.nonce, underflow_check)
        self.nonce += 1
        self.ts += SECOND

    def broadcast(self, trade: TradeExecution) -> None:
        self.state.mark_broadcasted(self.ts, trade)
        self.ts += SECOND

    def succeed(
        self, trade: TradeExecution, price: float | None = None, quantity: Decimal | None = None, reserve: Any = None
    ) -> None:
        """Complete a broadcasted trade, as planned unless told otherwise."""
        price = trade.planned_price if price is None else price
        quantity = trade.planned_quantity if quantity is None else quantity
        if reserve is None:
            reserve = Decimal(0) if trade.is_buy() else abs(quantity * Decimal(price))
        self.state.mark_trade_success(self.ts, trade, price, quantity, reserve, self.lp_fees, 1.0)

    def fail(self, trade: TradeExecution) -> None:
        self.state.mark_trade_failed(self.ts, trade)
        self.ts += SECOND

    def execute(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        """Start, broadcast and complete a planned trade, with the price impact."""
        self.start(trade, underflow_check)
        self.broadcast(trade)
        price = trade.planned_price * self.price_impact
        quantity = trade.planned_quantity
        self.succeed(trade, price, quantity * Decimal(self.price_impact) if trade.is_buy() else quantity)

    def buy(
        self, pair: TradingPairIdentifier, quantity: str | Decimal, price: float, underflow_check: bool = True
    ) -> tuple[TradingPosition, TradeExecution]:
        position, trade = self.plan(pair, quantity, price)
        self.execute(trade, underflow_check)
        return position, trade

    def sell(
        self, pair: TradingPairIdentifier, quantity: str | Decimal, price: float
    ) -> tuple[TradingPosition, TradeExecution]:
        return self.buy(pair, -Decimal(quantity), price)

    def start_and_fail(self, pair: TradingPairIdentifier, quantity: str, price: float) -> TradeExecution:
        """Plan, start, broadcast and fail a trade."""
        _, trade = self.plan(pair, quantity, price)
        self.start(trade)
        self.broadcast(trade)
        self.fail(trade)
        return trade

    def redeem_in_kind(self, position: TradingPosition, quantity: str) -> BalanceUpdate:
        """An investor takes tokens out of the position."""
        event = BalanceUpdate(
            balance_update_id=self.state.portfolio.allocate_balance_update_id(),
            cause=BalanceUpdateCause.redemption,
            position_type=BalanceUpdatePositionType.open_position,
            asset=position.pair.base,
            block_mined_at=self.ts,
            strategy_cycle_included_at=self.ts,
            chain_id=position.pair.chain_id,
            quantity=-Decimal(quantity),
            old_balance=position.get_quantity(),
            usd_value=-float(quantity) * position.last_token_price,
            created_at=self.ts,
            position_id=position.position_id,
            tx_hash=f"0x{self.nonce:064x}",
            log_index=1,
        )
        position.add_balance_update_event(event)
        return event
