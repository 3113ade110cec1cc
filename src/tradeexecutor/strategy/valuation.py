"""Revaluing positions at current prices."""

# Writes the slot of a watched field, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import dataclasses
import datetime
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar, Protocol

from tradeexecutor.accounting.values import MAX_NUMBER, require_standard_utc
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, RevaluationFailed
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.revaluing import check_price
from tradeexecutor.state.state import State
from tradeexecutor.state.types import JSONObject, USDollarPrice
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.statistics.core import update_statistics
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = [
    "InvalidValuationOutput",
    "Valuate",
    "ValuationModel",
    "ValuationModelFactory",
    "has_loan",
    "revalue_portfolio",
    "revalue_positions",
    "revalue_state",
    "update_position_valuations",
]


class InvalidValuationOutput(RevaluationFailed):
    """A valuation model failed, or did not return a `ValuationUpdate`."""


class ValuationModel(ABC):
    """Valuation of one position."""

    #: Whether the model changes only `last_token_price` and `last_pricing_at` of a position, to `get_price` and the
    #: time of the valuation. Then all prices are found first, and nothing has to be undone. A subclass does not inherit
    #: it, because it may change more. A position with a loan is always valued by a call.
    changes_only_price: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.changes_only_price = vars(cls).get("changes_only_price", False)

    @abstractmethod
    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        """Set the price of the position as of `ts`, and return the update."""

    def get_price(self, ts: datetime.datetime, position: TradingPosition) -> USDollarPrice:
        """Return the price of the position at `ts`, USD, without changing it; for models that change only the price."""
        raise NotImplementedError(f"{type(self).__name__} does more than to change the price of {position}")

    def find_prices(self, ts: datetime.datetime, positions: Collection[TradingPosition]) -> list[USDollarPrice]:
        """Return `get_price` of several positions, in their order."""
        return [self.get_price(ts, position) for position in positions]


class ValuationModelFactory(Protocol):
    """Factory of a valuation model from a pricing model."""

    def __call__(self, pricing_model: PricingModel) -> ValuationModel:
        """Return the valuation model."""
        ...


#: A function with the signature of `ValuationModel`.
Valuate = Callable[[datetime.datetime, TradingPosition], ValuationUpdate]


@contract_signature
def revalue_portfolio(
    valuation_model: Valuate,
    ts: datetime.datetime,
    portfolio: Portfolio,
    revalue_frozen: bool = True,
) -> None:
    """Value all open positions, then the frozen ones; if one cannot be valued, none is changed.

    The model sets the price of each position, and decides whether its update is stored.

    Parameters
    ----------
    ts
        Time of the prices, naive UTC.
    revalue_frozen
        Whether to value frozen positions, too.

    Raises
    ------
    InvalidValuationOutput
        The model failed for a position, which the message names. All changes of positions are undone: prices, times,
        recorded updates, loans.
    """
    portfolio.owner.claim()
    positions = portfolio.open_positions.values()
    if revalue_frozen and portfolio.frozen_positions:
        positions = [*positions, *portfolio.frozen_positions.values()]
    revalue_positions(valuation_model, ts, positions, with_loans=has_loan(positions))


def revalue_positions(
    valuation_model: Valuate, ts: datetime.datetime, positions: Collection[TradingPosition], *, with_loans: bool
) -> None:
    """Value positions of a state that the calling thread owns; see `revalue_portfolio`.

    `with_loans` tells whether one of them has a loan.
    """
    # A price also changes the loan of a position.
    if not with_loans and getattr(valuation_model, "changes_only_price", False):
        model: Any = valuation_model  # a `ValuationModel`, which says so; asking takes longer than the valuation
        _set_prices(model, ts, positions)
        return
    done: list[_Before] = []
    try:
        for position in positions:
            done.append(_Before(position))
            _value(valuation_model, ts, position)
    except BaseException:
        for before in done:
            before.restore()
        raise


def has_loan(positions: Iterable[TradingPosition]) -> bool:
    """Return whether one of these positions has a loan."""
    for position in positions:  # noqa: SIM110 - runs on every bar, `any` takes three times as long
        if position.loan is not None:
            return True
    return False


