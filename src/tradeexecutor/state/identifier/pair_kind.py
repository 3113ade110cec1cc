"""Kinds of trading pairs."""

from tradeexecutor.state.types import (
    StateEnum,
)


class TradingPairKind(StateEnum):
    """Kind of instrument of a trading pair."""

    spot_market_hold = "spot_market_hold"
    # The value does not match the name, but files contain it.
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
        """Return True if tokens are bought and held."""
        return self in (TradingPairKind.spot_market_hold, TradingPairKind.spot_market_hold_rebalancing_token)

    def is_interest_accruing(self) -> bool:
        """Return True if positions have a loan, so that their balance grows by itself."""
        return self in (
            TradingPairKind.credit_supply,
            TradingPairKind.lending_protocol_long,
            TradingPairKind.lending_protocol_short,
        )

    def is_credit_based(self) -> bool:
        """Same as `is_interest_accruing`."""
        return self.is_interest_accruing()

    def is_credit_supply(self) -> bool:
        """Return True if the reserve currency is lent for interest."""
        return self is TradingPairKind.credit_supply

    def is_shorting(self) -> bool:
        """Return True if a borrowed token is sold."""
        return self is TradingPairKind.lending_protocol_short

    def is_longing(self) -> bool:
        """Return True if this is a leveraged long on a lending protocol."""
        return self is TradingPairKind.lending_protocol_long

    def is_leverage(self) -> bool:
        """Return True if this is a leveraged long or short."""
        return self is TradingPairKind.lending_protocol_short or self is TradingPairKind.lending_protocol_long

    def is_vault(self) -> bool:
        """Return True if the base token is a share of a vault."""
        return self is TradingPairKind.vault

    def is_cash(self) -> bool:
        """Return True if this is the pseudo pair of a reserve currency with itself."""
        return self is TradingPairKind.cash

    def is_freqtrade(self) -> bool:
        """Return True if the capital is managed by a Freqtrade instance."""
        return self is TradingPairKind.freqtrade

    def is_exchange_account(self) -> bool:
        """Return True if the capital is in an exchange account, of which only the value is known."""
        return self is TradingPairKind.exchange_account

    def is_cctp_bridge(self) -> bool:
        """Return True if the pair moves the reserve currency to another chain."""
        return self is TradingPairKind.cctp_bridge


#: Kinds whose trades exchange base tokens for cash: spot, vault and Freqtrade.
TOKEN_TRADE_KINDS = frozenset(
    kind
    for kind in TradingPairKind
    if not (kind.is_exchange_account() or kind.is_cctp_bridge() or kind.is_credit_based())
)
