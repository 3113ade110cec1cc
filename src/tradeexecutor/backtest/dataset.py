"""Price data that is bundled with the program.

The files and where their numbers come from are described in ``datasets/README.md``.
"""

from collections.abc import Iterable
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.backtest.parquet import read_parquet
from tradeexecutor.backtest.universe import parse_pair_symbol
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.time_frame import parse_time_frame

__all__ = ["DatasetNotFound", "list_datasets", "load_dataset"]

_FOLDER = resources.files("tradeexecutor.backtest").joinpath("datasets")
_SUFFIX = ".parquet"


class DatasetNotFound(TradeExecutorError, LookupError):
    """There is no data set of this name."""


def list_datasets() -> list[str]:
    """Return the names of the data sets, sorted."""
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in _FOLDER.iterdir() if entry.name.endswith(_SUFFIX))


def load_dataset(name: str, pairs: Iterable[str] | None = None) -> dict[str, Candles]:
    """Return the candles of a data set.

    Parameters
    ----------
    name
        One of `list_datasets`, e.g. ``btc-usd-monthly``.
    pairs
        Pairs to load; None for all.

    Returns
    -------
    dict
        Candles by pair symbol, e.g. ``BTC-USD``.

    Raises
    ------
    DatasetNotFound
        The data set does not exist, or does not have a pair.
    """
    known = list_datasets()
    if name not in known:
        raise DatasetNotFound(f"there is no data set {name!r}; there are: {', '.join(known)}")
    table = read_parquet(_FOLDER.joinpath(name + _SUFFIX).read_bytes())
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    columns: dict[str, NDArray[Any]] = {column: table[column].to_numpy() for column in table.column_names}
    pair_of_row = columns.pop("pair", None)
    if pair_of_row is None:
        rows: dict[str, Any] = {"-".join(parse_pair_symbol(name)): slice(None)}
    else:
        rows = {str(symbol): pair_of_row == symbol for symbol in dict.fromkeys(pair_of_row.tolist())}
    wanted = list(rows) if pairs is None else list(pairs)
    missing = [symbol for symbol in wanted if symbol not in rows]
    if missing:
        raise DatasetNotFound(f"data set {name!r} has no pair {missing[0]!r}; it has: {', '.join(rows)}")
    return {symbol: _decode(columns, rows[symbol], metadata, f"{name} ({symbol})") for symbol in wanted}


def _decode(columns: dict[str, NDArray[Any]], rows: Any, metadata: dict[str, str], source: str) -> Candles:
    price_scale = 10 ** int(metadata["price_decimals"])
    prices = {column: columns[column][rows] / price_scale for column in ("open", "high", "low", "close")}
    return Candles(
        columns["timestamp"][rows].astype(np.int64) * 1_000_000,
        **prices,
        volume=columns["volume"][rows] / 10 ** int(metadata["volume_decimals"]),
        bucket=parse_time_frame(metadata["candle"]),
        source=source,
    )
