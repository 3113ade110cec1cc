"""Orders that wait, times, several intentions of one decision, units, fees and slippage, by hand.

How to read a case: `tests.kit.fills`.
"""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.fills import (
    IN,
    STOP,
    TARGET,
    TIME,
    Case,
    D,
    Plan,
    check_case,
    enter,
    hours,
    ladder,
    limit_buy,
    position_of,
    stop_buy,
)
from tests.kit.markets import START, flat
from tradeexecutor.execution.slippage import FixedSlippage
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

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

CASES = [*ENTRIES, *ORDERS, *TIMES, *CONFLICTS, *UNITS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fills(case: Case):
    check_case(case)
