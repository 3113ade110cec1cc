"""Opening candles by name: bundled data sets, and files."""

from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.backtest.candles import load_candle_file
from tradeexecutor.backtest.dataset import list_datasets, load_dataset
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.strategy.market_data import CandleLength, Candles

__all__ = ["TOLD_FROM_FILES", "DataForm", "load_data"]


@dataclass(frozen=True, slots=True)
class DataForm:
    """Format of candle files, where it cannot be detected.

    Attributes
    ----------
    bucket
        Length of a candle; None detects it from the times.
    date_format
        Format of the times; None detects it from the times.
    strict
        Whether an open or a close outside low - high is refused.
    """

    bucket: CandleLength | None = None
    date_format: str | None = None
    strict: bool = False


#: Detect everything.
TOLD_FROM_FILES = DataForm()


def load_data(name: str, form: DataForm) -> dict[str, Candles]:
    """Return the candles of a data set, ``NAME`` or ``NAME:PAIR``, or of a file, by pair.

    Raises
    ------
    OperationRefused
        There is no such file or data set.
    InvalidCandles, DatasetNotFound
        The file cannot be used, or the data set has no such pair.
    """
    dataset, _, only = name.partition(":")
    known = list_datasets()
    if dataset in known:
        return load_dataset(dataset, [only] if only else None)
    if not Path(name).is_file():
        kind = "is a folder, not a file" if Path(name).is_dir() else "is neither a file nor a data set"
        raise OperationRefused(f"{name} {kind}", f"Data sets that come with the program: {', '.join(known)}.")
    return load_candle_file(name, form.bucket, date_format=form.date_format, strict=form.strict)
