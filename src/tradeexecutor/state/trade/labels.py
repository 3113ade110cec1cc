"""Texts about a trade for people: labels, notes and diagnostics."""

import pprint
from typing import Any

from tradeexecutor.state.display.formatting import append_line
from tradeexecutor.state.trade.amounts import get_position_quantity
from tradeexecutor.state.trade.fields import TradeFields
from tradeexecutor.state.trade.lifecycle import get_status
from tradeexecutor.state.trade.predicates import is_buy, is_spot


def get_repr(trade: TradeFields) -> str:
    """Return the text of `repr(trade)`."""
    status = get_status(trade).value
    if is_spot(trade):
        quantity = abs(get_position_quantity(trade))
        price = trade.executed_price or trade.planned_price
        return (
            f"<{get_action_verb(trade)} #{trade.trade_id} {quantity} {trade.pair.base.token_symbol} "
            f"at {price}, {status} phase>"
        )
    return (
        f"<{get_action_verb(trade)} #{trade.trade_id}\n"
        f"   {trade.planned_quantity} {trade.pair.base.token_symbol} at {trade.planned_price},\n"
        f"   collateral {trade.planned_reserve} {trade.reserve_currency.token_symbol}, {status} phase\n"
        f">"
    )


def get_action_verb(trade: TradeFields) -> str:
    """Return the action of the trade, e.g. ``Buy`` or ``Close short``."""
    kind = trade.pair.kind
    if kind.is_cctp_bridge():
        return "Bridge out" if is_buy(trade) else "Bridge back"
    if kind.is_shorting():
        if trade.planned_quantity < 0:
            return "Increase short"
        return "Close short" if trade.closing else "Reduce short"
    if kind.is_longing():
        if trade.planned_quantity > 0:
            return "Increase long"
        return "Close long" if trade.closing else "Reduce long"
    if kind.is_credit_supply():
        return "Supply credit" if is_buy(trade) else "Recall credit"
    return "Buy" if is_buy(trade) else "Sell"


def get_short_label(trade: TradeFields) -> str:
    """Return e.g. ``Buy WETH #3``."""
    kind = trade.pair.kind
    pair = trade.pair.get_pricing_pair() if kind.is_leverage() else trade.pair
    return f"{get_action_verb(trade)} {pair.base.token_symbol} #{trade.trade_id}"


def get_human_description(trade: TradeFields) -> str:
    """Return e.g. ``Buy 0.25 WETH <id:12> at 2400.0``."""
    base = trade.pair.base
    verb, quantity = ("Buy", trade.planned_quantity) if is_buy(trade) else ("Sell", abs(trade.planned_quantity))
    return f"{verb} {quantity} {base.token_symbol} <id:{base.internal_id}> at {trade.planned_price}"


def add_note(trade: TradeFields, line: str | None) -> None:
    """Append a line to the notes; empty lines are ignored."""
    if line:
        trade.notes = append_line(trade.notes, line)


def get_yield_decision(trade: TradeFields) -> Any:
    """Return the recorded decision of the yield manager, None without one."""
    return (trade.other_data or {}).get("yield_decision")


def pretty_print(trade: TradeFields) -> str:
    """Return all fields as indented text."""
    return pprint.pformat(trade.to_dict(), sort_dicts=False)
