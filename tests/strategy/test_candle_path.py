"""Which level a range of prices reaches first; the rules in numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.trade import TradeType
from tradeexecutor.strategy.stop_loss import PriceRange, TriggerHit, find_hit

prices = st.floats(1, 1000)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (100, None),
        (90, TriggerHit(TradeType.stop_loss, 90, 90)),
        (80, TriggerHit(TradeType.stop_loss, 90, 80)),
        (120, TriggerHit(TradeType.take_profit, 120, 120)),
        (130, TriggerHit(TradeType.take_profit, 120, 130)),
    ],
)
def test_a_single_price_fills_at_that_price(price: float, expected: TriggerHit | None):
    assert find_hit(90, 120, PriceRange.at(price)) == expected


def test_without_levels_nothing_happens():
    assert find_hit(None, None, PriceRange(100, 1000, 1, 100)) is None


@given(st.tuples(prices, prices, prices, prices), prices, prices)
def test_nothing_fills_at_a_price_the_market_did_not_reach(four: tuple[float, ...], one: float, other: float):
    low, first, second, high = sorted(four)
    stop_loss, take_profit = sorted((one, other))
    hit = find_hit(stop_loss, take_profit, PriceRange(first, high, low, second))
    if hit is None:
        assert low > stop_loss
        assert high < take_profit
    else:
        assert low <= hit.price <= high
        if hit.trade_type is TradeType.stop_loss:
            assert hit.price <= stop_loss
        else:
            assert hit.price >= take_profit
