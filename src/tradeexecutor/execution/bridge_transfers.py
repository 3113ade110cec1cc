"""Transfers over simulated bridges: what is sent, what is due, and how it ends.

Money on its way is in neither balance. It is in the state as a trade that is ``cctp_in_transit``, whose
``bridge_input_amount`` has been sent and whose ``bridge_output_amount`` is going to arrive.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.state.booking.waiting_orders import expire_if_never_opened
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag
from tradeexecutor.state.trade.amounts import TRANSFER_ARRIVES_KEY, TRANSFER_DUE_KEY

__all__ = [
    "end_transfer",
    "fail_transfer",
    "find_due_transfers",
    "get_payment_token",
    "get_transfer_tokens",
    "is_on_other_chain",
    "is_transfer_at_once",
    "send_transfer",
    "size_transfer_back",
]


def is_on_other_chain(trade: TradeExecution) -> bool:
    """Return True if a trade is paid with, and brings, the money that a bridge has moved to its chain."""
    pair = trade.pair
    return pair.quote.chain_id != trade.reserve_currency.chain_id and not pair.is_cctp_bridge()


def get_payment_token(trade: TradeExecution) -> AssetIdentifier:
    """Return the token of the wallet that pays for a spot or vault trade, and that a sale brings."""
    return trade.pair.quote if is_on_other_chain(trade) else trade.reserve_currency


def get_transfer_tokens(trade: TradeExecution) -> tuple[AssetIdentifier, AssetIdentifier]:
    """Return the token that a transfer takes, and the one that it brings."""
    pair = trade.pair
    return (pair.quote, pair.base) if trade.is_buy() else (pair.base, pair.quote)


def is_transfer_at_once(trade: TradeExecution) -> bool:
    """Return True if the bridge of a transfer takes no time."""
    return not BridgeTerms.of(trade.pair).transfer_time


def size_transfer_back(portfolio: Portfolio, trade: TradeExecution) -> str | None:
    """Plan a planned transfer back for the money that there is now, and return why it cannot be sent; None if it can.

    A transfer that closes its position takes everything: the sales before it may have brought more or less than was
    planned.
    """
    position = portfolio.find_position_for_trade(trade)
    available = position.get_available_bridge_capital()
    planned = -trade.planned_quantity
    amount = available if TradeFlag.close in (trade.flags or ()) else min(planned, available)
    obstacle = BridgeTerms.of(trade.pair).find_obstacle(max(amount, Decimal(0)), trade.pair.base.decimals)
    if obstacle is not None:
        return obstacle
    if amount != planned:
        trade.planned_quantity, trade.planned_reserve = -amount, amount
    return None


def send_transfer(ts: datetime.datetime, state: State, trade: TradeExecution) -> None:
    """Record that the money of a transfer that was broadcasted has left its chain."""
    terms = BridgeTerms.of(trade.pair)
    due = terms.get_arrival(ts)
    amount = abs(trade.planned_quantity)
    fee = terms.get_fee(amount, trade.pair.base.decimals)
    state.mark_bridge_in_transit(ts, trade)
    trade.bridge_input_amount, trade.bridge_output_amount = amount, amount - fee
    trade.bridge_fee_amount, trade.bridge_fee_asset = fee, get_transfer_tokens(trade)[0].token_symbol
    trade.bridge_fee_usd = float(fee)
    trade.other_data = {
        **(trade.other_data or {}),
        TRANSFER_DUE_KEY: due.at.isoformat(),
        TRANSFER_ARRIVES_KEY: due.arrives,
    }


def fail_transfer(ts: datetime.datetime, state: State, trade: TradeExecution) -> None:
    """Record that a transfer has failed; a position that has never had any money expires.

    It is not frozen: the money is where it was and can be sent again, so that there is nothing to look at.
    """
    state.mark_trade_failed(ts, trade)
    expire_if_never_opened(state.portfolio, state.portfolio.find_position_for_trade(trade), ts)


def find_due_transfers(portfolio: Portfolio, ts: datetime.datetime) -> tuple[list[TradeExecution], bool]:
    """Return the transfers that end until a time, in the order of their ends, and whether others are on their way."""
    due: list[tuple[datetime.datetime, int, TradeExecution]] = []
    waits = False
    for trade, ends_at in _iterate_transfers(portfolio):
        if ends_at <= ts:
            due.append((ends_at, trade.trade_id, trade))
        else:
            waits = True
    return [trade for _, _, trade in sorted(due, key=lambda item: item[:2])], waits


def _iterate_transfers(portfolio: Portfolio) -> Iterator[tuple[TradeExecution, datetime.datetime]]:
    for position in portfolio.open_positions.values():
        if position.pair.is_cctp_bridge():
            for trade in position.get_unsettled_trades():
                due = (trade.other_data or {}).get(TRANSFER_DUE_KEY)
                if trade.cctp_in_transit_at is not None and due is not None:
                    yield trade, datetime.datetime.fromisoformat(due)


def end_transfer(state: State, trade: TradeExecution) -> Fill | None:
    """Book the end of a transfer that is due: its fill, or None if it was given up and its money is back."""
    data = trade.other_data or {}
    ended_at = datetime.datetime.fromisoformat(data[TRANSFER_DUE_KEY])
    sent, arrived = trade.bridge_input_amount, trade.bridge_output_amount
    assert sent is not None
    assert arrived is not None
    state.resume_bridge_transfer(trade)
    if not data[TRANSFER_ARRIVES_KEY]:
        trade.bridge_output_amount = trade.bridge_fee_amount = Decimal(0)
        trade.bridge_fee_usd = 0.0
        fail_transfer(ended_at, state, trade)
        trade.add_note(f"expired: it had not arrived at {ended_at}, and its money is back")
        return None
    quantity, reserve = (arrived, sent) if trade.is_buy() else (-sent, arrived)
    fill = Fill(
        executed_at=ended_at,
        price=float(reserve / abs(quantity)),
        quantity=quantity,
        reserve=reserve,
        lp_fees=trade.bridge_fee_usd,
        native_token_price=1.0,
    )
    state.record_fill(trade, fill)
    return fill
