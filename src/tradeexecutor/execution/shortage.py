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

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.raw_units import round_down_to_units, size_buy
from tradeexecutor.execution.bridge_transfers import (
    get_transfer_tokens,
    is_on_other_chain,
    is_transfer_at_once,
    size_transfer_back,
)
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.chain import describe_chain
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution, TradeFlag

__all__ = [
    "CASH_HINT",
    "ROUNDING_UNITS",
    "CashShortage",
    "Shortages",
    "check_cash",
    "get_available_capital",
    "settle_shortage",
]

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


def get_available_capital(portfolio: Portfolio, trade: TradeExecution) -> tuple[Decimal, AssetIdentifier]:
    """Return the money that pays for a trade, and its token: the cash; on another chain what a bridge has brought."""
    if is_on_other_chain(trade):
        bridge = portfolio.get_bridge_position_for_chain(trade.pair.chain_id)
        return (ZERO_DECIMAL if bridge is None else bridge.get_available_bridge_capital()), trade.pair.quote
    try:
        return portfolio.get_reserve_position(trade.reserve_currency).quantity, trade.reserve_currency
    except KeyError:
        return ZERO_DECIMAL, trade.reserve_currency


def check_cash(portfolio: Portfolio, trades: Iterable[TradeExecution]) -> None:
    """Refuse a plan whose buys cost more than the money on their chain and its sells, before anything is traded.

    Money that a transfer brings later pays for nothing.

    Raises
    ------
    ExecutionError
        The money is not sufficient; nothing has changed. Plans with loans are not judged, because their effect on the
        cash is not that of buys and sells.
    """
    trades = list(trades)
    for trade in trades:
        if not (trade.is_spot() or trade.pair.is_cctp_bridge()):
            return
    if len(trades) == 1 and trades[0].is_sell() and trades[0].is_spot():
        return  # it takes no money
    if len(trades) > 1:
        trades.sort(key=TradeExecution.get_execution_sort_position)
    money = {reserve.asset: reserve.quantity for reserve in portfolio.reserves.values()}
    for position in portfolio.open_positions.values():
        if position.pair.is_cctp_bridge():
            chain = position.pair.base
            money[chain] = money.get(chain, ZERO_DECIMAL) + position.get_available_bridge_capital()
    for trade in trades:
        if trade.pair.is_cctp_bridge():
            _check_transfer(money, trade)
            continue
        asset = trade.pair.quote if is_on_other_chain(trade) else trade.reserve_currency
        if trade.is_buy():
            _pay(money, trade, asset)
        elif not trade.pair.is_async_vault():  # what it redeems comes later
            money[asset] = money.get(asset, ZERO_DECIMAL) + trade.planned_reserve


def _check_transfer(money: dict[AssetIdentifier, Decimal], trade: TradeExecution) -> None:
    """Take what a transfer sends, and give what it brings at once; one that closes its position sends what there is."""
    taken, brought = get_transfer_tokens(trade)
    amount = trade.planned_reserve
    if trade.is_sell() and TradeFlag.close in (trade.flags or ()):
        amount = money.get(taken, ZERO_DECIMAL)
        money[taken] = ZERO_DECIMAL
    else:
        _pay(money, trade, taken)
    if is_transfer_at_once(trade):
        fee = BridgeTerms.of(trade.pair).get_fee(amount, taken.decimals)
        money[brought] = money.get(brought, ZERO_DECIMAL) + amount - fee


def _pay(money: dict[AssetIdentifier, Decimal], trade: TradeExecution, asset: AssetIdentifier) -> None:
    available = money.get(asset, ZERO_DECIMAL)
    missing = trade.planned_reserve - available
    if missing > 0 and missing > asset.convert_to_decimal(ROUNDING_UNITS):
        other_chain = is_on_other_chain(trade)
        where = f" on {describe_chain(asset.chain_id)}" if other_chain else ""
        hint = "money is brought there with open_cctp_bridge_position, and can be used when it has arrived"
        raise ExecutionError(
            f"trade #{trade.trade_id} needs {trade.planned_reserve} {asset.token_symbol}{where}, {available} are left "
            f"by the trades before it, nothing was traded; {hint if other_chain else CASH_HINT}"
        )
    money[asset] = available - trade.planned_reserve


def settle_shortage(
    portfolio: Portfolio, trade: TradeExecution, ts: datetime.datetime, policy: CashShortage, shortages: Shortages
) -> bool:
    """Make a planned buy fit the cash, or let it expire, with a note that says why.

    A trade with leverage expires, because its debt was sized for all of its reserve.

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
        Whether the trade can start.
    """
    if trade.is_sell() and trade.pair.is_cctp_bridge():
        obstacle = size_transfer_back(portfolio, trade)
        if obstacle is None:
            return True
        return _lapse(portfolio, trade, ts, obstacle, shortages)
    has_leverage = trade.is_leverage()
    if not (trade.is_buy() or has_leverage):
        return True
    planned = trade.planned_reserve
    available, asset = get_available_capital(portfolio, trade)
    missing = planned - available
    # The start of a trade tolerates a lack of less than one unit.
    if missing <= 0 or missing < asset.convert_to_decimal(1):
        return True
    if not has_leverage and missing <= asset.convert_to_decimal(ROUNDING_UNITS) and _reduce(trade, available):
        return True
    lack = f"it was planned for {planned} {asset.token_symbol}, {available} were left"
    if policy is CashShortage.reduce and not has_leverage and _reduce(trade, available):
        trade.add_note(f"reduced: {lack}")
        shortages.reduced.append(trade)
        logger.warning("%s is reduced at %s: %s", trade, ts, lack)
        return True
    return _lapse(portfolio, trade, ts, lack, shortages)


def _lapse(
    portfolio: Portfolio, trade: TradeExecution, ts: datetime.datetime, reason: str, shortages: Shortages
) -> bool:
    """Let a trade expire; returns False, because it cannot start."""
    trade.add_note(f"lapsed: {reason}")
    shortages.refused.append(trade)
    logger.warning("%s lapses at %s: %s", trade, ts, reason)
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
