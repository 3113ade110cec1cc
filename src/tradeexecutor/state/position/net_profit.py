"""Net profit of a position: what really happened, each dollar once, whatever the kind of position."""

import math
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.profit import calculate_net_profit, walk_average_cost
from tradeexecutor.state.balance_update import CAPITAL_FLOWS, INVESTOR_FLOWS
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import is_credit_supply, is_long, is_spot
from tradeexecutor.state.position.profit import get_total_profit_usd
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.position.trades import get_executed_trades, get_trade_totals
from tradeexecutor.state.position.value import get_loan_based_nav
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount

#: Price times amount and the reserve differ by less than this fraction through rounding.
_ROUNDING = 1e-9


def get_net_profit_usd(position: PositionFields) -> USDollarAmount:
    """Return what the position is worth and what came out of it, less what went in.

    Counts what happened, each dollar once: successful trades, fees and slippage, interest, account corrections, and
    what trades cost beyond price times amount, see `get_unexplained_cash_usd`.
    Tokens that investors brought or redeemed in kind leave it as it was: they count at the average buy price.  A
    bridge only moves money, its profit is 0.0.

    Raises
    ------
    UnsupportedPairKind
        Leveraged longs and cash.
    """
    kind = position.pair.kind
    if kind.is_cctp_bridge():
        return 0.0
    totals = get_trade_totals(position)
    if kind.is_shorting():
        return calculate_net_profit(_get_collateral_put_in(position), 0.0, get_loan_based_nav(position))
    if kind.is_credit_supply():
        value = get_loan_based_nav(position)
    elif kind.is_leverage() or not (is_long(position) or kind.is_freqtrade()):
        raise UnsupportedPairKind(f"the profit of a {kind.value} position is not known: #{position.position_id}")
    else:
        value = float(get_quantity(position)) * position.last_token_price
    flows = totals.get_average_buy() * float(_get_flow_quantity(position)) if position.balance_updates else 0.0
    return calculate_net_profit(totals.bought_usd, totals.sold_usd, value, flows) - get_unexplained_cash_usd(position)


def get_unexplained_cash_usd(position: PositionFields) -> USDollarAmount:
    """Return what trades cost beyond price times amount, USD; negative where they cost less.

    What is paid and received is in the reserve currency, the price is what the outcome reported.  They differ where a
    token takes a tax on its transfer, where a fee is taken in the base token, and where the price leaves a fee out.
    Of a buy it is what was paid less price times amount, of a sell price times amount less what came in.  Spot and
    vault only, elsewhere 0; trades without a reported amount of the reserve currency have none.
    """
    if not is_spot(position):
        return 0.0
    return math.fsum(get_trade_unexplained_cash_usd(trade) for trade in get_executed_trades(position))


def get_trade_unexplained_cash_usd(trade: TradeExecution) -> USDollarAmount:
    """Return the part of one spot or vault trade in `get_unexplained_cash_usd`; a difference of rounding is 0."""
    if trade.executed_at is None or trade.repaired_at is not None or not trade.executed_reserve:
        return 0.0
    value = trade.get_value()
    moved = float(trade.executed_reserve) * trade.get_reserve_currency_exchange_rate()
    cost = moved - value if trade.planned_quantity > 0 else value - moved
    return cost if abs(cost) > _ROUNDING * max(moved, value) else 0.0


def _get_collateral_put_in(position: PositionFields) -> USDollarAmount:
    """Return the reserve that a short took, less what it gave back, USD."""
    return sum(
        float((trade.executed_reserve or ZERO_DECIMAL) + (trade.executed_collateral_allocation or ZERO_DECIMAL))
        * trade.get_reserve_currency_exchange_rate()
        for trade in get_executed_trades(position)
    )


def _get_flow_quantity(position: PositionFields) -> Decimal:
    """Return the base tokens that came (+) and went (-) in kind."""
    base = position.pair.base
    # The balance of an exchange account is its value: what changes it without a trade is profit.
    flows = INVESTOR_FLOWS if position.pair.kind is TradingPairKind.exchange_account else CAPITAL_FLOWS
    return sum(
        (event.quantity for event in position.balance_updates.values() if event.asset == base and event.cause in flows),
        ZERO_DECIMAL,
    )


def get_average_cost_profit_usd(position: PositionFields) -> tuple[USDollarAmount, USDollarAmount]:
    """Return realised and unrealised profit, a sale compared with the average cost at its own time, USD.

    Together they are `get_net_profit_usd`: fees, slippage and interest count once.  A buy after a sale does not change
    what the sale earned.  Of spot and vault positions the realised part is walked through the trades, see
    :py:func:`~tradeexecutor.accounting.profit.walk_average_cost`, with the cash that was paid and received.
    Of other kinds, which open and close as a whole, everything is realised once they are closed, and nothing before.

    Raises
    ------
    UnsupportedPairKind
        See `get_net_profit_usd`.
    """
    net = get_net_profit_usd(position)
    if position.closed_at is not None:
        return net, 0.0
    if not is_spot(position):
        return 0.0, net
    totals = get_trade_totals(position)
    if not totals.sold:
        return 0.0, net
    realised = walk_average_cost(_iterate_fills(position)).realised
    return realised, net - realised


def _iterate_fills(position: PositionFields) -> Iterator[tuple[float, float, USDollarAmount]]:
    """Yield quantity, price and value of the executed trades, both as the cash that was moved makes them."""
    for trade in get_executed_trades(position):
        quantity = float(trade.executed_quantity or 0)
        extra = get_trade_unexplained_cash_usd(trade)
        value = trade.get_value() + (extra if quantity > 0 else -extra)
        yield quantity, value / abs(quantity) if quantity else 0.0, value


def get_net_result(position: PositionFields) -> tuple[USDollarAmount, Percent]:
    """Return net profit in USD, and as a fraction of what was invested, 0.0 where nothing was.

    Invested is what longs bought, and the value that shorts sold.  Differences of rounding are 0.  The profit of a
    leveraged long, which nothing else knows, is the recorded one.
    """
    totals = get_trade_totals(position)
    invested = totals.bought_usd if is_long(position) or is_credit_supply(position) else totals.sold_usd
    try:
        profit = get_net_profit_usd(position)
    except UnsupportedPairKind:
        profit = get_total_profit_usd(position)
    if abs(profit) <= _ROUNDING * invested:
        profit = 0.0
    return profit, profit / invested if invested else 0.0
