"""Making good what went wrong with trades: counter trades, refunds, positions that hold nothing.

No trade is made and no chain is asked. What the state cannot tell is either reported by the operator or left alone.
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
    """A sort of repair, in the order in which they are made."""

    #: Trades that were never sent.
    unsent = "unsent"
    #: Failed trades and frozen positions.
    failed = "failed"
    #: Open positions that hold nothing; a failed trade that is made good may leave one.
    empty = "empty"
    #: Positions in Hypercore vaults with a rest too small to redeem.
    dust = "dust"
    #: Of two positions in one Hypercore vault, the one that does not exist.
    duplicates = "duplicates"


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """What the operator asked for.

    Attributes
    ----------
    kinds
        Sorts of repair.
    failed, filled
        Outcomes that the operator has looked up, by trade id.
    returned
        Whether the capital of failed trades of which the file does not tell has come back; None: leave them.
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
    """One thing that was put right.

    Attributes
    ----------
    kind
        A `RepairKind`, ``outcome`` (looked up by the operator) or ``unfrozen``.
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


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """What needs repair and was not touched: why, and what to do instead, None when nothing helps."""

    text: str
    remedy: Remedy | None = None


@dataclass(slots=True)
class RepairReport:
    """Everything that a repair did.

    Attributes
    ----------
    done
        In order.
    left_alone
        What needs repair and was not touched.
    cash, equity, net_asset_value
        Before and after, USD.
    """

    done: list[Repair] = field(default_factory=list[Repair])
    left_alone: list[LeftAlone] = field(default_factory=list[LeftAlone])
    cash: tuple[float, float] = (0.0, 0.0)
    equity: tuple[float, float] = (0.0, 0.0)
    net_asset_value: tuple[float, float] = (0.0, 0.0)


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


def repair_state(state: State, now: datetime.datetime, request: RepairRequest) -> RepairReport:
    """Carry out the repairs that were asked for, in their order.

    Parameters
    ----------
    now
        Time of the repairs, naive UTC.

    Raises
    ------
    OperationRefused
        There is no trade of an id that was given, or it is said to have failed and to be filled.
    AccountingError
        A reported outcome does not fit the trade.
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
    """The repairs of one request, and what each of them did."""

    def __init__(self, state: State, now: datetime.datetime, request: RepairRequest):
        self.state = state
        self.now = now
        self.request = request
        self.report = RepairReport()
        #: What the state as it is tells about the capital of failed trades, before anything changes it.
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
        """Record what the operator has looked up."""
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
        """Return True if the capital of a failed trade came back; None if nobody knows."""
        refund = self.refunds.get(trade.trade_id)
        if refund is None:
            return True  # failed just now, by what the operator has looked up
        if refund.answer is RefundAnswer.unknown:
            return self.request.answers.get(trade.trade_id, self.request.returned)
        return refund.answer is RefundAnswer.yes

    def repair_failed(self) -> None:
        """Make a counter trade for each failed trade, and put frozen positions back into use."""
        paid = {trade.trade_id: self._is_returned(trade) is False for trade in find_trades_to_be_repaired(self.state)}
        result = repair_trades(self.state, now=self.now, allocation_returned=self._is_returned)
        for counter in result.new_trades:
            trade = self._get_repaired(counter)
            refund = self.refunds[trade.trade_id].amount if paid[trade.trade_id] else None
            text = "its capital comes back now" if refund else "its capital had come back"
            if not (_get_allocation(trade) or refund):
                text = "nothing was set aside for it"
            self._add(RepairKind.failed, trade, text, repaired=trade, new_trade=counter, refund=refund)
        for position in result.unfrozen_positions:
            text = "is unfrozen and closed, nothing is left" if position.is_closed() else "is back in use"
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
            text = f"is closed with a rest of {format_quantity(position.get_quantity())}"
            self._add(RepairKind.dust, trade, text, new_trade=trade)

    def close_duplicates(self) -> None:
        """Close positions in Hypercore vaults that are there twice."""
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
