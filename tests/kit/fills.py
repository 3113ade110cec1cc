"""Cases of fills: a few candles, one intention, and what must come of it.

Every run has 10,000 of cash and no fee unless it says otherwise.  Candle number `n` covers the hour from `n` to
`n + 1`, and there is a decision at the start of each.  Candle 0 is flat at 100; the first decision, at its open, says
what is wanted.  A fill is written as (base units, price, hour): what is hit inside candle `n` is booked at hour
`n + 1`, what happens at its open at hour `n`.

"Down first" is the way open - low - high - close, "up first" is open - high - low - close.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import HOUR, START, Bar, make_candles
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeType
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

Plan = Callable[[PositionManager, TradingPairIdentifier], Any]
Fill = tuple[float, float, float]

D = Decimal
STOP, TARGET, TIME, DECIDED = (
    TradeType.stop_loss, TradeType.take_profit, TradeType.flexible_trigger, TradeType.rebalance
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`then` is done by later decisions, by the number of their candle; `bars` follow candle 0."""

    name: str
    bars: Sequence[Bar]
    plan: Plan
    fills: Sequence[Fill]
    cash: float
    last: TradeType | None = None
    then: dict[int, Plan] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    fee: float = 0.0
    decimals: int = 18
    first: Bar = (100, 100, 100, 100)


def position_of(manager: PositionManager) -> TradingPosition:
    portfolio = manager.state.portfolio
    return next(iter([*portfolio.open_positions.values(), *portfolio.pending_positions.values()]))


def enter(*orders: Callable[[PositionManager, TradingPosition], Any], value: float = 1_000, **levels: Any) -> Plan:
    """Buy ten at 100 now, with levels, and place orders on them."""

    def plan(manager: PositionManager, pair: TradingPairIdentifier) -> Any:
        trades = manager.open_spot(pair, value, **levels)
        for order in orders:
            trades = trades + order(manager, position_of(manager))
        return trades

    return plan


def ladder(*steps: tuple[float, float, bool]) -> Callable[[PositionManager, TradingPosition], Any]:
    """Take profits: level, units, and whether the rest goes."""
    return lambda manager, position: manager.prepare_take_profit_trades(
        position, [(level, -D(str(units)), close) for level, units, close in steps]
    )


def limit_buy(price: float, value: float = 1_000, **more: Any) -> Plan:
    return lambda manager, pair: manager.limit_buy(pair, value, price, **more)


def stop_buy(price: float, value: float = 1_000, **more: Any) -> Plan:
    return lambda manager, pair: manager.stop_buy(pair, value, price, **more)


def hours(count: float) -> datetime.timedelta:
    return count * HOUR


IN = (10, 100, 0)


def make_universe(case: Case) -> TradingStrategyUniverse:
    candles = make_candles([case.first, *case.bars])
    usd = AssetIdentifier(1, "0x" + "11" * 20, "USDC", 6, internal_id=1)
    token = AssetIdentifier(1, "0x" + "22" * 20, "TKN", case.decimals, internal_id=2)
    pool, exchange = "0x" + "33" * 20, "0x" + "44" * 20
    pair = TradingPairIdentifier(token, usd, pool, exchange, internal_id=1, fee=case.fee, exchange_name="test")
    return TradingStrategyUniverse({pair: candles}, usd)


def check_case(case: Case) -> None:
    """Run a case and compare fills, cash and what is left open."""

    def decide_trades(input: StrategyInput) -> Any:
        plan = case.plan if input.cycle == 1 else case.then.get(input.cycle - 1)
        return plan(input.get_position_manager(), input.get_default_pair()) if plan else []

    result = run_backtest_inline(
        decide_trades=decide_trades,
        universe=make_universe(case),
        initial_deposit=10_000,
        progress=False,
        **case.options,
    )
    portfolio = result.state.portfolio
    executed = [trade for trade in portfolio.get_all_trades() if trade.executed_at is not None]
    # In the order in which the money moved.
    executed.sort(key=lambda trade: trade.blockchain_transactions[0].nonce or 0)
    fills = [
        (float(trade.executed_quantity or 0), trade.executed_price, ((trade.executed_at or START) - START) / HOUR)
        for trade in executed
    ]
    assert fills == [pytest.approx(fill, rel=1e-7) for fill in case.fills]
    assert float(
        portfolio.get_reserve_position(executed[0].reserve_currency if executed else _usd(result)).quantity
    ) == (pytest.approx(case.cash, abs=2e-6))
    if case.last is not None:
        assert executed[-1].trade_type is case.last
    result.state.perform_integrity_check()
    held = sum(fill[0] for fill in case.fills)
    assert bool(portfolio.open_positions) is (held > 1e-6)


def _usd(result: Any) -> AssetIdentifier:
    return result.strategy_universe.reserve_asset
