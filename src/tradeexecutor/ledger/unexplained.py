"""Find trades whose cash differs from price times amount.

The books are correct: they contain the tokens and the cash that really moved. Figures computed from prices do not
contain the difference, so the audit reports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tradeexecutor.state.position.net_profit import get_trade_unexplained_cash_usd
from tradeexecutor.state.state import State
from tradeexecutor.state.types import USDollarAmount

__all__ = ["UnexplainedCash", "describe_unexplained_cash", "find_unexplained_cash"]

#: Smallest reported difference as a fraction of the value of the trade; a smaller one is the rounding of a price, or a
#: fee that is not part of the price.
_LEAST_FRACTION = 1e-3


@dataclass(frozen=True, slots=True)
class UnexplainedCash:
    """A trade, and its cost less price times amount, USD; negative when it cost less."""

    trade_id: int
    position_id: int
    usd: USDollarAmount


def find_unexplained_cash(state: State) -> list[UnexplainedCash]:
    """Return the trades whose unexplained cash exceeds a thousandth of their value and their recorded fees, by id."""
    return sorted(_iterate(state), key=lambda item: item.trade_id)


def _iterate(state: State) -> Iterator[UnexplainedCash]:
    for position in state.portfolio.get_all_positions():
        if not position.is_spot():
            continue
        for trade in position.trades.values():
            usd = get_trade_unexplained_cash_usd(trade)
            if not usd:
                continue
            fees = sum(fee or 0.0 for fee in _list_fees(trade.lp_fees_paid))
            if abs(usd) > max(fees, _LEAST_FRACTION * trade.get_value()):
                yield UnexplainedCash(trade.trade_id, position.position_id, usd)


def _list_fees(fees: float | list[float | None] | None) -> list[float | None]:
    return fees if isinstance(fees, list) else [fees]


def describe_unexplained_cash(found: list[UnexplainedCash], most: int = 5) -> str:
    """Return a sentence that lists the trades; empty without any."""
    if not found:
        return ""
    named = ", ".join(f"#{item.trade_id} {item.usd:,.2f}" for item in found[:most])
    more = f" and {len(found) - most} more" if len(found) > most else ""
    total = sum(item.usd for item in found)
    return (
        f"{total:,.2f} USD of cash is not explained by price times amount (trades {named}{more}): a tax on transfers, "
        "a fee taken in the base token, or a wrong price; net profit has it, figures made from prices do not"
    )
