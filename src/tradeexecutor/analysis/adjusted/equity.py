"""The equity that a state recorded, and the deposits and redemptions between its samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.times import to_time_index, to_us
from tradeexecutor.state.state import State

__all__ = ["EquityCurve", "read_equity_curve"]


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Value of a portfolio over time.

    Attributes
    ----------
    times
        Microseconds since 1970, ascending, no time twice.
    values
        Net asset value at these times, USD.
    flows
        Net deposits since the previous sample, USD; the first entry holds everything up to the first sample.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    flows: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)


@shared
def read_equity_curve(state: State) -> EquityCurve:
    """Read the recorded net asset values, where old files lack them the total equity, and the recorded flows.

    Of several samples of one time the last one counts.  Wallets into which money was moved without a record show it as
    profit: nothing in the state tells the two apart.
    """
    samples = state.stats.portfolio
    recorded = to_time_index(sample.calculated_at for sample in samples).asi8
    order = np.argsort(recorded, kind="stable")
    times = recorded[order]
    is_last = np.ones(len(times), dtype=np.bool_)
    is_last[:-1] = times[1:] != times[:-1]
    times = times[is_last]
    values = np.array([sample.get_value() for sample in samples], dtype=np.float64)[order][is_last]
    flows = np.zeros(len(times))
    for when, usd_value in iterate_flows(state):
        index = int(np.searchsorted(times, to_us(when)))
        if index < len(flows):
            flows[index] += usd_value
    _move_late_flows(values, flows)
    return EquityCurve(times, values, flows)


def _move_late_flows(values: NDArray[np.float64], flows: NDArray[np.float64]) -> None:
    """Move a flow on to the next sample when its own cannot contain it: value below the flow, and a jump one later."""
    for index in np.flatnonzero(flows).tolist():
        while 0 < index < len(flows) - 1 and flows[index] > values[index]:
            flow = flows[index]
            here, after = np.diff(values[index - 1 : index + 2])
            if abs(after - flow) >= abs(here - flow):
                break
            flows[index] = 0.0
            index += 1
            flows[index] += flow
