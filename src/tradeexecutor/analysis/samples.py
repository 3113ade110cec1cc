"""The samples of the portfolio as columns, read once for all figures and charts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.state import State

__all__ = ["read_net_asset_values", "read_sample_times"]


@shared
def read_net_asset_values(state: State, most: int | None = None) -> tuple[pd.DatetimeIndex, NDArray[np.float64]]:
    """Return the time of each sample of the portfolio, and its net asset value, USD, in the order of recording.

    With `most` only as many samples are read, from the first one on.
    """
    times, values = state.stats.get_net_asset_values(most)
    return to_time_index(times), np.array(values, dtype=np.float64)


def read_sample_times(state: State) -> pd.DatetimeIndex:
    """Return the time of each sample of the portfolio, in the order of recording."""
    return read_net_asset_values(state)[0]
