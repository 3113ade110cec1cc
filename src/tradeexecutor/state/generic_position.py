"""Common interface of trading positions and cash reserves: a balance, and events that change it from outside."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal

from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.errors import BalanceUpdateEventAlreadyAdded
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.types import USDollarAmount

__all__ = ["BalanceUpdateEventAlreadyAdded", "GenericPosition"]


class GenericPosition(OpenAttributes, ABC):
    """Abstract base class of `TradingPosition` and `ReservePosition`."""

    @abstractmethod
    def get_human_readable_name(self, /) -> str:
        """Return the display name."""

    @abstractmethod
    def get_quantity(self, /) -> Decimal:
        """Return the balance, token units."""

    @abstractmethod
    def calculate_quantity_usd_value(self, /, quantity: Decimal) -> USDollarAmount:
        """Return the value of `quantity` token units of the position, USD."""

    @abstractmethod
    def get_base_token_balance_update_quantity(self, /) -> Decimal:
        """Return the sum of the balance events in the position's token, token units."""

    @abstractmethod
    def get_balance_update_events(self, /) -> Iterable[BalanceUpdate]:
        """Return deposits, redemptions, interest and corrections, oldest first."""

    @abstractmethod
    def add_balance_update_event(self, /, event: BalanceUpdate) -> None:
        """Add an event; raises `BalanceUpdateEventAlreadyAdded` when its id is already booked."""

    @abstractmethod
    def get_held_assets(self, /) -> Iterable[tuple[AssetIdentifier, Decimal]]:
        """Yield the tokens that the wallet must hold for this position, with amounts in token units."""


def book_balance_update(events: dict[int, BalanceUpdate], event: BalanceUpdate, owner: str) -> None:
    """Add `event` to `events`; raises `BalanceUpdateEventAlreadyAdded` when its id is already there."""
    if event.balance_update_id in events:
        raise BalanceUpdateEventAlreadyAdded(f"{owner} already has balance update #{event.balance_update_id}")
    events[event.balance_update_id] = event
