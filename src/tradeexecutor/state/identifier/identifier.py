"""Trading pairs.

The state contains a copy of the identifier wherever it is used. An asset is identified by its chain and address, a pair
by its base, quote, fee and pool; equality and hash use these fields.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from tradeexecutor.state.codec.bounds import check_wrapped
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier.asset import AssetIdentifier, LendingProtocolType
from tradeexecutor.state.identifier.pair_kind import TradingPairKind
from tradeexecutor.state.identifier.pair_metadata import PairData, PairMetadata
from tradeexecutor.state.types import (
    Percent,
    new_dict,
)

#: Reasons that universe construction passes to `TradingPairIdentifier.set_ignore_reason`.
IGNORE_REASON_LACKS_FEE_DATA = "lacks_fee_data"
IGNORE_REASON_REQUIRES_WHITELIST = "requires_whitelist"


@dataclass(slots=True, eq=False, repr=False)
class TradingPairIdentifier(PairMetadata, Serialisable):
    """A tradeable instrument: base token, quote token, pool and kind.

    Raises
    ------
    InvalidValue
        Base and quote are on different chains (except for a bridge), or the fee is not a float.
    """

    is_repeated: ClassVar[bool] = True

    #: Bought token; the debt token of a short, the collateral token (aToken) of a leveraged long and of credit.
    base: AssetIdentifier
    #: Token in which the price is quoted; the collateral token of a short, the debt token of a leveraged long.
    quote: AssetIdentifier
    #: Address of the pool or vault contract, in upper or lower case as it was given.
    pool_address: str
    #: Address of the factory or router.
    exchange_address: str | None
    #: Primary key in the data set, which may change over time.
    internal_id: int | None = None
    #: Primary key of the exchange in the data set, which may change over time.
    internal_exchange_id: int | None = None
    #: Page about the pair.
    info_url: str | None = None
    #: LP fee fraction, 0.003 is 0.30 %. The decoder does not convert integers, which are refused below.
    fee: int | float | None = None
    #: Whether the pool has the tokens in reverse order; computed from the addresses when missing.
    reverse_token_order: bool | None = None
    #: What kind of instrument it is, which decides how it is traded and valued.
    kind: TradingPairKind = TradingPairKind.spot_market_hold
    #: Pair from which the price of a leveraged pair is taken.
    underlying_spot_pair: "TradingPairIdentifier | None" = None
    #: Name of the exchange, for people.
    exchange_name: str | None = None
    #: Metadata snapshot; see `PairMetadata` for its keys.
    other_data: PairData | None = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        if self.fee is not None and type(self.fee) is not float and self.fee == 0:
            self.fee = 0.0
        if self.reverse_token_order is None:
            self.reverse_token_order = int(self.base.address, 16) > int(self.quote.address, 16)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        base, quote = self.base, self.quote
        if base.chain_id != quote.chain_id and self.kind is not TradingPairKind.cctp_bridge:
            raise InvalidValue(f"{base} and {quote} are on different chains {base.chain_id} and {quote.chain_id}")
        fee = self.fee
        if fee is not None and type(fee) is not float and fee != 0:
            raise InvalidValue(f"fee must be a float fraction, got {fee!r}")
        if self.internal_id and not isinstance(self.internal_id, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"internal_id must be an int, got {self.internal_id!r}")
        if self.reverse_token_order is None:
            raise InvalidValue(f"reverse_token_order of {base} and {quote} must be known")
        if self.underlying_spot_pair is not None:
            check_wrapped(self, "underlying_spot_pair")

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
        """Chain number of the base token."""
        return self.base.chain_id

    def get_identifier(self) -> str:
        """Return the lower-cased pool address."""
        return self.pool_address.lower()

    def get_pricing_pair(self) -> "TradingPairIdentifier":
        """Return the pair whose market price is used for this pair."""
        kind = self.kind
        if kind.is_spot() or kind.is_vault() or kind.is_credit_supply() or kind.is_cctp_bridge():
            return self
        if kind.is_leverage():
            if self.underlying_spot_pair is None:
                raise InvalidValue(f"{self} has no underlying spot pair to price it")
            return self.underlying_spot_pair
        raise InvalidValue(f"a {kind.value} pair has no market price: {self}")

    def has_reverse_token_order(self) -> bool:
        """Return True if the pool has the tokens in reverse order."""
        if self.reverse_token_order is None:
            raise InvalidValue(f"token order of {self} is unknown")
        return self.reverse_token_order

    def has_complete_info(self) -> str | bool:
        """Return a true value when both tokens have decimals and symbols."""
        return (
            self.base.decimals > 0
            and self.quote.decimals > 0
            and bool(self.base.token_symbol)
            and self.quote.token_symbol
        )

    def is_leverage(self) -> bool:
        """Return True if this is a leveraged long or short."""
        return self.kind.is_leverage()

    def is_short(self) -> bool:
        """Return True if this is a leveraged short."""
        return self.kind.is_shorting()

    def is_long(self) -> bool:
        """Return True if this is a leveraged long; False for a spot pair."""
        return self.kind.is_longing()

    def is_spot(self) -> bool:
        """Return True if tokens are bought and held."""
        return self.kind.is_spot()

    def is_cash(self) -> bool:
        """Return True if this is the pseudo pair of the reserve currency with itself."""
        return self.kind.is_cash()

    def is_vault(self) -> bool:
        """Return True if the base token is a share of a vault."""
        return self.kind.is_vault()

    def is_freqtrade(self) -> bool:
        """Return True if the capital is managed by a Freqtrade instance."""
        return self.kind.is_freqtrade()

    def is_exchange_account(self) -> bool:
        """Return True if the capital is in an exchange account."""
        return self.kind.is_exchange_account()

    def is_cctp_bridge(self) -> bool:
        """Return True if the pair moves the reserve currency to another chain."""
        return self.kind.is_cctp_bridge()

    def is_credit_supply(self) -> bool:
        """Return True if the reserve currency is lent for interest."""
        return self.kind.is_credit_supply()

    def is_hyperliquid_vault(self) -> bool:
        """Return True if this is a vault on Hypercore (chain id 9999)."""
        return self.kind.is_vault() and self.chain_id == 9999

    def is_volume_generating(self) -> bool:
        """Return True if trades of this pair count as trading volume."""
        return not self.kind.is_credit_supply()

    def get_collateral_token(self) -> AssetIdentifier:
        """Return the aToken of a leveraged pair: the quote of a short, the base of a long."""
        return self._get_side(is_base=self.kind.is_longing())

    def get_debt_token(self) -> AssetIdentifier:
        """Return the vToken of a leveraged pair: the base of a short, the quote of a long."""
        return self._get_side(is_base=self.kind.is_shorting())

    def _get_side(self, *, is_base: bool) -> AssetIdentifier:
        if not self.kind.is_leverage():
            raise InvalidValue(f"{self} is not leveraged")
        return self.base if is_base else self.quote

    def get_liquidation_threshold(self) -> Percent:
        """Return the liquidation threshold of the collateral, strictly between 0 and 1; only for leveraged pairs."""
        collateral = self.get_collateral_token()
        threshold = collateral.liquidation_threshold
        if type(threshold) is not float or not 0 < threshold < 1:
            raise InvalidValue(f"liquidation threshold of {collateral} must be between 0 and 1, got {threshold!r}")
        return threshold

    def get_collateral_factor(self) -> Percent:
        """Same as `get_liquidation_threshold`."""
        return self.get_liquidation_threshold()

    def get_max_leverage_at_open(self, side: str = "short") -> float:
        """Return the leverage at which a new position would be liquidated immediately.

        This is ``1 / (1 - threshold)`` for a long, and one less for a short: a threshold of 0.8 gives 5 and 4.
        """
        long = 1 / (1 - self.get_liquidation_threshold())
        return long - 1 if side == "short" else long

    def get_lending_protocol(self) -> LendingProtocolType | None:
        """Return the lending protocol of a leveraged pair; None for other kinds."""
        return LendingProtocolType.aave_v3 if self.kind.is_leverage() else None

    # --- Labels and tags that may come from the underlying pair

    @contract_signature
    def get_human_description(self, describe_type: bool = False) -> str | None:
        """Return the ticker, followed by the kind of the position if `describe_type` is True."""
        if not describe_type:
            return self.get_ticker()
        kind = self.kind
        if kind.is_leverage() and self.underlying_spot_pair:
            return f"{self.underlying_spot_pair.get_ticker()} {'short' if kind.is_shorting() else 'long'}"
        if kind.is_spot():
            return f"{self.get_ticker()} spot"
        if kind.is_credit_supply():
            pair = self.underlying_spot_pair or self
            return f"{pair.get_ticker()} credit"
        if kind.is_vault():
            return self.get_vault_name()
        return self.get_ticker()

    def get_tags(self) -> set[str]:
        """Return the tags of the base token; those of the underlying pair for synthetic pairs."""
        return (self.underlying_spot_pair or self).base.get_tags()
