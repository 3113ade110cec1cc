"""Reading the Python file of a strategy.

The file is a normal module with some special names, in upper or lower case::

    trading_strategy_engine_version = "0.5"


    class Parameters:
        cycle_duration = CycleDuration.cycle_1d
        initial_cash = 10_000
        ...


    def create_indicators(timestamp, parameters, strategy_universe, execution_context) -> IndicatorSet: ...


    def decide_trades(input: StrategyInput) -> list[TradeExecution]: ...

Mistakes in the file raise `StrategyModuleNotValid` with the file, the line if it is known, and what was expected.
"""

import datetime
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.errors import InvalidValue, TradeExecutorError
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.strategy.author_code import call_author_code
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.engine_versions import (
    SUPPORTED_ENGINE_VERSIONS,
    WrongArguments,
    adapt_decision,
    has_parameters,
)
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.latency import read_latency
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorRegistry, IndicatorSet
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.strategy.universe_model import default_universe_options

__all__ = [
    "CreateTradingUniverseInput",
    "MarketDataSource",
    "StrategyModule",
    "StrategyModuleNotValid",
    "parse_strategy_module",
    "read_strategy_module",
]

#: Gets names of market data, and returns the universe.
MarketDataSource = Callable[..., TradingStrategyUniverse]


_NO_LATENCY = datetime.timedelta(0)


class StrategyModuleNotValid(TradeExecutorError, RuntimeError):
    """The strategy file cannot be used; the message explains what to change.

    Attributes
    ----------
    path
        The file; None for a strategy that is not in a file.
    line
        Line of the problem; None if it is unknown.
    """

    def __init__(self, message: str, path: Path | None = None, line: int | None = None):
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


@dataclass(frozen=True, slots=True)
class CreateTradingUniverseInput:
    """The argument of ``create_trading_universe(input)``.

    Attributes
    ----------
    timestamp
        Current time in live trading, start of the run in a backtest; None if it is not known yet.
    execution_context, parameters
        As in `StrategyInput`.
    load_market_data
        Loads candles by name and returns the universe, e.g. ``input.load_market_data("btc-usd-monthly")``.
    """

    timestamp: datetime.datetime | None
    execution_context: ExecutionContext
    parameters: StrategyParameters
    load_market_data: MarketDataSource


