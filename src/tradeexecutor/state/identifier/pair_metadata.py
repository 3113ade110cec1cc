"""Data of a trading pair beside its tokens: labels, taxes, vault, exchange account and risk data.

All of it is optional and stored in `TradingPairIdentifier.other_data`; accessors return None when it is unknown.
"""

import os
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tradeexecutor.state.codec.bounds import check_free_data
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, UnencodableValue
from tradeexecutor.state.identifier.asset import AssetIdentifier
from tradeexecutor.state.identifier.chain import ChainId, describe_chain
from tradeexecutor.state.identifier.pair_kind import TradingPairKind
from tradeexecutor.state.types import (
    JSONObject,
    MirroredEnum,
    Percent,
    USDollarAmount,
    WireType,
    accept_unknown_enum_values,
)

if TYPE_CHECKING:
    PairData: TypeAlias = JSONObject
else:

    class PairData(WireType):
        """Free-form data of a pair. Large look-up results, which are fetched at every start, are not saved."""

        free = True
        json_schema: ClassVar[dict[str, Any]] = {"type": "object"}

        #: Kept in memory only.
        IN_MEMORY_KEYS = frozenset({"token_metadata", "token_risk_data", "lagoon_compat_check_data"})

        @staticmethod
        def decode(value):
            """Return the dictionary."""
            if type(value) is not dict:
                raise ValueError(f"expected an object, got {type(value).__name__}")
            check_free_data(value, "TradingPairIdentifier.other_data")
            return value

        @classmethod
        def encode(cls, value):
            """Return a copy without the in-memory keys; the dictionary itself is not changed."""
            if not isinstance(value, dict):
                raise UnencodableValue(value, "expected a dictionary")
            return {key: item for key, item in value.items() if key not in cls.IN_MEMORY_KEYS}


class ERC4626Feature(MirroredEnum):
    """Vault protocol features that the accounting uses; every other feature text becomes an additional member."""

    erc_7540_like = "erc_7540_like"
    lagoon_like = "lagoon_like"
    ostium_like = "ostium_like"
    hypercore_native = "hypercore_native"

    @classmethod
    def of(cls, text: str) -> "ERC4626Feature":
        """Return the member for a feature text, even if it is not declared here."""
        with accept_unknown_enum_values():
            return cls(text)


#: Features of vaults that settle deposits and redemptions some time after the request.
_ASYNC_FEATURES = frozenset({ERC4626Feature.erc_7540_like, ERC4626Feature.lagoon_like, ERC4626Feature.ostium_like})


