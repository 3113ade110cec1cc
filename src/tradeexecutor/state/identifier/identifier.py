"""Trading pairs: what the strategy trades.

Identifiers are embedded by value wherever they are used.  An asset is identified by its chain and address, a pair by
its base, quote, fee and pool; equality and hash agree on that.
"""

from dataclasses import dataclass, field
from typing import ClassVar

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

#: Reasons that `TradingPairIdentifier.set_ignore_reason` is given by universe construction.
IGNORE_REASON_LACKS_FEE_DATA = "lacks_fee_data"
IGNORE_REASON_REQUIRES_WHITELIST = "requires_whitelist"


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

    def get_lending_protocol(self) -> LendingProtocolType | None:
        """Return the protocol of a leveraged pair, None for other kinds."""
        return LendingProtocolType.aave_v3 if self.kind.is_leverage() else None

    # --- Labels and tags that may come from the underlying pair

    @contract_signature
    def get_human_description(self, describe_type: bool = False) -> str | None:
        """Return the ticker, with `describe_type` followed by what kind of position it makes."""
        if not describe_type:
            return self.get_ticker()
        kind = self.kind
        if kind.is_shorting() and self.underlying_spot_pair:
            return f"{self.underlying_spot_pair.get_ticker()} short"
        if kind.is_spot():
            return f"{self.get_ticker()} spot"
        if kind.is_credit_supply():
            pair = self.underlying_spot_pair or self
            return f"{pair.get_ticker()} credit"
        if kind.is_vault():
            return self.get_vault_name()
        return self.get_ticker()

    def get_tags(self) -> set[str]:
        """Return the tags of the base token, of the underlying pair for synthetic pairs."""
        return (self.underlying_spot_pair or self).base.get_tags()
