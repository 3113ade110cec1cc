"""Vaults of the standard ERC-7540: a deposit or redemption is requested, settled by the vault later, and then claimed.

A trade consists of the request and, days later, the claim. In between it is pending: its money, or its shares, belong
to the vault. The price is that of the settlement, so a plan cannot limit it. All requests of a wallet to a vault have
one account there, so a second request of the same direction is refused until the first one is claimed.
"""

from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import (
    ERC4626_CONVERT_TO_ASSETS,
    ERC4626_CONVERT_TO_SHARES,
    ERC7540_CLAIM_DEPOSIT,
    ERC7540_CLAIM_REDEMPTION,
    ERC7540_CLAIMABLE_DEPOSIT,
    ERC7540_CLAIMABLE_REDEMPTION,
    ERC7540_DEPOSIT_TOPIC,
    ERC7540_REDEMPTION_TOPIC,
    ERC7540_REQUEST_DEPOSIT,
    ERC7540_REQUEST_REDEMPTION,
)
from tradeexecutor.ethereum.connection import Receipt
from tradeexecutor.ethereum.errors import NotTradeable
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.erc4626 import ERC4626Venue
from tradeexecutor.ethereum.venues.interface import Quote
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
    TradeExecution,
    TradeStatus,
)
from tradeexecutor.state.types import JSONObject

__all__ = ["ERC7540Venue"]

_GAS = 1_500_000

#: Key of the id of a request in the data of its trade.
_REQUEST_ID_KEY = "vault_request_id"

_REQUESTS = (ERC7540_REQUEST_DEPOSIT.name, ERC7540_REQUEST_REDEMPTION.name)


class ERC7540Venue(ERC4626Venue):
    """Trades the asynchronous vaults of its chain: the base of a pair is the share, the quote the token it accepts."""

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is an asynchronous vault of this chain."""
        is_here = pair.kind is TradingPairKind.vault and pair.chain_id == self.connection.chain_id
        return is_here and pair.is_async_vault()

    def find_obstacle(self, portfolio: Portfolio, trade: TradeExecution) -> str | None:
        """Return the other request of the same direction that waits for the vault."""
        for position in portfolio.get_open_and_frozen_positions():
            if position.pair.base != trade.pair.base:
                continue
            for other in position.trades.values():
                is_waiting = other.get_status() is TradeStatus.vault_settlement_pending
                if is_waiting and other is not trade and other.is_buy() == trade.is_buy():
                    return f"the vault has not settled trade #{other.trade_id} yet"
        return None

    # --- Requests

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return an approval and the request of a deposit, or the request of a redemption."""
        del slippage_tolerance  # the price is known at the settlement
        pair, vault = trade.pair, trade.pair.base.address
        if trade.is_buy():
            raw = pair.quote.convert_to_raw_amount(trade.planned_reserve)
            self.require_balance(pair.quote, wallet, raw)
            approval = self.make_approval(pair.quote, wallet, pair.base.checksum_address, raw)
            function, notes = ERC7540_REQUEST_DEPOSIT, "Request a deposit into the vault"
        else:
            raw = self.get_amount_to_sell(trade, wallet)
            approval, function, notes = [], ERC7540_REQUEST_REDEMPTION, "Request a redemption from the vault"
        if raw <= 0:
            raise NotTradeable(f"{trade} is too small")
        return [*approval, Call(vault, function, (raw, wallet, wallet), _GAS, notes)]

    def read_ticket(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> JSONObject | None:
        """Return the facts of a request that was mined and not claimed; None when nothing waits for the vault."""
        last, ticket = "", None
        topic = ERC7540_DEPOSIT_TOPIC if trade.is_buy() else ERC7540_REDEMPTION_TOPIC
        for transaction, receipt in zip(trade.blockchain_transactions, receipts, strict=True):
            if receipt is None or not receipt.succeeded:
                continue
            last = transaction.function_selector or ""
            for log in receipt.logs:
                if log.topics[0] == topic and len(log.topics) == 4:
                    ticket = self._make_ticket(trade, int(log.topics[3], 16), int(log.data[-64:], 16))
        return ticket if last in _REQUESTS else None

    def _make_ticket(self, trade: TradeExecution, request_id: int, raw: int) -> JSONObject:
        if trade.is_buy():
            amount = {VAULT_SETTLEMENT_REQUEST_RESERVE_KEY: str(trade.pair.quote.convert_to_decimal(raw))}
        else:
            amount = {VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY: str(-trade.pair.base.convert_to_decimal(raw))}
        return {_REQUEST_ID_KEY: str(request_id), **amount}

    def plan_claim(self, trade: TradeExecution, wallet: str) -> list[Call]:
        """Return the claim of a request; empty while the vault has not settled all of it."""
        data, vault = trade.other_data or {}, trade.pair.base.address
        request_id = int(data[_REQUEST_ID_KEY])
        if trade.is_buy():
            wanted = trade.pair.quote.convert_to_raw_amount(Decimal(data[VAULT_SETTLEMENT_REQUEST_RESERVE_KEY]))
            claimable, claim = ERC7540_CLAIMABLE_DEPOSIT, ERC7540_CLAIM_DEPOSIT
        else:
            wanted = trade.pair.base.convert_to_raw_amount(-Decimal(data[VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY]))
            claimable, claim = ERC7540_CLAIMABLE_REDEMPTION, ERC7540_CLAIM_REDEMPTION
        if int(self.connection.call(vault, claimable, request_id, wallet)) < wanted:
            return []
        return [Call(vault, claim, (wanted, wallet, wallet), _GAS, "Claim what the vault has settled")]

    # --- Prices

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the shares for a deposit at the present value of a share."""
        number, given = self.connection.get_head().number, Decimal(1) if reserve is None else reserve
        raw = pair.quote.convert_to_raw_amount(given)
        shares = int(self.connection.call(pair.base.address, ERC4626_CONVERT_TO_SHARES, raw, block=number))
        return self._make_quote(pair, given, pair.base.convert_to_decimal(shares), number)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the tokens for a redemption at the present value of a share."""
        number, given = self.connection.get_head().number, Decimal(1) if quantity is None else quantity
        raw = pair.base.convert_to_raw_amount(given)
        assets = int(self.connection.call(pair.base.address, ERC4626_CONVERT_TO_ASSETS, raw, block=number))
        return self._make_quote(pair, given, pair.quote.convert_to_decimal(assets), number)

    def _make_quote(self, pair: TradingPairIdentifier, given: Decimal, taken: Decimal, number: int) -> Quote:
        return Quote(given, taken, self._get_mid_price(pair, number), float(pair.fee or 0), number)
