"""What ``tradeexecutor repair`` does to a state, and how it is told."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_usd_change,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.ledger.proof import prove
from tradeexecutor.ledger.refunds import Refund, RefundAnswer, find_refund
from tradeexecutor.state.repair import (
    ReportedOutcome,
    close_hypercore_duplicate_clone,
    close_hypercore_dust_positions,
    find_hypercore_duplicate_close_candidates,
    find_trades_to_be_repaired,
    reconfirm_trade,
    repair_trades,
    repair_tx_not_generated,
    repair_zero_quantity,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = [
    "Done",
    "RepairReport",
    "RepairRequest",
    "describe_report",
    "find_unknown_refunds",
    "parse_fill",
    "print_report",
    "run_repairs",
]


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """What the user asked for.

    Attributes
    ----------
    kinds
        Sorts of repair.
    failed, filled
        Outcomes that he has looked up, by trade id.
    returned
        Whether the capital of failed trades of which the file does not tell has come back; None: leave them.
    answers
        The same for single trades, by id.
    """

    kinds: frozenset[str]
    failed: frozenset[int] = frozenset()
    filled: dict[int, ReportedOutcome] = field(default_factory=dict[int, ReportedOutcome])
    returned: bool | None = None
    answers: dict[int, bool] = field(default_factory=dict[int, bool])


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was put right.

    Attributes
    ----------
    kind
        Sort of repair; also ``outcome`` (looked up by the user) and ``unfrozen``.
    position_id, ticker
        Where.
    trade_id, new_trade_id
        What was repaired and the trade that does it; None where there is none.
    refund, symbol
        What went back, token units.
    text
        What was done, for people.
    """

    kind: str
    position_id: int
    ticker: str
    trade_id: int | None
    new_trade_id: int | None
    refund: Decimal
    symbol: str
    text: str


@dataclass(slots=True)
class RepairReport:
    """Everything that a repair did.

    Attributes
    ----------
    done
        In order.
    left_alone
        What needs repair and was not touched, and why.
    cash, equity, net_asset_value
        Before and after, USD.
    """

    done: list[Done] = field(default_factory=list[Done])
    left_alone: list[str] = field(default_factory=list[str])
    cash: tuple[float, float] = (0.0, 0.0)
    equity: tuple[float, float] = (0.0, 0.0)
    net_asset_value: tuple[float, float] = (0.0, 0.0)


def parse_fill(text: str) -> tuple[int, ReportedOutcome]:
    """Read ``TRADE:QUANTITY:RESERVE``.

    >>> parse_fill("13:0.5:1024.10")
    (13, ReportedOutcome(quantity=Decimal('0.5'), reserve=Decimal('1024.10')))
    """
    parts = text.split(":")
    try:
        number, quantity, reserve = parts
        return int(number), ReportedOutcome(Decimal(quantity), Decimal(reserve))
    except (ValueError, InvalidOperation):
        message = f"{text!r} is not TRADE:QUANTITY:RESERVE, e.g. 13:0.5:1024.10"
        raise typer.BadParameter(message, param_hint="--filled") from None


def find_unknown_refunds(state: State) -> Iterator[tuple[TradeExecution, Refund]]:
    """Yield the failed trades of which the file does not tell whether their capital came back."""
    trades = find_trades_to_be_repaired(state)
    if not trades:
        return
    proof = prove(state)
    for trade in trades:
        refund = find_refund(state, trade.trade_id, proof)
        if refund.answer is RefundAnswer.unknown:
            yield trade, refund


# --- Repairing


def run_repairs(state: State, now: datetime.datetime, request: RepairRequest) -> RepairReport:
    """Carry out the repairs that were asked for, in their order."""
    report = RepairReport()
    before = _measure(state)
    refunds = _find_refunds(state) if "failed" in request.kinds else {}
    _record_outcomes(state, now, request, report)
    steps: dict[str, Callable[[], None]] = {
        "unsent": lambda: _repair_unsent(state, now, report),
        "empty": lambda: _close_empty(state, now, report),
        "failed": lambda: _repair_failed(state, now, request, refunds, report),
        "dust": lambda: _close_dust(state, now, report),
        "duplicates": lambda: _close_duplicates(state, now, report),
    }
    for kind, step in steps.items():
        if kind in request.kinds:
            step()
    after = _measure(state)
    report.cash, report.equity, report.net_asset_value = zip(before, after, strict=True)
    return report


def _measure(state: State) -> tuple[float, float, float]:
    portfolio = state.portfolio
    return portfolio.get_cash(), portfolio.calculate_total_equity(), portfolio.get_net_asset_value()


def _find_refunds(state: State) -> dict[int, Refund]:
    """Return what the file as it is tells about the capital of failed trades, before anything changes it."""
    trades = find_trades_to_be_repaired(state)
    proof = prove(state) if trades else None
    return {trade.trade_id: find_refund(state, trade.trade_id, proof) for trade in trades}


def _add(
    report: RepairReport,
    kind: str,
    trade: TradeExecution,
    text: str,
    trade_id: int | None = None,
    new_trade_id: int | None = None,
    refund: Decimal | None = None,
) -> None:
    report.done.append(
        Done(
            kind=kind,
            position_id=trade.position_id,
            ticker=trade.pair.get_ticker(),
            trade_id=trade_id,
            new_trade_id=new_trade_id,
            refund=refund or Decimal(0),
            symbol=trade.reserve_currency.token_symbol,
            text=text,
        )
    )


