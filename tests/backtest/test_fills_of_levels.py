"""Stop losses, take profits, ladders and trailing stops, alone and in the candle of their entry, by hand.

How to read a case: `tests.kit.fills`.
"""

import pytest

from tests.kit.fills import (
    IN,
    STOP,
    TARGET,
    Case,
    check_case,
    enter,
    ladder,
    limit_buy,
    stop_buy,
)
from tests.kit.markets import flat

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
    # Down first: all at 90, 900.  Up first: 2 at 110, 3 at 120, 5 at 130, 1230.  The worse one is the stop.
    Case(
        "three levels and the stop",
        [(100, 132, 88, 120)],
        enter(ladder((110.0, 2, False), (120.0, 3, False), (130.0, 5, True)), stop_loss_usd=90.0),
        [IN, (-10, 90, 2)],
        9_900,
        STOP,
    ),
    # 220 and 360 inside candle 1, whose low of 95 is above the stop; candle 2 opens at 140, above the third: 700.
    Case(
        "two levels inside, a gap above the third",
        [(100, 122, 95, 116), (140, 140, 138, 138)],
        enter(ladder((110.0, 2, False), (120.0, 3, False), (130.0, 5, True)), stop_loss_usd=90.0),
        [IN, (-2, 110, 2), (-3, 120, 2), (-5, 140, 2)],
        10_280,
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

CASES = [*EXITS, *TRAILING, *PARTS, *ROUND_TRIPS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fills(case: Case):
    check_case(case)
