"""Everything that a position tells, found by looking at the class: for tests of what must not change."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State

_PREFIXES = ("get_", "is_", "has_", "can_", "calculate_", "estimate_", "was_")

#: The one returns the very detail that pruning removes, the other an object that other figures are made of.
_LEFT_OUT = {"get_balance_update_events", "get_trade_totals"}


def list_accessors() -> list[str]:
    """Names of the methods that tell something about a position without being told anything."""

    def needs_nothing(method: Any) -> bool:
        parameters = list(inspect.signature(method).parameters.values())[1:]
        return all(item.default is not item.empty or item.kind is item.VAR_KEYWORD for item in parameters)

    return [
        name
        for name, method in inspect.getmembers(TradingPosition, callable)
        if name.startswith(_PREFIXES)
        and name not in _LEFT_OUT
        and not (method.__doc__ or "").startswith("Misspelt name")
        and needs_nothing(method)
    ]


ACCESSORS = list_accessors()


def get_figures(position: TradingPosition) -> dict[str, str]:
    """Accessor -> what it says, or which error it raises."""
    return {name: _say(getattr(position, name)) for name in ACCESSORS}


def get_closed_figures(state: State) -> dict[int, dict[str, str]]:
    """Id of a closed position -> figures; of the portfolio under 0.  Figures of open ones may follow the clock."""
    portfolio = state.portfolio
    figures = {position_id: get_figures(position) for position_id, position in portfolio.closed_positions.items()}
    return figures | {0: {"nav": _say(portfolio.get_net_asset_value), "closed": _say(portfolio.get_closed_profit_usd)}}


def _say(accessor: Callable[[], Any]) -> str:
    try:
        value = accessor()
        return repr(list(value) if isinstance(value, Iterator) else value)
    except (TradeExecutorError, ArithmeticError, NotImplementedError, AttributeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
