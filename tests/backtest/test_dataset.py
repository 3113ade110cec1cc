"""The price data that comes with the program is there and is what it says."""

import datetime

import pytest

from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, load_market_data
from tradeexecutor.backtest.dataset import DatasetNotFound, list_datasets, load_dataset
from tradeexecutor.strategy.market_data import MONTH


@pytest.mark.parametrize("name", list_datasets())
def test_every_data_set_is_a_valid_history(name: str):
    for symbol, candles in load_dataset(name).items():
        assert symbol.endswith("-USD")
        assert len(candles) > 100
        assert candles.volume is not None


def test_numbers_survive_the_compact_form():
    candles = load_dataset("btc-usd-monthly")["BTC-USD"]
    assert candles.bucket == MONTH
    assert candles.first_start_at == datetime.datetime(2012, 1, 1)
    assert (candles.open[0], candles.high[0], candles.low[0], candles.close[0]) == (4.58, 7.38, 3.8, 5.55)
    assert candles.close[-1] == 93381.0
    assert load_dataset("eur-usd-hourly")["EUR-USD"].close[0] == 1.07219


def test_pairs_can_be_chosen():
    assert list(load_dataset("us-stocks-daily", ["IBM-USD"])) == ["IBM-USD"]
    assert [
        pair.base.token_symbol for pair in load_market_data("us-stocks-daily:IBM-USD", "btc-usd-monthly").pairs
    ] == [
        "IBM",
        "BTC",
    ]


def test_unknown_names_say_what_there_is():
    with pytest.raises(DatasetNotFound, match="btc-usd-monthly"):
        load_dataset("doge")
    with pytest.raises(DatasetNotFound, match="AAPL-USD"):
        load_dataset("us-stocks-daily", ["TSLA-USD"])
    with pytest.raises(BacktestNotPossible, match="neither a file nor a data set"):
        load_market_data("doge")
    with pytest.raises(BacktestNotPossible, match="twice"):
        load_market_data("us-stocks-daily", "goog-daily")
