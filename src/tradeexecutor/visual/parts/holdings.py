"""What a strategy is compared with: the pairs that could have been bought and held."""

import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from tradeexecutor.analysis.adjusted.benchmark import Holding, average_holdings, hold, read_holdings
from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.visual.parts.candles import find_candles, list_pairs

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["find_holdings", "find_main_holding"]

#: Largest number of lines that can be distinguished.
_MOST = 5


@shared
def find_holdings(
    state: "State", candles: Any, pairs: tuple[TradingPairIdentifier, ...] | None = None
) -> list[Holding]:
    """Return what could have been held, the one that figures show first; empty where no prices are known.

    What a backtest recorded goes before candles, so that all screens start from the same price. Candles of several
    pairs are averaged as a backtest does it.

    Parameters
    ----------
    candles
        See `find_candles`; for states without recorded prices.
    pairs
        Only these; None: all that the state has.
    """
    remembered = read_holdings(state)
    if pairs is not None:
        tickers = {pair.get_ticker() for pair in pairs}
        remembered = [holding for holding in remembered if holding.name in tickers]
    if remembered:
        return remembered
    samples = state.stats.portfolio
    if candles is None or not samples:
        return []
    times = [sample.calculated_at for sample in samples]
    pairs = tuple(list_pairs(state)) if pairs is None else pairs
    found = _hold_pairs(pairs[:1] if isinstance(candles, pd.DataFrame) else pairs, candles, min(times), max(times))
    return [average_holdings(found), *found[:_MOST]] if len(found) > 1 else found


def find_main_holding(state: "State", candles: Any = None) -> Holding | None:
    """Return what the figures call buy and hold; None where no prices are known."""
    return next(iter(find_holdings(state, candles)), None)


def _hold_pairs(
    pairs: tuple[TradingPairIdentifier, ...], candles: Any, start: datetime.datetime, end: datetime.datetime
) -> list[Holding]:
    found: list[Holding] = []
    for pair in pairs:
        frame = find_candles(candles, pair)
        growth = None if frame is None else hold(frame, start, end)
        if growth is not None and len(growth) > 1:
            found.append(Holding(pair.get_ticker(), growth))
    return found
