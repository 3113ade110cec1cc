"""Deposits and redemptions: transfers that are not profit."""

import datetime
from collections.abc import Iterator

from tradeexecutor.state.balance_update import INVESTOR_FLOWS
from tradeexecutor.state.state import State
from tradeexecutor.state.types import USDollarAmount

__all__ = ["iterate_flows"]


def iterate_flows(state: State) -> Iterator[tuple[datetime.datetime, USDollarAmount]]:
    """Yield time and USD value of each deposit (+) and redemption (-).

    They are those of the treasury, and in some files those that only the reserve has.
    """
    listed: set[int] = set()
    for ref in state.sync.treasury.balance_update_refs:
        listed.add(ref.balance_event_id)
        if ref.cause in INVESTOR_FLOWS and ref.usd_value and ref.strategy_cycle_included_at is not None:
            yield ref.strategy_cycle_included_at, ref.usd_value
    for reserve in state.portfolio.reserves.values():
        for event in reserve.balance_updates.values():
            if event.cause in INVESTOR_FLOWS and event.usd_value and event.balance_update_id not in listed:
                yield event.strategy_cycle_included_at or event.block_mined_at, event.usd_value
