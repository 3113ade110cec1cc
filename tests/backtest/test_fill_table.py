"""A table of fills: a few candles, one intention, and what must come of it, derived by hand.

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

from tests.kit.markets import HOUR, START, Bar, flat, make_candles
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.execution.slippage import FixedSlippage
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

# --- A position with a stop loss at 90 and a take profit at 120 ------------------------------------

BOTH = enter(stop_loss_usd=90.0, take_profit_usd=120.0)
EXITS = [
    # 91 - 119 touches neither.
    Case("nothing is reached", [(100, 119, 91, 110)], BOTH, [IN], 9_000),
    # The low of 85 is below 90 on either way, the high of 105 below 120: 10 at 90.
    Case("the low crosses the stop", [(100, 105, 85, 95)], BOTH, [IN, (-10, 90, 2)], 9_900, STOP),
    Case("the low touches the stop", [(100, 105, 90, 95)], BOTH, [IN, (-10, 90, 2)], 9_900, STOP),
    Case("the high crosses the target", [(100, 125, 95, 110)], BOTH, [IN, (-10, 120, 2)], 10_200, TARGET),
    Case("the high touches the target", [(100, 120, 95, 110)], BOTH, [IN, (-10, 120, 2)], 10_200, TARGET),
    # Jumps over a level: the first price traded is the open, and it is there at hour 1.
    Case("a gap below the stop", [(80, 85, 70, 75)], BOTH, [IN, (-10, 80, 1)], 9_800, STOP),
    Case("a gap to the stop", [(90, 95, 89, 93)], BOTH, [IN, (-10, 90, 1)], 9_900, STOP),
    Case("a gap above the target", [(130, 140, 128, 135)], BOTH, [IN, (-10, 130, 1)], 10_300, TARGET),
    # Down first: 900.  Up first: 1200.  Nobody knows, so 900.
    Case("both inside one candle, close in the middle", [(100, 130, 80, 100)], BOTH, [IN, (-10, 90, 2)], 9_900, STOP),
    # The close above the target does not tell that the target came first.
    Case("both inside one candle, close above", [(100, 130, 80, 125)], BOTH, [IN, (-10, 90, 2)], 9_900, STOP),
    # The open decides before the candle moves.
    Case("a gap above the target, then a crash", [(125, 130, 80, 85)], BOTH, [IN, (-10, 125, 1)], 10_250, TARGET),
    Case("a gap below the stop, then a rally", [(85, 130, 80, 125)], BOTH, [IN, (-10, 85, 1)], 9_850, STOP),
    # The candle that the position is opened in counts: it was bought at the open of 100.
    Case(
        "the stop in the candle of the entry",
        [flat(95)],
        BOTH,
        [IN, (-10, 90, 1)],
        9_900,
        STOP,
        first=(100, 101, 89, 95),
    ),
    # Candle 1 ends at 95 without touching a level, candle 2 goes through the stop.
    Case("two candles later", [(100, 101, 95, 95), (95, 96, 88, 89)], BOTH, [IN, (-10, 90, 3)], 9_900, STOP),
]

# --- A trailing stop loss of 10 %, which starts at 90 ----------------------------------------------

TRAIL = enter(trailing_stop_loss_pct=0.9)
TRAILING = [
    # 150 lifts the stop to 135.  Both ways end with the fall from 150 to 120: through 135.
    Case("the fall after the high is certain", [(100, 150, 99, 120)], TRAIL, [IN, (-10, 135, 2)], 10_350, STOP),
    # 120 lifts the stop to 108.  Down first it is never reached: 10 worth 1190.  Up first the low of 100 sells at 108.
    Case(
        "whether the low came after the high is open", [(100, 120, 100, 119)], TRAIL, [IN, (-10, 108, 2)], 10_080, STOP
    ),
    # 105 lifts it to 94.5, the low is 99: no way reaches it.  Candle 2 opens at 95 and falls to 90: 94.5.
    Case("it keeps its level", [(100, 105, 99, 101), (95, 96, 90, 92)], TRAIL, [IN, (-10, 94.5, 3)], 9_945, STOP),
    # 110 lifts it to 99; candle 2 opens at 98, below it.
    Case(
        "a gap below the trailed level",
        [(105, 110, 104, 108), (98, 99, 97, 98)],
        TRAIL,
        [IN, (-10, 98, 2)],
        9_980,
        STOP,
    ),
    # The gap to 130 lifts it to 117; the low of 118 does not reach it.
    Case("a gap up lifts it", [(130, 130, 118, 125)], TRAIL, [IN], 9_000),
    # Down first sells at 90, up first at 90.9 (101 x 0.9).  The worse one is 90.
    Case("the first level, or a little above", [(100, 101, 85, 95)], TRAIL, [IN, (-10, 90, 2)], 9_900, STOP),
    # Up first 112 sells before 120 is seen; down first nothing sells on the way down (95 > 90), then 112 does.
    Case(
        "with a target that both ways reach",
        [(100, 120, 95, 100)],
        enter(trailing_stop_loss_pct=0.9, take_profit_usd=112.0),
        [IN, (-10, 112, 2)],
        10_120,
        TARGET,
    ),
]

# --- Take profits of parts -------------------------------------------------------------------------

LADDER = enter(ladder((110.0, 5, False), (120.0, 5, True)))
PARTS = [
    # Both levels lie between 100 and 125 on either way.
    Case("both levels in one candle", [(100, 125, 99, 100)], LADDER, [IN, (-5, 110, 2), (-5, 120, 2)], 10_150, TARGET),
    Case("the lower one only", [(100, 115, 99, 100)], LADDER, [IN, (-5, 110, 2)], 9_550),
    Case(
        "one after the other",
        [(100, 112, 99, 111), (111, 121, 110, 115)],
        LADDER,
        [IN, (-5, 110, 2), (-5, 120, 3)],
        10_150,
        TARGET,
    ),
    # Both fill at the open of 130, the first price beyond them.
    Case("a gap above both", [(130, 135, 128, 130)], LADDER, [IN, (-5, 130, 1), (-5, 130, 1)], 10_300, TARGET),
    # 115 is above the first, the high of 121 reaches the second inside the candle.
    Case(
        "a gap above one, the other inside",
        [(115, 121, 114, 116)],
        LADDER,
        [IN, (-5, 115, 1), (-5, 120, 2)],
        10_175,
        TARGET,
    ),
    # Down first: all at 95.  Up first: 5 at 110, 5 at 95.  The worse one is all at 95.
    Case(
        "one level and the stop",
        [(100, 115, 94, 100)],
        enter(ladder((110.0, 5, False)), stop_loss_usd=95.0),
        [IN, (-10, 95, 2)],
        9_950,
        STOP,
    ),
    # 110 was sold in candle 1; the rest of 5 meets the stop in candle 2, and the order for 120 lapses with it.
    Case(
        "the stop takes the rest",
        [(100, 111, 99, 105), (105, 106, 94, 96), flat(125)],
        enter(ladder((110.0, 5, False), (120.0, 5, True)), stop_loss_usd=95.0),
        [IN, (-5, 110, 2), (-5, 95, 3)],
        10_025,
        STOP,
    ),
    # The orders add up to 14, there are 10: the second sells the 4 that are left.
    Case(
        "more than there is",
        [(100, 125, 99, 100)],
        enter(ladder((110.0, 6, False), (120.0, 8, False))),
        [IN, (-6, 110, 2), (-4, 120, 2)],
        10_140,
        TARGET,
    ),
    # "Close" sells all that is left then, 7 of 10, whatever amount was planned.
    Case(
        "close means the rest",
        [(100, 125, 99, 100)],
        enter(ladder((110.0, 3, False), (120.0, 1, True))),
        [IN, (-3, 110, 2), (-7, 120, 2)],
        10_170,
        TARGET,
    ),
    # The level of the position closes 10 at 115, between the steps of the ladder.
    Case(
        "the target between two steps",
        [(100, 125, 99, 100)],
        enter(ladder((110.0, 5, False), (120.0, 5, True)), take_profit_usd=115.0),
        [IN, (-5, 110, 2), (-5, 115, 2)],
        10_125,
        TARGET,
    ),
]

# --- Entries that wait -----------------------------------------------------------------------------

ENTRIES = [
    # 1000 / 95 = 10.526..., whichever way.
    Case("a limit buy waits below", [flat(100), (100, 101, 94, 96)], limit_buy(95.0, 950), [(10, 95, 3)], 9_050),
    Case("a limit buy is not reached", [(100, 110, 96, 97)], limit_buy(95.0), [], 10_000),
    # Better than the limit: the open of 90 is the first price at or below 95.
    Case("a gap below a limit buy", [(90, 92, 88, 91)], limit_buy(95.0, 900), [(10, 90, 1)], 9_100),
    # 105 is above the price of 100: met at once, at the price, inside candle 0.
    Case("a limit buy above the price", [flat(100)], limit_buy(105.0), [(10, 100, 1)], 9_000),
    Case("a stop buy waits above", [(100, 115, 99, 112)], stop_buy(110.0, 1_100), [(10, 110, 2)], 8_900),
    Case("a stop buy is not reached", [(100, 109, 90, 95)], stop_buy(110.0), [], 10_000),
    # Worse than the stop: 120 is the first price at or above 110.
    Case("a gap above a stop buy", [(120, 125, 118, 121)], stop_buy(110.0, 1_200), [(10, 120, 1)], 8_800),
    Case("a stop buy below the price", [flat(100)], stop_buy(95.0), [(10, 100, 1)], 9_000),
    # The name of the spec: above the price it waits for the rise, below the price for the fall.
    Case(
        "a market limit above",
        [(100, 115, 90, 112)],
        lambda m, p: m.open_spot_with_market_limit(p, 1_100, 110.0, None)[1],
        [(10, 110, 2)],
        8_900,
    ),
    Case(
        "a market limit below",
        [(100, 105, 99, 104), (104, 104, 90, 92)],
        lambda m, p: m.open_spot_with_market_limit(p, 950, 95.0, None)[1],
        [(10, 95, 3)],
        9_050,
    ),
    # Two limits become one position, each in its candle.
    Case(
        "two limits of one position",
        [(100, 100, 94, 96), (96, 97, 89, 91)],
        lambda m, p: m.limit_buy(p, 950, 95.0) + m.limit_buy(p, 900, 90.0),
        [(10, 95, 2), (10, 90, 3)],
        8_150,
    ),
    # 94 ... 106 inside one candle.  Down first: bought at 95, worth 1000 at the close: +50.  Up first: at 105, -50.
    Case(
        "one cancels the other, both reached",
        [(100, 106, 94, 100)],
        lambda m, p: m.oco_buy(p, 1_050, limit_price=95.0, stop_price=105.0),
        [(10, 105, 2)],
        8_950,
    ),
    Case(
        "one cancels the other, the lower reached",
        [(100, 104, 94, 100), (100, 110, 99, 110)],
        lambda m, p: m.oco_buy(p, 950, limit_price=95.0, stop_price=105.0),
        [(10, 95, 2)],
        9_050,
    ),
    # The second order needs 6000, 4000 are left when its price comes: it lapses.
    Case(
        "an order that cannot be paid lapses",
        [(100, 100, 94, 96), (96, 97, 89, 91)],
        lambda m, p: m.limit_buy(p, 5_700, 95.0) + m.limit_buy(p, 6_000, 90.0),
        [(60, 95, 2)],
        4_300,
    ),
    # Good till hour 2: candle 1 does not reach 95, candle 2 comes too late.
    Case(
        "good till time, not reached",
        [(100, 101, 96, 97), (97, 98, 90, 92)],
        limit_buy(95.0, good_till_time=hours(2)),
        [],
        10_000,
    ),
    Case(
        "good till time, reached in time",
        [(100, 101, 94, 97)],
        limit_buy(95.0, 950, good_till_time=hours(2)),
        [(10, 95, 2)],
        9_050,
    ),
    # Good till 01:30, in the middle of candle 1.  Whether 95 came before is open: at a close of 97 a fill would be a
    # gain, so there is none; at a close of 93 it would be a loss, so there is one.
    Case(
        "lapses inside the candle, a fill would gain",
        [(100, 101, 94, 97)],
        limit_buy(95.0, good_till_time=hours(1.5)),
        [],
        10_000,
    ),
    Case(
        "lapses inside the candle, a fill would lose",
        [(100, 101, 92, 93)],
        limit_buy(95.0, 950, good_till_time=hours(1.5)),
        [(10, 95, 2)],
        9_050,
    ),
]

# --- Entry and exit in one candle ------------------------------------------------------------------

ROUND_TRIPS = [
    # After 110 the price falls from its high of 112 to the close of 91: through 95 on either way.
    Case(
        "a certain stop",
        [(105, 112, 90, 91)],
        stop_buy(110.0, 1_100, stop_loss_usd=95.0),
        [(10, 110, 2), (-10, 95, 2)],
        9_850,
        STOP,
    ),
    # From 110 to the high of 120: through 115 on either way.
    Case(
        "a certain target",
        [(105, 120, 104, 118)],
        stop_buy(110.0, 1_100, take_profit_usd=115.0),
        [(10, 110, 2), (-10, 115, 2)],
        10_050,
        TARGET,
    ),
    # Up first: 110, then down to 94: sold at 95, -150.  Down first: bought at 110, worth 1080 at the close, -20.
    Case(
        "a stop that may have come after the entry",
        [(105, 112, 94, 108)],
        stop_buy(110.0, 1_100, stop_loss_usd=95.0),
        [(10, 110, 2), (-10, 95, 2)],
        9_850,
        STOP,
    ),
    # Down first: bought at 95, sold at 102, +70.  Up first: 103 came before 95, still held at the close of 100: +50.
    Case(
        "a target that may have come before the entry",
        [(98, 103, 94, 100)],
        limit_buy(95.0, 950, take_profit_usd=102.0),
        [(10, 95, 2)],
        9_050,
    ),
    # Bought at 95 on the way down, stopped at 90 on the same way down.
    Case(
        "limit and stop on the way down",
        [(98, 99, 88, 92)],
        limit_buy(95.0, 950, stop_loss_usd=90.0),
        [(10, 95, 2), (-10, 90, 2)],
        9_950,
        STOP,
    ),
    # A close above the target: the last move goes from 94 to 104 (up first), or from 94 to 106 (down first).
    Case(
        "limit, then a target before the close",
        [(98, 106, 94, 104)],
        limit_buy(95.0, 950, take_profit_usd=102.0),
        [(10, 95, 2), (-10, 102, 2)],
        10_070,
        TARGET,
    ),
    # The gap opens at 120, above entry and target: in and out at 120.
    Case(
        "a gap over entry and target",
        [(120, 121, 119, 120)],
        stop_buy(110.0, 1_200, take_profit_usd=115.0),
        [(10, 120, 1), (-10, 120, 1)],
        10_000,
        TARGET,
    ),
    # The gap opens at 85, below limit and stop: in and out at 85.
    Case(
        "a gap over limit and stop",
        [(85, 88, 84, 86)],
        limit_buy(95.0, 850, stop_loss_usd=90.0),
        [(10, 85, 1), (-10, 85, 1)],
        10_000,
        STOP,
    ),
    # In at the gap, then the candle itself: the low of 93 meets the stop.
    Case(
        "a gap over the entry, the stop inside",
        [(112, 113, 93, 100)],
        stop_buy(110.0, 1_120, stop_loss_usd=95.0),
        [(10, 112, 1), (-10, 95, 2)],
        9_830,
        STOP,
    ),
    # 110 in; 120 lifts the stop to 108; the close of 107 is below it on either way.
    Case(
        "a trailing stop after the entry",
        [(105, 120, 104, 107)],
        stop_buy(110.0, 1_100, trailing_stop_loss_pct=0.9),
        [(10, 110, 2), (-10, 108, 2)],
        9_980,
        STOP,
    ),
    # Down first: 10 are out at 95 and the add-on lapses, -50.  Up first: 10 more at 105, then 20 at 95: -150.
    Case(
        "an add-on and the stop",
        [(100, 106, 94, 100)],
        enter(lambda m, p: m.stop_buy(p.pair, 1_050, 105.0), stop_loss_usd=95.0),
        [IN, (10, 105, 2), (-20, 95, 2)],
        9_850,
        STOP,
    ),
]

# --- Exits by order --------------------------------------------------------------------------------

ORDERS = [
    Case(
        "a limit sell",
        [(100, 112, 99, 105)],
        enter(lambda m, p: m.limit_sell(p, 110.0, D(4))),
        [IN, (-4, 110, 2)],
        9_440,
        TARGET,
    ),
    Case(
        "a limit sell of all",
        [(100, 112, 99, 105)],
        enter(lambda m, p: m.limit_sell(p, 110.0)),
        [IN, (-10, 110, 2)],
        10_100,
        TARGET,
    ),
    Case(
        "a stop sell",
        [(100, 101, 88, 95)],
        enter(lambda m, p: m.stop_sell(p, 90.0, D(4))),
        [IN, (-4, 90, 2)],
        9_360,
        STOP,
    ),
    Case(
        "a gap below a stop sell",
        [(85, 86, 84, 85)],
        enter(lambda m, p: m.stop_sell(p, 90.0)),
        [IN, (-10, 85, 1)],
        9_850,
        STOP,
    ),
    # Down first: 90, up first: 110.  The worse one.
    Case(
        "one cancels the other, both reached",
        [(100, 111, 89, 100)],
        enter(lambda m, p: m.oco_sell(p, limit_price=110.0, stop_price=90.0)),
        [IN, (-10, 90, 2)],
        9_900,
        STOP,
    ),
    Case(
        "one cancels the other, the higher reached",
        [(100, 111, 95, 100), flat(80)],
        enter(lambda m, p: m.oco_sell(p, limit_price=110.0, stop_price=90.0, quantity=D(6))),
        [IN, (-6, 110, 2)],
        9_660,
        TARGET,
    ),
    # Good till 01:30: the open of 115 at hour 2 comes too late.  Good till hour 2, it is just in time.
    Case(
        "a limit sell that lapses",
        [(100, 105, 99, 104), flat(115)],
        enter(lambda m, p: m.limit_sell(p, 110.0, good_till_time=hours(1.5))),
        [IN],
        9_000,
    ),
    Case(
        "a limit sell in its last moment",
        [(100, 105, 99, 104), flat(115)],
        enter(lambda m, p: m.limit_sell(p, 110.0, good_till_time=hours(2))),
        [IN, (-10, 115, 2)],
        10_150,
        TARGET,
    ),
    # Half inside candle 1, and the stop of the position takes the other half inside candle 2.
    Case(
        "a limit sell of a half, then the stop",
        [(100, 112, 99, 105), (105, 106, 89, 95)],
        enter(lambda m, p: m.limit_sell(p, 110.0, D(5)), stop_loss_usd=90.0),
        [IN, (-5, 110, 2), (-5, 90, 3)],
        10_000,
        STOP,
    ),
]

# --- Times -----------------------------------------------------------------------------------------

TIMES = [
    # At hour 3 exactly, at the open of candle 3, not a candle later.
    Case(
        "at a time",
        [flat(101), flat(102), flat(103), flat(104)],
        enter(lambda m, p: m.close_after(p, START + hours(3))),
        [IN, (-10, 103, 3)],
        10_030,
        TIME,
    ),
    Case(
        "a time after the fill",
        [flat(101), flat(102), flat(103)],
        enter(lambda m, p: m.close_after(p, hours(2))),
        [IN, (-10, 102, 2)],
        10_020,
        TIME,
    ),
    # 02:30 lies inside candle 2; the next price is the open of candle 3.
    Case(
        "a time inside a candle",
        [flat(101), flat(102), flat(103)],
        enter(lambda m, p: m.close_after(p, START + hours(2.5))),
        [IN, (-10, 103, 3)],
        10_030,
        TIME,
    ),
    Case(
        "three candles later",
        [flat(101), flat(102), flat(97)],
        enter(lambda m, p: m.close_after_bars(p, 3)),
        [IN, (-10, 97, 3)],
        9_970,
        TIME,
    ),
    # The entry fills inside candle 1 and is booked at hour 2; candle 2 ends at hour 3.
    Case(
        "a candle after an entry that waited",
        [(100, 100, 94, 96), flat(97), flat(98)],
        lambda m, p: m.limit_buy(p, 950, 95.0) + m.close_after_bars(position_of(m), 1),
        [(10, 95, 2), (-10, 98, 3)],
        10_030,
        TIME,
    ),
    Case(
        "the stop comes before the time",
        [(100, 100, 89, 91), flat(92)],
        enter(lambda m, p: m.close_after_bars(p, 2), stop_loss_usd=90.0),
        [IN, (-10, 90, 2)],
        9_900,
        STOP,
    ),
    # Both at the open of candle 2, at the same price of 85; the stop goes first and takes all.
    Case(
        "a gap below the stop at the time",
        [flat(100), flat(85)],
        enter(lambda m, p: m.close_after_bars(p, 2), stop_loss_usd=90.0),
        [IN, (-10, 85, 2)],
        9_850,
        STOP,
    ),
    # Part at a price, the rest at a time: 4 at 110 inside candle 1, 6 at the open of candle 3.
    Case(
        "part at a price, the rest at a time",
        [(100, 111, 99, 105), flat(104), flat(103)],
        enter(lambda m, p: m.limit_sell(p, 110.0, D(4)) + m.close_after_bars(p, 3)),
        [IN, (-4, 110, 2), (-6, 103, 3)],
        10_058,
        TIME,
    ),
    # The tuple form: 5 at a time after opening, 5 at a level.
    Case(
        "a ladder of time and price",
        [flat(101), (101, 121, 100, 110)],
        enter(lambda m, p: m.prepare_take_profit_trades(p, [(hours(1), D(-5), False), (120.0, D(-5), True)])),
        [IN, (-5, 101, 1), (-5, 120, 3)],
        10_105,
        TARGET,
    ),
]

# --- Several intentions in one decision ------------------------------------------------------------


def close(manager: PositionManager, pair: TradingPairIdentifier) -> Any:
    return manager.close_position(position_of(manager))


def adjust(dollars: float, quantity: Decimal | None = None) -> Plan:
    return lambda manager, pair: manager.adjust_position(pair, dollars, quantity, 0.5)


def both(*plans: Plan) -> Plan:
    return lambda manager, pair: [trade for plan in plans for trade in plan(manager, pair)]


def reopen(manager: PositionManager, pair: TradingPairIdentifier) -> Any:
    return manager.open_spot(pair, 550.0)


CONFLICTS = [
    # 10 sold at 110 (1100), 5 bought for 550.
    Case(
        "close and buy",
        [flat(110)],
        enter(),
        [IN, (-10, 110, 1), (5, 110, 1)],
        9_550,
        then={1: both(close, adjust(550))},
    ),
    Case(
        "close and open", [flat(110)], enter(), [IN, (-10, 110, 1), (5, 110, 1)], 9_550, then={1: both(close, reopen)}
    ),
    # The purchase is withdrawn.
    Case("buy and close", [flat(110)], enter(), [IN, (-10, 110, 1)], 10_100, then={1: both(adjust(550), close)}),
    Case(
        "buy, close and open",
        [flat(110)],
        enter(),
        [IN, (-10, 110, 1), (5, 110, 1)],
        9_550,
        then={1: both(adjust(220), close, reopen)},
    ),
    # The sale leaves 6, closing sells them; closing is carried out first.
    Case(
        "reduce and close",
        [flat(110)],
        enter(),
        [IN, (-6, 110, 1), (-4, 110, 1)],
        10_100,
        then={1: both(adjust(-440, D(-4)), close)},
    ),
    Case("close twice", [flat(110)], enter(), [IN, (-10, 110, 1)], 10_100, then={1: both(close, close)}),
    # A position that still waits for its entry is given up.
    Case("close what has not opened", [flat(101), (101, 101, 94, 95)], limit_buy(95.0), [], 10_000, then={1: close}),
    # The order that waits for 120 does not count as a sale of the decision: more is bought into the same position.
    Case(
        "a ladder does not close",
        [flat(110), (110, 125, 109, 110)],
        enter(ladder((120.0, 10, True))),
        [IN, (5, 110, 1), (-15, 120, 3)],
        10_250,
        TARGET,
        then={1: adjust(550)},
    ),
]

# --- Units, fees, slippage -------------------------------------------------------------------------

UNITS = [
    # 1000 / 300 = 3.33: three, for 900.
    Case("no decimals", [flat(300), flat(330)], limit_buy(300.0), [(3, 300, 1)], 9_100, decimals=0, first=flat(300)),
    # 1000 / 7.77 = 128.7001...: 128.70 for 999.999.
    Case("two decimals", [flat(7.77)], limit_buy(7.77), [(128.7, 7.77, 1)], 9_000.001, decimals=2, first=flat(7.77)),
    # 10 at 100 with 1 %: 1000 / 101 = 9.900990..., cost exactly 1000 (rounded up to 6 decimals).
    Case("a fee", [flat(100)], enter(), [(1_000 / 101, 101, 0)], 9_000, fee=0.01),
    # The stop at 90 brings 90 x 0.99 a unit: 9.900990 x 89.1 = 882.178217 (rounded down).
    Case(
        "a fee on the stop",
        [(100, 100, 80, 85)],
        enter(stop_loss_usd=90.0),
        [(1_000 / 101, 101, 0), (-1_000 / 101, 89.1, 2)],
        9_882.178217,
        STOP,
        fee=0.01,
    ),
    # 2 % worse: 9.8 units for 1000; they bring 9.8 x 110 x 0.98 = 1056.44.
    Case(
        "slippage both ways",
        [flat(110)],
        enter(slippage_tolerance=0.02),
        [(9.8, 1_000 / 9.8, 0), (-9.8, 107.8, 1)],
        10_056.44,
        then={1: lambda m, p: m.close_position(position_of(m), slippage_tolerance=0.02)},
        options={"slippage": FixedSlippage(0.02)},
    ),
    # 2 % worse and no decimals: 10 become 9, at 100 / 0.98 each; the rest stays in cash.
    Case(
        "slippage without decimals",
        [flat(100)],
        enter(slippage_tolerance=0.02),
        [(9, 100 / 0.98, 0)],
        10_000 - 918.367347,
        decimals=0,
        options={"slippage": FixedSlippage(0.02)},
    ),
]

CASES = [*EXITS, *TRAILING, *PARTS, *ENTRIES, *ROUND_TRIPS, *ORDERS, *TIMES, *CONFLICTS, *UNITS]


def make_universe(case: Case) -> TradingStrategyUniverse:
    candles = make_candles([case.first, *case.bars])
    usd = AssetIdentifier(1, "0x" + "11" * 20, "USDC", 6, internal_id=1)
    token = AssetIdentifier(1, "0x" + "22" * 20, "TKN", case.decimals, internal_id=2)
    pool, exchange = "0x" + "33" * 20, "0x" + "44" * 20
    pair = TradingPairIdentifier(token, usd, pool, exchange, internal_id=1, fee=case.fee, exchange_name="test")
    return TradingStrategyUniverse({pair: candles}, usd)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fills(case: Case):
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


def test_the_table_is_long_and_every_name_is_used_once():
    keys = [(case.name, tuple(case.fills)) for case in CASES]
    assert len(set(keys)) == len(keys) >= 60
