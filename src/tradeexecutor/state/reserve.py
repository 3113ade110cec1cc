"""Cash of the strategy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.generic_position import GenericPosition, book_balance_update
from tradeexecutor.state.identifier import AssetFriendlyId, AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById, sum_balance_updates
from tradeexecutor.state.types import USDollarAmount, USDollarPrice, UTCDatetime


@dataclass(slots=True, eq=False, repr=False)
class ReservePosition(GenericPosition):
    """Balance of one reserve currency.

    Raises
    ------
    InvalidValue
        The asset has no decimals.
    """

    #: Token that is held.
    asset: AssetIdentifier
    #: Cash, token units; may be negative while the trades of a batch are started.
    quantity: Decimal
    #: Time of the last processing of deposits and redemptions; the creation before the first, None in some old files.
    last_sync_at: UTCDatetime | None
    #: USD per token.
    reserve_token_price: USDollarPrice | None
    #: Time of the latest price; None before the first.
    last_pricing_at: UTCDatetime | None
    #: First deposit, token units; None when not recorded.
    initial_deposit: Decimal | None = None
    #: Price at the first deposit, USD per token; None when not recorded.
    initial_deposit_reserve_token_price: USDollarPrice | None = None
    #: Event id -> event, in order of booking; a `BalanceUpdatesById` after construction.
    balance_updates: dict[int, BalanceUpdate] = field(default_factory=BalanceUpdatesById)

    def __post_init__(self) -> None:
        check_values(self)
        if not isinstance(self.balance_updates, BalanceUpdatesById):
            self.balance_updates = BalanceUpdatesById(self.balance_updates)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if self.asset.decimals <= 0:
            raise InvalidValue(f"reserve currency {self.asset} must have decimals, got {self.asset.decimals}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReservePosition):
            return NotImplemented
        return self.asset == other.asset

    def __hash__(self) -> int:
        return hash(("reserve", self.asset))

    def __repr__(self) -> str:
        return f"<Reserve {self.quantity} {self.asset.token_symbol}>"

    def get_identifier(self) -> AssetFriendlyId:
        """Return the identifier of the asset."""
        return self.asset.get_identifier()

    def get_human_readable_name(self) -> str:
        """Return e.g. ``USDC reserve``."""
        return f"{self.asset.token_symbol} reserve"

    def get_quantity(self) -> Decimal:
        """Return the cash, token units."""
        return self.quantity

    def get_value(self) -> USDollarAmount:
        """Return the value of the cash, USD."""
        if self.reserve_token_price is None:
            raise InvalidValue(f"{self.get_human_readable_name()} has no price yet")
        return float(self.quantity) * self.reserve_token_price

    def get_total_equity(self) -> USDollarAmount:
        """Same as `get_value`."""
        return self.get_value()

    def calculate_quantity_usd_value(self, quantity: Decimal) -> USDollarAmount:
        """Return the value of `quantity` at one dollar per token, USD; `get_value` uses the recorded price."""
        return float(quantity)

    def get_base_token_balance_update_quantity(self) -> Decimal:
        """Return the sum of all balance events, token units."""
        return sum_balance_updates(self.balance_updates)

    def get_balance_update_events(self) -> Iterable[BalanceUpdate]:
        """Return deposits, redemptions and corrections, oldest first."""
        return self.balance_updates.values()

    def add_balance_update_event(self, event: BalanceUpdate) -> None:
        """Add an event; the caller changes the quantity."""
        book_balance_update(self.balance_updates, event, self.get_human_readable_name())

    def get_held_assets(self) -> Iterator[tuple[AssetIdentifier, Decimal]]:
        """Yield the reserve currency with the amount of cash, token units."""
        yield self.asset, self.quantity

    def update_value(self, exchange_rate: float = 1) -> None:
        """Set the quantity to the sum of the balance events and the price to `exchange_rate`.

        The result is correct only before the first trade, because trades are not balance events.
        """
        self.quantity = self.get_base_token_balance_update_quantity()
        self.reserve_token_price = exchange_rate
        self.last_pricing_at = self.last_sync_at = utc_now()

    def get_cash_pair(self) -> TradingPairIdentifier:
        """Return the pseudo pair of the currency with itself."""
        return TradingPairIdentifier(
            base=self.asset,
            quote=self.asset,
            pool_address=self.asset.address,
            exchange_address=self.asset.address,
            internal_id=0,
            kind=TradingPairKind.cash,
        )
