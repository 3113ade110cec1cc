"""Candles of exchanges through ccxt, which knows the interfaces of about a hundred of them.

ccxt is an extra: ``pip install 'tradeexecutor[ccxt]'``. It is imported when a feed is made, not before. A source is
described in a TOML file::

    exchange = "kraken"          # as ccxt names it
    time_frame = "1h"

    [pairs]
    "BTC-USD" = "BTC/USD"        # symbol of ccxt

    [settings]                   # of the ccxt class: timeout, rateLimit, proxies, options, ...
    timeout = 20000

or on the command line: ``--exchange kraken --pair BTC/USD --time-frame 1h``. Requests keep the distance that ccxt knows
for the exchange (``rateLimit``). Only public data is asked for; keys are not needed.
"""

import datetime
import difflib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tradeexecutor.backtest.feeds.interface import FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.paged import PagedFeed, Rows, SymbolNotFound, read_pause
from tradeexecutor.state.errors import MissingDependency
from tradeexecutor.state.types import EPOCH

__all__ = ["ExchangeFeed", "ExchangeSource", "name_pairs"]

Answer = TypeVar("Answer")

#: Most candles of an answer for an exchange of which ccxt does not know the number.
_USUAL_LIMIT = 500

#: Longest part of an error message of an exchange that is repeated; some answer with a page of HTML.
_MAX_MESSAGE = 200

#: Most symbols that a message lists.
_MAX_LISTED = 6


@dataclass(frozen=True, slots=True)
class ExchangeSource:
    """Description of an exchange; see the module docstring.

    Attributes
    ----------
    exchange
        Name of the class of ccxt, e.g. ``kraken``.
    symbols
        Symbol of ccxt for each pair.
    time_frame
        Length of a candle.
    limit
        Most candles of one answer; None for what ccxt knows about the exchange.
    settings
        Attributes of the class of ccxt.
    attempts
        How often to ask before giving up.
    max_wait
        Longest time to wait when the exchange asks to, seconds.
    max_drift
        Largest difference between the clocks, seconds.
    """

    exchange: str
    symbols: Mapping[str, str]
    time_frame: datetime.timedelta
    limit: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    attempts: int = 3
    max_wait: float = 60.0
    max_drift: float = 10.0

    def __post_init__(self) -> None:
        if not self.symbols:
            raise FeedNotValid("pairs is empty: name at least one pair and its symbol")
        if self.attempts < 1 or (self.limit is not None and self.limit < 2):
            raise FeedNotValid("limit must be at least 2, and attempts at least 1")


def name_pairs(symbols: list[str]) -> dict[str, str]:
    """Return symbols of ccxt by the name of their pair: ``BTC/USD`` is BTC-USD.

    Raises
    ------
    FeedNotValid
        A symbol is not of this form, or two have the same name.
    """
    named: dict[str, str] = {}
    for symbol in symbols:
        base, slash, quote = symbol.partition(":")[0].partition("/")
        if not (base and slash and quote):
            raise FeedNotValid(f"{symbol!r} is no symbol of ccxt: write base and quote, as in BTC/USD")
        pair = f"{base}-{quote}"
        if pair in named:
            raise FeedNotValid(f"{named[pair]} and {symbol} are both {pair}")
        named[pair] = symbol
    return named


