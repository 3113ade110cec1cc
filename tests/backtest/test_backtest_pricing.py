"""Prices of a backtest: the open of the candle that begins, fees on top, nothing stale, nothing invented."""

import datetime
from decimal import Decimal

import pytest

from tests.kit.markets import DAY, HOUR, START, Bar, buy, flat, make_candles, run_two
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.strategy.pricing_model import PriceUnavailable

BARS: list[Bar] = [(100, 110, 90, 105), (106, 120, 100, 110), (111, 112, 80, 85)]


def make_pricing(fee: float = 0.01, tolerance: datetime.timedelta | None = None):
    universe = create_universe({"BTC-USD": make_candles(BARS)}, fee=fee)
    return BacktestPricing(universe, tolerance), universe.get_single_pair()


def test_the_price_is_the_open_of_the_candle():
    pricing, pair = make_pricing()
    assert pricing.get_mid_price(START, pair) == 100
    assert pricing.get_mid_price(START + HOUR / 2, pair) == 100, "the rest of the candle is not known yet"
    assert pricing.get_mid_price(START + HOUR, pair) == 106
    assert pricing.get_mid_price(START + 3 * HOUR, pair) == 85, "after the last candle, its close"


def test_buying_costs_more_and_selling_brings_less():
    pricing, pair = make_pricing(fee=0.01)
    bought = pricing.get_buy_price(START, pair, Decimal(1010))
    assert (bought.price, bought.mid_price, bought.side) == (101.0, 100.0, True)
    assert bought.lp_fee == [pytest.approx(10)], "1010 dollars buy 10 units for 1000, 10 dollars are the fee"
    sold = pricing.get_sell_price(START, pair, Decimal(10))
    assert (sold.price, sold.mid_price, sold.side) == (99.0, 100.0, False)
    assert sold.lp_fee == [pytest.approx(10)]
    assert pricing.get_valuation_price(START, pair, Decimal(10)) == 99.0
    assert pricing.get_pair_fee(START, pair) == 0.01
    with pytest.raises(InvalidValue, match="must be positive"):
        pricing.get_sell_price(START, pair, Decimal(-1))


@pytest.mark.parametrize(("fee", "message"), [(-0.01, "the mid price"), (0, "pair_fee must consist of floats")])
def test_a_fee_that_no_price_can_have_is_refused(fee: float, message: str):
    pricing, pair = make_pricing()
    pricing._fees[pair.internal_id or 0] = fee
    with pytest.raises(InvalidValue, match=message):
        pricing.get_buy_price(START, pair, Decimal(1010))
    with pytest.raises(InvalidValue, match=message):
        pricing.get_sell_price(START, pair, Decimal(10))


def test_there_is_no_price_before_the_data_and_the_last_one_after_it():
    pricing, pair = make_pricing()
    with pytest.raises(PriceUnavailable, match="its data begins 2024-01-01 00:00:00"):
        pricing.get_mid_price(START - HOUR, pair)
    with pytest.raises(PriceUnavailable, match="its data begins 2024-01-01 00:00:00"):
        pricing.get_valuation_price(START - HOUR, pair, Decimal(1))
    assert pricing.get_mid_price(START + 2 * DAY, pair) == 85
    assert pricing.get_mid_price(START + 300 * DAY, pair) == 85


def test_old_prices_can_be_refused_and_still_value_a_holding():
    strict, pair = make_pricing(tolerance=HOUR)
    with pytest.raises(PriceUnavailable, match="too old"):
        strict.get_buy_price(START + 5 * HOUR, pair, None)
    assert strict.get_valuation_price(START + 5 * HOUR, pair, Decimal(1)) == 85 * 0.99


def test_a_price_tells_its_age():
    pricing, pair = make_pricing()
    minutes = datetime.timedelta(minutes=20)
    assert pricing.get_buy_price(START + HOUR, pair, None).market_feed_delay == datetime.timedelta(0)
    assert pricing.get_buy_price(START + HOUR + minutes, pair, None).market_feed_delay == minutes
    assert pricing.get_buy_price(START + 5 * HOUR, pair, None).market_feed_delay == 2 * HOUR
    assert [pricing.can_trade(START + n * minutes, pair) for n in range(5)] == [True, False, False, True, False]


@pytest.mark.parametrize(("price", "traded"), [(90, True), (110, True), (106, True), (89, False), (111, False)])
def test_resting_orders_fill_only_where_the_market_was(price: float, traded: bool):
    pricing, pair = make_pricing(fee=0.0)
    after_first = START + HOUR
    if traded:
        assert pricing.get_sell_price(after_first, pair, Decimal(1), mid_price=price).price == price
    else:
        with pytest.raises(PriceUnavailable, match="did not trade at"):
            pricing.get_sell_price(after_first, pair, Decimal(1), mid_price=price)


def test_a_market_that_disappears_while_a_position_is_open_keeps_its_last_price():
    gone = make_candles([flat(1)] * 24)
    stays = make_candles([flat(1)] * 24 * 5)
    result = run_two(gone, stays, {1: lambda input: buy(10, pair=input.strategy_universe.pairs[0])(input)})
    assert result.state.portfolio.get_net_asset_value() == 10_000
