"""Repairing a state: counter trades and refunds of failed trades, and positions that hold nothing.

No trade is executed and no chain is read. Outcomes that the state does not record are reported by the operator;
without a report the trades are not repaired.
"""

import datetime
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.proof import prove
from tradeexecutor.ledger.refunds import Refund, RefundAnswer, find_refund
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.display.formatting import format_quantity
from tradeexecutor.state.errors import OperationRefused
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

__all__ = ["LeftAlone", "Repair", "RepairKind", "RepairReport", "RepairRequest", "find_unknown_refunds", "repair_state"]


class RepairKind(enum.StrEnum):
    """Kinds of repair, in the order in which they are made."""

    #: Trades that were never sent.
    unsent = "unsent"
    #: Failed trades and frozen positions.
    failed = "failed"
    #: Open positions that hold nothing; the repair of a failed trade may leave one.
    empty = "empty"
    #: Positions in Hypercore vaults with a remainder too small to redeem.
    dust = "dust"
    #: Of two positions in one Hypercore vault, the one that does not exist.
    duplicates = "duplicates"


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """Request of an operator.

    Attributes
    ----------
    kinds
        Kinds of repair.
    failed, filled
        Outcomes that the operator has looked up, by trade id.
    returned
        Whether the capital of failed trades came back, where the file does not record it; None does not repair them.
    answers
        The same for single trades, by id.
    """

    kinds: frozenset[RepairKind]
    failed: frozenset[int] = frozenset()
    filled: dict[int, ReportedOutcome] = field(default_factory=dict[int, ReportedOutcome])
    returned: bool | None = None
    answers: dict[int, bool] = field(default_factory=dict[int, bool])


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair.

    Attributes
    ----------
    kind
        A `RepairKind`, ``outcome`` (looked up by the operator) or ``unfrozen``.
    position_id, ticker
        The position.
    trade_id, new_trade_id
        The repaired trade, and the trade that repairs it; None if there is none.
    refund, symbol
        Capital that was returned, token units, and its token.
    text
        Description of the repair.
    """

    kind: str
    position_id: int
    ticker: str
    trade_id: int | None
    new_trade_id: int | None
    refund: Decimal
    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A trade or position that was not repaired, with the reason and a remedy; None without a remedy."""

    text: str
    remedy: Remedy | None = None


@dataclass(slots=True)
class RepairReport:
    """Result of a repair.

    Attributes
    ----------
    done
        Repairs in order.
    left_alone
        Trades and positions that need repair and were not repaired.
    cash, equity, net_asset_value
        Values before and after, USD.
    """

    done: list[Repair] = field(default_factory=list[Repair])
    left_alone: list[LeftAlone] = field(default_factory=list[LeftAlone])
    cash: tuple[float, float] = (0.0, 0.0)
    equity: tuple[float, float] = (0.0, 0.0)
    net_asset_value: tuple[float, float] = (0.0, 0.0)


def find_unknown_refunds(state: State) -> Iterator[tuple[TradeExecution, Refund]]:
    """Yield the failed trades for which the file does not record whether their capital came back."""
    trades = find_trades_to_be_repaired(state)
    if not trades:
        return
    proof = prove(state)
    for trade in trades:
        refund = find_refund(state, trade.trade_id, proof)
        if refund.answer is RefundAnswer.unknown:
            yield trade, refund


def repair_state(state: State, now: datetime.datetime, request: RepairRequest) -> RepairReport:
    """Make the requested repairs in the order of `RepairKind`.

    Parameters
    ----------
    now
        Time of the repairs, naive UTC.

    Raises
    ------
    OperationRefused
        A trade id does not exist, or is reported both as failed and as filled.
    AccountingError
        A reported outcome is not possible for the trade.
    """
    both = request.failed & request.filled.keys()
    if both:
        raise OperationRefused(f"trade {min(both)} either failed or was filled")
    run = _Run(state, now, request)
    before = _measure(state)
    run.record_outcomes()
    steps = {
        RepairKind.unsent: run.repair_unsent,
        RepairKind.failed: run.repair_failed,
        RepairKind.empty: run.close_empty,
        RepairKind.dust: run.close_dust,
        RepairKind.duplicates: run.close_duplicates,
    }
    for kind, step in steps.items():
        if kind in request.kinds:
            step()
    after = _measure(state)
    report = run.report
    report.cash, report.equity, report.net_asset_value = zip(before, after, strict=True)
    return report


def _measure(state: State) -> tuple[float, float, float]:
    portfolio = state.portfolio
    return portfolio.get_cash(), portfolio.calculate_total_equity(), portfolio.get_net_asset_value()


def _get_allocation(trade: TradeExecution) -> Decimal | None:
    return trade.reserve_currency_allocated or trade.bridge_currency_allocated


