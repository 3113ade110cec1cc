"""Names and descriptions of a position for people."""

import pprint
from typing import Any

from tradeexecutor.state.errors import WrongPositionStatus
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import has_executed_trades, is_closed, is_frozen
from tradeexecutor.state.position.profit import get_realised_profit_usd, get_total_profit_percent
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.position.times import get_duration
from tradeexecutor.state.position.trades import get_last_trade, get_trade_count
from tradeexecutor.state.position.value import get_closing_price, get_opening_price


def get_identifier(position: PositionFields) -> str:
    """Return ``"{pair identifier}-{position id}"``."""
    return f"{position.pair.get_identifier()}-{position.position_id}"


def get_name(position: PositionFields) -> str:
    """Return e.g. ``#3 WETH-USDC``."""
    return f"#{position.position_id} {position.pair.base.token_symbol}-{position.pair.quote.token_symbol}"


def get_human_readable_name(position: PositionFields) -> str:
    """Return e.g. ``Trading position #3 for WETH-USDC``."""
    return f"Trading position #{position.position_id} for {position.pair.get_ticker()}"


def get_quantity_unit_name(position: PositionFields) -> str:
    """Return the symbol of the base token."""
    return position.pair.base.token_symbol


def get_debug_dump(position: PositionFields, char_limit: int = 1000) -> str:
    """Return all fields as indented text, cut at `char_limit`."""
    text = pprint.pformat(position.to_dict(), sort_dicts=False)
    return text if len(text) <= char_limit else text[:char_limit] + "..."


def get_human_summary(position: PositionFields) -> dict[str, Any]:
    """Return a row for a table that people read, column name -> text."""
    opened = has_executed_trades(position)
    return {
        "Position id": position.position_id,
        "Pair": position.pair.get_ticker(),
        "Type": position.pair.kind.value,
        "Trade count": get_trade_count(position),
        "PnL %": get_total_profit_percent(position) * 100,
        "PnL USD": get_realised_profit_usd(position),
        "Started at": position.opened_at,
        "Ended at": position.closed_at,
        "Duration": get_duration(position),
        "Entry price": get_opening_price(position) if opened else None,
        "Exit price": get_closing_price(position) if opened and is_closed(position) else None,
        "Quantity (open)": get_quantity(position),
    }


def get_freeze_reason(position: PositionFields) -> str | None:
    """Return the recorded reason why the position is frozen; raises `WrongPositionStatus` if it is not frozen."""
    if not is_frozen(position):
        raise WrongPositionStatus(f"position #{position.position_id} is not frozen")
    if not position.trades or not get_last_trade(position).blockchain_transactions:
        return "Could not extract freeze reason"
    for trade in reversed(position.trades.values()):
        reason = trade.get_revert_reason()
        if reason:
            return reason
    return None
