"""Net profit of a position of any kind, with each dollar counted once."""

# Functions that run for every trade read the slots of watched fields, see `state/codec/watched_record.py`.
# pyright: reportPrivateUsage=false

import math
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.profit import AverageCost, calculate_net_profit, walk_average_cost
from tradeexecutor.state.balance_update import CAPITAL_FLOWS, INVESTOR_FLOWS
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import is_credit_supply, is_long, is_spot
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.position.trades import get_executed_trades, get_trade_totals
from tradeexecutor.state.position.value import get_loan_based_nav
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount

#: A difference between price times amount and reserve below this fraction is rounding.
_ROUNDING_FRACTION = 1e-9


def get_net_profit_usd(position: PositionFields) -> USDollarAmount:
    """Return current value plus what the position paid out, minus what was paid in, USD.

    Each dollar counts once: successful trades, fees and slippage, interest, account corrections, and what trades cost
    beyond price times amount, see `get_unexplained_cash_usd`. Tokens that investors deposited or redeemed in kind do
    not change the profit: they count at the average buy price. A bridge only moves money: it loses its fees, and what
    trades on the other chain earn is theirs.

    Raises
    ------
    UnsupportedPairKind
        Cash.
    """
    kind = position.pair.kind
    if kind.is_cctp_bridge():
        return 0.0 - _get_bridge_fees(position)  # not -0.0
    totals = get_trade_totals(position)
    if kind.is_leverage():
        return calculate_net_profit(_get_collateral_put_in(position), 0.0, get_loan_based_nav(position))
    if kind.is_credit_supply():
        value = get_loan_based_nav(position)
    elif not (is_long(position) or kind.is_freqtrade()):
        raise UnsupportedPairKind(f"the profit of a {kind.value} position cannot be computed: #{position.position_id}")
    else:
        value = float(get_quantity(position)) * position.last_token_price
    flows = totals.get_average_buy() * float(_get_flow_quantity(position)) if position.balance_updates else 0.0
    return calculate_net_profit(totals.bought_usd, totals.sold_usd, value, flows) - get_unexplained_cash_usd(position)


def _get_bridge_fees(position: PositionFields) -> USDollarAmount:
    """Return what was sent over a bridge in both directions and did not arrive, USD."""
    lost = ZERO_DECIMAL
    for trade in get_executed_trades(position):
        quantity, reserve = trade.executed_quantity, trade.executed_reserve
        if quantity and reserve and trade.repaired_at is None:
            lost += reserve - quantity if quantity > 0 else -quantity - reserve
    return float(lost)


def get_unexplained_cash_usd(position: PositionFields) -> USDollarAmount:
    """Return what trades cost beyond price times amount, USD; negative if they cost less.

    The amount paid or received is in the reserve currency, the price is the one that the outcome reported. They differ
    if a token taxes its transfer, if a fee is taken in the base token, and if the price excludes a fee. A buy counts
    the amount paid minus price times amount, a sell price times amount minus the amount received. The result is 0 for
    kinds other than spot and vault, and for trades without a reported amount of the reserve currency.
    """
    if not is_spot(position):
        return 0.0
    return math.fsum(get_trade_unexplained_cash_usd(trade) for trade in get_executed_trades(position))


def get_trade_unexplained_cash_usd(trade: TradeExecution) -> USDollarAmount:
    """Return the share of one spot or vault trade in `get_unexplained_cash_usd`, USD; rounding counts as 0."""
    if trade._executed_at is None or trade._repaired_at is not None:
        return 0.0
    return get_trade_unexplained_cash_of_value(trade, trade.get_value())


def get_trade_unexplained_cash_of_value(trade: TradeExecution, value: USDollarAmount) -> USDollarAmount:
    """Return `get_trade_unexplained_cash_usd` of an executed trade that was not repaired, and whose value is known."""
    if not trade.executed_reserve:
        return 0.0
    moved = float(trade.executed_reserve) * trade.get_reserve_currency_exchange_rate()
    cost = moved - value if trade._planned_quantity > 0 else value - moved
    return cost if abs(cost) > _ROUNDING_FRACTION * max(moved, value) else 0.0


