"""What a trading position and a cash reserve have in common: a balance and events that change it from outside."""

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
    """Base of `TradingPosition` and `ReservePosition`; has no objects of its own."""

    @abstractmethod
    def get_human_readable_name(self, /) -> str:
        """Return the name to show to a person."""

    @abstractmethod
    def get_quantity(self, /) -> Decimal:
        """Return the balance, token units."""

    @abstractmethod
    def calculate_quantity_usd_value(self, /, quantity: Decimal) -> USDollarAmount:
        """Return what `quantity` of the position's token is worth, USD."""

    @abstractmethod
    def get_base_token_balance_update_quantity(self, /) -> Decimal:
        """Return the sum of the balance events in the position's token, token units."""

    @abstractmethod
    def get_balance_update_events(self, /) -> Iterable[BalanceUpdate]:
        """Return deposits, redemptions, interest and corrections, oldest first."""

    @abstractmethod
    def add_balance_update_event(self, /, event: BalanceUpdate) -> None:
        """Book an event; raises `BalanceUpdateEventAlreadyAdded` for an id that is booked already."""

    @abstractmethod
    def get_held_assets(self, /) -> Iterable[tuple[AssetIdentifier, Decimal]]:
        """Yield the tokens that the wallet must hold for this position, with token amounts."""


def book_balance_update(events: dict[int, BalanceUpdate], event: BalanceUpdate, owner: str) -> None:
    """Add `event` to `events` unless its id is there already."""
    if event.balance_update_id in events:
        raise BalanceUpdateEventAlreadyAdded(f"{owner} already has balance update #{event.balance_update_id}")
    events[event.balance_update_id] = event
