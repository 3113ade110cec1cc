"""Parameters of a strategy that describe the simulated market: ``lending``, ``bridges`` and ``market_terms``."""

from collections.abc import Mapping
from typing import Any

from tradeexecutor.backtest.backtest_options import BacktestNotPossible
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_terms import MarketTerms
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["apply_market_parameters"]


def apply_market_parameters(
    universe: TradingStrategyUniverse, parameters: StrategyParameters
) -> TradingStrategyUniverse:
    """Return the universe with the lending pool, the bridges and the market terms of the strategy.

    Raises
    ------
    BacktestNotPossible
        A parameter has another type.
    UniverseNotValid
        Terms are given for the bridge to a chain without pairs.
    PairNotFound
        Terms are given for a pair that the universe does not have.
    """
    lending = parameters.get("lending")
    if lending is not None:
        if not isinstance(lending, LendingPool):
            raise BacktestNotPossible(f"the parameter lending must be a LendingPool, not {lending!r}")
        universe = universe.with_lending(lending)
    bridges: Any = parameters.get("bridges")
    if bridges is not None:
        _require(bridges, BridgeTerms, "the parameter bridges must be BridgeTerms, or them by chain id")
        universe = universe.with_bridges(bridges)
    terms: Any = parameters.get("market_terms")
    if terms is None:
        return universe
    _require(terms, MarketTerms, "the parameter market_terms must be MarketTerms, or them by pair")
    return universe.with_terms(terms)


def _require(value: Any, kind: type, rule: str) -> None:
    """Raise `BacktestNotPossible` unless a parameter is an object of a kind, or a mapping to such objects."""
    values: list[Any] = list(value.values()) if isinstance(value, Mapping) else [value]
    wrong = [item for item in values if not isinstance(item, kind)]
    if wrong:
        raise BacktestNotPossible(f"{rule}, not {wrong[0]!r}")
