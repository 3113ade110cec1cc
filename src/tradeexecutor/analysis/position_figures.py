"""What one position contributes to figures of many: trade summary, returns, net results.

The figures of a closed position are computed once, see :mod:`tradeexecutor.state.codec.kept_groups`. Nearly all closed
positions are plain spot positions. Their figures come from one reading of their trades; those of other positions come
from the methods of the position, which read the trades for each figure.
"""

# Reads the slots of watched fields, see `state/codec/watched_record.py`.
# pyright: reportPrivateUsage=false

import datetime
import logging
import math
from collections.abc import Iterable
from typing import NamedTuple

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.profit import (
    calculate_cost_adjusted_profit,
    calculate_cost_adjusted_realised_profit,
    calculate_net_profit,
    calculate_realised_profit,
    calculate_unrealised_profit,
)
from tradeexecutor.analysis.exit_reason import ExitReason, get_exit_reason
from tradeexecutor.analysis.memo import is_sharing, shared
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.net_profit import get_trade_unexplained_cash_of_value, relate_to_invested
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import get_value, sum_fees
from tradeexecutor.state.trade.costs import get_token_tax_paid
from tradeexecutor.state.trade.totals import TradeTotals
from tradeexecutor.state.types import LegacyDataException, Percent, USDollarAmount

__all__ = ["Outcome", "PositionFigures", "TradeCosts", "measure_plain", "measure_position"]

logger = logging.getLogger(__name__)

_SPOT = TradingPairKind.spot_market_hold


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
    exit_reason, bought_usd
        Why the position was closed, and the value of what was bought; of a plain position only.
    net_profit, net_result
        See `TradingPosition.get_net_profit_usd` and `TradingPosition.get_net_result`; of a plain position only.
    realised_return, total_return
        Realised profit, and total profit, as a fraction of what the position cost, times the fraction of the portfolio
        that it used; None where only the position knows.
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
    exit_reason: ExitReason | None = None
    bought_usd: USDollarAmount = 0.0
    net_profit: USDollarAmount = 0.0
    net_result: tuple[USDollarAmount, Percent] = (0.0, 0.0)
    realised_return: Percent | None = None
    total_return: Percent | None = None


def measure_position(position: TradingPosition) -> PositionFigures:
    """Return the figures of a position."""
    return measure_plain(position) or _measure_any(position)


class _PlainTrades:
    """The trades of a plain position, added up in one reading.

    Attributes
    ----------
    totals
        Sums of quantities and values.
    costs
        Costs of each trade.
    lp_fees
        Fees, USD.
    unexplained_cash
        What prices do not explain, see `get_unexplained_cash_usd`.
    """

    __slots__ = ("costs", "lp_fees", "totals", "unexplained_cash")

    def __init__(self, trades: Iterable[TradeExecution]) -> None:
        self.totals = TradeTotals()
        self.costs: list[TradeCosts] = []
        self.lp_fees: USDollarAmount = 0
        unexplained: list[USDollarAmount] = []
        pair, generates_volume, is_taxed = None, False, False
        for trade in trades:
            if trade.pair is not pair:  # nearly always that of the trade before
                pair = trade.pair
                generates_volume, is_taxed = pair.is_volume_generating(), _is_taxed(pair)
            value = get_value(trade)
            self.totals.add(trade)
            self.costs.append(TradeCosts(value, get_token_tax_paid(trade), generates_volume, is_taxed))
            self.lp_fees += sum_fees(trade.lp_fees_paid)
            unexplained.append(get_trade_unexplained_cash_of_value(trade, value))
        self.unexplained_cash = math.fsum(unexplained)


@shared
def measure_plain(position: TradingPosition) -> PositionFigures | None:
    """Return the figures of a plain position, see `_is_plain`; None for another one, and outside of `share_results`.

    Reading all figures at once is worth its time where many of them are asked for: in a report, a chart or a summary.
    """
    if not is_sharing() or not _is_plain(position):
        return None
    trades = _PlainTrades(position._trades.values())
    totals = trades.totals
    if not (totals.has_buys and totals.has_sells):
        return None
    bought, sold = totals.get_buy_quantity(), totals.get_sell_quantity()
    held = position.get_quantity() if totals.quantity else ZERO_DECIMAL
    average_buy, price = totals.get_average_buy(), position._last_token_price
    realised = calculate_realised_profit(average_buy, totals.get_average_sell(), sold)
    total_profit = (realised or 0) + calculate_unrealised_profit(price, average_buy, held)
    held_value = price * float(held)
    net_profit = calculate_net_profit(totals.bought_usd, totals.sold_usd, held_value) - trades.unexplained_cash
    profit = total = 0
    if totals.bought_usd != 0:
        buys, sells = totals.all_bought_usd, totals.all_sold_usd
        profit = calculate_cost_adjusted_realised_profit(bought, sold, buys, sells, ZERO_DECIMAL)
        total = calculate_cost_adjusted_profit(bought, buys, sells, ZERO_DECIMAL, held_value if held else 0)
    value = position.portfolio_value_at_open
    used = None if value is None else trades.costs[0].value / value if value else 0
    entered_at, closed_at = position.get_entered_at(), position.closed_at
    outcome = Outcome(
        realised,
        total_profit,
        profit if total_profit > 0 or total_profit < 0 else 0.0,
        closed_at - entered_at,  # pyright: ignore[reportOptionalOperand] - a plain position is closed
        position.closed_by_stop_loss(),
        position.closed_by_take_profit(),
        value,
    )
    return PositionFigures(
        position_id=position.position_id,
        opened_at=position.opened_at,
        entered_at=entered_at,
        closed_at=closed_at,
        is_long=True,
        is_short=False,
        is_credit=False,
        is_vault=False,
        risk_at_open=position.get_loss_risk_at_open_pct() if position.stop_loss else used,
        lp_fees=trades.lp_fees,
        repaid_interest=0.0,
        claimed_interest=0.0,
        trades=tuple(trades.costs),
        open_value=0,
        unrealised_profit=0,
        outcome=outcome,
        exit_reason=get_exit_reason(position),
        bought_usd=totals.bought_usd,
        net_profit=net_profit,
        net_result=relate_to_invested(net_profit, totals.bought_usd),
        realised_return=None if used is None else profit * used,
        total_return=None if used is None else total * used,
    )


def _is_plain(position: TradingPosition) -> bool:
    """Return whether a position is a closed spot position that has only executed trades, and no balance events."""
    if (
        position.closed_at is None
        or position.pair.kind is not _SPOT
        or position._balance_updates
        or position.loan is not None
        or position.frozen_at is not None
        or not position._trades
    ):
        return False
    for trade in position._trades.values():
        if (
            not trade._executed_at
            or trade._failed_at is not None
            or trade._repaired_at is not None
            or trade._repaired_trade_id is not None
            or trade.claimed_interest
            or trade.paid_interest
        ):
            return False
    return True


def _is_taxed(pair: TradingPairIdentifier) -> bool:
    return bool(pair.get_buy_tax() or pair.get_sell_tax())


def _measure_any(position: TradingPosition) -> PositionFigures:
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
                _is_taxed(trade.pair),
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
    total_profit = position.get_total_profit()[0]
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
