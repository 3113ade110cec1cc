"""What one position contributes to the trade summary.

The figures of a closed position are computed once, see :mod:`tradeexecutor.state.codec.kept_groups`.
"""

import datetime
import logging
from typing import NamedTuple

from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import LegacyDataException, Percent, USDollarAmount

__all__ = ["Outcome", "PositionFigures", "TradeCosts", "get_total_profit", "measure_position"]

logger = logging.getLogger(__name__)

#: Total profit of a position, USD and as a fraction.
get_total_profit = shared(TradingPosition.get_total_profit)


class TradeCosts(NamedTuple):
    """Value and token tax of a trade, USD, and the volumes that it belongs to."""

    value: USDollarAmount
    token_tax: USDollarAmount
    generates_volume: bool
    is_taxed: bool


class Outcome(NamedTuple):
    """Outcome of a closed position.

    Attributes
    ----------
    realised
        Realised profit, USD.
    total_profit
        Realised and unrealised profit, USD; its sign makes the position won or lost.
    profit
        Realised profit as a fraction of what the position cost.
    duration
        From opening to closing.
    by_stop_loss, by_take_profit
        Whether it was closed by one.
    portfolio_value
        Equity of the portfolio at open, USD; None if it is not recorded.
    """

    realised: USDollarAmount
    total_profit: USDollarAmount
    profit: Percent
    duration: datetime.timedelta
    by_stop_loss: bool
    by_take_profit: bool
    portfolio_value: USDollarAmount | None


class PositionFigures(NamedTuple):
    """Figures of one position; amounts in USD.

    Attributes
    ----------
    risk_at_open
        A fraction of the portfolio: the loss at the stop loss, otherwise the used capital; None if it is not known.
    open_value, unrealised_profit
        0 if the position is closed.
    outcome
        None if the position is not closed.
    """

    position_id: int
    opened_at: datetime.datetime
    entered_at: datetime.datetime
    closed_at: datetime.datetime | None
    is_long: bool
    is_short: bool
    is_credit: bool
    is_vault: bool
    risk_at_open: Percent | None
    lp_fees: USDollarAmount
    repaid_interest: USDollarAmount
    claimed_interest: USDollarAmount
    trades: tuple[TradeCosts, ...]
    open_value: USDollarAmount
    unrealised_profit: USDollarAmount
    outcome: Outcome | None


def measure_position(position: TradingPosition) -> PositionFigures:
    """Return the figures of a position."""
    is_closed = position.is_closed()
    return PositionFigures(
        position_id=position.position_id,
        opened_at=position.opened_at,
        entered_at=position.get_entered_at(),
        closed_at=position.closed_at,
        is_long=position.is_long(),
        is_short=position.is_short(),
        is_credit=position.is_credit_supply(),
        is_vault=position.is_vault(),
        risk_at_open=_get_risk_at_open(position),
        lp_fees=position.get_total_lp_fees_paid(),
        repaid_interest=position.get_repaid_interest(),
        claimed_interest=position.get_claimed_interest(),
        trades=tuple(
            TradeCosts(
                trade.get_value(),
                trade.get_token_tax_paid(),
                trade.pair.is_volume_generating(),
                bool(trade.pair.get_buy_tax() or trade.pair.get_sell_tax()),
            )
            for trade in position.trades.values()
        ),
        open_value=0 if is_closed else position.get_value(),
        unrealised_profit=0 if is_closed else position.get_unrealised_profit_usd(),
        outcome=_measure_outcome(position) if is_closed else None,
    )


def _measure_outcome(position: TradingPosition) -> Outcome:
    realised = position.get_realised_profit_usd()
    if realised is None:
        logger.warning("Closed position #%d has no realised profit, counted as 0", position.position_id)
        realised = 0.0
    total_profit = get_total_profit(position)[0]
    duration = position.get_duration()
    # A position with neither profit nor loss counts as 0, even if its percentage has a rounding error.
    is_zero = not position.is_credit_supply() and not (total_profit > 0 or total_profit < 0)
    return Outcome(
        realised,
        total_profit,
        0.0 if is_zero else position.get_realised_profit_percent(),
        duration if duration is not None else datetime.timedelta(0),
        position.closed_by_stop_loss(),
        position.closed_by_take_profit(),
        position.portfolio_value_at_open,
    )


def _get_risk_at_open(position: TradingPosition) -> Percent | None:
    if position.stop_loss:
        return position.get_loss_risk_at_open_pct()
    if not position.trades:
        return None
    try:
        return position.get_capital_tied_at_open_pct()
    except LegacyDataException:
        return None
