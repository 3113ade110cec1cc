"""Conditions that start a planned trade later: a price level, a time, or a time after the opening."""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import Duration, StateEnum, USDollarPrice, UTCDatetime

#: One partial take profit: its level (price, time, or time after the opening), its amount (base tokens, negative), and
#: whether it closes the position.
PartialTradeLevel: TypeAlias = tuple[float | datetime.timedelta | datetime.datetime, Decimal, bool]


class TriggerType(StateEnum):
    """Effect when the condition is met."""

    market_limit = "market_limit"
    take_profit_partial = "take_profit_partial"
    take_profit_full = "take_profit_full"


class TriggerCondition(StateEnum):
    """Kind of condition."""

    cross_above = "cross_above"
    cross_below = "cross_below"
    timed_absolute = "timed_absolute"
    timed_relative_to_open = "timed_relative_to_open"


@dataclass(slots=True, repr=False)
class Trigger(Serialisable):
    """One condition under which a trade starts.

    Raises
    ------
    InvalidValue
        A field has the wrong type.
    """

    #: What the trigger does to the trade.
    type: TriggerType
    #: Under which condition it fires.
    condition: TriggerCondition
    #: Level of the mid price, USD; needed by the crossing conditions.
    price: USDollarPrice | None = None
    #: Time of the trigger; needed by `TriggerCondition.timed_absolute`.
    triggering_at: UTCDatetime | None = None
    #: Time after the opening of the position; needed by `TriggerCondition.timed_relative_to_open`.
    triggering_at_delta: Duration | None = None
    #: Last time at which the trigger may fire; None for no limit.
    expires_at: UTCDatetime | None = None
    #: Time at which it expired without having fired.
    expired_at: UTCDatetime | None = None
    #: Time at which it fired.
    triggered_at: UTCDatetime | None = None

    def __post_init__(self) -> None:
        if type(self.price) is int:
            self.price = float(self.price)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if self.price is not None and not isinstance(self.price, float) and type(self.price) is not int:
            raise InvalidValue(f"trigger price must be a float, got {self.price!r}")
        if not isinstance(self.type, TriggerType):
            raise InvalidValue(f"type must be a TriggerType, got {self.type!r}")
        if not isinstance(self.condition, TriggerCondition):
            raise InvalidValue(f"condition must be a TriggerCondition, got {self.condition!r}")
        for name in ("triggering_at", "expires_at", "expired_at", "triggered_at"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, datetime.datetime):
                raise InvalidValue(f"{name} must be a datetime, got {value!r}")
        delta = self.triggering_at_delta
        if delta is not None and not isinstance(delta, datetime.timedelta):
            raise InvalidValue(f"triggering_at_delta must be a timedelta, got {delta!r}")

    def __repr__(self) -> str:
        return f"<Trigger {self.type.value} {self.condition.value} at {self.price} expires at {self.expires_at}>"

    def is_expired(self, ts: datetime.datetime) -> bool:
        """Return True if `ts` is later than the expiry."""
        return self.expires_at is not None and ts > self.expires_at

    def is_executed(self) -> bool:
        """Return True if the trigger has fired."""
        return self.triggered_at is not None

    def is_triggering(
        self,
        market_price: USDollarPrice | None,
        timestamp: datetime.datetime,
        position_open_time: datetime.datetime | None,
    ) -> bool:
        """Return True if the condition is met.

        A price level fires when the price reaches it, a time when it has come.

        Parameters
        ----------
        market_price
            Mid price, USD; needed by the crossing conditions.
        position_open_time
            Time of the opening, naive UTC; needed by `TriggerCondition.timed_relative_to_open`.

        Raises
        ------
        InvalidValue
            A value that the condition compares is missing in the trigger or the call.
        """
        match self.condition:
            case TriggerCondition.cross_above:
                return self._given(market_price, "market price") >= self._given(self.price, "price")
            case TriggerCondition.cross_below:
                return self._given(market_price, "market price") <= self._given(self.price, "price")
            case TriggerCondition.timed_absolute:
                return timestamp >= self._given_time(self.triggering_at, "triggering_at")
            case TriggerCondition.timed_relative_to_open:
                if self.triggering_at_delta is None:
                    raise InvalidValue(f"{self!r} has no triggering_at_delta")
                opened_at = self._given_time(position_open_time, "position opening time")
                return timestamp >= opened_at + self.triggering_at_delta
        raise InvalidValue(f"{self!r} has a condition of a newer program")

    def _given(self, value: float | None, what: str) -> float:
        if value is None:
            raise InvalidValue(f"{self!r} has no {what} to compare")
        return value

    def _given_time(self, value: datetime.datetime | None, what: str) -> datetime.datetime:
        if value is None:
            raise InvalidValue(f"{self!r} has no {what}")
        return value