class PairMetadata:
    """Accessors of `TradingPairIdentifier` for its free-form data."""

    __slots__ = ()

    if TYPE_CHECKING:
        base: AssetIdentifier
        quote: AssetIdentifier
        kind: TradingPairKind
        fee: float | None
        pool_address: str
        exchange_address: str | None
        exchange_name: str | None
        internal_id: int | None
        other_data: JSONObject | None

        @property
        def chain_id(self) -> int: ...  # noqa: D102

    def _get(self, key: str) -> Any:
        return self.other_data.get(key) if self.other_data else None

    def _set(self, key: str, value: Any) -> None:
        if self.other_data is None:
            self.other_data = {}
        self.other_data[key] = value

    # --- Labels

    def get_destination_chain_id(self) -> int:
        """Return the chain of the base token."""
        return self.base.chain_id

    def get_source_chain_id(self) -> int:
        """Return the chain of the quote token."""
        return self.quote.chain_id

    def get_ticker(self) -> str:
        """Return ``BASE-QUOTE``, or the label of a bridge."""
        if self.kind.is_cctp_bridge():
            return self.get_cctp_bridge_label()
        return f"{self.base.token_symbol}-{self.quote.token_symbol}"

    def get_easy_label(self) -> str | None:
        """Return the vault name, the bridge label, or the base symbol."""
        if self.kind.is_vault():
            return self.get_vault_name()
        if self.kind.is_cctp_bridge():
            return self.get_cctp_bridge_label()
        return self.base.token_symbol

    def get_chart_label(self) -> str | None:
        """Same as `get_easy_label`."""
        return self.get_easy_label()

    def get_cctp_bridge_label(self) -> str:
        """Return e.g. ``USDC (CCTP bridged to Base)``; only for bridges.

        Raises
        ------
        InvalidValue
            The pair is not a bridge.
        """
        if not self.kind.is_cctp_bridge():
            raise InvalidValue(f"{self} is not a bridge")
        return f"{self.base.token_symbol} (CCTP bridged to {describe_chain(self.base.chain_id)})"

    def get_human_description_for_code(self) -> str:
        """Return the pair as the text of a Python tuple for a strategy file.

        Raises
        ------
        InvalidValue
            The pair is of a test chain.
        """
        if self.chain_id == ChainId.anvil:
            raise InvalidValue("a pair of a test chain has no description for code")
        chain = ChainId(self.chain_id).name
        return f"(ChainId.{chain}, {self.base.token_symbol}, {self.quote.token_symbol}, {self.fee})"

    @contract_signature
    def get_diagnostics_info(self, extended: bool = False) -> dict[str, str]:
        """Return the data of the pair as texts, for logs; `extended` adds the keys of token metadata."""
        info: dict[str, Any] = {
            "internal_id": self.internal_id,
            "kind": self.kind.value,
            "chain": describe_chain(self.chain_id),
            "exchange": self.exchange_name or self.exchange_address,
            "address": self.pool_address,
            "base": self.base.token_symbol,
            "base_decimals": self.base.decimals,
            "base_address": self.base.address,
            "quote": self.quote.token_symbol,
            "quote_address": self.quote.address,
            "fee": self.fee,
            "buy_tax": self.get_buy_tax(),
            "sell_tax": self.get_sell_tax(),
            "risk_score": self.get_risk_score(),
            "vault_features": sorted(feature.value for feature in self.get_vault_features() or ()),
        }
        if extended:
            info |= {key: value for key, value in (self.other_data or {}).items() if key not in info}
        return {key: str(value) for key, value in info.items()}

    # --- Taxes

    def can_have_tax(self) -> bool:
        """Return True if tokens of this exchange can have a transfer tax."""
        return self.exchange_name != "uniswap-v3"

    def get_buy_tax(self) -> Percent | None:
        """Return the fraction that the base token deducts on a buy; None when unknown."""
        return self.base.get_buy_tax() if self.can_have_tax() else 0

    def get_sell_tax(self) -> Percent | None:
        """Return the fraction that the base token deducts on a sell; None when unknown."""
        return self.base.get_sell_tax() if self.can_have_tax() else 0

    # --- Permission to trade

    @contract_signature
    def set_tradeable(self, value: bool, reason: str | None = None) -> None:
        """Mark the pair as tradeable or not, with the reason; raises `InvalidValue` if the value is not a bool."""
        if type(value) is not bool:
            raise InvalidValue(f"tradeable must be a bool, got {value!r}")
        self._set("tradeable", value)
        self._set("tradeable_reason", reason)

    def is_tradeable(self) -> bool:
        """Return True if the strategy may trade the pair; True unless marked otherwise."""
        value = self._get("tradeable")
        return True if value is None else value

    def get_ignore_reason(self) -> str | None:
        """Return the reason why universe construction ignores the pair; None when it does not."""
        return self._get("ignore_reason")

    def set_ignore_reason(self, reason: str) -> None:
        """Make universe construction ignore the pair; raises `InvalidValue` if the reason is empty."""
        if type(reason) is not str or not reason:
            raise InvalidValue(f"reason must be non-empty text, got {reason!r}")
        self._set("ignore_reason", reason)

    # --- Token metadata and risk

    def get_token_metadata(self) -> Any:
        """Return the token metadata object; in memory only."""
        return self._get("token_metadata")

    def get_minimal_tokesniffer_data(self) -> JSONObject | None:
        """Return the saved part of the TokenSniffer report."""
        return self._get("token_sniffer_data") or None

    def get_token_risk_data(self) -> JSONObject | None:
        """Return the token risk report; in memory only."""
        return self._get("token_risk_data") or None

    def get_lagoon_compat_check_data(self) -> Any:
        """Return the vault compatibility check; in memory only."""
        return self._get("lagoon_compat_check_data")

    def get_tokensniffer_data(self) -> JSONObject | None:
        """Return the full TokenSniffer report from the token metadata object."""
        return getattr(self.get_token_metadata(), "token_sniffer_data", None)

    def get_coingecko_categories(self) -> Any:
        """Return the CoinGecko categories from the token metadata object."""
        metadata = self.get_token_metadata()
        getter = getattr(metadata, "get_coingecko_categories", None)
        return getter() if getter else None

    def get_risk_score(self) -> float | None:
        """Return the TokenSniffer score."""
        return (self.get_minimal_tokesniffer_data() or {}).get("score")

    def get_token_risk_score(self) -> float | None:
        """Return the score of the token risk report."""
        return (self.get_token_risk_data() or {}).get("score")

    def get_token_risk_flags(self) -> set[str] | None:
        """Return the keys of all risks that the report found; None without a report."""
        data = self.get_token_risk_data()
        if data is None:
            return None
        return {result["key"] for result in data.get("results", ()) if result.get("value") in (True, "true")}

    # --- Vaults

    def get_vault_features(self) -> set[ERC4626Feature] | None:
        """Return the features of the vault protocol; None when unknown."""
        features = self._get("vault_features")
        if features is None:
            features = getattr(self.get_token_metadata(), "features", None)
        if features is None:
            return None
        if isinstance(features, str):
            features = [features]
        return {
            feature
            if isinstance(feature, ERC4626Feature)
            else ERC4626Feature.of(str(getattr(feature, "value", feature)))
            for feature in features
        }

    def is_synchronous_vault(self) -> bool:
        """Return True if deposits and redemptions of a vault settle at once, like a purchase and a sale."""
        return self.kind.is_vault() and not self.is_async_vault()

    def is_async_vault(self) -> bool:
        """Return True if deposits and redemptions settle some time after the request."""
        if not self.kind.is_vault():
            return False
        features = self.get_vault_features()
        if features is None:
            return False
        if not features:
            return self.get_vault_protocol() not in ("erc-4626", "erc4626")
        return not features.isdisjoint(_ASYNC_FEATURES)

    def get_vault_metadata(self) -> Any:
        """Return the vault metadata object; None when the pair is not a vault or has none in memory."""
        metadata = self.get_token_metadata()
        return metadata if self.kind.is_vault() and hasattr(metadata, "features") else None

    def get_vault_protocol(self) -> str | None:
        """Return the slug of the vault protocol."""
        return self._get("vault_protocol")

    def get_vault_name(self) -> str | None:
        """Return the name of the vault."""
        return self._get("vault_name")

    def get_performance_fee(self) -> Percent | None:
        """Return the vault's performance fee, a fraction."""
        return self._get("vault_performance_fee")

    def get_management_fee(self) -> Percent | None:
        """Return the vault's yearly management fee, a fraction."""
        return self._get("vault_management_fee")

    def get_deposit_closed_reason(self) -> str | None:
        """Return why deposits are closed; None when open."""
        return self._get("deposit_closed_reason")

    def get_redemption_closed_reason(self) -> str | None:
        """Return why redemptions are closed; None when open."""
        return self._get("redemption_closed_reason")

    def get_deposit_next_open(self) -> Any:
        """Return when deposits open next."""
        return self._get("deposit_next_open")

    def get_redemption_next_open(self) -> Any:
        """Return when redemptions open next."""
        return self._get("redemption_next_open")

    def get_vault_risk_level(self) -> str | None:
        """Return the risk level of the vault."""
        return self._get("risk_level")

    def get_vault_tvl(self) -> USDollarAmount | None:
        """Return the total value locked, USD."""
        return self._get("tvl")

    def get_vault_link(self) -> str | None:
        """Return the web page of the vault."""
        return self._get("link")

    def can_deposit(self) -> bool:
        """Return True if the vault accepts deposits; only for vaults."""
        self._require_vault()
        return self.get_deposit_closed_reason() is None

    def can_redeem(self) -> bool:
        """Return True if the vault accepts redemptions; only for vaults."""
        self._require_vault()
        return self.get_redemption_closed_reason() is None

    def _require_vault(self) -> None:
        if not self.kind.is_vault():
            raise InvalidValue(f"{self} is not a vault")

    # --- Freqtrade and exchange accounts

    def get_freqtrade_id(self) -> str | None:
        """Return the id of the Freqtrade instance; None for other pairs."""
        return self._get("freqtrade_id") if self.kind.is_freqtrade() else None

    def get_freqtrade_api_url(self) -> str | None:
        """Return the API address of the Freqtrade instance; None for other pairs."""
        return self._get("freqtrade_api_url") if self.kind.is_freqtrade() else None

    def get_freqtrade_transfer_method(self) -> str | None:
        """Return the method by which capital is transferred to the Freqtrade instance; None for other pairs."""
        return self._get("freqtrade_transfer_method") if self.kind.is_freqtrade() else None

    def get_freqtrade_config(self) -> JSONObject | None:
        """Return the connection settings, with user name and password from the environment.

        The variables are ``FREQTRADE_{ID}_USERNAME`` and ``FREQTRADE_{ID}_PASSWORD``.
        """
        freqtrade_id = self.get_freqtrade_id()
        if not freqtrade_id:
            return None
        prefix = "FREQTRADE_" + freqtrade_id.upper().replace("-", "_")
        config: JSONObject = {
            "freqtrade_id": freqtrade_id,
            "api_url": self.get_freqtrade_api_url(),
            "api_username": os.environ.get(f"{prefix}_USERNAME"),
            "api_password": os.environ.get(f"{prefix}_PASSWORD"),
            "exchange_name": self.exchange_name,
            "transfer_method": self.get_freqtrade_transfer_method(),
        }
        optional = ("recipient_address", "vault_address", "broker_id", "orderly_account_id", "token_id", "is_mainnet")
        for key in optional:
            value = self._get(f"freqtrade_{key}")
            if value is not None:
                config[key] = value
        return config

    def get_exchange_account_protocol(self) -> str | None:
        """Return the exchange protocol; None for other pairs."""
        return self._get("exchange_protocol") if self.kind.is_exchange_account() else None

    def get_exchange_account_id(self) -> Any:
        """Return the id of the sub-account; None for other pairs."""
        return self._get("exchange_subaccount_id") if self.kind.is_exchange_account() else None

    def get_exchange_account_config(self) -> JSONObject | None:
        """Return a copy of all settings of the exchange account; None for other pairs."""
        if not self.kind.is_exchange_account():
            return None
        return dict(self.other_data or {})
