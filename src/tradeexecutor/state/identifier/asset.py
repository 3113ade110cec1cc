"""Assets: tokens by chain and address, and amounts of them with a price."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, TypeAlias

from tradeexecutor.accounting.accuracy import SUM_EPSILON, ensure_exact_zero, sum_decimal
from tradeexecutor.accounting.values import abbreviate
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.bounds import check_values, check_wrapped
from tradeexecutor.state.codec.codec import OpenAttributes, Serialisable
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.identifier.stablecoin import ALL_STABLECOIN_LIKE
from tradeexecutor.state.types import EPOCH as _EPOCH
from tradeexecutor.state.types import (
    JSONHexAddress,
    JSONObject,
    MirroredEnum,
    Percent,
    StateEnum,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
)

#: ``"{chain_id}-{lower-case address}"``
AssetFriendlyId: TypeAlias = str


#: Largest number of decimals of a token: the ERC-20 standard has a byte for it. Raw amounts of many more could not be
#: computed in a lifetime.
MAX_DECIMALS = 255

#: Beginnings of valid addresses; some venues use other texts than hexadecimal addresses.
_ADDRESS_PREFIXES = ("0x", "vlt:", "lighter-pool-", "hibachi-vault-", "apex-vault-")


class AssetType(StateEnum):
    """Role of a token in a lending protocol."""

    token = "token"
    collateral = "collateral"
    borrowed = "borrowed"


@dataclass(slots=True, eq=False, repr=False)
class AssetIdentifier(OpenAttributes):
    """A token, identified by chain and address.

    Raises
    ------
    InvalidValue
        Address, chain or decimals have a wrong type, or the address has an unknown form.
    """

    is_repeated: ClassVar[bool] = True

    #: Chain number, exactly of type ``int``.
    chain_id: int
    #: Address; converted to lower case on construction.
    address: JSONHexAddress
    #: Ticker as on the chain.
    token_symbol: str
    #: Number of decimals of the raw amount, from 0 to 255.
    decimals: int
    #: Key in the data set, which may change over time.
    internal_id: int | None = None
    #: Page about the token.
    info_url: str | None = None
    #: Token that an aToken or vToken wraps.
    underlying: "AssetIdentifier | None" = None
    #: Kind of the token; None for an ordinary one, or if it is not known.
    type: AssetType | None = None
    #: Liquidation threshold as collateral, a fraction from 0 to 1.
    liquidation_threshold: Percent | None = None
    #: Keys ``tags`` (set; a list after loading), ``buy_tax`` and ``sell_tax``.
    other_data: JSONObject | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        if isinstance(self.address, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            self.address = self.address.lower()
        if type(self.decimals) is not int and type(self.decimals).__name__ == "int64":
            self.decimals = int(self.decimals)
        if self.other_data:
            check_values(self)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        address = self.address
        if not isinstance(address, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"asset address must be text, got {address!r}")
        if not address.startswith(_ADDRESS_PREFIXES):
            raise InvalidValue(f"asset address {address!r} starts with none of {', '.join(_ADDRESS_PREFIXES)}")
        if not address.islower() and address != address.lower():
            raise InvalidValue(f"asset address {address!r} must be in lower case")
        if type(self.chain_id) is not int:
            raise InvalidValue(f"chain_id must be exactly an int, got {self.chain_id!r}")
        if type(self.decimals) is not int:
            raise InvalidValue(f"decimals of {self.token_symbol} must be an int, got {self.decimals!r}")
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise InvalidValue(
                f"decimals of {self.token_symbol} must be from 0 to {MAX_DECIMALS}, got {abbreviate(self.decimals)}"
            )
        if self.type and not isinstance(self.type, AssetType):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"type of {self.token_symbol} must be an AssetType, got {self.type!r}")
        if self.underlying is not None:
            check_wrapped(self, "underlying")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AssetIdentifier):
            return NotImplemented
        return self is other or (self.address == other.address and self.chain_id == other.chain_id)

    def __hash__(self) -> int:
        return hash((self.chain_id, self.address))

    def __str__(self) -> str:
        if self.underlying:
            return f"<{self.token_symbol} ({self.underlying.token_symbol}) at {self.address}>"
        return f"<{self.token_symbol} at {self.address}>"

    __repr__ = __str__

    def get_identifier(self) -> AssetFriendlyId:
        """Return ``"{chain_id}-{address}"``, the key of persisted maps."""
        return f"{self.chain_id}-{self.address}"

    @property
    def checksum_address(self) -> str:
        """Address in EIP-55 mixed case."""
        from eth_utils.address import to_checksum_address  # slow to import and rarely needed

        return to_checksum_address(self.address)

    def convert_to_raw_amount(self, amount: Decimal) -> int:
        """Return an amount of token units in integer raw units, rounded towards zero."""
        if not isinstance(amount, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"amount must be a Decimal, got {amount!r}")
        return int(amount * Decimal(10**self.decimals))

    def convert_to_decimal(self, raw_amount: int) -> Decimal:
        """Return an amount of integer raw units in token units."""
        return Decimal(raw_amount) / Decimal(10**self.decimals)

    def is_stablecoin(self) -> bool:
        """Return True if the symbol is on the list of money-like tokens (exact case)."""
        return self.token_symbol in ALL_STABLECOIN_LIKE

    def is_interest_accruing(self) -> bool:
        """Return True if the token is a receipt token or debt token of a lending protocol."""
        return self.underlying is not None

    def is_credit(self) -> bool | None:
        """Return True if this is an aToken; None for a token without underlying."""
        return self.token_symbol.startswith("a") if self.underlying else None

    def is_debt(self) -> bool:
        """Return True if this is a vToken; the token must have an underlying."""
        if self.underlying is None:
            raise InvalidValue(f"{self} has no underlying token")
        return self.token_symbol.startswith("v")

    def get_pricing_asset(self) -> "AssetIdentifier":
        """Return the token whose market price applies: the underlying, or itself."""
        return self.underlying or self

    def get_tags(self) -> set[str]:
        """Return the tags of the token."""
        return set((self.other_data or {}).get("tags") or ())

    def set_tags(self, tags: set[str]) -> None:
        """Replace the tags of the token."""
        if type(tags) is not set:
            raise InvalidValue(f"tags must be a set, got {tags!r}")
        self._extras()["tags"] = tags

    def get_buy_tax(self) -> Percent | None:
        """Return the fraction that the token deducts on a buy; None when unknown."""
        return (self.other_data or {}).get("buy_tax")

    def get_sell_tax(self) -> Percent | None:
        """Return the fraction that the token deducts on a sell; None when unknown."""
        return (self.other_data or {}).get("sell_tax")

    def _extras(self) -> JSONObject:
        if self.other_data is None:
            self.other_data = {}
        return self.other_data


class LendingProtocolType(MirroredEnum):
    """Lending protocols that positions can use."""

    aave_v3 = "aave_v3"


@dataclass(slots=True)
class AssetWithTrackedValue(Serialisable):
    """Principal of one side of a loan and its latest price.

    Raises
    ------
    InvalidValue
        The quantity is negative or not a Decimal, or the price is missing or not positive.
    """

    #: The aToken or vToken.
    asset: AssetIdentifier
    #: Principal without interest, token units, >= 0.
    quantity: Decimal
    #: USD per unit, > 0.
    last_usd_price: USDollarPrice
    #: Time of the latest price.
    last_pricing_at: UTCDatetime
    #: Time of the clock at which the tracking began.
    created_at: UTCDatetime = field(default_factory=utc_now)
    #: Cycle in which the tracking began; None if not known.
    created_strategy_cycle_at: UTCDatetime | None = None
    #: Yearly interest rate at the opening, a fraction; None if not known.
    interest_rate_at_open: Percent | None = None
    #: Latest yearly interest rate, a fraction; None if not known.
    last_interest_rate: Percent | None = None

    def __post_init__(self) -> None:
        check_values(self)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if not isinstance(self.quantity, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"quantity of {self.asset} must be a Decimal, got {self.quantity!r}")
        if self.quantity < 0:
            raise InvalidValue(f"quantity of {self.asset} must not be negative, got {self.quantity}")
        if self.last_usd_price is None or not self.last_usd_price > 0:  # pyright: ignore[reportUnnecessaryComparison]
            raise InvalidValue(f"price of {self.asset} must be positive, got {self.last_usd_price!r}")

    def get_usd_value(self) -> USDollarAmount:
        """Return the value of the principal, USD."""
        return float(self.quantity) * self.last_usd_price

    def revalue(self, price: USDollarPrice, when: UTCDatetime) -> None:
        """Set the price in USD per unit, exactly of type float, with ``0 < price < 1_000_000``."""
        if not isinstance(when, type(_EPOCH)):
            raise InvalidValue(f"time must be a datetime, got {when!r}")
        if type(price) is not float or not 0 < price < 1_000_000:
            raise InvalidValue(f"price of {self.asset} must be a float between 0 and 1,000,000, got {price!r}")
        self.last_usd_price = price
        self.last_pricing_at = when

    @contract_signature
    def change_quantity_and_value(
        self,
        delta: Decimal,
        price: USDollarPrice,
        when: UTCDatetime,
        allow_negative: bool = False,
        available_accrued_interest: Decimal = Decimal(0),
        epsilon: Decimal = SUM_EPSILON,
        close_position: bool = False,
    ) -> None:
        """Change the principal by `delta` and revalue it; nothing changes when the result would be negative.

        Parameters
        ----------
        delta
            Token units, + in, - out.
        allow_negative
            Whether a result below zero is set to zero instead of being refused.
        available_accrued_interest
            Interest that may be withdrawn in addition to the principal, token units.
        epsilon
            Amounts below this are zero, token units; relative to `delta` when `close_position` is True.
        close_position
            Whether a remainder within ``delta * epsilon`` is written off.

        Raises
        ------
        InvalidTrade
            The withdrawal exceeds the balance.
        """
        if not allow_negative:
            left = sum_decimal((self.quantity + available_accrued_interest, delta), epsilon)
            if close_position and left != 0 and abs(left) < abs(delta * epsilon):
                delta = -self.quantity
            elif left < 0:
                raise InvalidTrade(
                    f"cannot take {-delta} {self.asset.token_symbol} out of {self.quantity}, short by {-left}"
                )
        self.revalue(price, when)
        self.quantity = max(ensure_exact_zero(self.quantity + delta, epsilon), Decimal(0))

    def reset(self, quantity: Decimal) -> None:
        """Set the principal (token units) from an account correction, and remove the interest rates."""
        if not isinstance(quantity, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"quantity must be a Decimal, got {quantity!r}")
        self.quantity = quantity
        self.interest_rate_at_open = None
        self.last_interest_rate = None
