"""Parameters of a strategy that describe the simulated market: ``lending`` and ``market_terms``."""

from collections.abc import Mapping
from typing import Any

from tradeexecutor.backtest.backtest_options import BacktestNotPossible
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_terms import MarketTerms
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["apply_market_parameters"]


def apply_market_parameters(
    universe: TradingStrategyUniverse, parameters: StrategyParameters
) -> TradingStrategyUniverse:
    """Return the universe with the lending pool and the market terms of the strategy.

    Raises
    ------
    BacktestNotPossible
        A parameter has another type.
    PairNotFound
        Terms are given for a pair that the universe does not have.
    """
    lending = parameters.get("lending")
    if lending is not None:
        if not isinstance(lending, LendingPool):
            raise BacktestNotPossible(f"the parameter lending must be a LendingPool, not {lending!r}")
        universe = universe.with_lending(lending)
    terms: Any = parameters.get("market_terms")
    if terms is None:
        return universe
    by_pair: Mapping[str, Any] = terms if isinstance(terms, Mapping) else {}
    wrong = [value for value in by_pair.values() or [terms] if not isinstance(value, MarketTerms)]
    if wrong:
        raise BacktestNotPossible(f"the parameter market_terms must be MarketTerms, or them by pair, not {wrong[0]!r}")
    return universe.with_terms(terms)
