"""The arguments that functions of a strategy module get, by the engine version that the module names."""

import inspect
from collections.abc import Callable
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

__all__ = ["DECISION_ARGUMENTS", "SUPPORTED_ENGINE_VERSIONS", "WrongArguments", "adapt_decision", "has_parameters"]

#: Engine version -> arguments of ``decide_trades``; versions from 0.5 on get the `StrategyInput` only.
DECISION_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "0.1": ("timestamp", "universe", "state", "pricing_model", "cycle_debug_data"),
    "0.2": ("timestamp", "universe", "state", "pricing_model", "cycle_debug_data"),
    "0.3": ("timestamp", "strategy_universe", "state", "pricing_model", "cycle_debug_data"),
    "0.4": ("timestamp", "parameters", "strategy_universe", "state", "pricing_model"),
    "0.5": ("input",),
    "0.6": ("input",),
}

#: Engine versions that this program runs.
SUPPORTED_ENGINE_VERSIONS = tuple(DECISION_ARGUMENTS)


class WrongArguments(TradeExecutorError, ValueError):
    """``decide_trades`` does not take the arguments of its engine version; the message lists them."""


Decide = Callable[[StrategyInput], list[TradeExecution]]


def has_parameters(version: str) -> bool:
    """Return True if modules of this version must have the class ``Parameters``."""
    return version >= "0.5"


def adapt_decision(version: str, decide_trades: Callable[..., Any]) -> Decide:
    """Return a function of the input that calls ``decide_trades`` with the arguments of its version.

    Raises
    ------
    WrongArguments
        The function takes other arguments.
    """
    wanted = DECISION_ARGUMENTS.get(version, ("input",))
    taken = inspect.signature(decide_trades).parameters
    accepts_any = any(argument.kind is argument.VAR_KEYWORD for argument in taken.values())
    if wanted == ("input",):
        if len(taken) != 1:
            raise WrongArguments("decide_trades takes one argument, the StrategyInput: decide_trades(input)")
        return decide_trades
    names = [name for name, argument in taken.items() if argument.kind is not argument.VAR_KEYWORD]
    if not accepts_any and set(names) != set(wanted):
        raise WrongArguments(
            f"decide_trades of engine version {version} takes {', '.join(wanted)}; it takes {', '.join(names)}"
        )

    def decide(input: StrategyInput) -> list[TradeExecution]:
        values: dict[str, Any] = {
            "timestamp": input.timestamp,
            "universe": input.strategy_universe.data_universe,
            "strategy_universe": input.strategy_universe,
            "parameters": input.parameters,
            "state": input.state,
            "pricing_model": input.pricing_model,
            "cycle_debug_data": {"cycle": input.cycle, "timestamp": input.timestamp},
        }
        return decide_trades(**{name: values[name] for name in wanted})

    return decide
