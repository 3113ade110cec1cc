"""Trades and transactions as commands show them, in tables and as JSON."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.cli.output import (
    Column,
    format_line,
    format_percent,
    format_price,
    format_quantity,
    format_time,
    format_usd,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import AccountingError
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.amounts import sum_fees

#: Flag -> meaning, in the order in which they are shown.
TRADE_FLAGS = {
    "B": "buy",
    "S": "sell",
    "SL": "stop loss",
    "TP": "take profit",
    "T": "test trade",
    "R1": "failed, has been repaired",
    "R2": "repairs another trade",
    "F": "failed",
    "P": "not executed yet",
}

TRANSACTION_FLAGS = {"F": "failed (reverted)", "P": "not confirmed"}

#: More gas than fits in a block, gas units: a larger number is a gas price, which old files swap with the gas used.
_MAX_GAS_UNITS = 500_000_000

_GWEI = 10**9


def format_legend(flags: dict[str, str]) -> str:
    """Return the meanings of flags in one line."""
    return ", ".join(f"{flag} {meaning}" for flag, meaning in flags.items())


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade for display; quantities are signed token amounts, prices and values are in USD, `slippage` is a fraction.

    `slippage` is positive when the fill was worse than planned.
    """

    trade_id: int
    position_id: int
    ticker: str
    action: str
    type: str
    status: str
    flags: tuple[str, ...]
    opened_at: datetime.datetime
    executed_at: datetime.datetime | None
    quantity: Decimal
    planned_price: float
    executed_price: float | None
    value: float
    fees: float
    slippage: float | None
    failure: str | None
    notes: str | None


def make_trade_row(trade: TradeExecution) -> TradeRow:
    """Return the display data of a trade."""
    status = trade.get_status()
    return TradeRow(
        trade_id=trade.trade_id,
        position_id=trade.position_id,
        ticker=trade.pair.get_ticker(),
        action=trade.get_action_verb(),
        type=trade.trade_type.value,
        status=status.value,
        flags=_get_trade_flags(trade, status),
        opened_at=trade.opened_at,
        executed_at=trade.executed_at,
        quantity=trade.planned_quantity if trade.executed_quantity is None else trade.executed_quantity,
        planned_price=trade.planned_price,
        executed_price=trade.executed_price,
        value=trade.get_value(),
        fees=sum_fees(trade.lp_fees_paid),
        slippage=_get_slippage(trade),
        failure=trade.get_revert_reason() if trade.is_failed() or trade.is_repaired() else None,
        notes=trade.notes,
    )


def _get_trade_flags(trade: TradeExecution, status: TradeStatus) -> tuple[str, ...]:
    present = {
        "B": trade.is_buy(),
        "S": trade.is_sell(),
        "SL": trade.is_stop_loss(),
        "TP": trade.is_take_profit(),
        "T": trade.is_test(),
        "R1": trade.is_repaired(),
        "R2": trade.is_repair_trade(),
        "F": trade.is_failed(),
        "P": status not in (TradeStatus.success, TradeStatus.failed, TradeStatus.repaired, TradeStatus.expired),
    }
    return tuple(flag for flag in TRADE_FLAGS if present[flag])


def _get_slippage(trade: TradeExecution) -> float | None:
    try:
        return trade.get_execution_cost() if trade.executed_price else None
    except AccountingError:
        return None


TRADE_COLUMNS = (
    Column("Id", right=True),
    Column("Position", right=True, priority=2),
    Column("Flags"),
    Column("Ticker"),
    Column("Action", priority=8),
    Column("Status", priority=1),
    Column("Quantity", right=True),
    Column("Price", right=True, priority=1),
    Column("Value USD", right=True),
    Column("Fees USD", right=True, priority=5),
    Column("Slippage", right=True, priority=6),
    Column("Opened", priority=4),
    Column("Executed", priority=3),
    Column("Failure", priority=7, is_text=True),
    Column("Notes", priority=9, is_text=True),
)


def format_trade_row(row: TradeRow) -> tuple[str, ...]:
    """Return the cells of `TRADE_COLUMNS`."""
    return (
        str(row.trade_id),
        str(row.position_id),
        " ".join(row.flags),
        row.ticker,
        row.action,
        row.status,
        format_quantity(row.quantity),
        format_price(row.executed_price or row.planned_price),
        format_usd(row.value),
        format_usd(row.fees),
        format_percent(row.slippage),
        format_time(row.opened_at),
        format_time(row.executed_at),
        format_line(row.failure),
        format_line(row.notes),
    )


# --- Transactions


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A blockchain transaction for display; `gas_price` in wei."""

    flags: tuple[str, ...]
    nonce: int | None
    trade_id: int
    block_number: int | None
    tx_hash: str | None
    gas_used: int | None
    gas_price: int | None
    function: str | None
    revert_reason: str | None


def make_transaction_rows(trades: Iterable[TradeExecution], *, failed_only: bool) -> list[TransactionRow]:
    """Return the display data of the transactions of trades."""
    return [
        _make_transaction_row(trade, tx)
        for trade in trades
        for tx in trade.blockchain_transactions
        if not failed_only or tx.is_reverted()
    ]


def _make_transaction_row(trade: TradeExecution, tx: BlockchainTransaction) -> TransactionRow:
    gas, price = tx.realised_gas_units_consumed, tx.realised_gas_price
    if gas is not None and gas > _MAX_GAS_UNITS:
        gas, price = price, gas
    return TransactionRow(
        flags=("F",) if tx.is_reverted() else ("P",) if tx.is_success() is None else (),
        nonce=tx.nonce,
        trade_id=trade.trade_id,
        block_number=tx.block_number,
        tx_hash=tx.tx_hash,
        gas_used=gas,
        gas_price=price,
        function=tx.wrapped_function_selector or tx.function_selector,
        revert_reason=tx.revert_reason,
    )


TRANSACTION_COLUMNS = (
    Column("F"),
    Column("Nonce", right=True, priority=4),
    Column("Trade", right=True),
    Column("Block", right=True, priority=3),
    Column("Hash", is_text=True, priority=1),
    Column("Gas", right=True, priority=5),
    Column("Price (GWei)", right=True, priority=6),
    Column("Function", is_text=True, priority=7),
    Column("Revert reason", is_text=True, priority=2),
)


def format_transaction_row(row: TransactionRow) -> tuple[str, ...]:
    """Return the cells of `TRANSACTION_COLUMNS`."""
    return (
        " ".join(row.flags),
        _format_integer(row.nonce),
        str(row.trade_id),
        _format_integer(row.block_number),
        row.tx_hash or "-",
        _format_integer(row.gas_used),
        "" if row.gas_price is None else format_price(row.gas_price / _GWEI),
        row.function or "",
        format_line(row.revert_reason),
    )


def _format_integer(value: int | None) -> str:
    return "" if value is None else str(value)
