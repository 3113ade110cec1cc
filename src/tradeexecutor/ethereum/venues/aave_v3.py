"""Lending to Aave v3: the reserve currency is supplied, earns interest, and is withdrawn.

The balance of an aToken grows by itself, so the amounts of a trade are read only from transfers of the reserve
currency.
"""

import datetime
from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import AAVE_SUPPLY, AAVE_WITHDRAW, ERC20_BALANCE_OF
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, PartlyExecuted
from tradeexecutor.ethereum.lending import check_aave_token
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.interface import Outcome, Quote, Venue, sum_flows
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution, TradeFlag

__all__ = ["AaveV3CreditVenue", "find_shared_account"]

_GAS = 600_000

#: Amount that means the whole balance to the pool, including interest up to the block.
_EVERYTHING = 2**256 - 1


class AaveV3CreditVenue(Venue):
    """Supplies and withdraws the reserve currency; the base of a pair is the aToken.

    Parameters
    ----------
    pool
        Contract of the market.
    """

    def __init__(
        self,
        connection: ChainConnection,
        pool: str,
        deadline: datetime.timedelta = datetime.timedelta(minutes=20),
    ):
        super().__init__(connection, deadline)
        self.pool = pool

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is a credit supply to this pool."""
        return (
            pair.kind.is_credit_supply()
            and pair.chain_id == self.connection.chain_id
            and (pair.exchange_address or "").lower() == self.pool.lower()
        )

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare decimals and the token of the pool with the chain."""
        super().check(pair)
        check_aave_token(self.connection, self.pool, pair.base)

    def find_obstacle(self, portfolio: Portfolio, trade: TradeExecution) -> str | None:
        """Return the other position that uses the same token of the pool, whose balances could not be told apart."""
        return find_shared_account(portfolio, trade)

    # --- Trading

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return the calls of an approval and the supply, or of the withdrawal."""
        pair = trade.pair
        token, symbol = pair.quote.checksum_address, pair.quote.token_symbol
        if trade.is_buy():
            raw = pair.quote.convert_to_raw_amount(trade.planned_reserve)
            self.require_balance(pair.quote, wallet, raw)
            supply = Call(self.pool, AAVE_SUPPLY, (token, raw, wallet, 0), _GAS, f"Supply {symbol}")
            return [*self.make_approval(pair.quote, wallet, self.pool, raw), supply]
        raw = pair.quote.convert_to_raw_amount(-trade.planned_quantity)
        held = int(self.connection.call(pair.base.address, ERC20_BALANCE_OF, wallet))
        if _is_closing(trade):
            raw = _EVERYTHING
        elif raw > held:
            raise NotTradeable(f"{trade} withdraws more than the {pair.quote.convert_to_decimal(held)} that is there")
        return [Call(self.pool, AAVE_WITHDRAW, (token, raw, wallet), _GAS, f"Withdraw {symbol}")]

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return the amount of the reserve currency that the wallet sent or received."""
        quote = trade.pair.quote
        raw = sum_flows(receipts, wallet).get(quote.address, 0)
        if not raw:
            return None
        if (raw < 0) != trade.is_buy():
            raise PartlyExecuted(f"{trade} moved {quote.convert_to_decimal(raw)} {quote.token_symbol}", trade.trade_id)
        amount = quote.convert_to_decimal(abs(raw))
        if trade.is_buy():
            return Outcome(amount, amount, 1.0, 0.0)
        # Interest since the last reading of the balance is added to the planned amount.
        quantity = trade.planned_quantity if _is_closing(trade) else -amount
        return Outcome(quantity, amount, 1.0, 0.0)

    # --- Prices

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return 1, because an aToken can be exchanged for one token."""
        del pair
        return 1.0

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return one for one."""
        return self._quote(reserve)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return one for one."""
        return self._quote(quantity)

    def _quote(self, amount: Decimal | None) -> Quote:
        amount = Decimal(1) if amount is None else amount
        return Quote(amount, amount, 1.0, 0.0, self.connection.get_head().number)


def find_shared_account(portfolio: Portfolio, trade: TradeExecution) -> str | None:
    """Return a sentence about another open position with the same aToken or debt token; None when there is none."""
    tokens = {trade.pair.base.address, trade.pair.quote.address}
    for position in portfolio.get_open_and_frozen_positions():
        pair = position.pair
        if position.position_id == trade.position_id or not (pair.is_credit_supply() or pair.is_leverage()):
            continue
        if all(planned.is_planned() for planned in position.trades.values()):
            continue  # It has nothing yet, e.g. what is lent again after this trade recalls it.
        if {pair.base.address, *([pair.quote.address] if pair.is_leverage() else [])} & tokens:
            return f"position #{position.position_id} uses the same account of the pool; one of them has to be closed"
    return None


def _is_closing(trade: TradeExecution) -> bool:
    return bool(trade.closing) or TradeFlag.close in (trade.flags or ())