def _set_prices(model: ValuationModel, ts: datetime.datetime, positions: Collection[TradingPosition]) -> None:
    """Set the prices of all positions, after finding all of them."""
    if type(ts) is not datetime.datetime or ts.tzinfo is not None:
        require_standard_utc(ts, "pricing time", InvalidValue)
    try:
        prices = model.find_prices(ts, positions)
    except Exception:
        prices = [_find_price(model, ts, position) for position in positions]  # its error names the position
    for price in prices:
        if type(price) is not float or not 0 <= price <= MAX_NUMBER:
            prices = [_find_price(model, ts, position) for position in positions]
            break
    number = 0
    for position in positions:
        position.last_pricing_at = ts
        position._last_token_price = prices[number]
        number += 1  # noqa: SIM113 - `enumerate` takes three times as long, and `zip` five times
        if position._link is not None:  # tells the kept equity, like an assignment to `last_token_price`
            position.detach()


def _find_price(model: ValuationModel, ts: datetime.datetime, position: TradingPosition) -> USDollarPrice:
    try:
        price = model.get_price(ts, position)
        check_price(position, price)
    except Exception as error:
        raise _make_error(ts, position, error) from error
    return price


def _make_error(ts: datetime.datetime, position: TradingPosition, error: Exception) -> InvalidValuationOutput:
    message = f"{position} could not be valued at {ts}: {error}"
    return InvalidValuationOutput(message, position.position_id)


def _value(valuation_model: Valuate, ts: datetime.datetime, position: TradingPosition) -> None:
    try:
        update = valuation_model(ts, position)
    except Exception as error:
        raise _make_error(ts, position, error) from error
    if not isinstance(update, ValuationUpdate):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValuationOutput(
            f"the valuation of {position} returned {update!r} instead of a ValuationUpdate", position.position_id
        )


_FIELDS = tuple(field.name for field in dataclasses.fields(TradingPosition))
_get_fields = operator.attrgetter(*_FIELDS)


class _Before:
    """Copy of the values of a position that a valuation can change."""

    __slots__ = ("_loan", "_other_data", "_position", "_updates", "_values")

    def __init__(self, position: TradingPosition):
        self._position = position
        self._values = _get_fields(position)
        self._updates = position.valuation_updates.copy()
        self._other_data = position.other_data and position.other_data.copy()
        self._loan = None if position.loan is None else position.loan.clone()

    def restore(self) -> None:
        """Restore the values of the position."""
        position = self._position
        for name, value in zip(_FIELDS, self._values, strict=True):
            if getattr(position, name) is not value:
                setattr(position, name, value)
        position.valuation_updates[:] = self._updates
        position.other_data = self._other_data
        position.loan = self._loan


def revalue_state(state: State, ts: datetime.datetime, valuation_model: Valuate) -> None:
    """Value all open and frozen positions of a state, see `revalue_portfolio`."""
    revalue_portfolio(valuation_model, ts, state.portfolio)


@contract_signature
def update_position_valuations(
    timestamp: datetime.datetime,
    state: State,
    universe: Any,
    execution_context: ExecutionContext,
    valuation_model: Valuate,
    routing_state: Any,
    long_short_metrics_latest: JSONObject | None = None,
    skip_statistics: bool = False,
) -> None:
    """Value all positions of a state, and record a sample of the portfolio.

    Parameters
    ----------
    timestamp
        Time of the prices and of the sample, naive UTC.
    universe, routing_state
        Accepted for existing callers; not used.
    execution_context
        Its mode decides which figures are recorded.
    long_short_metrics_latest
        Table that replaces the recorded one, even if it is None.
    skip_statistics
        Whether to record no sample.

    Raises
    ------
    InvalidValuationOutput
        A position could not be valued; the state has not changed.
    """
    revalue_state(state, timestamp, valuation_model)
    if not skip_statistics:
        update_statistics(
            timestamp,
            state.stats,
            state.portfolio,
            execution_context.mode,
            strategy_cycle_or_wall_clock=timestamp,
            long_short_metrics_latest=long_short_metrics_latest,
            treasury=state.sync.treasury,
        )
