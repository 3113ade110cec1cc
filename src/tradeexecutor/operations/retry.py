"""What ``tradeexecutor retry`` does to a state, and how it is told."""

import datetime
from dataclasses import dataclass
from typing import Any

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import (
    Column,
    format_price,
    format_quantity,
    format_usd,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.operations.candle_market import CandleExecution, CandleMarket, choose_time, require_simulated
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired
from tradeexecutor.state.retry import retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus

__all__ = ["RetryReport", "RetryRequest", "describe_retry", "print_retry", "run_retry"]


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """What the user asked for.

    Attributes
    ----------
    data, pairs
        Data set names and candle files; pairs to use of them, empty for all.
    trade_ids
        Trades to try again; empty for all that failed.
    at
        When; None: at the last decision of the strategy.
    fee, slippage
        Fractions.
    tolerance
        How much worse than planned trades may fill, a fraction; None: what each trade says.
    """

    data: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    trade_ids: frozenset[int] = frozenset()
    at: datetime.datetime | None = None
    fee: float = 0.001
    slippage: float = 0.0
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class RetryReport:
    """What was tried: when, what became of it, and the prices of that time by trade id (USD, without fees)."""

    at: datetime.datetime | None
    result: RepairResult
    prices: dict[int, float | None]

    @property
    def is_all_well(self) -> bool:
        """Whether every trade was tried and went through."""
        return not self.result.left_alone and all(not trade.is_failed() for trade in self.result.new_trades)


def run_retry(state: State, request: RetryRequest) -> RetryReport:
    """Try failed trades of a state again.

    Raises
    ------
    CommandFailed
        The state has real transactions, or a trade that was asked for has not failed.
    """
    failed = {trade.trade_id for trade in find_trades_to_be_repaired(state)}
    if failed:
        require_simulated(state, "trades cannot be tried again")
    wrong = sorted(request.trade_ids - failed)
    if wrong:
        known = ", ".join(f"#{number}" for number in sorted(failed)) or "none"
        raise CommandFailed(
            f"trade #{wrong[0]} is not a failed trade of an open or frozen position", f"Failed: {known}."
        )
    if not failed:
        return RetryReport(request.at, RepairResult(), {})
    at = choose_time(state, request.at)
    market = CandleMarket(request.data, request.pairs, request.fee)
    model = CandleExecution(market, state, at, request.slippage, request.tolerance)
    result = retry_trades(state=state, execution_model=model, now=at, trade_ids=request.trade_ids or None)
    prices = {trade.trade_id: market.get_mid_price(at, trade.pair) for trade in result.new_trades}
    for trade in result.new_trades:
        position = state.portfolio.open_positions.get(trade.position_id)
        price = market.get_price(at, trade.pair, is_buy=False)
        if position is not None and price is not None and trade.is_success() and at >= position.last_pricing_at:
            position.revalue_base_asset(at, price)
    return RetryReport(at, result, prices)


def describe_retry(report: RetryReport) -> dict[str, Any]:
    """Return a report as plain data."""
    return {
        "at": report.at,
        "tried": [
            {
                "trade_id": trade.trade_id,
                "position_id": trade.position_id,
                "status": trade.get_status().value,
                "market_price": report.prices[trade.trade_id],
                "executed_price": trade.executed_price,
                "executed_quantity": trade.executed_quantity,
                "executed_reserve": trade.executed_reserve,
                "failure": trade.get_revert_reason() if trade.is_failed() else None,
            }
            for trade in report.result.new_trades
        ],
        "unfrozen_positions": [position.position_id for position in report.result.unfrozen_positions],
        "left_alone": report.result.left_alone,
    }


_COLUMNS = (
    Column("Trade", right=True),
    Column("Position"),
    Column("Result"),
    Column("Quantity", right=True),
    Column("Planned price", right=True, priority=1),
    Column("Price", right=True),
    Column("Value USD", right=True, priority=2),
    Column("Why", is_text=True, priority=3),
)


def print_retry(report: RetryReport) -> None:
    """Print what was, or would be, tried, and what became of it."""
    result = report.result
    if not result.trades_needing_repair:
        print_line("No trade has failed.")
        return
    print_line(f"Failed trades tried again at {report.at:%Y-%m-%d %H:%M} UTC", "bold")
    rows = [
        (
            f"#{trade.trade_id}",
            f"#{trade.position_id} {trade.pair.get_ticker()}",
            "failed again" if trade.is_failed() else trade.get_status().value,
            format_quantity(trade.planned_quantity if trade.is_failed() else trade.executed_quantity),
            format_price(trade.planned_price),
            "" if trade.is_failed() else format_price(trade.executed_price),
            "" if trade.is_failed() else format_usd(trade.get_value()),
            (trade.get_revert_reason() or "") if trade.get_status() is TradeStatus.failed else "",
        )
        for trade in result.new_trades
    ]
    print_table(_COLUMNS, rows, ["red" if trade.is_failed() else "" for trade in result.new_trades])
    for position in result.unfrozen_positions:
        print_line(f"{position} is back in use." if position.is_open() else f"{position} is closed.")
    if result.left_alone:
        print_heading("Not tried")
        for number, reason in result.left_alone.items():
            print_line(f"  trade #{number}: {reason}", "yellow")
