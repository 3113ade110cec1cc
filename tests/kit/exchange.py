"""A stand-in of the candle interface of an exchange, on loopback."""

import datetime
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from tradeexecutor.state.types import EPOCH

MILLISECOND = datetime.timedelta(milliseconds=1)


@dataclass
class Exchange:
    """Rows of ``[time in ms, open, high, low, close, volume]`` by symbol.

    Attributes
    ----------
    refusals
        Status codes with which the next requests are answered.
    broken
        Answers with this text instead of candles.
    delisted
        Symbols that the exchange does not know any more.
    date
        Value of the header with the time of the exchange; None for no header.
    requests
        The paths that were asked for.
    most_rows
        Most candles of an answer, whatever limit was asked for.
    """

    rows: dict[str, list[list[float]]]
    refusals: list[int] = field(default_factory=list)
    broken: str | None = None
    date: str | None = None
    requests: list[str] = field(default_factory=list)
    delisted: set[str] = field(default_factory=set)
    most_rows: int = 1_000
    url: str = ""

    @property
    def template(self) -> str:
        return (
            self.url + "/klines?symbol={symbol}&interval={interval}&startTime={start_ms}&endTime={end_ms}&limit={limit}"
        )

    def is_unknown(self, path: str) -> bool:
        return not self.delisted.isdisjoint(parse_qs(urlparse(path).query).get("symbol", []))

    def answer(self, path: str) -> str:
        if urlparse(path).path.endswith("/exchangeInfo"):
            return json.dumps({"symbols": [_describe_market(symbol) for symbol in self.rows]})
        query = {name: values[0] for name, values in parse_qs(urlparse(path).query).items()}
        first, last, limit = (int(query.get(name, 2**62)) for name in ("startTime", "endTime", "limit"))
        rows = [row for row in self.rows[query["symbol"]] if first <= row[0] <= last][: min(limit, self.most_rows)]
        # Numbers as texts, as many exchanges send them.
        return json.dumps([[row[0], *map(str, row[1:])] for row in rows])


def _describe_market(symbol: str) -> dict[str, object]:
    """What the interface that ccxt calls binance says about a market."""
    base = symbol.removesuffix("USDT")
    permissions = {"isSpotTradingAllowed": True, "permissions": ["SPOT"], "filters": [], "orderTypes": ["LIMIT"]}
    return {"symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT", **permissions}


def make_rows(
    start: datetime.datetime, count: int, step: datetime.timedelta, price: float = 100.0
) -> list[list[float]]:
    """Candles whose prices rise by one."""
    first = (start - EPOCH) // MILLISECOND
    length = step // MILLISECOND
    return [
        [first + number * length, price + number, price + number + 2, price + number - 1, price + number + 1, 10.0]
        for number in range(count)
    ]


@contextmanager
def serve(exchange: Exchange) -> Iterator[Exchange]:
    """Run the stand-in in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            exchange.requests.append(self.path)
            code = exchange.refusals.pop(0) if exchange.refusals else 400 if exchange.is_unknown(self.path) else 200
            body = exchange.answer(self.path) if exchange.broken is None else exchange.broken
            self.send_response_only(code)
            if exchange.date is not None:
                self.send_header("Date", exchange.date)
            if code != 200:
                self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(body.encode() if code == 200 else b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    exchange.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield exchange
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
