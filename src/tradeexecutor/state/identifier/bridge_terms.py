"""How long a simulated bridge takes to move money to another chain, what it costs, and when it fails."""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tradeexecutor.accounting.raw_units import round_up_to_units
from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import JSONObject, Percent, USDollarAmount

if TYPE_CHECKING:
    from tradeexecutor.state.identifier.identifier import TradingPairIdentifier

__all__ = ["Arrival", "BridgeTerms"]

_KEY = "simulated_bridge"
_ZERO = datetime.timedelta(0)
_DEFAULT_TIME = datetime.timedelta(minutes=20)


class Arrival(NamedTuple):
    """The end of a transfer."""

    #: Naive UTC.
    at: datetime.datetime
    #: Whether the money is on the other chain then; otherwise it is back where it came from.
    arrives: bool


@dataclass(frozen=True, slots=True)
class BridgeTerms:
    """Terms of the bridge to one chain, the same in both directions.

    Attributes
    ----------
    transfer_time
        Time from the start of a transfer to its arrival; with 0 the money can be used by the same decision.
    fee, fixed_fee
        What a transfer costs: a fraction of the amount, and an amount of the reserve currency. Both are taken out of
        the amount that arrives.
    minimum
        Smallest amount of a transfer, reserve currency.
    outages
        Periods (start inclusive, end exclusive, naive UTC) in which nothing arrives: it arrives at their end.
    expires_after
        Time after which a transfer that has not arrived is given up: its money is back where it came from, without a
        fee. None waits for ever.

    Raises
    ------
    InvalidValue
        A figure is out of range.
    """

    transfer_time: datetime.timedelta = _DEFAULT_TIME
    fee: Percent = 0.0
    fixed_fee: USDollarAmount = 0.0
    minimum: USDollarAmount = 0.0
    outages: Sequence[tuple[datetime.datetime, datetime.datetime]] = ()
    expires_after: datetime.timedelta | None = None

    def __post_init__(self) -> None:
        if self.transfer_time < _ZERO:
            raise InvalidValue(f"transfer_time of a bridge must not be negative, it is {self.transfer_time}")
        if not 0 <= self.fee < 1:
            raise InvalidValue(f"the fee of a bridge is a fraction from 0 to 1, not {self.fee}")
        for name in ("fixed_fee", "minimum"):
            amount = getattr(self, name)
            if not 0 <= amount < math.inf:
                raise InvalidValue(f"{name} of a bridge must not be negative nor endless, it is {amount}")
        for start, end in self.outages:
            require_naive_utc(start, "start of an outage", InvalidValue)
            require_naive_utc(end, "end of an outage", InvalidValue)
            if end <= start:
                raise InvalidValue(f"an outage of a bridge ends after its start {start}, not at {end}")
        if self.expires_after is not None and self.expires_after < self.transfer_time:
            raise InvalidValue(
                f"expires_after {self.expires_after} is shorter than the transfer time {self.transfer_time}"
            )

    def get_fee(self, amount: Decimal, decimals: int) -> Decimal:
        """Return what the transfer of an amount costs, rounded up to units of the currency.

        >>> BridgeTerms(fee=0.001, fixed_fee=0.5).get_fee(Decimal(2000), 6)
        Decimal('2.5')
        """
        fee = amount * Decimal(str(self.fee)) + Decimal(str(self.fixed_fee))
        return round_up_to_units(fee, decimals)

    def find_obstacle(self, amount: Decimal, decimals: int) -> str | None:
        """Return why an amount cannot be transferred: it is below the minimum, or the fee takes it; None if it can."""
        if amount < Decimal(str(self.minimum)):
            return f"{amount} is less than the minimum {self.minimum} of the bridge"
        fee = self.get_fee(amount, decimals)
        if fee >= amount:
            return f"the fee {fee} of the bridge takes all of {amount}"
        return None

    def get_arrival(self, sent_at: datetime.datetime) -> Arrival:
        """Return when a transfer ends that is sent at a time, and whether it arrives.

        >>> down = datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 3)
        >>> day = datetime.timedelta(days=1)
        >>> BridgeTerms(day, outages=[down]).get_arrival(datetime.datetime(2024, 1, 1))
        Arrival(at=datetime.datetime(2024, 1, 3, 0, 0), arrives=True)
        >>> BridgeTerms(day, outages=[down], expires_after=day).get_arrival(datetime.datetime(2024, 1, 1))
        Arrival(at=datetime.datetime(2024, 1, 2, 0, 0), arrives=False)
        """
        due = sent_at + self.transfer_time
        for start, end in sorted(self.outages):
            if start <= due < end:
                due = end
        if self.expires_after is not None and due > sent_at + self.expires_after:
            return Arrival(sent_at + self.expires_after, arrives=False)
        return Arrival(due, arrives=True)

    def to_pair_data(self) -> JSONObject:
        """Return the data of a pair that has these terms."""
        expiry = self.expires_after
        return {
            _KEY: {
                "transfer_time": self.transfer_time.total_seconds(),
                "fee": self.fee,
                "fixed_fee": self.fixed_fee,
                "minimum": self.minimum,
                "outages": [[start.isoformat(), end.isoformat()] for start, end in self.outages],
                "expires_after": None if expiry is None else expiry.total_seconds(),
            }
        }

    @classmethod
    def of(cls, pair: "TradingPairIdentifier") -> "BridgeTerms":
        """Return the terms of a pair; the default ones if it has none."""
        data: Any = (pair.other_data or {}).get(_KEY)
        if not isinstance(data, dict):
            return cls()
        known = cast("dict[str, Any]", data)
        read, expiry = datetime.datetime.fromisoformat, known["expires_after"]
        return cls(
            transfer_time=datetime.timedelta(seconds=known["transfer_time"]),
            fee=known["fee"],
            fixed_fee=known["fixed_fee"],
            minimum=known["minimum"],
            outages=[(read(start), read(end)) for start, end in known["outages"]],
            expires_after=None if expiry is None else datetime.timedelta(seconds=expiry),
        )
