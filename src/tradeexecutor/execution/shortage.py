"""Buys that the cash does not pay when they are executed.

A decision plans its buys with what its sells are going to bring. Sells may slip, fail or wait for their market, and
then there is less. That is an outcome of these trades like any other: the buy is made smaller, or it expires.
"""

import datetime
import enum
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.raw_units import round_down_to_units, size_buy
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution

__all__ = ["CASH_HINT", "ROUNDING_UNITS", "CashShortage", "Shortages", "check_cash", "settle_shortage"]

logger = logging.getLogger(__name__)

#: What a strategy can do about a lack of cash.
CASH_HINT = "leave some cash when sizing buys, PositionManager.check_enough_cash(trades) helps"

#: A lack of so many raw units of the reserve currency is rounding: the buy spends what there is, and nothing is noted.
ROUNDING_UNITS = 10


class CashShortage(enum.Enum):
    """What becomes of a buy that the cash does not pay, because earlier trades have brought less than planned."""

    #: It spends the cash that is left; with less than one unit of the token to buy it expires.
    reduce = "reduce"
    #: It expires.
    refuse = "refuse"


@dataclass(slots=True)
class Shortages:
    """Buys for which there was less cash than planned.

    Attributes
    ----------
    reduced
        Those that spent what was left.
    refused
        Those that expired.
    """

    reduced: list[TradeExecution] = field(default_factory=list[TradeExecution])
    refused: list[TradeExecution] = field(default_factory=list[TradeExecution])


def check_cash(portfolio: Portfolio, trades: Iterable[TradeExecution]) -> None:
    """Refuse a plan whose buys cost more than the cash and its sells, before anything is traded.

    Raises
    ------
    ExecutionError
        The cash is not sufficient; nothing has changed. Plans with capital on other chains, or with loans, are not
        judged, because their effect on the cash is not that of buys and sells.
    """
    trades = sorted(trades, key=TradeExecution.get_execution_sort_position)
    has_bridge = any(position.pair.kind.is_cctp_bridge() for position in portfolio.open_positions.values())
    if has_bridge or not all(trade.is_spot() for trade in trades):
        return
    cash = {reserve.asset: reserve.quantity for reserve in portfolio.reserves.values()}
    for trade in trades:
        asset = trade.reserve_currency
        available = cash.get(asset, Decimal(0))
        if trade.is_buy():
            if trade.planned_reserve - available > asset.convert_to_decimal(ROUNDING_UNITS):
                raise ExecutionError(
                    f"trade #{trade.trade_id} needs {trade.planned_reserve} {asset.token_symbol}, {available} are left "
                    f"by the trades before it, nothing was traded; {CASH_HINT}"
                )
            cash[asset] = available - trade.planned_reserve
        elif not trade.pair.is_async_vault():  # what it redeems comes later
            cash[asset] = available + trade.planned_reserve


def settle_shortage(
    portfolio: Portfolio, trade: TradeExecution, ts: datetime.datetime, policy: CashShortage, shortages: Shortages
) -> bool:
    """Make a planned buy fit the cash, or let it expire, with a note that says why.

    Parameters
    ----------
    portfolio
        Whose cash pays.
    trade
        A planned trade that is about to start.
    ts
        Time of the execution, naive UTC.
    policy
        What becomes of the buy.
    shortages
        Gets the trade if there is not enough cash.

    Returns
    -------
    bool
        Whether the trade can start. Trades that capital on another chain pays are not judged.
    """
    if not trade.is_buy() or portfolio.get_bridge_position_for_chain(trade.pair.chain_id) is not None:
        return True
    asset, planned = trade.reserve_currency, trade.planned_reserve
    available = portfolio.get_reserve_position(asset).quantity
    missing = planned - available
    # The start of a trade tolerates a lack of less than one unit.
    if missing < asset.convert_to_decimal(1):
        return True
    if missing <= asset.convert_to_decimal(ROUNDING_UNITS) and _reduce(trade, available):
        return True
    lack = f"it was planned for {planned} {asset.token_symbol}, {available} were left"
    if policy is CashShortage.reduce and _reduce(trade, available):
        trade.add_note(f"reduced: {lack}")
        shortages.reduced.append(trade)
        logger.warning("%s is reduced at %s: %s", trade, ts, lack)
        return True
    trade.add_note(f"lapsed: {lack}")
    shortages.refused.append(trade)
    logger.warning("%s lapses at %s: %s", trade, ts, lack)
    discard_planned(portfolio, trade, ts)
    return False


def _reduce(trade: TradeExecution, available: Decimal) -> bool:
    """Plan a buy anew for the cash that there is; return False, without a change, if that buys nothing but dust."""
    base, asset, planned = trade.pair.base, trade.reserve_currency, trade.planned_reserve
    budget = round_down_to_units(max(available, Decimal(0)), asset.decimals)
    quantity, cost = size_buy(budget, Decimal(trade.planned_price), base.decimals, asset.decimals)
    if quantity <= get_dust_epsilon_for_pair(trade.pair) or not cost:
        return False
    trade.planned_quantity, trade.planned_reserve = quantity, cost
    if isinstance(trade.lp_fees_estimated, float):
        trade.lp_fees_estimated *= float(cost / planned)
    return True
