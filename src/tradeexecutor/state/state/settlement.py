"""Trades whose outcome takes time: transfers over a bridge, requests to asynchronous vaults, lock-ups.

A waiting trade is neither broadcasted nor successful. When the destination chain or the vault has answered,
`resume_bridge_transfer` or `resume_vault_settlement` sets it back to broadcasted, and its outcome is then recorded like
that of any other trade.
"""

import contextlib
import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.codec.codec import encode
from tradeexecutor.state.errors import BadStateData, InvalidTrade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.amounts import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
)
from tradeexecutor.state.types import JSONObject

_STARTED, _BROADCASTED = TradeStatus.started, TradeStatus.broadcasted


# --- Bridges


def mark_bridge_in_transit(state: StateFields, ts: datetime.datetime, trade: TradeExecution) -> None:
    """Record that a bridge transfer has left its source chain and has not arrived.

    Capital on its way back is locked in the bridge position, so that no trade on the destination chain can use it.

    Raises
    ------
    InvalidTrade
        The trade is not a bridge transfer.
    WrongTradeStatus, PositionNotFound
        The state is unchanged.
    """
    state.portfolio.owner.claim()
    pair = trade.pair
    if not pair.kind.is_cctp_bridge():
        raise InvalidTrade(f"trade #{trade.trade_id} is not a bridge transfer")
    trade.check_status(_STARTED, _BROADCASTED)
    require_naive_utc(ts, "cctp_in_transit_at", InvalidTrade)
    position = state.portfolio.find_position_for_trade(trade)
    source, destination = pair.get_source_chain_id(), pair.get_destination_chain_id()
    if trade.is_sell():
        source, destination = destination, source
    # The first transaction is the approval, the second the burn.
    transactions = trade.blockchain_transactions
    trade.cctp_in_transit_at = ts
    _get_data(trade).update(
        cctp_burn_tx_hash=transactions[1].tx_hash if len(transactions) > 1 else None,
        cctp_source_chain_id=source,
        cctp_dest_chain_id=destination,
    )
    if trade.is_sell():
        position.adjust_bridge_capital_allocated(abs(trade.planned_quantity))


def resume_bridge_transfer(state: StateFields, trade: TradeExecution) -> None:
    """Set a bridge transfer that has arrived, or is given up, back to its previous status, and release its lock.

    The previous status is broadcasted, or started if the broadcast was not recorded.

    Raises
    ------
    WrongTradeStatus
        The transfer is not in transit.
    PositionNotFound
        The trade belongs to another state.
    """
    state.portfolio.owner.claim()
    trade.check_status(TradeStatus.cctp_in_transit)
    position = state.portfolio.find_position_for_trade(trade)
    trade.cctp_in_transit_at = None
    if trade.is_sell():
        position.adjust_bridge_capital_allocated(-abs(trade.planned_quantity))


# --- Asynchronous vaults


def mark_vault_settlement_pending(
    state: StateFields, ts: datetime.datetime, trade: TradeExecution, ticket_data: JSONObject | None = None
) -> None:
    """Record that an asynchronous vault has accepted a request and has not settled it.

    Parameters
    ----------
    ticket_data
        Data of the vault about the request; stored in `TradeExecution.other_data`.

    Raises
    ------
    InvalidTrade
        The trade is not a vault trade, a deposit has no allocated capital, or the ticket contradicts the trade, has
        an amount that is not a number, or cannot be saved.
    WrongTradeStatus, PositionNotFound
        The state is unchanged.
    """
    state.portfolio.owner.claim()
    if not trade.is_vault():
        raise InvalidTrade(f"trade #{trade.trade_id} is not a vault trade")
    trade.check_status(_STARTED, _BROADCASTED)
    require_naive_utc(ts, "vault_settlement_pending_at", InvalidTrade)
    state.portfolio.find_position_for_trade(trade, pending=True)
    facts: JSONObject = {
        "vault_async_flow": True,
        "vault_chain_id": trade.pair.chain_id,
        "vault_direction": "deposit" if trade.is_buy() else "redeem",
    }
    ticket = ticket_data or {}
    try:
        encode(ticket)
    except BadStateData as error:
        raise InvalidTrade(f"ticket of trade #{trade.trade_id} cannot be saved: {error}") from None
    for key, fact in facts.items():
        if ticket.get(key, fact) != fact:
            raise InvalidTrade(f"ticket of trade #{trade.trade_id} says {key}={ticket[key]!r}, it is {fact!r}")
    data: JSONObject = {**(trade.other_data or {}), **facts, **ticket}
    if trade.is_buy():
        _check_requested_capital(trade, data)
    else:
        requested = _read_amount(trade, data, VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY)
        if requested is not None and requested > 0:
            raise InvalidTrade(f"vault redemption #{trade.trade_id} requests {requested}, it must be negative")
    data["vault_settlement_requested_at"] = ts.isoformat()
    trade.vault_settlement_pending_at = ts
    trade.other_data = data


