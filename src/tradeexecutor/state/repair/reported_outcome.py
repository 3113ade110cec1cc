"""Outcome of a trade that a person has looked up on the chain.

A program that dies between broadcast and confirmation leaves trades whose outcome is not recorded. The transactions on
the chain contain it. A person reads them and reports the result, which is booked as if the program had read it.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution, TradeStatus
from tradeexecutor.state.trade.planned_amounts import EXCHANGE_KINDS

__all__ = ["ReportedOutcome", "reconfirm_trade"]


@dataclass(frozen=True, slots=True)
class ReportedOutcome:
    """Outcome of a trade according to its transactions.

    Attributes
    ----------
    quantity
        Exchanged base tokens, token units without a sign; None when the trade failed.
    reserve
        Reserve paid or received for them, token units; None when the trade failed.
    """

    quantity: Decimal | None = None
    reserve: Decimal | None = None

    @property
    def is_success(self) -> bool:
        """True if the trade succeeded."""
        return self.quantity is not None


def reconfirm_trade(
    state: State, trade: TradeExecution, outcome: ReportedOutcome, now: datetime.datetime | None = None
) -> None:
    """Record the outcome of a trade that was started or broadcasted and never confirmed.

    A failed trade gives its capital back and freezes its position, as usual.

    Parameters
    ----------
    now
        Time of the outcome, naive UTC.

    Raises
    ------
    WrongTradeStatus
        The trade is not started or broadcasted.
    InvalidTrade
        The amounts are not valid, or the trade changes a loan, for which amounts alone are not sufficient.
    ReserveMissing, PositionNotFound, WrongPositionStatus
        See `State.mark_trade_success` and `State.mark_trade_failed`; the state is unchanged.
    """
    now = utc_now() if now is None else now
    require_naive_utc(now, "executed_at", InvalidTrade)
    trade.check_status(TradeStatus.started, TradeStatus.broadcasted)
    if not outcome.is_success:
        portfolio = state.portfolio
        position = portfolio.find_position_for_trade(trade, pending=True)
        state.mark_trade_failed(now, trade)
        if position.closed_at is None:
            freeze_position_on_failed_trade(now, state, [trade])
        trade.add_note(f"Reported as failed at {now:%Y-%m-%d %H:%M}")
        return
    if trade.pair.kind not in EXCHANGE_KINDS:
        raise InvalidTrade(f"trade #{trade.trade_id} changes a loan, its outcome cannot be reported by amounts")
    quantity, reserve = outcome.quantity, outcome.reserve
    if not is_finite_decimal(quantity) or not is_finite_decimal(reserve):
        raise InvalidTrade(f"report quantity and reserve of trade #{trade.trade_id}, got {quantity} and {reserve}")
    if quantity <= 0 or reserve <= 0:
        raise InvalidTrade(
            f"report quantity and reserve of trade #{trade.trade_id} without a sign, got {quantity} and {reserve}"
        )
    fill = Fill(
        executed_at=now,
        price=float(reserve / quantity),
        quantity=quantity if trade.is_buy() else -quantity,
        reserve=reserve,
        lp_fees=None,
        native_token_price=None,
    )
    state.record_fill(trade, fill, force=True, confirmed=True)
    trade.add_note(f"Reported as successful at {now:%Y-%m-%d %H:%M}")
