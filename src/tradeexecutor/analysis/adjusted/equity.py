"""The equity that a state recorded, and the deposits and redemptions between its samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.samples import read_net_asset_values
from tradeexecutor.analysis.times import to_us
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.types import USDollarAmount

__all__ = ["EquityCurve", "read_equity_curve"]

#: The part of an opening deposit that the first trades may cost.
_OPENING_COSTS = 0.05


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Value of a portfolio over time.

    Attributes
    ----------
    times
        Microseconds since 1970, ascending. A time occurs twice if the value just before a flow is known: its first
        sample is without the flow, its second with it.
    values
        Net asset value at these times, USD.
    flows
        Net deposits since the previous sample, USD; the first entry holds everything up to the first sample.
    costs
        Costs of trades between a flow and its sample, USD, otherwise 0; None for no costs.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    flows: NDArray[np.float64]
    costs: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.times)


@shared
def read_equity_curve(state: State, most: int | None = None) -> EquityCurve:
    """Return the recorded net asset values, in old files the total equity, and the recorded flows.

    Of several samples at one time the last one is used; if a flow was booked at that time, also the one before it,
    which a backtest takes before it books the flow. Transfers to the wallet that were not recorded count as profit,
    because the state does not distinguish them.

    With `most` only as many samples are read, from the first one on. If they are in the order of time, as those of a
    backtest are, all but the last entry of the curve are then those of the whole curve.
    """
    index, sample_values = read_net_asset_values(state, most)
    recorded = index.asi8
    order = np.argsort(recorded, kind="stable")
    times = recorded[order]
    moments = [(to_us(when), usd_value) for when, usd_value in iterate_flows(state)]
    is_kept = np.ones(len(times), dtype=np.bool_)
    is_kept[:-1] = times[1:] != times[:-1]
    # The first sample of all has no value before it.
    is_before_flow = np.isin(times, [when for when, _ in moments]) & (times > times[:1])
    is_kept[1:] |= is_before_flow[1:] & (times[1:] != times[:-1])
    times = times[is_kept]
    values = sample_values[order][is_kept]
    flows = np.zeros(len(times))
    for when, usd_value in moments:
        index = int(np.searchsorted(times, when))
        if index < len(flows):
            if index + 1 < len(times) and times[index + 1] == times[index]:
                index += 1
            flows[index] += usd_value
    _move_opening_flow(values, flows)
    _move_late_flows(values, flows)
    return EquityCurve(times, values, flows, _read_costs(state, times, flows, moments))


def _read_costs(
    state: State, times: NDArray[np.int64], flows: NDArray[np.float64], moments: list[tuple[int, USDollarAmount]]
) -> NDArray[np.float64] | None:
    """Return the costs of the trades between each flow and its sample, USD; None if there are none."""
    if not flows[1:].any():
        return None
    costs = np.zeros(len(times))
    booked = np.sort(np.array([when for when, _ in moments], dtype=np.int64))
    for trade in state.portfolio.get_all_trades():
        if trade.executed_at is None:
            continue
        executed = to_us(trade.executed_at)
        index = int(np.searchsorted(times, executed))
        if not 0 < index < len(times):
            continue
        index += index + 1 < len(times) and times[index + 1] == times[index]
        last_flow = int(np.searchsorted(booked, executed, side="right")) - 1
        if flows[index] and last_flow >= 0 and booked[last_flow] > times[index - 1]:
            costs[index] += _get_cost(trade)
    return costs


def _get_cost(trade: TradeExecution) -> USDollarAmount:
    """Return the cost of a trade against the market price, at least its fees, USD."""
    fees = float(sum_fees(trade.lp_fees_paid))
    mid = trade.planned_mid_price
    if not mid or trade.executed_price is None or trade.executed_quantity is None:
        return fees
    return max(fees, float(trade.executed_quantity) * (trade.executed_price - mid))


def _move_opening_flow(values: NDArray[np.float64], flows: NDArray[np.float64]) -> None:
    """Move the first deposit to the first sample if that is what the deposit became.

    A live strategy that makes its first decision late records it at its tick, which may be before its opening deposit.
    """
    if len(flows) < 2 or flows[0] or abs(values[0] - flows[1]) > _OPENING_COSTS * flows[1]:
        return
    jump = values[1] - values[0]
    if abs(jump) < abs(jump - flows[1]):
        flows[0], flows[1] = flows[1], 0.0


def _move_late_flows(values: NDArray[np.float64], flows: NDArray[np.float64]) -> None:
    """Move a flow to the next sample if its own excludes it: its value is below the flow, and the next one jumps."""
    for index in np.flatnonzero(flows).tolist():
        while 0 < index < len(flows) - 1 and flows[index] > values[index]:
            flow = flows[index]
            here, after = np.diff(values[index - 1 : index + 2])
            if abs(after - flow) >= abs(here - flow):
                break
            flows[index] = 0.0
            index += 1
            flows[index] += flow
