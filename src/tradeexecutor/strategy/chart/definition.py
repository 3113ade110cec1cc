"""The charts of a strategy: functions that a strategy file collects in a registry.

::

    def equity(input: ChartInput):
        return draw_something(input.state)


    def create_charts(timestamp, parameters, strategy_universe, execution_context) -> ChartRegistry:
        charts = ChartRegistry()
        charts.register(equity, ChartKind.state_all_pairs)
        return charts
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["ChartFunction", "ChartInput", "ChartKind", "ChartNotFound", "ChartParameters", "ChartRegistry"]


class ChartNotFound(TradeExecutorError, LookupError):
    """The registry has no chart of this name."""


class ChartKind(enum.Enum):
    """What a chart is about: indicators or the state, of one pair, several or all."""

    indicator_single_pair = "indicator_single_pair"
    indicator_multi_pair = "indicator_multi_pair"
    indicator_all_pairs = "indicator_all_pairs"
    state_single_pair = "state_single_pair"
    state_single_vault_pair = "state_single_vault_pair"
    state_all_pairs = "state_all_pairs"


@dataclass(frozen=True, slots=True)
class ChartParameters:
    """Size and theme of a drawing.

    Attributes
    ----------
    width, height
        Pixels.
    format
        ``png`` or ``svg``.
    background_color, theme
        Of the drawing.
    """

    width: int = 1200
    height: int = 800
    format: str = "png"
    background_color: str = "#ffffff"
    theme: str = "plotly_white"


@dataclass(slots=True)
class ChartInput:
    """What a chart function gets.

    Attributes
    ----------
    execution_context
        The run.
    state
        The state; None for charts of indicators before a run.
    strategy_universe
        Pairs and candles.
    strategy_input_indicators
        Results of the indicators.
    pairs
        Pairs that are drawn; None for all.
    backtest_end_at
        End of the run, naive UTC.
    """

    execution_context: ExecutionContext
    state: State | None = None
    strategy_universe: TradingStrategyUniverse | None = None
    strategy_input_indicators: Any = None
    pairs: Sequence[TradingPairIdentifier] | None = None
    backtest_end_at: Any = None


#: Returns a figure, a DataFrame or several of them.
ChartFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    function: ChartFunction
    kind: ChartKind
    name: str
    description: str


class ChartRegistry:
    """Charts by name, in the order in which they were declared.

    Parameters
    ----------
    default_benchmark_pairs
        Descriptions of pairs with which charts compare.
    """

    def __init__(self, default_benchmark_pairs: Iterable[object] = ()):
        self.default_benchmark_pairs = list(default_benchmark_pairs)
        self.registry: dict[str, _Entry] = {}

    def register(self, function: ChartFunction, kind: ChartKind, name: str | None = None) -> None:
        """Add a chart; its name is that of the function, its description the first line of the docstring."""
        own_name = name or function.__name__
        lines = (function.__doc__ or "").strip().splitlines()
        self.registry[own_name] = _Entry(function, kind, own_name, lines[0] if lines else "")

    def define(self, kind: ChartKind, name: str | None = None) -> Callable[[ChartFunction], ChartFunction]:
        """Return a decorator that adds a chart."""

        def add(function: ChartFunction) -> ChartFunction:
            self.register(function, kind, name)
            return function

        return add

    def get_chart_count(self) -> int:
        """Return the number of charts."""
        return len(self.registry)

    def get_chart_function(self, name: str) -> ChartFunction:
        """Return the function of a chart; raises `ChartNotFound`."""
        entry = self.registry.get(name)
        if entry is None:
            raise ChartNotFound(f"there is no chart {name!r}; charts: {', '.join(self.registry) or 'none'}")
        return entry.function

    def draw(self, name: str, chart_input: ChartInput) -> Any:
        """Return what the function of a chart returns; raises `ChartNotFound`."""
        return self.get_chart_function(name)(chart_input)
