"""Assets, pairs and states that are made for tests, and a trader that takes trades step by step.

The numbers of the worked examples in `test_trading.py`, `test_lending.py` and their neighbours belong to these pairs.
"""

import datetime
from decimal import Decimal
from typing import Any

from tradeexecutor.state.identifier import AssetIdentifier, AssetType, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.testing.unit_test_trader import UnitTestTrader

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


ACCOUNT = pair(asset("ACCOUNT", 6, 20), USDC, 0.0, 120, kind=TradingPairKind.exchange_account)

#: What a lending protocol gives for USDC, and what it keeps for borrowed WETH.
A_USDC = AssetIdentifier(
    1, f"0x{21:040x}", "aPolUSDC", 6, underlying=USDC, type=AssetType.collateral, liquidation_threshold=0.85
)
V_WETH = AssetIdentifier(1, f"0x{22:040x}", "variableDebtPolWETH", 18, underlying=WETH, type=AssetType.borrowed)
#: The other way round, for a leveraged long.
A_WETH = AssetIdentifier(
    1, f"0x{23:040x}", "aPolWETH", 18, underlying=WETH, type=AssetType.collateral, liquidation_threshold=0.85
)
V_USDC = AssetIdentifier(1, f"0x{24:040x}", "variableDebtPolUSDC", 6, underlying=USDC, type=AssetType.borrowed)
CREDIT = pair(A_USDC, USDC, 0.0, 121, kind=TradingPairKind.credit_supply)
SHORT = pair(V_WETH, A_USDC, 0.003, 122, kind=TradingPairKind.lending_protocol_short, underlying_spot_pair=WETH_USDC)
LONG = pair(A_WETH, V_USDC, 0.003, 126, kind=TradingPairKind.lending_protocol_long, underlying_spot_pair=WETH_USDC)


def new_state(cash: str | int | Decimal = 10_000) -> State:
    """A state with one reserve currency and nothing else."""
    state = State(created_at=T0, name="test")
    reserve = ReservePosition(USDC, Decimal(cash), T0, 1.0, T0)
    state.portfolio.reserves[reserve.get_identifier()] = reserve
    return state


def cash_of(state: State) -> Decimal:
    return state.portfolio.get_default_reserve_position().quantity


class Trader(UnitTestTrader):
    """Takes trades through their life step by step; quantities may be text, cash is always USDC."""

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

    def create(
        self, pair: TradingPairIdentifier, quantity: str | Decimal, price: float
    ) -> tuple[TradingPosition, TradeExecution]:
        return self.plan(pair, quantity, price)

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

    def complete(self, trade: TradeExecution, **changes: Any) -> None:
        """Complete a broadcasted trade of any kind and report all of its amounts, as planned unless told otherwise."""
        arguments: dict[str, Any] = {
            "executed_at": self.ts,
            "executed_price": float(trade.planned_price),
            "executed_amount": trade.planned_quantity,
            "executed_reserve": trade.planned_reserve,
            "lp_fees": float(self.lp_fees),
            "native_token_price": 1.0,
            "executed_collateral_consumption": trade.planned_collateral_consumption,
            "executed_collateral_allocation": trade.planned_collateral_allocation,
        }
        self.state.mark_trade_success(trade=trade, **(arguments | changes))

    def send(self, trade: TradeExecution) -> None:
        """Start and broadcast a planned trade."""
        self.start(trade)
        self.broadcast(trade)

    def run(self, trade: TradeExecution, **changes: Any) -> None:
        """Start, broadcast and complete a planned trade of any kind."""
        self.send(trade)
        self.complete(trade, **changes)

    def fail(self, trade: TradeExecution) -> None:
        self.state.mark_trade_failed(self.ts, trade)
        self.ts += SECOND

    def buy(
        self, pair: TradingPairIdentifier, quantity: str | Decimal, price: float, underflow_check: bool = True
    ) -> tuple[TradingPosition, TradeExecution]:
        return self.create_and_execute(pair, Decimal(quantity), price, underflow_check)

    def sell(
        self, pair: TradingPairIdentifier, quantity: str | Decimal, price: float
    ) -> tuple[TradingPosition, TradeExecution]:
        """Sell a quantity, or all of what purchases of that quantity have brought in."""
        quantity, position = Decimal(quantity), self.state.portfolio.get_open_position_for_pair(pair)
        if position is not None:
            held = position.get_quantity()
            if held < quantity and abs(held - quantity * Decimal(self.price_impact)) < Decimal("1E-9"):
                quantity = held
        return self.create_and_execute(pair, -quantity, price)

    def start_and_fail(self, pair: TradingPairIdentifier, quantity: str, price: float) -> TradeExecution:
        """Plan, start, broadcast and fail a trade."""
        _, trade = self.plan(pair, quantity, price)
        self.start(trade)
        self.broadcast(trade)
        self.fail(trade)
        return trade
