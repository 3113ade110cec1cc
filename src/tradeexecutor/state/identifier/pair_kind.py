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
        return self is _SPOT or self is _REBALANCING_TOKEN

    def is_interest_accruing(self) -> bool:
        """Return True if positions have a loan, so that their balance grows by itself."""
        return self is _CREDIT_SUPPLY or self is _LONG or self is _SHORT

    def is_credit_based(self) -> bool:
        """Same as `is_interest_accruing`."""
        return self.is_interest_accruing()

    def is_credit_supply(self) -> bool:
        """Return True if the reserve currency is lent for interest."""
        return self is _CREDIT_SUPPLY

    def is_shorting(self) -> bool:
        """Return True if a borrowed token is sold."""
        return self is _SHORT

    def is_longing(self) -> bool:
        """Return True if this is a leveraged long on a lending protocol."""
        return self is _LONG

    def is_leverage(self) -> bool:
        """Return True if this is a leveraged long or short."""
        return self is _SHORT or self is _LONG

    def is_vault(self) -> bool:
        """Return True if the base token is a share of a vault."""
        return self is _VAULT

    def is_cash(self) -> bool:
        """Return True if this is the pseudo pair of a reserve currency with itself."""
        return self is _CASH

    def is_freqtrade(self) -> bool:
        """Return True if the capital is managed by a Freqtrade instance."""
        return self is _FREQTRADE

    def is_exchange_account(self) -> bool:
        """Return True if the capital is in an exchange account, of which only the value is known."""
        return self is _EXCHANGE_ACCOUNT

    def is_cctp_bridge(self) -> bool:
        """Return True if the pair moves the reserve currency to another chain."""
        return self is _CCTP_BRIDGE


# Reading a member from its enum class is slow in Python 3.11, and the methods above run several times for every trade.
_SPOT, _REBALANCING_TOKEN = TradingPairKind.spot_market_hold, TradingPairKind.spot_market_hold_rebalancing_token
_CREDIT_SUPPLY, _LONG = TradingPairKind.credit_supply, TradingPairKind.lending_protocol_long
_SHORT, _VAULT, _CASH = TradingPairKind.lending_protocol_short, TradingPairKind.vault, TradingPairKind.cash
_FREQTRADE, _EXCHANGE_ACCOUNT = TradingPairKind.freqtrade, TradingPairKind.exchange_account
_CCTP_BRIDGE = TradingPairKind.cctp_bridge

#: Kinds whose trades exchange base tokens for cash: spot, vault and Freqtrade.
TOKEN_TRADE_KINDS = frozenset(
    kind
    for kind in TradingPairKind
    if not (kind.is_exchange_account() or kind.is_cctp_bridge() or kind.is_credit_based())
)
