"""Times as numbers: the columns of figures have microseconds since 1970, a state has naive datetimes."""

import datetime
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from tradeexecutor.state.types import EPOCH

__all__ = ["Frequency", "from_us", "read_frequency", "read_seconds", "to_time_index", "to_us"]

#: pandas renamed its offsets; existing strategies use the old names.
_RENAMED_OFFSETS = {"BM": "BME", "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "H": "h", "T": "min", "S": "s"}

#: A frequency: a pandas offset or its name.
Frequency = str | pd.DateOffset

_MICROSECOND = datetime.timedelta(microseconds=1)


def to_time_index(times: Iterable[datetime.datetime | None]) -> pd.DatetimeIndex:
    """Return naive datetimes as a pandas index of microseconds; None is NaT."""
    # pandas reads a list of datetimes twenty times faster than numpy.
    return pd.DatetimeIndex(list(times)).as_unit("us")


def read_seconds(seconds: Sequence[int]) -> pd.DatetimeIndex:
    """Return whole epoch seconds as a pandas index of microseconds, naive UTC."""
    return pd.DatetimeIndex(np.array(seconds, dtype=np.int64).view("datetime64[s]")).as_unit("us")


def to_us(when: datetime.datetime) -> int:
    """Return a naive datetime as microseconds since 1970."""
    return (when - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime.datetime:
    """Return microseconds since 1970 as a naive datetime."""
    return EPOCH + microseconds * _MICROSECOND


def read_frequency(freq: Frequency) -> Frequency:
    """Return a frequency with its current name in pandas."""
    return _RENAMED_OFFSETS.get(freq, freq) if isinstance(freq, str) else freq
