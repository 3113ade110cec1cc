"""Funding rates from files, as exchanges export them."""

from pathlib import Path

import numpy as np

from tradeexecutor.backtest.candles.files import read_candle_table
from tradeexecutor.backtest.candles.frame import read_time_column
from tradeexecutor.backtest.candles.numbers import read_numbers
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.strategy.candle_length import InvalidCandles, from_us
from tradeexecutor.strategy.funding import FundingHistory

__all__ = ["read_funding"]

_RATE_COLUMNS = ("rate", "funding_rate", "fundingrate", "lastfundingrate", "last_funding_rate")


def read_funding(path: Path | str, *, date_format: str | None = None) -> FundingHistory:
    """Return the rates of a CSV or Parquet file with a column of times and one of rates.

    Parameters
    ----------
    path
        The file. Its rates are fractions for one payment, in a column ``rate`` or ``funding_rate``.
    date_format
        Format of the times; needed only for an ambiguous column, as for candles.

    Raises
    ------
    InvalidCandles
        The file cannot be read, a column is missing, a row has no rate, or the rates cannot be meant.
    """
    source = str(path)
    frame = read_candle_table(Path(path))
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    name = next((column for column in _RATE_COLUMNS if column in frame.columns), None)
    if name is None:
        raise InvalidCandles(f"no column of rates; name it 'rate' (there are: {', '.join(frame.columns)})", source)
    rates = read_numbers(frame, [name], source)[name]
    if not np.isfinite(rates).all():
        raise InvalidCandles("the rate is missing or no number", source, int(np.argmin(np.isfinite(rates))) + 1)
    times = read_time_column(frame, source, date_format).utc
    try:
        return FundingHistory((from_us(int(when)), float(rate)) for when, rate in zip(times, rates, strict=True))
    except InvalidValue as error:
        raise InvalidCandles(str(error), source) from None