@dataclass(slots=True)
class ExchangeFeed(PagedFeed[ExchangeSource]):
    """Candles of an exchange; see `PagedFeed`.

    Raises
    ------
    MissingDependency
        ccxt is not installed.
    FeedNotValid
        ccxt does not know the exchange, or the exchange has no candles of this length.
    """

    _ccxt: Any = field(init=False, repr=False)
    _exchange: Any = field(init=False, repr=False)
    _interval: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ccxt = _import_ccxt()
        self._exchange = _open_exchange(self._ccxt, self.source)
        self._interval = _find_interval(self._exchange, self.source.time_frame)

    @property
    def limit(self) -> int:
        """Most candles of one answer."""
        if self.source.limit is not None:
            return self.source.limit
        known = self._exchange.feature_value_by_type("spot", None, "fetchOHLCV", "limit", _USUAL_LIMIT)
        return max(int(known or _USUAL_LIMIT), 2)

    def describe_origin(self, pair: str) -> dict[str, str]:
        """Return exchange, symbol and interval."""
        source = self.source
        return {"exchange": source.exchange, "symbol": source.symbols[pair], "interval": self._interval}

    def _fetch_rows(self, pair: str, start: datetime.datetime, end: datetime.datetime) -> Rows:
        symbol, exchange = self._find_symbol(pair), self._exchange
        since = -(-(start - EPOCH) // datetime.timedelta(milliseconds=1))
        rows = self._ask(pair, lambda: exchange.fetch_ohlcv(symbol, self._interval, since, self.limit))
        if not rows and not _is_json(exchange.last_http_response):
            # ccxt takes any text for an answer without candles.
            raise FeedUnavailable(f"{exchange.id} gave no candles of {pair}: it answered with no JSON")
        headers: Mapping[str, str] = exchange.last_response_headers or {}
        self._check_clock(headers.get("Date"))
        return dict(self._read_row(pair, row) for row in rows)

    def check(self) -> None:
        """Ask the exchange whether it has all symbols, except those known elsewhere; raises as `CandleFeed.check`."""
        for pair in self.source.symbols:
            if pair not in self.known_elsewhere:
                self._find_symbol(pair)

    def _find_symbol(self, pair: str) -> str:
        symbol, exchange = self.source.symbols[pair], self._exchange
        self._ask(pair, exchange.load_markets)  # asks only once
        if not exchange.markets:
            raise FeedUnavailable(f"{exchange.id} gave no candles of {pair}: it answered with no markets")
        if symbol not in exchange.markets:
            raise SymbolNotFound(_describe_unknown_symbol(exchange, symbol))
        return symbol

    @staticmethod
    def _read_row(pair: str, row: Any) -> tuple[int, list[float]]:
        """Return start (us) and prices of a row."""
        try:
            return int(row[0]) * 1_000, [float(value) for value in row[1:5]] + [float(row[5] or 0.0)]
        except (IndexError, TypeError, ValueError) as error:
            raise FeedUnavailable(f"{pair}: {row!r} is no candle: {error!r}") from error

    def _ask(self, pair: str, call: Callable[[], Answer]) -> Answer:
        """Return an answer; asks again when there is none, or when the exchange asks to wait."""
        source, errors = self.source, self._ccxt
        problem: Exception | None = None
        for attempt in range(source.attempts):
            if attempt:
                self.wait(max(min(2.0**attempt, source.max_wait), self._get_pause(problem)))
            try:
                return call()
            except errors.BadSymbol as error:
                raise SymbolNotFound(f"{pair}: {_shorten(error)}") from error
            except errors.NetworkError as error:  # also: too many requests, maintenance, no answer in time
                problem = error
            except (errors.BaseError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                problem = error
                break  # the next answer would be the same
        raise FeedUnavailable(f"{source.exchange} gave no candles of {pair}: {_shorten(problem)}") from problem

    def _get_pause(self, problem: Exception | None) -> float:
        """Return the seconds that the exchange has asked to wait after too many requests."""
        if not isinstance(problem, self._ccxt.DDoSProtection):  # RateLimitExceeded is one
            return 0.0
        headers: Mapping[str, str] = self._exchange.last_response_headers or {}
        return read_pause(headers.get("Retry-After"), self.source.max_wait)


def _import_ccxt() -> Any:
    try:
        return importlib.import_module("ccxt")
    except ModuleNotFoundError:
        raise MissingDependency("market data of an exchange", "ccxt", "ccxt") from None


def _open_exchange(ccxt: Any, source: ExchangeSource) -> Any:
    name = source.exchange
    if name not in ccxt.exchanges:
        near = difflib.get_close_matches(name.lower(), ccxt.exchanges, _MAX_LISTED, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "its names are those of the classes of ccxt"
        raise FeedNotValid(f"ccxt has no exchange {name!r}: {hint}")
    exchange = getattr(ccxt, name)({"enableRateLimit": True, **source.settings})
    if exchange.has.get("fetchOHLCV") is not True:
        raise FeedNotValid(f"{name} has no candles, as ccxt knows it")
    return exchange


def _find_interval(exchange: Any, length: datetime.timedelta) -> str:
    """Return the name of a time frame of the exchange."""
    names: list[str] = [name for name in exchange.timeframes or () if not name.endswith(("M", "y"))]
    lengths = {name: datetime.timedelta(seconds=exchange.parse_timeframe(name)) for name in names}
    found = [name for name in names if lengths[name] == length]
    if not found:
        raise FeedNotValid(f"{exchange.id} has no candles of {length}: it has {', '.join(names)}")
    return found[0]


def _describe_unknown_symbol(exchange: Any, symbol: str) -> str:
    known: list[str] = sorted(exchange.markets)
    base = symbol.partition("/")[0]
    near = difflib.get_close_matches(symbol, known, _MAX_LISTED, 0.7)
    near = near or [name for name in known if name.startswith(f"{base}/")][:_MAX_LISTED]
    has = f"it has {', '.join(near)}" if near else f"it has {len(known):,} others, e.g. {', '.join(known[:3])}"
    return f"{exchange.id} does not have {symbol}: {has}"


def _is_json(text: object) -> bool:
    try:
        return isinstance(json.loads(str(text)), dict | list)
    except ValueError:
        return False


def _shorten(error: Exception | None) -> str:
    text = " ".join(str(error).split()) or repr(error)
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}..."
