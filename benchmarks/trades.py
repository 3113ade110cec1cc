"""Spot trades per second from plan to success: create, start, broadcast, succeed.

Every second trade sells what the one before bought, so half as many positions are opened and closed.

The collector makes no full collections meanwhile, as in a backtest; see `tradeexecutor.state.garbage`.
"""

import datetime
from decimal import Decimal

from benchmarks.measure import timed
from tradeexecutor.state.garbage import pause_full_collections
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State, TradeType

USDC = AssetIdentifier(1, "0x" + "1" * 40, "USDC", 6)
WETH = AssetIdentifier(1, "0x" + "2" * 40, "WETH", 18)
PAIR = TradingPairIdentifier(WETH, USDC, "0x" + "3" * 40, "0x" + "4" * 40, internal_id=1, fee=0.003)

SIZES = (1_000, 10_000, 100_000)


def trade(count: int) -> State:
    """Make `count` trades, buy and sell in turn."""
    state = State()
    state.portfolio.initialise_reserves(USDC, 1.0).quantity = Decimal(1_000_000)
    at = datetime.datetime(2024, 1, 1)
    quantities = (Decimal("0.25"), Decimal("-0.25"))
    for number in range(count):
        at += datetime.timedelta(seconds=1)
        _, planned, _ = state.create_trade(
            at,
            PAIR,
            quantities[number % 2],
            None,
            2400.0,
            TradeType.rebalance,
            USDC,
            1.0,
            pair_fee=0.003,
            planned_mid_price=2400.0,
            slippage_tolerance=0.02,
        )
        state.start_execution(at, planned)
        state.mark_broadcasted(at, planned)
        state.mark_trade_success(at, planned, 2400.0, planned.planned_quantity, planned.planned_reserve, 1.8, 1.0)
    return state


def run() -> None:
    """Print the rate at each size, best of five."""
    rates: dict[int, float] = {}
    trade(1_000)
    for size in SIZES:
        with pause_full_collections():
            rates[size] = size / min(timed(lambda size=size: trade(size))[0] for _ in range(5))
        print(f"{size:>9,} trades {rates[size]:>10,.0f} trades/s")
    print(f"rate at {SIZES[0]:,} / rate at {SIZES[-1]:,}: {rates[SIZES[0]] / rates[SIZES[-1]]:.2f}")
