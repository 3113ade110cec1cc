"""Revaluing positions at current prices."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import chain
from typing import Protocol

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = [
    "InvalidValuationOutput",
    "Valuate",
    "ValuationModel",
    "ValuationModelFactory",
    "revalue_portfolio",
    "revalue_state",
]


class InvalidValuationOutput(TradeExecutorError, RuntimeError):
    """A position could not be valued; the cause says why.

    Attributes
    ----------
    position_id
        The position.
    """

    def __init__(self, message: str, position_id: int):
        super().__init__(message)
        self.position_id = position_id


class ValuationModel(ABC):
    """Values one position."""

    @abstractmethod
    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Set the price of the position as of `ts` and return what changed."""


class ValuationModelFactory(Protocol):
    """Makes a valuation model from a pricing model."""

    def __call__(self, pricing_model: PricingModel) -> ValuationModel:
        """Return the valuation model."""
        ...


#: Anything that values a position like `ValuationModel` does.
Valuate = Callable[[datetime.datetime, TradingPosition], ValuationUpdate]


def revalue_portfolio(
    valuation_model: Valuate,
    ts: datetime.datetime,
    portfolio: Portfolio,
    revalue_frozen: bool = True,
) -> None:
    """Value all open positions, then the frozen ones.

    Raises
    ------
    InvalidValuationOutput
        The model failed or returned something else than a `ValuationUpdate`.  Positions before it keep their new
        value.
    """
    frozen = portfolio.frozen_positions if revalue_frozen else None
    if not portfolio.open_positions and not frozen:
        return
    for position in chain(portfolio.open_positions.values(), frozen.values() if frozen else ()):
        try:
            update = valuation_model(ts, position)
        except Exception as error:
            message = f"{position} could not be valued at {ts}: {error}"
            raise InvalidValuationOutput(message, position.position_id) from error
        if not isinstance(update, ValuationUpdate):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValuationOutput(
                f"the valuation of {position} returned {update!r} instead of a ValuationUpdate", position.position_id
            )


def revalue_state(state: State, ts: datetime.datetime, valuation_model: Valuate) -> None:
    """Value all open and frozen positions of a state, see `revalue_portfolio`."""
    revalue_portfolio(valuation_model, ts, state.portfolio)
