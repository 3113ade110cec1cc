"""Requests to simulated vaults that settle later: what is sent, what is due, and its fill."""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.accounting.raw_units import size_buy, size_sale
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution
from tradeexecutor.state.trade.amounts import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
)
from tradeexecutor.state.types import JSONObject

__all__ = ["DUE_KEY", "fill_request", "find_due_requests", "send_request"]

#: Key of `TradeExecution.other_data`: ISO time at which a request is going to settle.
DUE_KEY = "vault_settlement_estimated_at"


def send_request(ts: datetime.datetime, state: State, trade: TradeExecution) -> None:
    """Record that a vault has got the request of a trade that was broadcasted."""
    due = VaultTerms.of(trade.pair).get_settlement_time(ts, is_deposit=trade.is_buy())
    ticket: JSONObject = {DUE_KEY: due.isoformat()}
    if trade.is_buy():
        ticket[VAULT_SETTLEMENT_REQUEST_RESERVE_KEY] = str(trade.planned_reserve)
    else:
        ticket[VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY] = str(trade.planned_quantity)
    state.mark_vault_settlement_pending(ts, trade, ticket)


def find_due_requests(portfolio: Portfolio, ts: datetime.datetime) -> tuple[list[TradeExecution], bool]:
    """Return the requests that are due at a time, in order of their ids, and whether others wait."""
    due: list[TradeExecution] = []
    waits = False
    for trade in _iterate_requests(portfolio):
        if datetime.datetime.fromisoformat((trade.other_data or {})[DUE_KEY]) <= ts:
            due.append(trade)
        else:
            waits = True
    return sorted(due, key=lambda trade: trade.trade_id), waits


def _iterate_requests(portfolio: Portfolio) -> Iterator[TradeExecution]:
    for position in portfolio.open_positions.values():
        if position.pair.is_async_vault():
            for trade in position.get_unsettled_trades():
                if trade.is_vault_settlement_in_flight() and DUE_KEY in (trade.other_data or {}):
                    yield trade


def fill_request(ts: datetime.datetime, trade: TradeExecution, price: float) -> Fill:
    """Return the fill of a request at the share price of its settlement, fees included.

    A deposit spends the money of the request, up to what is less than one unit of a share; a redemption sells its
    shares.
    """
    decimals = trade.pair.base.decimals, trade.reserve_currency.decimals
    if trade.is_buy():
        quantity, reserve = size_buy(trade.get_vault_settlement_request_reserve(), Decimal(price), *decimals)
    else:
        quantity = trade.get_vault_settlement_request_quantity()
        reserve = size_sale(-quantity, Decimal(price), decimals[1])
    return Fill(
        executed_at=ts,
        price=price,
        quantity=quantity,
        reserve=reserve,
        lp_fees=0.0,
        native_token_price=1.0,
    )
