"""Uniswap v2 and its copies: pools of two tokens in which the product of the two amounts stays constant."""

import datetime
from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import (
    UNISWAP_V2_FACTORY,
    UNISWAP_V2_GET_RESERVES,
    UNISWAP_V2_SWAP,
    UNISWAP_V2_SWAP_FOR_EXACT,
    UNISWAP_V2_TOKEN0,
    UNISWAP_V2_TOKEN1,
)
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, RpcError, WrongChain
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.interface import Limits, Outcome, Quote, Venue, make_limits, read_spot_outcome
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.trade import TradeExecution

__all__ = ["UniswapV2Venue"]

_SWAP_GAS = 400_000

#: Fee fraction of Uniswap itself; its copies have other fees.
_DEFAULT_FEE = 0.003


class UniswapV2Venue(Venue):
    """Trades spot pairs of one factory.

    Parameters
    ----------
    router
        Contract to which swaps are sent.
    factory
        Contract that created the pools: the `exchange_address` of pairs.
    """

    def __init__(
        self,
        connection: ChainConnection,
        router: str,
        factory: str,
        deadline: datetime.timedelta = datetime.timedelta(minutes=20),
    ):
        super().__init__(connection, deadline)
        self.router = router
        self.factory = factory.lower()

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is a spot pair of the factory."""
        return (
            pair.kind is TradingPairKind.spot_market_hold
            and pair.chain_id == self.connection.chain_id
            and (pair.exchange_address or "").lower() == self.factory
        )

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare decimals, tokens and factory of a pool, and the factory of the router, with the chain."""
        super().check(pair)
        try:
            actual = {
                str(self.connection.call(pair.pool_address, function)).lower()
                for function in (UNISWAP_V2_TOKEN0, UNISWAP_V2_TOKEN1)
            }
            factories = {
                str(self.connection.call(contract, UNISWAP_V2_FACTORY)).lower()
                for contract in (pair.pool_address, self.router)
            }
        except RpcError as error:
            raise WrongChain(f"{pair.pool_address} and {self.router} are no Uniswap v2 contracts: {error}") from error
        if actual != {pair.base.address, pair.quote.address}:
            raise WrongChain(f"{pair.pool_address} trades {' and '.join(sorted(actual))}, not {pair}")
        if factories != {self.factory}:
            raise WrongChain(f"{pair} and the router {self.router} belong to {factories}, not to {self.factory}")

    # --- Trading

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return an approval, if one is needed, and the swap."""
        limits = make_limits(self, trade, wallet, slippage_tolerance)
        swap = self.make_swap(trade.pair, wallet, limits, is_exact_output=False)
        return [*self.make_approval(limits.given, wallet, self.router, limits.raw_given), swap]

    def make_swap(self, pair: TradingPairIdentifier, wallet: str, limits: Limits, *, is_exact_output: bool) -> Call:
        """Return the call of a swap, without an approval."""
        path = [limits.given.checksum_address, limits.taken.checksum_address]
        amounts = (limits.raw_least, limits.raw_given) if is_exact_output else (limits.raw_given, limits.raw_least)
        return Call(
            self.router,
            UNISWAP_V2_SWAP_FOR_EXACT if is_exact_output else UNISWAP_V2_SWAP,
            (*amounts, path, wallet, self.get_deadline()),
            _SWAP_GAS,
            f"Swap {limits.given.token_symbol} for {limits.taken.token_symbol}",
        )

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return the amounts that the wallet sent and received."""
        return read_spot_outcome(trade, wallet, receipts, self._get_fee(trade.pair))

    # --- Prices

    @staticmethod
    def _get_fee(pair: TradingPairIdentifier) -> float:
        return _DEFAULT_FEE if pair.fee is None else float(pair.fee)

    def _get_reserves(self, pair: TradingPairIdentifier) -> tuple[Decimal, Decimal, int]:
        """Return the base and quote tokens in the pool (token units), and the block of the reading."""
        number = self.connection.get_head().number
        first, second, _ = self.connection.call(pair.pool_address, UNISWAP_V2_GET_RESERVES, block=number)
        base, quote = (second, first) if pair.has_reverse_token_order() else (first, second)
        if not base or not quote:
            raise NotTradeable(f"{pair} has no liquidity")
        return pair.base.convert_to_decimal(base), pair.quote.convert_to_decimal(quote), number

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return the ratio of the tokens in the pool, quote tokens per base token."""
        base, quote, _ = self._get_reserves(pair)
        return float(quote / base)

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the result of paying `reserve` into the pool."""
        base, quote, number = self._get_reserves(pair)
        given = quote * _NEGLIGIBLE if reserve is None else reserve
        return self._quote(pair, given, quote, base, float(quote / base), number)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the result of paying `quantity` into the pool."""
        base, quote, number = self._get_reserves(pair)
        given = base * _NEGLIGIBLE if quantity is None else quantity
        return self._quote(pair, given, base, quote, float(quote / base), number)

    def _quote(
        self, pair: TradingPairIdentifier, given: Decimal, pool_in: Decimal, pool_out: Decimal, mid: float, number: int
    ) -> Quote:
        fee = self._get_fee(pair)
        after_fee = given * (1 - Decimal(str(fee)))
        return Quote(given, pool_out * after_fee / (pool_in + after_fee), mid, fee, number)


#: Part of the pool whose trade does not change the price, a fraction.
_NEGLIGIBLE = Decimal(10) ** -12
