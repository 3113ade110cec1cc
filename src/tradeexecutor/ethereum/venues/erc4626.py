"""Vaults of the standard ERC-4626: a deposit buys shares and a redemption sells them, both without delay.

The standard has no parameter for a minimum amount, so the chain does not refuse a trade after a change of the price.
The price is therefore compared with the plan immediately before the transaction is signed.
"""

from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import (
    ERC4626_ASSET,
    ERC4626_CONVERT_TO_ASSETS,
    ERC4626_DEPOSIT,
    ERC4626_MAX_DEPOSIT,
    ERC4626_MAX_REDEEM,
    ERC4626_PREVIEW_DEPOSIT,
    ERC4626_PREVIEW_REDEEM,
    ERC4626_REDEEM,
)
from tradeexecutor.ethereum.connection import Receipt
from tradeexecutor.ethereum.errors import NotTradeable, RpcError, WrongChain
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.interface import Outcome, Quote, Venue, make_limits, read_spot_outcome
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.trade import TradeExecution

__all__ = ["ERC4626Venue"]

#: Gas limit of a deposit or redemption, units; some vaults invest the money in the same transaction.
_DEPOSIT_GAS = 1_500_000


class ERC4626Venue(Venue):
    """Trades all vaults of its chain: the base of a pair is the share, the quote the token that the vault accepts."""

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is a vault of this chain that settles at once."""
        is_here = pair.kind is TradingPairKind.vault and pair.chain_id == self.connection.chain_id
        return is_here and not pair.is_async_vault()

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare decimals, and the token that the vault accepts, with the chain."""
        super().check(pair)
        try:
            asset = str(self.connection.call(pair.base.address, ERC4626_ASSET)).lower()
        except RpcError as error:
            raise WrongChain(f"{pair.base} is no vault of the standard ERC-4626: {error}") from error
        if asset != pair.quote.address:
            raise WrongChain(f"the vault {pair.base} takes {asset}, not {pair.quote}")

    # --- Trading

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Compare the present price with the plan, and return an approval and the deposit, or the redemption."""
        limits = make_limits(self, trade, wallet, slippage_tolerance)
        vault, raw, call = trade.pair.base.address, limits.raw_given, self.connection.call
        if trade.is_buy():
            most, promised = call(vault, ERC4626_MAX_DEPOSIT, wallet), call(vault, ERC4626_PREVIEW_DEPOSIT, raw)
        else:
            most, promised = call(vault, ERC4626_MAX_REDEEM, wallet), call(vault, ERC4626_PREVIEW_REDEEM, raw)
        if raw > most:
            raise NotTradeable(
                f"{trade}: the vault takes at most {limits.given.convert_to_decimal(int(most))} "
                f"{limits.given.token_symbol} now"
            )
        if promised < limits.raw_least:
            raise NotTradeable(
                f"{trade}: the vault gives {limits.taken.convert_to_decimal(int(promised))} now, the plan needs at "
                f"least {limits.taken.convert_to_decimal(limits.raw_least)} {limits.taken.token_symbol}"
            )
        if trade.is_buy():
            approval = self.make_approval(limits.given, wallet, trade.pair.base.checksum_address, raw)
            return [*approval, Call(vault, ERC4626_DEPOSIT, (raw, wallet), _DEPOSIT_GAS, "Deposit into the vault")]
        return [Call(vault, ERC4626_REDEEM, (raw, wallet, wallet), _DEPOSIT_GAS, "Redeem from the vault")]

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return the amounts that the wallet sent and received."""
        return read_spot_outcome(trade, wallet, receipts, 0.0)

    # --- Prices

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return the value of a share without fees of the vault, quote tokens."""
        return self._get_mid_price(pair, self.connection.get_head().number)

    def _get_mid_price(self, pair: TradingPairIdentifier, number: int) -> float:
        raw = self.connection.call(pair.base.address, ERC4626_CONVERT_TO_ASSETS, 10**pair.base.decimals, block=number)
        return float(pair.quote.convert_to_decimal(int(raw)))

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the shares that the vault offers for a deposit."""
        number = self.connection.get_head().number
        given = Decimal(1) if reserve is None else reserve
        raw = self.connection.call(
            pair.base.address, ERC4626_PREVIEW_DEPOSIT, pair.quote.convert_to_raw_amount(given), block=number
        )
        taken = pair.base.convert_to_decimal(int(raw))
        return Quote(given, taken, self._get_mid_price(pair, number), float(pair.fee or 0), number)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the tokens that the vault offers for a redemption."""
        number = self.connection.get_head().number
        given = Decimal(1) if quantity is None else quantity
        raw = self.connection.call(
            pair.base.address, ERC4626_PREVIEW_REDEEM, pair.base.convert_to_raw_amount(given), block=number
        )
        taken = pair.quote.convert_to_decimal(int(raw))
        return Quote(given, taken, self._get_mid_price(pair, number), float(pair.fee or 0), number)
