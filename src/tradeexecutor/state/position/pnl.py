"""Profit of a position from its trades: average cost, and share price. Users import `tradeexecutor.strategy.pnl`."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from dataclasses import dataclass

from tradeexecutor.accounting.profit import annualise_compounded, calculate_average_cost_profit, walk_average_cost
from tradeexecutor.accounting.share_price import calculate_profit
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import is_spot
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.position.times import get_entered_at
from tradeexecutor.state.position.trades import get_executed_trades, get_trade_totals
from tradeexecutor.state.position_internal_share_price import (
    PositionInternalSharePriceData,
    PositionInternalSharePriceState,
)
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

_EXCHANGE_ACCOUNT = TradingPairKind.exchange_account  # reading a member from its enum class is slow in Python 3.11


@dataclass(slots=True, frozen=True)
class ProfitData:
    """Profit of a position; USD amounts and fractions (0.05 is 5 %)."""

    profit_usd: USDollarAmount
    profit_pct: Percent
    #: Compounded to a year; None when the duration is unknown.
    profit_pct_annualised: Percent | None
    realised_usd: USDollarAmount | None
    unrealised_usd: USDollarAmount | None
    duration: datetime.timedelta | None

    def is_win(self) -> bool:
        """Return True if the profit is positive."""
        return self.profit_usd > 0

    def is_loss(self) -> bool:
        """Return True if the profit is zero or negative."""
        return not self.is_win()


def get_holding_time(position: PositionFields, end_at: datetime.datetime | None) -> datetime.timedelta:
    """Return how long a position was open; an open position counts until `end_at`.

    Raises
    ------
    InvalidValue
        The position is open and `end_at` is missing, or no time has passed.
    """
    end = position.closed_at or end_at
    if end is None:
        raise InvalidValue(f"position #{position.position_id} is open, its profit needs end_at")
    opened_at = get_entered_at(position)
    duration = end - opened_at
    if duration <= datetime.timedelta(0):
        raise InvalidValue(f"position #{position.position_id} has no duration: {opened_at} - {end}")
    return duration


def calculate_pnl(
    position: PositionFields,
    end_at: datetime.datetime | None = None,
    mark_price: USDollarPrice | None = None,
    epsilon: float = 1e-6,
    max_annualised_profit: float = 100,
) -> ProfitData:
    """Return the profit at average cost; spot and vault only.

    The rules and an example are in `tradeexecutor.accounting.profit.walk_average_cost`. Tokens redeemed in kind
    count as a loss of their cost, as in recorded figures; `TradingPosition.get_net_profit_usd` does not count them.

    Parameters
    ----------
    end_at
        Valuation time of an open position.
    mark_price
        USD per base token; the latest valuation if missing or 0.
    epsilon
        A remaining cost below this is 0, USD.
    max_annualised_profit
        Upper limit of the annualised profit, a fraction; used if the computation overflows.

    Raises
    ------
    InvalidValue
        The position is not a spot position.
    """
    if not is_spot(position):
        raise InvalidValue(f"position #{position.position_id} is not a spot position")
    duration = get_holding_time(position, end_at)
    walked = walk_average_cost(
        (float(trade.executed_quantity or 0), trade.executed_price or 0.0, trade.get_value())
        for trade in get_executed_trades(position)
    )
    price = mark_price or position.last_token_price
    realised, unrealised, profit, fraction = calculate_average_cost_profit(
        walked, get_quantity(position), price, epsilon
    )
    return ProfitData(
        profit_usd=profit,
        profit_pct=fraction,
        profit_pct_annualised=annualise_compounded(fraction, duration, max_annualised_profit),
        realised_usd=realised,
        unrealised_usd=unrealised,
        duration=duration,
    )


def create_share_price_state(
    trade: TradeExecution, initial_share_price: float = 1.0
) -> PositionInternalSharePriceState:
    """Start the internal share price of a position with its first executed trade."""
    quantity, _, value = _get_executed_amounts(trade)
    return PositionInternalSharePriceState.open(value, quantity, trade._executed_at, initial_share_price)


def update_share_price_state(
    state: PositionInternalSharePriceState, trade: TradeExecution
) -> PositionInternalSharePriceState:
    """Return the internal share price after another executed trade."""
    quantity, price, value = _get_executed_amounts(trade)
    return state.after_trade(quantity, price, value, trade._executed_at)


def is_account_placeholder(trade: TradeExecution) -> bool:
    """Return True if a trade of an exchange account only opened its position and moved no money that counts.

    The money of such an account is elsewhere. Its position is opened by a trade of one dollar, and the first balance
    that is read from the account is what was invested.
    """
    return trade.pair.kind is _EXCHANGE_ACCOUNT and abs(_get_executed_amounts(trade)[2]) <= 1


def _get_executed_amounts(trade: TradeExecution) -> tuple[float, USDollarPrice, USDollarAmount]:
    """Return quantity, price and `TradeExecution.get_value` of an executed trade; converts the Decimal only once."""
    quantity, price = float(trade._executed_quantity or 0), trade._executed_price or 0.0
    return quantity, price, 0.0 if trade._repaired_at else abs(quantity * price)


def calculate_share_price_profit(
    position: PositionFields,
    state: PositionInternalSharePriceState,
    mark_price: USDollarPrice | None,
    duration: datetime.timedelta | None,
) -> PositionInternalSharePriceData:
    """Return the profit of a position with an internal share price; see `TradingPosition.get_share_price_profit`.

    As in recorded figures, tokens that are added or removed without a trade do not count, except those of an exchange
    account, and sells that failed count after a total sale. `TradingPosition.get_net_profit_usd` has neither flaw.
    """
    sold = 0.0
    if not state.total_supply > 0:
        sold = get_trade_totals(position).all_sold_usd
    profit = calculate_profit(
        current_share_price=state.current_share_price,
        total_supply=state.total_supply,
        total_invested=state.total_invested,
        initial_share_price=state.initial_share_price,
        quantity=float(get_quantity(position)),
        mark_price=mark_price or position.last_token_price,
        total_sold=sold,
    )
    return PositionInternalSharePriceData(
        initial_share_price=state.initial_share_price,
        current_share_price=profit.current_share_price,
        total_supply=state.total_supply,
        total_assets=profit.total_assets,
        profit_pct=profit.profit_pct,
        profit_usd=profit.profit_usd,
        duration=duration,
    )


def calculate_share_price_pnl(
    position: PositionFields,
    end_at: datetime.datetime | None = None,
    mark_price: USDollarPrice | None = None,
    initial_share_price: float = 1.0,
) -> PositionInternalSharePriceData:
    """Return the profit from a replay of the trades; see `TradingPosition.get_share_price_profit`.

    Raises
    ------
    NotAvailable
        No trade was executed.
    """
    duration = get_holding_time(position, end_at)
    state = None
    for trade in get_executed_trades(position):
        if state is None:
            state = create_share_price_state(trade, initial_share_price)
        else:
            state = update_share_price_state(state, trade)
    if state is None:
        raise NotAvailable(f"position #{position.position_id} has no executed trade")
    return calculate_share_price_profit(position, state, mark_price, duration)