def _get_collateral_put_in(position: PositionFields) -> USDollarAmount:
    """Return the reserve that a short or leveraged long took minus the reserve that it gave back, USD."""
    return sum(
        float((trade.executed_reserve or ZERO_DECIMAL) + (trade.executed_collateral_allocation or ZERO_DECIMAL))
        * trade.get_reserve_currency_exchange_rate()
        for trade in get_executed_trades(position)
    )


def _get_flow_quantity(position: PositionFields) -> Decimal:
    """Return the base tokens deposited (+) and redeemed (-) in kind, token units."""
    base = position.pair.base
    # The balance of an exchange account is its value, so a change without a trade is profit.
    flows = INVESTOR_FLOWS if position.pair.kind is TradingPairKind.exchange_account else CAPITAL_FLOWS
    return sum(
        (event.quantity for event in position.balance_updates.values() if event.asset == base and event.cause in flows),
        ZERO_DECIMAL,
    )


def get_average_cost_profit_usd(position: PositionFields) -> tuple[USDollarAmount, USDollarAmount]:
    """Return realised and unrealised profit, where each sale is compared with the average cost at its time, USD.

    Their sum is `get_net_profit_usd`: fees, slippage and interest count once. A buy after a sale does not change the
    profit of the sale. For spot and vault positions the realised part comes from
    :py:func:`~tradeexecutor.accounting.profit.walk_average_cost`, with the cash that was paid and received. Other kinds
    open and close as a whole: all of their profit is realised when they are closed, and none before.

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


def get_trade_profits_usd(position: PositionFields) -> dict[int, USDollarAmount]:
    """Return what each executed trade realised, by trade id, USD.

    A sale of a spot or vault position is compared with the average cost at its time, as in
    `get_average_cost_profit_usd`; a buy realises nothing and is left out.  Of other kinds the last trade of a closed
    position realises everything.

    Raises
    ------
    UnsupportedPairKind
        See `get_net_profit_usd`.
    """
    trades = list(get_executed_trades(position))
    if not is_spot(position):
        if position.closed_at is None or not trades:
            return {}
        return {trades[-1].trade_id: get_net_profit_usd(position)}
    profits: dict[int, USDollarAmount] = {}
    walked = AverageCost()
    for trade in trades:
        quantity, price, value = _get_fill(trade)
        after = walk_average_cost([(quantity, price, value)], walked)
        if quantity < 0:
            profits[trade.trade_id] = after.realised - walked.realised
        walked = after
    return profits


def _iterate_fills(position: PositionFields) -> Iterator[tuple[float, float, USDollarAmount]]:
    """Return what `_get_fill` does, of each executed trade."""
    return map(_get_fill, get_executed_trades(position))


def _get_fill(trade: TradeExecution) -> tuple[float, float, USDollarAmount]:
    """Return quantity, price and value of an executed trade, both as the cash that was moved makes them."""
    quantity = float(trade._executed_quantity or 0)
    value = trade.get_value()
    if trade._repaired_at is None:
        extra = get_trade_unexplained_cash_of_value(trade, value)
        value += extra if quantity > 0 else -extra
    return quantity, value / abs(quantity) if quantity else 0.0, value


def get_net_result(position: PositionFields, profit: USDollarAmount | None = None) -> tuple[USDollarAmount, Percent]:
    """Return net profit in USD, and as a fraction of the invested amount (0.0 if nothing was invested).

    The invested amount is what longs bought, or the value that shorts sold. Rounding differences count as 0.

    Parameters
    ----------
    profit
        Result of `get_net_profit_usd` if it is known; None to compute it.
    """
    totals = get_trade_totals(position)
    invested = totals.bought_usd if is_long(position) or is_credit_supply(position) else totals.sold_usd
    if profit is None:
        profit = get_net_profit_usd(position)
    return relate_to_invested(profit, invested)


def relate_to_invested(profit: USDollarAmount, invested: USDollarAmount) -> tuple[USDollarAmount, Percent]:
    """Return a net profit in USD, and as a fraction of the invested amount; see `get_net_result`."""
    if abs(profit) <= _ROUNDING_FRACTION * invested:
        profit = 0.0
    return profit, profit / invested if invested else 0.0
