"""Uniswap v3: pools whose liquidity is provided for ranges of prices."""

import datetime
from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import (
    UNISWAP_V2_FACTORY,
    UNISWAP_V2_TOKEN0,
    UNISWAP_V2_TOKEN1,
    UNISWAP_V3_FEE,
    UNISWAP_V3_QUOTE,
    UNISWAP_V3_SLOT0,
    UNISWAP_V3_SWAP,
    UNISWAP_V3_SWAP_FOR_EXACT,
)
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, RpcError, WrongChain
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.interface import Limits, Outcome, Quote, Venue, make_limits, read_spot_outcome
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.trade import TradeExecution

__all__ = ["UniswapV3Venue"]

_SWAP_GAS = 600_000

#: Amount of base tokens, token units, that counts as negligible when its price is asked for.
_NEGLIGIBLE = Decimal("0.001")

_SQRT_PRICE_ONE = 2**96


class UniswapV3Venue(Venue):
    """Trades spot pairs of one factory through the version of ``SwapRouter`` whose swaps have a deadline.

    Parameters
    ----------
    router
        Contract to which swaps are sent.
    factory
        Contract that created the pools: the `exchange_address` of pairs.
    quoter
        Contract ``QuoterV2``, which computes the result of a swap.
    """

    def __init__(
        self,
        connection: ChainConnection,
        router: str,
        factory: str,
        quoter: str,
        deadline: datetime.timedelta = datetime.timedelta(minutes=20),
    ):
        super().__init__(connection, deadline)
        self.router = router
        self.factory = factory.lower()
        self.quoter = quoter

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is a spot pair of the factory."""
        return (
            pair.kind is TradingPairKind.spot_market_hold
            and pair.chain_id == self.connection.chain_id
            and (pair.exchange_address or "").lower() == self.factory
        )

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare decimals, tokens, fee and factory of a pool, and the factories of the contracts, with the chain."""
        super().check(pair)
        call = self.connection.call
        try:
            tokens = {str(call(pair.pool_address, f)).lower() for f in (UNISWAP_V2_TOKEN0, UNISWAP_V2_TOKEN1)}
            raw_fee = int(call(pair.pool_address, UNISWAP_V3_FEE))
            contracts = (pair.pool_address, self.router, self.quoter)
            factories = {str(call(contract, UNISWAP_V2_FACTORY)).lower() for contract in contracts}
        except RpcError as error:
            raise WrongChain(f"{pair.pool_address} is no pool, or {self.router} no router: {error}") from error
        if tokens != {pair.base.address, pair.quote.address}:
            raise WrongChain(f"{pair.pool_address} trades {' and '.join(sorted(tokens))}, not {pair}")
        if raw_fee != self._get_raw_fee(pair):
            raise WrongChain(f"{pair.pool_address} takes a fee of {raw_fee / 1e6:.4%}, {pair} says something else")
        if factories != {self.factory}:
            raise WrongChain(f"{pair}, router and quoter belong to {sorted(factories)}, not to {self.factory}")

    @staticmethod
    def _get_raw_fee(pair: TradingPairIdentifier) -> int:
        if pair.fee is None:
            raise NotTradeable(f"{pair} has no fee, by which pools of Uniswap v3 are told apart")
        return round(pair.fee * 1_000_000)

    # --- Trading

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return an approval, if one is needed, and the swap."""
        limits = make_limits(self, trade, wallet, slippage_tolerance)
        swap = self.make_swap(trade.pair, wallet, limits, is_exact_output=False)
        return [*self.make_approval(limits.given, wallet, self.router, limits.raw_given), swap]

    def make_swap(self, pair: TradingPairIdentifier, wallet: str, limits: Limits, *, is_exact_output: bool) -> Call:
        """Return the call of a swap, without an approval."""
        given, taken = limits.given.checksum_address, limits.taken.checksum_address
        amounts = (limits.raw_least, limits.raw_given) if is_exact_output else (limits.raw_given, limits.raw_least)
        return Call(
            self.router,
            UNISWAP_V3_SWAP_FOR_EXACT if is_exact_output else UNISWAP_V3_SWAP,
            [(given, taken, self._get_raw_fee(pair), wallet, self.get_deadline(), *amounts, 0)],
            _SWAP_GAS,
            f"Swap {limits.given.token_symbol} for {limits.taken.token_symbol}",
        )

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return the amounts that the wallet sent and received."""
        return read_spot_outcome(trade, wallet, receipts, float(trade.pair.fee or 0))

    # --- Prices

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return the present price of the pool, quote tokens per base token."""
        return self._get_mid_price(pair, self.connection.get_head().number)

    def _get_mid_price(self, pair: TradingPairIdentifier, number: int) -> float:
        sqrt_price = int(self.connection.call(pair.pool_address, UNISWAP_V3_SLOT0, block=number)[0])
        if not sqrt_price:
            raise NotTradeable(f"{pair} has no price yet")
        raw = (Decimal(sqrt_price) / _SQRT_PRICE_ONE) ** 2
        if pair.has_reverse_token_order():
            raw = 1 / raw
        return float(raw.scaleb(pair.base.decimals - pair.quote.decimals))

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the quoter's result of spending `reserve`."""
        return self._quote(pair, pair.quote, pair.base, reserve)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the quoter's result of selling `quantity`."""
        return self._quote(pair, pair.base, pair.quote, quantity)

    def _quote(
        self, pair: TradingPairIdentifier, given: AssetIdentifier, taken: AssetIdentifier, amount: Decimal | None
    ) -> Quote:
        number = self.connection.get_head().number
        mid = self._get_mid_price(pair, number)
        if amount is None:
            amount = _NEGLIGIBLE * (Decimal(str(mid)) if given is pair.quote else 1)
        raw = given.convert_to_raw_amount(amount)
        struct = (given.checksum_address, taken.checksum_address, raw, self._get_raw_fee(pair), 0)
        try:
            raw_taken = int(self.connection.call(self.quoter, UNISWAP_V3_QUOTE, struct, block=number)[0])
        except RpcError as error:
            raise NotTradeable(f"{pair} does not give anything for {amount} {given.token_symbol}: {error}") from error
        fee = float(pair.fee or 0)
        return Quote(amount, taken.convert_to_decimal(raw_taken), mid, fee, number)