class _Run:
    """The repairs of one request, and their results."""

    def __init__(self, state: State, now: datetime.datetime, request: RepairRequest):
        self.state = state
        self.now = now
        self.request = request
        self.report = RepairReport()
        #: Whether the capital of failed trades was returned, read from the state before any repair changes it.
        self.refunds = _find_refunds(state) if RepairKind.failed in request.kinds else {}

    def _add(
        self,
        kind: str,
        trade: TradeExecution,
        text: str,
        *,
        repaired: TradeExecution | None = None,
        new_trade: TradeExecution | None = None,
        refund: Decimal | None = None,
    ) -> None:
        repair = Repair(
            kind=kind,
            position_id=trade.position_id,
            ticker=trade.pair.get_ticker(),
            trade_id=None if repaired is None else repaired.trade_id,
            new_trade_id=None if new_trade is None else new_trade.trade_id,
            refund=refund or Decimal(0),
            symbol=trade.reserve_currency.token_symbol,
            text=text,
        )
        self.report.done.append(repair)

    def _get_repaired(self, counter: TradeExecution) -> TradeExecution:
        position = self.state.portfolio.get_position_by_id(counter.position_id)
        return position.trades[counter.repaired_trade_id or 0]

    def record_outcomes(self) -> None:
        """Record the outcomes that the operator has looked up."""
        outcomes = {number: ReportedOutcome() for number in self.request.failed} | self.request.filled
        trades = {
            number: trade
            for position in self.state.portfolio.get_all_positions(pending=True)
            for number, trade in position.trades.items()
        }
        for number, outcome in sorted(outcomes.items()):
            trade = trades.get(number)
            if trade is None:
                raise OperationRefused(f"there is no trade #{number}")
            allocated = _get_allocation(trade)
            reconfirm_trade(self.state, trade, outcome, self.now)
            if outcome.is_success:
                text = f"went through, {outcome.quantity} for {outcome.reserve}"
                self._add("outcome", trade, text, repaired=trade)
            else:
                refund = None if trade.is_sell() else allocated
                self._add("outcome", trade, "did not go through", repaired=trade, refund=refund)

    def repair_unsent(self) -> None:
        """Undo trades that were planned or started and never sent."""
        for counter in repair_tx_not_generated(self.state, self.now):
            trade = self._get_repaired(counter)
            is_closed = trade.position_id in self.state.portfolio.closed_positions
            text = "was never sent and its position is closed" if is_closed else "was never sent"
            refund = _get_allocation(trade)
            self._add(RepairKind.unsent, trade, text, repaired=trade, new_trade=counter, refund=refund)

    def close_empty(self) -> None:
        """Close open positions that hold nothing."""
        for trade in repair_zero_quantity(self.state, self.now):
            self._add(RepairKind.empty, trade, "holds nothing and is closed", new_trade=trade)

    def _is_returned(self, trade: TradeExecution) -> bool | None:
        """Return True if the capital of a failed trade came back; None if that is unknown."""
        refund = self.refunds.get(trade.trade_id)
        if refund is None:
            return True  # the operator has just reported it as failed, which returned its capital
        if refund.answer is RefundAnswer.unknown:
            return self.request.answers.get(trade.trade_id, self.request.returned)
        return refund.answer is RefundAnswer.yes

    def repair_failed(self) -> None:
        """Make a counter trade for each failed trade, and unfreeze positions."""
        paid = {trade.trade_id: self._is_returned(trade) is False for trade in find_trades_to_be_repaired(self.state)}
        result = repair_trades(self.state, now=self.now, allocation_returned=self._is_returned)
        for counter in result.new_trades:
            trade = self._get_repaired(counter)
            refund = self.refunds[trade.trade_id].amount if paid[trade.trade_id] else None
            text = "its capital is returned now" if refund else "its capital had been returned"
            if not (_get_allocation(trade) or refund):
                text = "no capital was allocated to it"
            self._add(RepairKind.failed, trade, text, repaired=trade, new_trade=counter, refund=refund)
        for position in result.unfrozen_positions:
            text = "is unfrozen and closed, nothing is left" if position.is_closed() else "is unfrozen"
            self._add("unfrozen", position.get_first_trade(), text)
        for number, reason in result.left_alone.items():
            self.report.left_alone.append(self._explain(number, reason))
        for position in self.state.portfolio.frozen_positions.values():
            if position not in result.unfrozen_positions:
                self.report.left_alone.append(LeftAlone(f"{position} stays frozen"))

    def _explain(self, number: int, reason: str) -> LeftAlone:
        text = f"failed trade #{number}: {reason}"
        refund = self.refunds.get(number)
        if refund is None or refund.answer is not RefundAnswer.unknown:
            return LeftAlone(text)
        return LeftAlone(f"{text} ({refund.evidence})", Remedy.report_refund)

    def close_dust(self) -> None:
        """Close positions in Hypercore vaults of which too little is left to redeem."""
        for trade in close_hypercore_dust_positions(self.state.portfolio, self.now):
            position = self.state.portfolio.closed_positions[trade.position_id]
            text = f"is closed with a remainder of {format_quantity(position.get_quantity())}"
            self._add(RepairKind.dust, trade, text, new_trade=trade)

    def close_duplicates(self) -> None:
        """Close duplicate positions in Hypercore vaults."""
        candidates, rejected = find_hypercore_duplicate_close_candidates(self.state.portfolio)
        for candidate in candidates:
            trade = close_hypercore_duplicate_clone(self.state.portfolio, candidate, self.now)
            text = f"is closed: {candidate.close_reason} of #{candidate.survivor_position.position_id}"
            self._add(RepairKind.duplicates, trade, text, new_trade=trade)
        self.report.left_alone += map(LeftAlone, rejected)


def _find_refunds(state: State) -> dict[int, Refund]:
    trades = find_trades_to_be_repaired(state)
    proof = prove(state) if trades else None
    return {trade.trade_id: find_refund(state, trade.trade_id, proof) for trade in trades}
