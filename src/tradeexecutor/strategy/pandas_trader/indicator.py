"""Indicators: values that a strategy calculates from prices before it decides.

A strategy declares its indicators once, in ``create_indicators``. They are calculated over the whole available history
and read candle by candle through `StrategyInput.indicators`, which hides future values. The functions are normal pandas
functions: the first argument is named after the source and receives a series, the others come from the declared
parameters::

    def sma(close: pd.Series, length: int) -> pd.Series:
        return close.rolling(length).mean()


    indicators.add("fast", sma, {"length": 20}, IndicatorSource.close_price)
"""

import datetime
import enum
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = [
    "IndicatorCalculationFailed",
    "IndicatorDefinition",
    "IndicatorDependencyResolver",
    "IndicatorFunctionSignatureMismatch",
    "IndicatorNotFound",
    "IndicatorNotValid",
    "IndicatorRegistry",
    "IndicatorSet",
    "IndicatorSource",
]

__getattr__ = refuse_names(__name__)


class IndicatorNotValid(TradeExecutorError, ValueError):
    """The declaration of an indicator is invalid."""


class IndicatorNotFound(TradeExecutorError, KeyError):
    """The requested indicator, pair or column does not exist."""

    def __str__(self) -> str:
        return str(self.args[0])


#: The historical name: the function of an indicator does not take the arguments of its declaration.
IndicatorFunctionSignatureMismatch = IndicatorNotValid


