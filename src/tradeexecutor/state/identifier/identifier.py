"""Assets and trading pairs: what the strategy holds and trades.

Identifiers are embedded by value wherever they are used.  An asset is identified by its chain and address, a
pair by its base, quote, fee and pool; equality and hash agree on that.
"""

import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, TypeAlias

from tradeexecutor.accounting.accuracy import SUM_EPSILON, ensure_exact_zero, sum_decimal
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import OpenAttributes, Serialisable
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.identifier.pair_metadata import PairData, PairMetadata
from tradeexecutor.state.identifier.stablecoin import ALL_STABLECOIN_LIKE
from tradeexecutor.state.types import EPOCH as _EPOCH
from tradeexecutor.state.types import (
    JSONHexAddress,
    JSONObject,
    Percent,
    StateEnum,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
)

#: ``"{chain_id}-{lower-case address}"``
AssetFriendlyId: TypeAlias = str

#: Reasons that `TradingPairIdentifier.set_ignore_reason` is given by universe construction.
IGNORE_REASON_LACKS_FEE_DATA = "lacks_fee_data"
IGNORE_REASON_REQUIRES_WHITELIST = "requires_whitelist"

#: Besides hexadecimal addresses some venues use invented ones.
_ADDRESS_PREFIXES = ("0x", "vlt:", "lighter-pool-", "hibachi-vault-", "apex-vault-")


class AssetType(StateEnum):
    """Role of a token in a lending protocol."""

    token = "token"
    collateral = "collateral"
    borrowed = "borrowed"


class TradingPairKind(StateEnum):
    """What kind of instrument a pair is."""

    spot_market_hold = "spot_market_hold"
    # The value is odd, and files contain it.
    spot_market_hold_rebalancing_token = "spot_market_rebalancing token"
    credit_supply = "credit_supply"
    lending_protocol_long = "lending_protocol_long"
    lending_protocol_short = "lending_protocol_short"
    vault = "vault"
    cash = "cash"
    freqtrade = "freqtrade"
    exchange_account = "exchange_account"
    cctp_bridge = "cctp_bridge"

    def is_spot(self) -> bool:
        """Tokens are bought and held."""
        return self in (TradingPairKind.spot_market_hold, TradingPairKind.spot_market_hold_rebalancing_token)

    def is_interest_accruing(self) -> bool:
        """The position carries a loan, so its balance grows by itself."""
        return self in (
            TradingPairKind.credit_supply,
            TradingPairKind.lending_protocol_long,
            TradingPairKind.lending_protocol_short,
        )

    def is_credit_based(self) -> bool:
        """Same as `is_interest_accruing`."""
        return self.is_interest_accruing()

    def is_credit_supply(self) -> bool:
        """Reserve is lent out for interest."""
        return self is TradingPairKind.credit_supply

    def is_shorting(self) -> bool:
        """Borrowed token is sold."""
        return self is TradingPairKind.lending_protocol_short

    def is_longing(self) -> bool:
        """Leveraged long on a lending protocol."""
        return self is TradingPairKind.lending_protocol_long

    def is_leverage(self) -> bool:
        """Leveraged long or short."""
        return self is TradingPairKind.lending_protocol_short or self is TradingPairKind.lending_protocol_long

    def is_vault(self) -> bool:
        """Shares of a vault."""
        return self is TradingPairKind.vault

    def is_cash(self) -> bool:
        """The pseudo pair of a reserve currency with itself."""
        return self is TradingPairKind.cash

    def is_freqtrade(self) -> bool:
        """Capital managed by a Freqtrade instance."""
        return self is TradingPairKind.freqtrade

    def is_exchange_account(self) -> bool:
        """Capital in an account of an exchange, known only by its value."""
        return self is TradingPairKind.exchange_account

    def is_cctp_bridge(self) -> bool:
        """The reserve currency moved to another chain."""
        return self is TradingPairKind.cctp_bridge


#: Kinds whose trades exchange base tokens for cash: spot, vault and Freqtrade.
TOKEN_TRADE_KINDS = frozenset(
    kind
    for kind in TradingPairKind
    if not (kind.is_exchange_account() or kind.is_cctp_bridge() or kind.is_credit_based())
)


