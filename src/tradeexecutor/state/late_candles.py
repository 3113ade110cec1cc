"""Record of the pairs whose newest candle was missing when a cycle decided."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["list_late_pairs", "record_late_pairs"]

#: Name of the record in `State.other_data`.
_LATE_CANDLES = "late_candles"


def record_late_pairs(state: "State", cycle: int, tickers: Sequence[str]) -> None:
    """Record the tickers of the pairs without a new candle in a cycle; nothing is recorded for none."""
    if tickers and state.other_data is not None:
        state.other_data.save(cycle, _LATE_CANDLES, sorted(tickers))


def list_late_pairs(state: "State", cycle: int) -> list[str]:
    """Return the tickers of the pairs that had no new candle in a cycle."""
    if state.other_data is None:
        return []
    found = state.other_data.data.get(cycle, {}).get(_LATE_CANDLES)
    return [str(ticker) for ticker in cast("list[Any]", found)] if isinstance(found, list) else []
