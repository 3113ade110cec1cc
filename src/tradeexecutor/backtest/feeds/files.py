"""Candle files, and folders of them, that another program extends."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from tradeexecutor.backtest.candles import load_candle_file
from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.series import cut
from tradeexecutor.strategy.market_data import CandleLength, Candles, InvalidCandles

__all__ = ["FileFeed"]

_ENDINGS = frozenset({".csv", ".parquet", ".feather", ".json"})


class FileFeed(CandleFeed):
    """Candles of files that grow.

    A file is read again when its size or its time has changed. While another program writes to it, its last line may
    be incomplete: then the candles that were read before are used, or, at the first time, `FeedUnavailable` is raised.

    Parameters
    ----------
    paths
        CSV, Parquet, Feather and JSON files, or folders of them. New files of a folder are found.
    bucket, date_format
        Length of a candle, and format of times, if the files do not determine them.
    """

    def __init__(
        self, paths: Sequence[Path], bucket: CandleLength | None = None, date_format: str | None = None
    ) -> None:
        if not paths:
            raise FeedNotValid("market data is missing: name a file or a folder")
        self.paths = list(paths)
        self.bucket = bucket
        self.date_format = date_format
        self._read: dict[Path, tuple[tuple[int, int], Mapping[str, Candles]]] = {}

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        """Return the candles of all files, see `CandleFeed.read`.

        Raises
        ------
        FeedNotValid
            Two files have the same pair.
        """
        found: dict[str, Candles] = {}
        for path in self._list_files():
            for pair, candles in self._load(path).items():
                if pair in found:
                    raise FeedNotValid(f"{pair} is in the market data twice, the second time in {path}")
                known = cut(candles, now)
                if known is not None:
                    found[pair] = known
        return found

    def _list_files(self) -> list[Path]:
        files: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                files += sorted(file for file in path.iterdir() if file.suffix.lower() in _ENDINGS)
            else:
                files.append(path)
        if not files:
            raise FeedUnavailable(f"there are no candle files in {', '.join(map(str, self.paths))}")
        return files

    def _load(self, path: Path) -> Mapping[str, Candles]:
        earlier = self._read.get(path)
        try:
            status = path.stat()
            mark = (status.st_mtime_ns, status.st_size)
            if earlier is not None and earlier[0] == mark:
                return earlier[1]
            candles = load_candle_file(path, self.bucket, date_format=self.date_format)
        except (OSError, InvalidCandles) as error:
            if earlier is not None:
                return earlier[1]
            raise FeedUnavailable(f"{path} cannot be read: {error}") from error
        self._read[path] = (mark, candles)
        return candles