@dataclass(slots=True, eq=False, repr=False)
class AssetIdentifier(OpenAttributes):
    """A token, identified by chain and address.

    Raises
    ------
    InvalidValue
        Address, chain or decimals of a wrong type, or an address of unknown form.
    """

    is_repeated: ClassVar[bool] = True

    #: Chain number, exactly an ``int``.
    chain_id: int
    #: Lower-cased on construction.
    address: JSONHexAddress
    #: Ticker as the chain spells it.
    token_symbol: str
    #: Number of decimals of the raw amount, 0 or more.
    decimals: int
    #: Data set key, unstable over time.
    internal_id: int | None = None
    info_url: str | None = None
    #: Token that an aToken or vToken wraps.
    underlying: "AssetIdentifier | None" = None
    type: AssetType | None = None
    #: Collateral liquidation threshold, 0..1.
    liquidation_threshold: Percent | None = None
    #: ``tags`` (set; a list after loading), ``buy_tax``, ``sell_tax``.
    other_data: JSONObject | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        address = self.address
        if not isinstance(address, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"asset address must be text, got {address!r}")
        address = address.lower()
        if not address.startswith(_ADDRESS_PREFIXES):
            raise InvalidValue(f"asset address {self.address!r} starts with none of {', '.join(_ADDRESS_PREFIXES)}")
        self.address = address
        if type(self.chain_id) is not int:
            raise InvalidValue(f"chain_id must be exactly an int, got {self.chain_id!r}")
        if type(self.decimals) is not int:
            if type(self.decimals).__name__ != "int64":
                raise InvalidValue(f"decimals of {self.token_symbol} must be an int, got {self.decimals!r}")
            self.decimals = int(self.decimals)
        if self.decimals < 0:
            raise InvalidValue(f"decimals of {self.token_symbol} must not be negative, got {self.decimals}")
        if self.type and not isinstance(self.type, AssetType):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"type of {self.token_symbol} must be an AssetType, got {self.type!r}")

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
        """Convert human units to the token's integer units, truncating toward zero."""
        if not isinstance(amount, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"amount must be a Decimal, got {amount!r}")
        return int(amount * Decimal(10**self.decimals))

    def convert_to_decimal(self, raw_amount: int) -> Decimal:
        """Convert the token's integer units to human units."""
        return Decimal(raw_amount) / Decimal(10**self.decimals)

    def is_stablecoin(self) -> bool:
        """Tell whether the symbol is on the list of money-like tokens (exact case)."""
        return self.token_symbol in ALL_STABLECOIN_LIKE

    def is_interest_accruing(self) -> bool:
        """Tell whether the token is a lending protocol receipt or debt token."""
        return self.underlying is not None

    def is_credit(self) -> bool | None:
        """Tell whether this is an aToken; None for a token without underlying."""
        return self.token_symbol.startswith("a") if self.underlying else None

    def is_debt(self) -> bool:
        """Tell whether this is a vToken; the token must have an underlying."""
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
        """Return the fraction the token takes on a buy, or None if unknown."""
        return (self.other_data or {}).get("buy_tax")

    def get_sell_tax(self) -> Percent | None:
        """Return the fraction the token takes on a sell, or None if unknown."""
        return (self.other_data or {}).get("sell_tax")

    def _extras(self) -> JSONObject:
        if self.other_data is None:
            self.other_data = {}
        return self.other_data