@dataclass(slots=True)
class StrategyModule:
    """A checked strategy module.

    Attributes
    ----------
    path
        The file; None if the strategy was given as functions.
    engine_version
        ``"0.1"`` to ``"0.6"``.
    parameters
        Values of the class ``Parameters``.
    decide_trades
        Called with a `StrategyInput`.
    create_indicators, create_trading_universe, create_charts, before_strategy_tick, after_strategy_tick
        Optional functions of the module.
    cycle_duration
        Time between decisions; None for every candle.
    backtest_start, backtest_end, initial_cash
        Defaults of a backtest.
    latency
        Time between a decision and the arrival of its orders in the market, in a simulation.
    name, short_description, long_description, tags
        Texts for display.
    """

    path: Path | None
    engine_version: str
    parameters: StrategyParameters
    decide_trades: Callable[..., Any]
    create_indicators: Callable[..., IndicatorSet] | None = None
    create_trading_universe: Callable[..., TradingStrategyUniverse] | None = None
    create_charts: Callable[..., Any] | None = None
    before_strategy_tick: Callable[..., None] | None = None
    after_strategy_tick: Callable[..., None] | None = None
    cycle_duration: CycleDuration | None = None
    backtest_start: datetime.datetime | None = None
    backtest_end: datetime.datetime | None = None
    initial_cash: float | None = None
    latency: datetime.timedelta = _NO_LATENCY
    name: str | None = None
    short_description: str | None = None
    long_description: str | None = None
    tags: set[Any] = field(default_factory=set[Any])

    def apply_parameters(self, overrides: Mapping[str, Any] | None = None) -> None:
        """Replace parameters, and set cycle duration, cash and period from them.

        Raises
        ------
        StrategyModuleNotValid
            The strategy has no parameter of this name, or a value cannot be used.
        """
        for name in overrides or ():
            if not self.parameters.has_parameter(name) and name not in _SETTINGS:
                known = ", ".join(self.parameters)
                raise self._invalid(f"the strategy has no parameter {name!r} (it has: {known})")
        self.parameters = parameters = self.parameters.replace(**(overrides or {}))
        if "cycle_duration" in parameters:
            self.cycle_duration = _get_cycle_duration(parameters.cycle_duration, self._invalid)
        if "initial_cash" in parameters:
            self.initial_cash = _get_cash(parameters.initial_cash, self._invalid)
        if "latency" in parameters:
            self.latency = _get_latency(parameters.latency, self._invalid)
        self.backtest_start = _get_time(parameters, "backtest_start", self._invalid) or self.backtest_start
        self.backtest_end = _get_time(parameters, "backtest_end", self._invalid) or self.backtest_end

    def make_indicators(
        self,
        timestamp: datetime.datetime | None,
        universe: TradingStrategyUniverse,
        execution_context: ExecutionContext,
    ) -> IndicatorSet:
        """Return the result of ``create_indicators``; an empty set if the module has no such function.

        Raises
        ------
        StrategyModuleNotValid
            The function failed, or did not return an `IndicatorSet`.
        """
        if self.create_indicators is None:
            return IndicatorSet()
        arguments: dict[str, Any] = {
            "timestamp": timestamp,
            "parameters": self.parameters,
            "strategy_universe": universe,
            "execution_context": execution_context,
        }
        collected = IndicatorSet()
        if "indicators" in inspect.signature(self.create_indicators).parameters:
            arguments["indicators"] = collected
        result = self._call("create_indicators", self.create_indicators, arguments)
        if result is None and len(collected):
            return collected
        if not isinstance(result, IndicatorSet):
            raise self._invalid(f"create_indicators must return an IndicatorSet, it returned {type(result).__name__}")
        return result

    def make_universe(self, universe_input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
        """Return the result of ``create_trading_universe``.

        Raises
        ------
        StrategyModuleNotValid
            The module has no such function, it failed, or it did not return a universe.
        """
        function = self.create_trading_universe
        if function is None:
            raise self._invalid("no market data was given, and the strategy has no create_trading_universe(input)")
        arguments = {
            "input": universe_input,
            "timestamp": universe_input.timestamp,
            "ts": universe_input.timestamp,
            "client": None,  # there is no data service; the universe is made in code
            "execution_context": universe_input.execution_context,
            "universe_options": default_universe_options,
        }
        result = self._call("create_trading_universe", function, arguments)
        if not isinstance(result, TradingStrategyUniverse):
            raise self._invalid(
                f"create_trading_universe must return a TradingStrategyUniverse, it returned {type(result).__name__}"
            )
        return result

    def _call(self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        wanted = inspect.signature(function).parameters
        if len(wanted) == 1 and "input" in arguments:
            # The name of the only argument is free.
            arguments = {next(iter(wanted)): arguments["input"]}
        try:
            given = {key: value for key, value in arguments.items() if key in wanted}
            return call_author_code(function, **given)
        except TradeExecutorError:
            raise
        except Exception as error:
            line = _find_line(error, self.path)
            raise StrategyModuleNotValid(f"{name} failed: {type(error).__name__}: {error}", self.path, line) from error

    def _invalid(self, message: str) -> StrategyModuleNotValid:
        return StrategyModuleNotValid(message, self.path)


def read_strategy_module(path: Path | str) -> StrategyModule:
    """Run a strategy file, and return the checked module.

    The file is trusted code, which runs with the rights of the program.

    Raises
    ------
    StrategyModuleNotValid
        The file does not exist, has a syntax error, raises an error, or has missing or invalid names.
    """
    path = Path(path)
    if not path.is_file():
        raise StrategyModuleNotValid("there is no such strategy file", path)
    module = _run_file(path)
    return parse_strategy_module(vars(module), path)


def _run_file(path: Path) -> ModuleType:
    name = f"tradeexecutor_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, resolve_links(path))
    if spec is None or spec.loader is None:
        raise StrategyModuleNotValid("a strategy is a Python file (.py)", path)
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    # Dataclasses and pickles in the file find their module by its name.
    sys.modules[name] = module
    try:
        call_author_code(spec.loader.exec_module, module)
    except SyntaxError as error:
        _restore_module(name, before)
        raise StrategyModuleNotValid(f"syntax error: {error.msg}", path, error.lineno) from error
    except Exception as error:
        _restore_module(name, before)
        message = f"the file cannot be run: {type(error).__name__}: {error}"
        raise StrategyModuleNotValid(message, path, _find_line(error, path)) from error
    return module


def _restore_module(name: str, before: ModuleType | None) -> None:
    if before is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = before


def _find_line(error: BaseException, path: Path | None) -> int | None:
    """Return the number of the innermost line of the strategy file in the traceback; None if there is none."""
    if path is None:
        return None
    files = {str(path), str(resolve_links(path))}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return lines[-1] if lines else None


def parse_strategy_module(names: Mapping[str, Any], path: Path | None = None) -> StrategyModule:
    """Return the checked module of the names that a strategy declares.

    Parameters
    ----------
    names
        Module variables by name.
    path
        Path for error messages.

    Raises
    ------
    StrategyModuleNotValid
        A name is missing or has the wrong type.
    """
    found = {name.lower(): value for name, value in names.items() if not name.startswith("__")}

    def fail(message: str) -> StrategyModuleNotValid:
        return StrategyModuleNotValid(message, path)

    version = found.get("trading_strategy_engine_version")
    if version is None:
        raise fail('not a strategy: trading_strategy_engine_version = "0.5" is missing')
    if version not in SUPPORTED_ENGINE_VERSIONS:
        supported = ", ".join(SUPPORTED_ENGINE_VERSIONS)
        raise fail(f"trading_strategy_engine_version is {version!r}; this program runs {supported}")
    needed = ("parameters", "decide_trades") if has_parameters(version) else ("decide_trades",)
    missing = [name for name in needed if name not in found]
    if missing:
        what = {"parameters": "the class Parameters", "decide_trades": "the function decide_trades(input)"}
        raise fail("the strategy lacks " + " and ".join(what[name] for name in missing))
    declared = found.get("parameters", _NoParameters)
    if not inspect.isclass(declared):
        raise fail(f"Parameters must be a class, not {type(declared).__name__}")
    parameters = StrategyParameters.from_class(declared)
    functions = {name: _get_function(found, name, fail) for name in _FUNCTIONS}
    decide_trades = functions["decide_trades"]
    assert decide_trades is not None
    try:
        decide_trades = adapt_decision(version, decide_trades)
    except WrongArguments as error:
        raise fail(str(error)) from None
    module = StrategyModule(
        path=path,
        engine_version=version,
        parameters=parameters,
        decide_trades=decide_trades,
        create_indicators=functions["create_indicators"],
        create_trading_universe=functions["create_trading_universe"],
        create_charts=functions["create_charts"],
        before_strategy_tick=functions["before_strategy_tick"],
        after_strategy_tick=functions["after_strategy_tick"],
        cycle_duration=_get_cycle_duration(found.get("trading_strategy_cycle"), fail),
        backtest_start=_get_time(found, "backtest_start", fail),
        backtest_end=_get_time(found, "backtest_end", fail),
        initial_cash=_get_cash(found.get("initial_cash"), fail),
        latency=_get_latency(found.get("latency"), fail),
        name=_get_text(found, "name", fail),
        short_description=_get_text(found, "short_description", fail),
        long_description=_get_text(found, "long_description", fail),
        tags=set(found.get("tags") or ()),
    )
    module.apply_parameters()
    return module


class _NoParameters:
    """The parameters of a module that has none."""


#: Parameters of the runner; they may be given even if the strategy does not declare them.
_SETTINGS = (
    "cycle_duration",
    "initial_cash",
    "backtest_start",
    "backtest_end",
    "slippage_tolerance",
    "latency",
    "max_price_impact",
)

_FUNCTIONS = (
    "decide_trades",
    "create_indicators",
    "create_trading_universe",
    "create_charts",
    "before_strategy_tick",
    "after_strategy_tick",
)

_Fail = Callable[[str], StrategyModuleNotValid]


def _get_function(found: Mapping[str, Any], name: str, fail: _Fail) -> Callable[..., Any] | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, IndicatorRegistry):
        raise fail(f"{name} must be the method: {name} = your_registry.create_indicators")
    if not callable(value) or inspect.isclass(value):
        raise fail(f"{name} must be a function, not {type(value).__name__}")
    return value


def _get_cycle_duration(value: Any, fail: _Fail) -> CycleDuration | None:
    if value is None:
        return None
    if isinstance(value, CycleDuration):
        return None if value.value == "unknown" else value
    try:
        return CycleDuration(value)
    except ValueError:
        raise fail(f"cycle_duration must be a CycleDuration such as CycleDuration.cycle_1d, not {value!r}") from None


def _get_time(parameters: StrategyParameters | Mapping[str, Any], name: str, fail: _Fail) -> datetime.datetime | None:
    value = parameters.get(name)
    if value is None:
        return None
    value = require_naive_utc(value, name, fail)
    # pandas.Timestamp is a datetime, but its comparison and addition are different.
    return datetime.datetime(*value.timetuple()[:6], value.microsecond)


def _get_cash(value: Any, fail: _Fail) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise fail(f"initial_cash must be a positive number, not {value!r}")
    return float(value)


def _get_latency(value: Any, fail: _Fail) -> datetime.timedelta:
    """Return a latency, see `read_latency`."""
    try:
        return read_latency(value)
    except InvalidValue as error:
        raise fail(str(error)) from None


def _get_text(found: Mapping[str, Any], name: str, fail: _Fail) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise fail(f"{name} must be text, not {type(value).__name__}")
    return value
