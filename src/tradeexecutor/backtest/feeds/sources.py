"""Sources that a user describes: in a TOML file, or on the command line."""

import datetime
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from tradeexecutor.backtest.feeds.exchanges import ExchangeFeed, ExchangeSource, name_pairs
from tradeexecutor.backtest.feeds.http import HttpFeed, HttpSource
from tradeexecutor.backtest.feeds.interface import FeedNotValid
from tradeexecutor.backtest.feeds.paged import PagedFeed
from tradeexecutor.strategy.market_data import InvalidCandles
from tradeexecutor.strategy.time_frame import parse_time_frame

__all__ = ["describe_exchange", "open_feed", "read_source"]


def read_source(path: Path) -> HttpSource | ExchangeSource:
    """Return the source that a TOML file describes: with ``exchange`` one of ccxt, with ``url`` another interface.

    Raises
    ------
    FeedNotValid
        The file cannot be read, or its content is not valid; the message names the file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        symbols = content.pop("pairs", {})
        length = _parse_length(content.pop("time_frame", ""))
        kind: Any = ExchangeSource if "exchange" in content else HttpSource
        return kind(symbols=symbols, time_frame=length, **content)
    except OSError as error:
        raise FeedNotValid(f"{path} cannot be read: {error.strerror}") from None
    except TypeError as error:
        raise FeedNotValid(f"{path}: {str(error).partition('__init__() ')[2] or error}") from None
    except (FeedNotValid, InvalidCandles, ValueError) as error:
        raise FeedNotValid(f"{path}: {error}") from None


def describe_exchange(exchange: str, pairs: Sequence[str], time_frame: str) -> ExchangeSource:
    """Return a source of ccxt.

    Parameters
    ----------
    pairs
        Symbols of ccxt, e.g. ``BTC/USD``.
    time_frame
        Length of a candle, e.g. ``1h``.

    Raises
    ------
    FeedNotValid, InvalidCandles
        A symbol or the length is not valid.
    """
    return ExchangeSource(exchange, name_pairs(list(pairs)), _parse_length(time_frame))


def open_feed(
    source: HttpSource | ExchangeSource, start_at: datetime.datetime, known_elsewhere: Collection[str] = ()
) -> PagedFeed[Any]:
    """Return the feed of a source, see `PagedFeed`.

    Raises
    ------
    MissingDependency, FeedNotValid
        See `ExchangeFeed`.
    """
    if isinstance(source, ExchangeSource):
        return ExchangeFeed(source, start_at, known_elsewhere=known_elsewhere)
    return HttpFeed(source, start_at, known_elsewhere=known_elsewhere)


def _parse_length(text: Any) -> datetime.timedelta:
    length = parse_time_frame(str(text))
    if not isinstance(length, datetime.timedelta):
        raise FeedNotValid("time_frame must have a fixed length, not one of the calendar")
    return length
