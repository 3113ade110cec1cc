"""A trade: one planned change of a position, its execution and its outcome.

The class is cut by concern: fields and constructor rules (:mod:`~tradeexecutor.state.trade.fields`), status and
transitions (:mod:`~tradeexecutor.state.trade.lifecycle`), quantities and values
(:mod:`~tradeexecutor.state.trade.amounts`); labels, diagnostics and execution order are here.
"""

import pprint
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tradeexecutor.state.trade.amounts import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
    TradeAmounts,
)
from tradeexecutor.state.trade.fields import TradeFlag, TradeStatus, TradeType

if TYPE_CHECKING:
    from tradeexecutor.state.trade.totals import TradeTable

__all__ = [
    "CCTP_BRIDGE_ORDER_BUMP",
    "CCTP_BRIDGE_OUT_ORDER_BUMP",
    "VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY",
    "VAULT_SETTLEMENT_REQUEST_RESERVE_KEY",
    "TradeExecution",
    "TradeFlag",
    "TradeStatus",
    "TradeType",
]

#: Execution order: bridge back first ...
CCTP_BRIDGE_ORDER_BUMP = 30_000_000
#: ... then bridge out; the rest of the order is in `TradeExecution.get_execution_sort_position`.
CCTP_BRIDGE_OUT_ORDER_BUMP = 20_000_000

_CREDIT_ORDER_BUMP = 200_000_000
_CLOSING_ORDER_BUMP = 100_000_000
_VAULT_ORDER_BUMP = 50_000_000
_REDUCE_ORDER_BUMP = 40_000_000


def clean_revert_reason_message(message: str | None) -> str:
    r"""Strip the binary frame that some nodes put around a revert reason.

    The frame starts with the character ``\x13`` and ends with NUL characters; text without it stays as it is.

    >>> clean_revert_reason_message("execution reverted: \x13Too little received\x00\x00")
    'Too little received'
    """
    if not message:
        return ""
    _, marker, rest = message.partition("\x13")
    return rest.rstrip("\x00") if marker else message


class TradeExecution(TradeAmounts):
    """One trade, from plan to outcome.

    Created by `State.create_trade`; the strategy plans it, the execution model starts, broadcasts and completes
    it through `State`.  Identity is the trade id.

    Worked example, a buy of 0.25 WETH at 2400 with 5000 USDC in cash:

    =========== =========== ======= ==============================================
    step        status      cash    what changes on the trade
    =========== =========== ======= ==============================================
    create      planned     5000    planned_reserve 600.00, planned_quantity 0.25
    start       started     4400    reserve_currency_allocated 600.00
    broadcast   broadcasted 4400
    success     success     4400    executed_quantity, executed_price, allocated 0
    =========== =========== ======= ==============================================
    """

    __slots__ = ("table",)

    if TYPE_CHECKING:
        #: The table that has added the trade up; set only then, by `tradeexecutor.state.trade.totals`.
        table: Callable[[], TradeTable | None]

    def __repr__(self) -> str:
        status = self.get_status().value
        if self.is_spot():
            quantity = abs(self.get_position_quantity())
            price = self.executed_price or self.planned_price
            return (
                f"<{self.get_action_verb()} #{self.trade_id} {quantity} {self.pair.base.token_symbol} "
                f"at {price}, {status} phase>"
            )
        return (
            f"<{self.get_action_verb()} #{self.trade_id}\n"
            f"   {self.planned_quantity} {self.pair.base.token_symbol} at {self.planned_price},\n"
            f"   collateral {self.planned_reserve} {self.reserve_currency.token_symbol}, {status} phase\n"
            f">"
        )

    def get_action_verb(self) -> str:
        """Return what the trade does, e.g. ``Buy`` or ``Close short``."""
        kind = self.pair.kind
        if kind.is_cctp_bridge():
            return "Bridge out" if self.is_buy() else "Bridge back"
        if kind.is_shorting():
            if self.planned_quantity < 0:
                return "Increase short"
            return "Close short" if self.closing else "Reduce short"
        if kind.is_credit_supply():
            return "Supply credit" if self.is_buy() else "Recall credit"
        return "Buy" if self.is_buy() else "Sell"

    def get_short_label(self) -> str:
        """Return e.g. ``Buy WETH #3``."""
        kind = self.pair.kind
        pair = self.pair.get_pricing_pair() if kind.is_leverage() else self.pair
        return f"{self.get_action_verb()} {pair.base.token_symbol} #{self.trade_id}"

    def get_human_description(self) -> str:
        """Return e.g. ``Buy 0.25 WETH <id:12> at 2400.0``."""
        base = self.pair.base
        verb, quantity = ("Buy", self.planned_quantity) if self.is_buy() else ("Sell", abs(self.planned_quantity))
        return f"{verb} {quantity} {base.token_symbol} <id:{base.internal_id}> at {self.planned_price}"

    def pretty_print(self) -> str:
        """Return all fields as indented text."""
        return pprint.pformat(self.to_dict(), sort_dicts=False)

    def get_debug_dump(self) -> str:
        """Same as `pretty_print`."""
        return self.pretty_print()

    def get_revert_reason(self) -> str | None:
        """Return why the trade failed, as far as recorded."""
        tx = self.get_failed_transaction()
        if tx is not None:
            return clean_revert_reason_message(tx.revert_reason)
        return (self.other_data or {}).get("hypercore_failure_diagnosis") or None

    def get_yield_decision(self) -> Any:
        """Return the yield manager's reasoning, if any."""
        return (self.other_data or {}).get("yield_decision")

    def get_execution_sort_position(self) -> int:
        """Return the place in the execution order of a cycle; lower runs first.

        Capital is freed before it is spent: credit and closing trades first, then vault redemptions, sells,
        bridges, buys, vault deposits and credit supply.  Within the freeing groups higher ids run first.
        """
        flags = self.flags or ()
        kind = self.pair.kind
        trade_id = self.trade_id
        if kind.is_cctp_bridge():
            return -trade_id - (CCTP_BRIDGE_OUT_ORDER_BUMP if self.is_buy() else CCTP_BRIDGE_ORDER_BUMP)
        if kind.is_credit_supply() and TradeFlag.close in flags:
            return -trade_id - _CREDIT_ORDER_BUMP
        if self.closing:
            return -trade_id - _CLOSING_ORDER_BUMP
        if kind.is_credit_supply():
            return trade_id + _CREDIT_ORDER_BUMP if TradeFlag.open in flags else trade_id
        if self.is_reduce():
            return -trade_id - (_VAULT_ORDER_BUMP if kind.is_vault() else _REDUCE_ORDER_BUMP)
        if kind.is_vault() and self.is_buy():
            return trade_id + _VAULT_ORDER_BUMP
        return trade_id
