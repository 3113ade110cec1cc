"""Approval of decisions on the terminal: the trades of a decision are shown, and a person answers."""

import contextlib
import sys
from collections.abc import Callable

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import Column, format_price, format_quantity, format_usd, print_line, print_table
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["TerminalApproval", "require_terminal"]


def require_terminal() -> None:
    """Raise `CommandFailed` when there is no terminal that could answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailed("--approve asks before trades, and there is no terminal", "leave it out, or start in one")


class TerminalApproval:
    """Asks before the trades of a decision are executed; an approval as `tradeexecutor.strategy.runner.Models` has it.

    Stop losses and take profits are executed without a question, because they were approved with their position and
    cannot wait. A refused trade expires.

    Parameters
    ----------
    waiting
        Returns a context manager for the time of the question, e.g. one that stops a watchdog.
    """

    def __init__(self, waiting: Callable[[], contextlib.AbstractContextManager[None]]):
        self._waiting = waiting

    def __call__(self, state: State, trades: list[TradeExecution]) -> list[TradeExecution]:
        """Return the trades that may be executed."""
        asked = [trade for trade in trades if not (trade.is_stop_loss() or trade.is_take_profit())]
        if not asked:
            return trades
        _print_question(state, asked)
        with self._waiting():
            if _ask():
                return trades
        print_line("Nothing is traded; the decision expires.")
        return [trade for trade in trades if trade not in asked]


def _print_question(state: State, trades: list[TradeExecution]) -> None:
    print_line(f"Decision of cycle {state.cycle}; cash {format_usd(state.portfolio.get_cash())}", "bold")
    columns = (
        Column("Trade"),
        Column("Does"),
        Column("Quantity", right=True),
        Column("Price, USD", right=True),
        Column("Value, USD", right=True),
        Column("Notes", is_text=True),
    )
    rows = [
        (
            f"#{trade.trade_id} {trade.pair.get_ticker()}",
            "buy" if trade.is_buy() else "sell",
            format_quantity(trade.planned_quantity),
            format_price(trade.planned_price),
            format_usd(trade.get_planned_value()),
            trade.notes or "",
        )
        for trade in trades
    ]
    print_table(columns, rows)


def _ask() -> bool:
    """Return True if a person confirms; False if the input has ended or was interrupted."""
    try:
        return typer.confirm("Execute these trades?")
    except typer.Abort:
        typer.echo()
        return False