@dataclass(slots=True, eq=False, repr=False)
class TradingPairIdentifier(PairMetadata, Serialisable):
    """A tradeable instrument: base token, quote token, the pool they trade in, and its kind.

    Raises
    ------
    InvalidValue
        Base and quote on different chains (except for a bridge), or a fee that is not a float.
    """

    is_repeated: ClassVar[bool] = True

    #: Bought token; for leverage the debt token, for credit the aToken.
    base: AssetIdentifier
    #: Pricing token, or the collateral token.
    quote: AssetIdentifier
    #: Pool or vault contract, in the case it was given.
    pool_address: str
    #: Factory or router.
    exchange_address: str | None
    #: Data set primary key, unstable over time.
    internal_id: int | None = None
    internal_exchange_id: int | None = None
    info_url: str | None = None
    #: LP fee fraction, 0.003 is 0.30 %.  Decoded without coercion: an integer is refused below.
    fee: int | float | None = None
    #: The pool orders its tokens the other way round; computed from the addresses when missing.
    reverse_token_order: bool | None = None
    kind: TradingPairKind = TradingPairKind.spot_market_hold
    #: Where the price of a leveraged pair comes from.
    underlying_spot_pair: "TradingPairIdentifier | None" = None
    exchange_name: str | None = None
    #: Metadata snapshot; see `PairMetadata` for its keys.
    other_data: PairData | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        base, quote = self.base, self.quote
        if base.chain_id != quote.chain_id and self.kind is not TradingPairKind.cctp_bridge:
            raise InvalidValue(f"{base} and {quote} are on different chains {base.chain_id} and {quote.chain_id}")
        fee = self.fee
        if fee is not None and type(fee) is not float:
            if fee != 0:
                raise InvalidValue(f"fee must be a float fraction, got {fee!r}")
            self.fee = 0.0
        if self.internal_id and not isinstance(self.internal_id, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"internal_id must be an int, got {self.internal_id!r}")
        if self.reverse_token_order is None:
            self.reverse_token_order = int(base.address, 16) > int(quote.address, 16)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TradingPairIdentifier):
            return NotImplemented
        return self is other or (
            self.base == other.base
            and self.quote == other.quote
            and self.fee == other.fee
            and (self.pool_address == other.pool_address or self.pool_address.lower() == other.pool_address.lower())
        )

    def __hash__(self) -> int:
        return hash((self.base.chain_id, self.base.address, self.quote.address, self.fee))

    def __repr__(self) -> str:
        fee = f"{self.fee * 100:.4f}% fee" if self.fee else "no fee"
        exchange = self.exchange_name or self.exchange_address
        if self.kind is TradingPairKind.vault:
            return (
                f"<Pair for vault {self.get_vault_name()} on {self.get_vault_protocol()},  {self.base.token_symbol}-"
                f"{self.quote.token_symbol} {self.exchange_address}, id #{self.internal_id}>"
            )
        label = f"{self.base.token_symbol}-{self.quote.token_symbol} {self.kind.value}"
        if self.chain_id in (0, -1):
            return f"<Pair {label} at {exchange}>"
        return f"<Pair {label} at {self.pool_address} ({fee}) on exchange {exchange}>"

    @property
    def chain_id(self) -> int:
        """Chain of the base token."""
        return self.base.chain_id

    def get_identifier(self) -> str:
        """Return the lower-cased pool address."""
        return self.pool_address.lower()

    def get_pricing_pair(self) -> "TradingPairIdentifier":
        """Return the pair whose market price values this one."""
        kind = self.kind
        if kind.is_spot() or kind.is_vault() or kind.is_credit_supply() or kind.is_cctp_bridge():
            return self
        if kind.is_leverage():
            if self.underlying_spot_pair is None:
                raise InvalidValue(f"{self} has no underlying spot pair to price it")
            return self.underlying_spot_pair
        raise InvalidValue(f"a {kind.value} pair has no market price: {self}")

    def has_reverse_token_order(self) -> bool:
        """Tell whether the pool orders its tokens the other way round."""
        if self.reverse_token_order is None:
            raise InvalidValue(f"token order of {self} is unknown")
        return self.reverse_token_order

    def has_complete_info(self) -> str | bool:
        """Tell whether both tokens have decimals and symbols (truthy)."""
        return (
            self.base.decimals > 0
            and self.quote.decimals > 0
            and bool(self.base.token_symbol)
            and self.quote.token_symbol
        )

    def is_leverage(self) -> bool:
        """Leveraged long or short."""
        return self.kind.is_leverage()

    def is_short(self) -> bool:
        """Leveraged short."""
        return self.kind.is_shorting()

    def is_long(self) -> bool:
        """Leveraged long (a spot pair is not)."""
        return self.kind.is_longing()

    def is_spot(self) -> bool:
        """Tokens are bought and held."""
        return self.kind.is_spot()

    def is_cash(self) -> bool:
        """Reserve currency against itself."""
        return self.kind.is_cash()

    def is_vault(self) -> bool:
        """Shares of a vault."""
        return self.kind.is_vault()

    def is_freqtrade(self) -> bool:
        """Capital managed by a Freqtrade instance."""
        return self.kind.is_freqtrade()

    def is_exchange_account(self) -> bool:
        """Capital in an exchange account."""
        return self.kind.is_exchange_account()

    def is_cctp_bridge(self) -> bool:
        """Reserve currency on another chain."""
        return self.kind.is_cctp_bridge()

    def is_credit_supply(self) -> bool:
        """Reserve lent for interest."""
        return self.kind.is_credit_supply()

    def is_hyperliquid_vault(self) -> bool:
        """Vault on Hypercore (chain id 9999)."""
        return self.kind.is_vault() and self.chain_id == 9999

    def is_volume_generating(self) -> bool:
        """Tell whether trades of this pair count as trading volume."""
        return not self.kind.is_credit_supply()

    def get_liquidation_threshold(self) -> Percent:
        """Return the liquidation threshold of the collateral, strictly between 0 and 1; leverage only."""
        if not self.kind.is_leverage():
            raise InvalidValue(f"{self} is not leveraged")
        threshold = self.quote.liquidation_threshold
        if type(threshold) is not float or not 0 < threshold < 1:
            raise InvalidValue(f"liquidation threshold of {self.quote} must be between 0 and 1, got {threshold!r}")
        return threshold

    def get_collateral_factor(self) -> Percent:
        """Same as `get_liquidation_threshold`."""
        return self.get_liquidation_threshold()

    def get_max_leverage_at_open(self, side: str = "short") -> float:
        """Return the leverage at which a new position would be liquidated at once.

        A long reaches ``1 / (1 - threshold)``, a short one less: threshold 0.8 gives 5 and 4.
        """
        long = 1 / (1 - self.get_liquidation_threshold())
        return long - 1 if side == "short" else long

    def get_lending_protocol(self) -> "LendingProtocolType | None":
        """Return the protocol of a leveraged pair, None for other kinds."""
        return LendingProtocolType.aave_v3 if self.kind.is_leverage() else None


