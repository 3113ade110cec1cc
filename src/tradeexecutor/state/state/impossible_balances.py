"""Balances below zero that cannot be real: negative cash, tokens, collateral or debt.

Operations refuse changes that lead to such a balance. Files may contain one all the same: an outcome that succeeded on
a chain is booked even if it took more than the state had recorded, and other programs check less. When one is found,
compare the state with the chain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.holdings import (
    KINDS_OF_HELD_TOKENS,
    get_holding,
    get_holding_tolerance,
    get_raw_unit,
)
from tradeexecutor.state.state.fields import StateFields

__all__ = ["ImpossibleBalance", "find_impossible_balances"]


@dataclass(frozen=True, slots=True)
class ImpossibleBalance:
    """A balance below zero.

    Attributes
    ----------
    position_id
        Position that has the balance; None for the cash.
    what
        Kind of balance: ``cash``, ``holding``, ``free capital``, ``collateral`` or ``debt``.
    symbol
        Ticker of the token.
    quantity
        The balance, token units, negative.
    """

    position_id: int | None
    what: str
    symbol: str
    quantity: Decimal

    def __str__(self) -> str:
        owner = "" if self.position_id is None else f" of position #{self.position_id}"
        return f"the {self.what}{owner} is {self.quantity} {self.symbol}, and cannot be less than nothing"


def find_impossible_balances(state: StateFields) -> list[ImpossibleBalance]:
    """Return the balances of a state that are below zero by more than rounding: the cash, then all positions.

    Kinds of positions that may be negative are left out, see
    :data:`~tradeexecutor.state.position.holdings.KINDS_OF_HELD_TOKENS`.
    """
    portfolio = state.portfolio
    found = [
        ImpossibleBalance(None, "cash", reserve.asset.token_symbol, reserve.quantity)
        for reserve in portfolio.reserves.values()
        if reserve.quantity < -get_raw_unit(reserve.asset)
    ]
    for table in portfolio.get_position_tables():
        for position in table.values():
            if position.pair.kind in KINDS_OF_HELD_TOKENS and get_holding(position) >= ZERO_DECIMAL:
                continue  # nearly always
            found += _list_of_position(position)
    return found


def _list_of_position(position: TradingPosition) -> Iterator[ImpossibleBalance]:
    pair, number = position.pair, position.position_id
    kind = pair.kind
    if kind in KINDS_OF_HELD_TOKENS:
        holding = get_holding(position)
        # A quantity that counts as zero when a position closes may be positive or negative.
        if holding < ZERO_DECIMAL and -holding > max(get_holding_tolerance(pair), get_close_epsilon_for_pair(pair)):
            what = "free capital" if kind.is_cctp_bridge() else "holding"
            yield ImpossibleBalance(number, what, pair.base.token_symbol, holding)
    elif position.loan is not None:
        loan = position.loan
        sides = [("collateral", loan.collateral)]
        if loan.borrowed is not None:
            sides.append(("debt", loan.borrowed))
        for what, tracker in sides:
            if tracker.quantity < -get_holding_tolerance(pair):
                yield ImpossibleBalance(number, what, tracker.asset.token_symbol, tracker.quantity)
