"""When a simulated vault settles deposits and redemptions, and how long it keeps shares."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import EPOCH, JSONObject

if TYPE_CHECKING:
    from tradeexecutor.state.identifier.identifier import TradingPairIdentifier

__all__ = ["VaultTerms"]

_KEY = "simulated_terms"
_ZERO = datetime.timedelta(0)


@dataclass(frozen=True, slots=True)
class VaultTerms:
    """Terms of one vault; by default deposits and redemptions settle at once.

    Attributes
    ----------
    deposit_delay, redemption_delay
        Time from a request to its settlement. With a delay or an interval the money or the shares leave the strategy
        with the request, and the price is that of the settlement.
    settlement_interval
        Requests wait, after their delay, for the next multiple of this time (UTC): a queue that is settled e.g. daily.
    lock_up
        Time after a deposit during which its position cannot be redeemed, whole days.

    Raises
    ------
    InvalidValue
        A time is negative, or the lock-up is not a number of days.
    """

    deposit_delay: datetime.timedelta = _ZERO
    redemption_delay: datetime.timedelta = _ZERO
    settlement_interval: datetime.timedelta = _ZERO
    lock_up: datetime.timedelta = _ZERO

    def __post_init__(self) -> None:
        for name in ("deposit_delay", "redemption_delay", "settlement_interval", "lock_up"):
            if getattr(self, name) < _ZERO:
                raise InvalidValue(f"{name} of a vault must not be negative, it is {getattr(self, name)}")
        if self.lock_up % datetime.timedelta(days=1):
            raise InvalidValue(f"the lock-up of a vault is a number of days, not {self.lock_up}")

    @property
    def is_async(self) -> bool:
        """Whether requests wait."""
        return bool(self.deposit_delay or self.redemption_delay or self.settlement_interval)

    def to_pair_data(self) -> JSONObject:
        """Return the data of a pair that has these terms."""
        data: JSONObject = {}
        if self.is_async:
            data["vault_features"] = ["erc_7540_like"]
            data[_KEY] = {
                "deposit_delay": self.deposit_delay.total_seconds(),
                "redemption_delay": self.redemption_delay.total_seconds(),
                "settlement_interval": self.settlement_interval.total_seconds(),
            }
        if self.lock_up:
            data["vault_lockup_days"] = self.lock_up.days
        return data

    @classmethod
    def of(cls, pair: "TradingPairIdentifier") -> "VaultTerms":
        """Return the terms of a pair; a vault that settles later without any settles after a day."""
        data: Any = (pair.other_data or {}).get(_KEY)
        if not isinstance(data, dict):
            wait = datetime.timedelta(days=1) if pair.is_async_vault() else _ZERO
            return cls(wait, wait)
        times = cast("dict[str, float]", data)
        return cls(**{name: datetime.timedelta(seconds=seconds) for name, seconds in times.items()})

    def get_settlement_time(self, requested_at: datetime.datetime, *, is_deposit: bool) -> datetime.datetime:
        """Return when a request is due, naive UTC.

        >>> day = datetime.timedelta(days=1)
        >>> VaultTerms(redemption_delay=day, settlement_interval=7 * day).get_settlement_time(
        ...     datetime.datetime(2024, 1, 1), is_deposit=False
        ... )
        datetime.datetime(2024, 1, 4, 0, 0)
        """
        due = requested_at + (self.deposit_delay if is_deposit else self.redemption_delay)
        if self.settlement_interval:
            due += -(due - EPOCH) % self.settlement_interval
        return due