class LendingProtocolType(enum.Enum):
    """Lending protocols that positions can use."""

    aave_v3 = "aave_v3"


@dataclass(slots=True)
class AssetWithTrackedValue(Serialisable):
    """Principal of one side of a loan and its latest price.

    Raises
    ------
    InvalidValue
        Quantity is not a Decimal or negative, or the price is missing or not positive.
    """

    #: aToken or vToken.
    asset: AssetIdentifier
    #: Principal without interest, token units, >= 0.
    quantity: Decimal
    #: USD per unit, > 0.
    last_usd_price: USDollarPrice
    last_pricing_at: UTCDatetime
    created_at: UTCDatetime = field(default_factory=utc_now)
    created_strategy_cycle_at: UTCDatetime | None = None
    #: Yearly rate fractions.
    interest_rate_at_open: Percent | None = None
    last_interest_rate: Percent | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.quantity, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"quantity of {self.asset} must be a Decimal, got {self.quantity!r}")
        if self.quantity < 0:
            raise InvalidValue(f"quantity of {self.asset} must not be negative, got {self.quantity}")
        if self.last_usd_price is None or not self.last_usd_price > 0:  # pyright: ignore[reportUnnecessaryComparison]
            raise InvalidValue(f"price of {self.asset} must be positive, got {self.last_usd_price!r}")

    def get_usd_value(self) -> USDollarAmount:
        """Return principal times price."""
        return float(self.quantity) * self.last_usd_price

    def revalue(self, price: USDollarPrice, when: UTCDatetime) -> None:
        """Set the price, USD per unit, exactly a float with ``0 < price < 1_000_000``."""
        if not isinstance(when, type(_EPOCH)):
            raise InvalidValue(f"time must be a datetime, got {when!r}")
        if type(price) is not float or not 0 < price < 1_000_000:
            raise InvalidValue(f"price of {self.asset} must be a float between 0 and 1,000,000, got {price!r}")
        self.last_usd_price = price
        self.last_pricing_at = when

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
            Clamp an overshoot to zero instead of refusing it.
        available_accrued_interest
            Interest that may be withdrawn on top of the principal, token units.
        epsilon
            Amounts below this are zero.  When closing it is relative to `delta`.
        close_position
            A remainder within ``delta * epsilon`` is written off.

        Raises
        ------
        InvalidTrade
            More would be taken out than is there.
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
        """Set the principal from an account correction and forget the interest rates."""
        if not isinstance(quantity, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"quantity must be a Decimal, got {quantity!r}")
        self.quantity = quantity
        self.interest_rate_at_open = None
        self.last_interest_rate = None
