"""Import path of existing code; deposits and redemptions are booked in :mod:`tradeexecutor.state.booking`."""

from tradeexecutor.state.booking.reserve_updates import apply_reserve_update_events

__all__ = ["apply_reserve_update_events"]
