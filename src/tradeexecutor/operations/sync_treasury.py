"""Booking deposits, redemptions and flows that were recorded outside."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.types import USDollarAmount, USDollarPrice
from tradeexecutor.strategy.accounts.treasury_event import TreasuryEvent
from tradeexecutor.strategy.accounts.treasury_sync import TreasurySyncResult, apply_treasury_events

__all__ = ["TreasuryChange", "TreasuryFigures", "read_treasury_figures", "sync_treasury"]


@dataclass(frozen=True, slots=True)
class TreasuryFigures:
    """Cash in USD, number of shares and USD price of a share; None for a figure that does not exist."""

    cash: USDollarAmount | None
    share_count: Decimal | None
    share_price: USDollarPrice | None


@dataclass(frozen=True, slots=True)
class TreasuryChange:
    """The booked events, and the figures before and after."""

    result: TreasurySyncResult
    before: TreasuryFigures
    after: TreasuryFigures


def sync_treasury(state: State, events: Iterable[TreasuryEvent], now: datetime.datetime) -> TreasuryChange:
    """Book the events that are not booked yet, either all or none.

    Parameters
    ----------
    now
        Time of the booking, naive UTC.

    Raises
    ------
    TreasuryEventRefused
        An event is impossible; nothing is booked.
    """
    before = read_treasury_figures(state)
    result = apply_treasury_events(state, events, now)
    return TreasuryChange(result, before, read_treasury_figures(state))


def read_treasury_figures(state: State) -> TreasuryFigures:
    """Return the figures of a state that deposits and redemptions change."""
    shares = state.sync.treasury.share_count
    try:
        cash, value = state.portfolio.get_cash(), state.portfolio.get_net_asset_value()
    except TradeExecutorError:
        return TreasuryFigures(None, shares, None)
    return TreasuryFigures(cash, shares, value / float(shares) if shares else None)