def _record_outcomes(state: State, now: datetime.datetime, request: RepairRequest, report: RepairReport) -> None:
    outcomes = {number: ReportedOutcome() for number in request.failed} | request.filled
    trades = {
        number: trade
        for position in state.portfolio.get_all_positions(pending=True)
        for number, trade in position.trades.items()
    }
    for number, outcome in sorted(outcomes.items()):
        trade = trades.get(number)
        if trade is None:
            raise CommandFailed(f"there is no trade #{number}")
        allocated = trade.reserve_currency_allocated or trade.bridge_currency_allocated
        reconfirm_trade(state, trade, outcome, now)
        if outcome.is_success:
            _add(report, "outcome", trade, f"went through, {outcome.quantity} for {outcome.reserve}", trade_id=number)
        else:
            refund = None if trade.is_sell() else allocated
            _add(report, "outcome", trade, "did not go through", trade_id=number, refund=refund)


def _repair_unsent(state: State, now: datetime.datetime, report: RepairReport) -> None:
    for counter in repair_tx_not_generated(state, now):
        trade = _get_repaired(state, counter)
        refund = trade.reserve_currency_allocated or trade.bridge_currency_allocated
        closed = " and its position is closed" if trade.position_id in state.portfolio.closed_positions else ""
        text = f"was never sent{closed}"
        _add(report, "unsent", trade, text, trade_id=trade.trade_id, new_trade_id=counter.trade_id, refund=refund)


def _get_repaired(state: State, counter: TradeExecution) -> TradeExecution:
    return state.portfolio.get_position_by_id(counter.position_id).trades[counter.repaired_trade_id or 0]


def _close_empty(state: State, now: datetime.datetime, report: RepairReport) -> None:
    for trade in repair_zero_quantity(state, now):
        _add(report, "empty", trade, "holds nothing and is closed", new_trade_id=trade.trade_id)


def _repair_failed(
    state: State,
    now: datetime.datetime,
    request: RepairRequest,
    refunds: dict[int, Refund],
    report: RepairReport,
) -> None:
    def is_returned(trade: TradeExecution) -> bool | None:
        refund = refunds.get(trade.trade_id)
        if refund is None:
            return True  # failed just now, by what the user has looked up
        if refund.answer is RefundAnswer.unknown:
            return request.answers.get(trade.trade_id, request.returned)
        return refund.answer is RefundAnswer.yes

    paid = {trade.trade_id: is_returned(trade) is False for trade in find_trades_to_be_repaired(state)}
    result = repair_trades(state, now=now, allocation_returned=is_returned)
    for counter in result.new_trades:
        trade = _get_repaired(state, counter)
        refund = None
        if paid[trade.trade_id]:
            refund = refunds[trade.trade_id].amount
        text = "its capital comes back now" if refund else "its capital had come back"
        if not (trade.reserve_currency_allocated or trade.bridge_currency_allocated or refund):
            text = "nothing was set aside for it"
        _add(report, "failed", trade, text, trade_id=trade.trade_id, new_trade_id=counter.trade_id, refund=refund)
    for position in result.unfrozen_positions:
        text = "is unfrozen and closed, nothing is left" if position.is_closed() else "is back in use"
        _add(report, "unfrozen", position.get_first_trade(), text)
    for number, reason in result.left_alone.items():
        hint = ""
        if number in refunds and refunds[number].answer is RefundAnswer.unknown:
            hint = f" ({refunds[number].evidence}): say it with --allocation"
        report.left_alone.append(f"failed trade #{number}: {reason}{hint}")
    for position in state.portfolio.frozen_positions.values():
        if position not in result.unfrozen_positions:
            report.left_alone.append(f"{position} stays frozen")


def _close_dust(state: State, now: datetime.datetime, report: RepairReport) -> None:
    for trade in close_hypercore_dust_positions(state.portfolio, now):
        position = state.portfolio.closed_positions[trade.position_id]
        text = f"is closed with a rest of {format_quantity(position.get_quantity())}"
        _add(report, "dust", trade, text, new_trade_id=trade.trade_id)


def _close_duplicates(state: State, now: datetime.datetime, report: RepairReport) -> None:
    candidates, rejected = find_hypercore_duplicate_close_candidates(state.portfolio)
    for candidate in candidates:
        trade = close_hypercore_duplicate_clone(state.portfolio, candidate, now)
        text = f"is closed: {candidate.close_reason} of #{candidate.survivor_position.position_id}"
        _add(report, "duplicates", trade, text, new_trade_id=trade.trade_id)
    report.left_alone += rejected


# --- Telling


def describe_report(report: RepairReport) -> dict[str, Any]:
    """Return a report as plain data."""
    changes = {"cash": report.cash, "total_equity": report.equity, "net_asset_value": report.net_asset_value}
    return {
        "done": report.done,
        "left_alone": report.left_alone,
        **{name: {"before": before, "after": after} for name, (before, after) in changes.items()},
    }


_COLUMNS = (
    Column("Repair"),
    Column("Position"),
    Column("Trade", right=True),
    Column("New trade", right=True, priority=1),
    Column("Goes back", right=True, priority=2),
    Column("What", is_text=True),
)


def print_report(report: RepairReport) -> None:
    """Print what was, or would be, done."""
    if report.done:
        rows = [
            (
                item.kind,
                f"#{item.position_id} {item.ticker}",
                "" if item.trade_id is None else f"#{item.trade_id}",
                "" if item.new_trade_id is None else f"#{item.new_trade_id}",
                f"{format_quantity(item.refund)} {item.symbol}" if item.refund else "",
                item.text,
            )
            for item in report.done
        ]
        print_table(_COLUMNS, rows)
        print_line()
        changes = {"Cash": report.cash, "Total equity": report.equity, "Net asset value": report.net_asset_value}
        print_facts({name: format_usd_change(before, after) for name, (before, after) in changes.items()})
    elif not report.left_alone:
        print_line("No trade and no position needs repair.")
    if report.left_alone:
        print_heading("Left alone")
        for text in report.left_alone:
            print_line(f"  {text}", "yellow")