class IndicatorDependencyResolver(Protocol):
    """What the function of an indicator gets as ``dependency_resolver``: the output of earlier indicators."""

    def get_indicator_data(
        self,
        name: str,
        pair: TradingPairIdentifier | None = None,
        column: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the whole output of another indicator, or one column of it."""

    def get_indicator_data_pairs_combined(self, name: str) -> Any:
        """Return a per-pair indicator of all pairs as one series indexed by (pair id, timestamp)."""


class IndicatorCalculationFailed(TradeExecutorError, RuntimeError):
    """An indicator function raised an error or returned values that are not numbers."""


class IndicatorSource(enum.Enum):
    """Market data that an indicator function gets.

    For per-pair sources the function is called once for each pair.
    """

    close_price = "close_price"
    open_price = "open_price"
    ohlcv = "ohlcv"
    tvl = "tvl"
    strategy_universe = "strategy_universe"
    external_per_pair = "external_per_pair"
    dependencies_only_per_pair = "dependencies_only_per_pair"
    dependencies_only_universe = "dependencies_only_universe"

    def is_per_pair(self) -> bool:
        """Return True if the function is called once for each pair."""
        return self not in (IndicatorSource.strategy_universe, IndicatorSource.dependencies_only_universe)

    def get_arguments(self) -> tuple[str, ...]:
        """Return the names of the arguments that the source provides."""
        return _SOURCE_ARGUMENTS[self]


_SOURCE_ARGUMENTS: dict[IndicatorSource, tuple[str, ...]] = {
    IndicatorSource.close_price: ("close",),
    IndicatorSource.open_price: ("open",),
    IndicatorSource.ohlcv: ("open", "high", "low", "close", "volume"),
    IndicatorSource.tvl: ("tvl",),
    IndicatorSource.strategy_universe: ("strategy_universe",),
    IndicatorSource.external_per_pair: ("strategy_universe", "pair"),
    IndicatorSource.dependencies_only_per_pair: ("strategy_universe", "pair"),
    IndicatorSource.dependencies_only_universe: ("strategy_universe",),
}

#: An indicator function: series in, a series, a DataFrame or an array of the same length out.
IndicatorFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class IndicatorDefinition:
    """One declared indicator.

    Attributes
    ----------
    name
        Name by which the strategy reads it.
    func, parameters
        The function, and its arguments that are not market data.
    source
        Market data that the function gets.
    order
        Indicators are calculated in ascending order; one that reads others needs a higher order than they have.
    dependencies
        Names of the indicators that it reads; empty for all of lower order.
    """

    name: str
    func: IndicatorFunction
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: IndicatorSource = IndicatorSource.close_price
    order: int = 1
    dependencies: tuple[str, ...] = ()
    #: Names of the arguments that the function takes.
    _arguments: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise IndicatorNotValid(f"the name of an indicator must be text, not {self.name!r}")
        if not callable(self.func):
            raise IndicatorNotValid(f"indicator {self.name!r}: {self.func!r} is not a function")
        if not isinstance(self.source, IndicatorSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise IndicatorNotValid(
                f"indicator {self.name!r}: the source must be an IndicatorSource, not {self.source!r}"
            )
        if self.source == IndicatorSource.tvl:
            raise IndicatorNotValid(f"indicator {self.name!r}: this market data has no TVL")
        self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            signature = inspect.signature(self.func)
        except (TypeError, ValueError):  # functions written in C have no signature
            object.__setattr__(self, "_arguments", frozenset(self.source.get_arguments()))
            return
        object.__setattr__(self, "_arguments", frozenset(signature.parameters))
        accepts_any = any(argument.kind is argument.VAR_KEYWORD for argument in signature.parameters.values())
        for name in self.parameters:
            if name not in signature.parameters and not accepts_any:
                raise IndicatorNotValid(
                    f"indicator {self.name!r}: {_function_name(self.func)} has no argument {name!r} "
                    f"(it has: {', '.join(signature.parameters)})"
                )
        given = {*self.parameters, *self.source.get_arguments(), *_OPTIONAL_ARGUMENTS}
        for name, argument in signature.parameters.items():
            variadic = argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
            if argument.default is argument.empty and not variadic and name not in given:
                raise IndicatorNotValid(
                    f"indicator {self.name!r}: nothing supplies the argument {name!r} of {_function_name(self.func)}; "
                    f"source {self.source.value} gives {', '.join(self.source.get_arguments())}"
                )

    def takes(self, argument: str) -> bool:
        """Return True if the function has an argument of this name."""
        return argument in self._arguments


#: Arguments that a function may have in addition to those of its source.
_OPTIONAL_ARGUMENTS = ("dependency_resolver", "execution_context", "strategy_universe", "pair", "timestamp")


def _function_name(func: IndicatorFunction) -> str:
    return getattr(func, "__name__", repr(func))


class IndicatorSet:
    """The indicators of a strategy, by name."""

    __slots__ = ("indicators",)

    def __init__(self) -> None:
        self.indicators: dict[str, IndicatorDefinition] = {}

    def __repr__(self) -> str:
        return f"<IndicatorSet {', '.join(self.indicators) or 'empty'}>"

    def __len__(self) -> int:
        return len(self.indicators)

    def __contains__(self, name: object) -> bool:
        return name in self.indicators

    def add(
        self,
        name: str,
        func: IndicatorFunction,
        parameters: Mapping[str, Any] | None = None,
        source: IndicatorSource = IndicatorSource.close_price,
        order: int = 1,
        dependencies: Sequence[str] = (),
    ) -> None:
        """Declare an indicator.

        Parameters
        ----------
        name
            Name by which the strategy reads it.
        func
            Function that is called with the arguments of the source and `parameters` by keyword.
        parameters
            Arguments that are not market data.
        source
            Market data that the function gets.
        order
            See `IndicatorDefinition.order`.
        dependencies
            Names of the indicators the function reads.

        Raises
        ------
        IndicatorNotValid
            The name exists already, or the function does not have these arguments.
        """
        if name in self.indicators:
            raise IndicatorNotValid(f"indicator {name!r} is declared twice")
        self.indicators[name] = IndicatorDefinition(
            name, func, dict(parameters or {}), source, order, tuple(dependencies)
        )

    def has_indicator(self, name: str) -> bool:
        """Return True if the indicator is declared."""
        return name in self.indicators

    def get_indicator(self, name: str) -> IndicatorDefinition | None:
        """Return a declared indicator or None."""
        return self.indicators.get(name)

    def get_count(self) -> int:
        """Return the number of declared indicators."""
        return len(self.indicators)

    def iterate(self) -> Iterator[IndicatorDefinition]:
        """Iterate over the definitions in the order of calculation: by `order`, then by declaration."""
        return iter(sorted(self.indicators.values(), key=lambda definition: definition.order))


class IndicatorRegistry:
    """Decorator-based alternative to ``create_indicators``.

    Parameters of a function are taken from the strategy parameters by name::

        indicators = IndicatorRegistry()


        @indicators.define(source=IndicatorSource.close_price)
        def fast_sma(close: pd.Series, fast: int) -> pd.Series:
            return close.rolling(fast).mean()


        create_indicators = indicators.create_indicators
    """

    def __init__(self) -> None:
        self._functions: dict[str, tuple[IndicatorFunction, IndicatorSource, int, tuple[str, ...]]] = {}

    def define(
        self,
        source: IndicatorSource = IndicatorSource.close_price,
        order: int | None = None,
        dependencies: Sequence[str | IndicatorFunction] = (),
        name: str | None = None,
    ) -> Callable[[IndicatorFunction], IndicatorFunction]:
        """Declare the decorated function as an indicator named like the function.

        Parameters
        ----------
        source
            Market data that the function gets.
        order
            See `IndicatorDefinition.order`; None for an order after its dependencies.
        dependencies
            Names or functions of the indicators that it reads.
        name
            Name of the indicator; None for the name of the function.
        """
        names = tuple(entry if isinstance(entry, str) else _function_name(entry) for entry in dependencies)

        def register(func: IndicatorFunction) -> IndicatorFunction:
            own_name = name or _function_name(func)
            if own_name in self._functions:
                raise IndicatorNotValid(f"indicator {own_name!r} is declared twice")
            missing = [entry for entry in names if entry not in self._functions]
            if missing:
                raise IndicatorNotValid(
                    f"indicator {own_name!r} depends on {missing[0]!r}, which is not declared before it"
                )
            after = 1 + max((self._functions[entry][2] for entry in names), default=0)
            self._functions[own_name] = (func, source, after if order is None else order, names)
            return func

        return register

    def create_indicators(
        self,
        timestamp: datetime.datetime | None,
        parameters: StrategyParameters,
        strategy_universe: TradingStrategyUniverse,
        execution_context: ExecutionContext,
    ) -> IndicatorSet:
        """Build the indicator set; assign this method to ``create_indicators`` of the strategy module."""
        del timestamp, strategy_universe, execution_context
        result = IndicatorSet()
        for name, (func, source, order, dependencies) in self._functions.items():
            wanted = set(inspect.signature(func).parameters) - {*source.get_arguments(), *_OPTIONAL_ARGUMENTS}
            values = {key: value for key, value in parameters.iterate_parameters() if key in wanted}
            result.add(name, func, values, source, order, dependencies)
        return result
