"""Options that name market data of an exchange, for commands that download candles or trade on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tradeexecutor.backtest.feeds.exchanges import ExchangeSource
    from tradeexecutor.backtest.feeds.http import HttpSource

__all__ = ["ExchangeOption", "PairOption", "TimeFrameOption", "read_feed_source"]

ExchangeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Candles of this exchange, named as ccxt does (kraken, binance, coinbase ...), with --pair and "
        "--time-frame. Needs the extra tradeexecutor\\[ccxt].",
        show_default=False,
    ),
]
PairOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SYMBOL",
        help="With --exchange: a symbol of ccxt, such as BTC/USD. May be repeated.",
        show_default=False,
    ),
]
TimeFrameOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="With --exchange: length of a candle: 15m, 1h, 1d.", show_default=False),
]


def read_feed_source(
    file: Path | None, exchange: str | None, pairs: list[str] | None, time_frame: str | None
) -> "HttpSource | ExchangeSource | None":
    """Return the source that a file or the options describe; None without both.

    Raises
    ------
    typer.BadParameter
        The options do not fit together.
    FeedNotValid, InvalidCandles
        The description is not valid.
    """
    from tradeexecutor.backtest.feeds.sources import describe_exchange, read_source

    if exchange is None:
        for hint, value in (("--pair", pairs), ("--time-frame", time_frame)):
            if value:
                raise typer.BadParameter("belongs to --exchange", param_hint=hint)
        return None if file is None else read_source(file)
    if file is not None:
        raise typer.BadParameter(f"{file} describes the source already", param_hint="--exchange")
    if not pairs or not time_frame:
        raise typer.BadParameter("needs --pair and --time-frame", param_hint="--exchange")
    return describe_exchange(exchange, pairs, time_frame)