def resume_vault_settlement(state: StateFields, trade: TradeExecution) -> None:
    """Set a vault request that was settled, or is given up, back to its previous status: broadcasted or started.

    Raises
    ------
    WrongTradeStatus
        No settlement is pending.
    PositionNotFound
        The trade belongs to another state.
    """
    state.portfolio.owner.claim()
    trade.check_status(TradeStatus.vault_settlement_pending)
    state.portfolio.find_position_for_trade(trade, pending=True)
    trade.vault_settlement_pending_at = None


def set_vault_lockup_estimate(position: TradingPosition, trade: TradeExecution) -> None:
    """Set the estimated time at which the shares of a vault deposit can be redeemed.

    The estimate never replaces a time that was read from the vault, and never becomes earlier.
    """
    if not (trade.is_vault() and trade.is_buy()):
        return
    try:
        days = float((trade.pair.other_data or {}).get("vault_lockup_days") or 0)
    except (TypeError, ValueError):
        return
    if not days > 0:
        return
    try:
        expires_at = (trade.executed_at or trade.opened_at) + datetime.timedelta(days=days)
    except OverflowError:
        expires_at = datetime.datetime.max
    if position.other_data is None:
        position.other_data = {}
    data = position.other_data
    if "vault_lockup_expires_at" in data:
        if data.get("vault_lockup_estimated") is not True:
            return
        with contextlib.suppress(TypeError, ValueError):  # an unreadable old estimate is replaced
            expires_at = max(expires_at, datetime.datetime.fromisoformat(data["vault_lockup_expires_at"]))
    data["vault_lockup_expires_at"] = expires_at.isoformat()
    data["vault_lockup_estimated"] = True


def _get_data(trade: TradeExecution) -> dict[str, Any]:
    if trade.other_data is None:
        trade.other_data = {}
    return trade.other_data


def _check_requested_capital(trade: TradeExecution, data: JSONObject) -> None:
    """Raise if the request of a deposit differs from its allocation: the difference would be in no account."""
    allocated = trade.reserve_currency_allocated
    if allocated is None:
        allocated = trade.bridge_currency_allocated
    if allocated is None or allocated != trade.planned_reserve:
        raise InvalidTrade(
            f"{allocated} is allocated to vault deposit #{trade.trade_id}, but {trade.planned_reserve} is planned"
        )
    requested = _read_amount(trade, data, VAULT_SETTLEMENT_REQUEST_RESERVE_KEY)
    if requested is not None and abs(requested - allocated) >= trade.pair.quote.convert_to_decimal(1):
        raise InvalidTrade(f"{allocated} is allocated to vault deposit #{trade.trade_id}, but {requested} is requested")


def _read_amount(trade: TradeExecution, data: JSONObject, key: str) -> Decimal | None:
    value = data.get(key)
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = None
    if not is_finite_decimal(amount):
        raise InvalidTrade(f"ticket of trade #{trade.trade_id} says {key}={value!r}, it must be a number")
    return amount
