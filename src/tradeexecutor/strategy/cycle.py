"""Cycle durations: the import path that strategies use."""

from tradeexecutor.state.cycle_duration import CycleDuration, TimeBucket, snap_to_next_tick, snap_to_previous_tick

__all__ = ["CycleDuration", "TimeBucket", "snap_to_next_tick", "snap_to_previous_tick"]
