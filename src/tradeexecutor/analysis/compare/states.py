"""Comparison of two states: a backtest and a live strategy, or two runs.

>>> from tradeexecutor.state.state import State
>>> compare_states(State(), State()).is_equal
True

The comparison includes decided trades, their fills, the profits of positions, and the equity over time. Numbers that
are specific to one state, such as ids, are not compared.

The first difference is the *divergence*. Later differences often follow from it.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.analysis.compare.equity import EquityComparison, EquityIndex, compare_equity
from tradeexecutor.analysis.compare.matching import match
from tradeexecutor.analysis.compare.pair_names import PairNamer
from tradeexecutor.analysis.compare.records import (
    Comparison,
    Difference,
    Divergence,
    FillSummary,
    Pairing,
    PositionFigures,
    Tolerances,
    TradeFigures,
)
from tradeexecutor.state.errors import AccountingError, TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.types import Percent

__all__ = [
    "Comparison",
    "Difference",
    "Divergence",
    "FillSummary",
    "Pairing",
    "PositionFigures",
    "Tolerances",
    "TradeFigures",
    "compare_states",
]


def compare_states(
    a: State, b: State, tolerances: Tolerances | None = None, *, relative_to_equity: bool = False
) -> Comparison:
    """Compare two states.

    Trades are matched by pair, side and time of decision, positions by pair and time of opening; see
    :mod:`tradeexecutor.analysis.compare.matching`. A pair is identified by its ticker and kind, because a backtest may
    not have the addresses of the chain, and GOOG-USD and GOOG-USDC are the same; see
    :mod:`tradeexecutor.analysis.compare.pair_names`.

    Parameters
    ----------
    a, b
        The states; they are not changed.
    tolerances
        Largest differences that count as equal; None for no tolerance.
    relative_to_equity
        Whether to compare quantities, values and fees as fractions of the equity at the time of the decision, and the
        growth of the equity instead of the equity, for strategies with different capital.

    Notes
    -----
    The cost is that of sorting the trades and samples of both.
    """
    tolerances = tolerances or Tolerances()
    curves = read_equity_curve(a), read_equity_curve(b)
    scales = (EquityIndex(curves[0]), EquityIndex(curves[1])) if relative_to_equity else None
    comparer = _Comparer(tolerances, scales)
    namer = PairNamer((a, b))
    trades = comparer.compare_trades(_list_trades(a, namer), _list_trades(b, namer))
    positions = comparer.compare_positions(_list_positions(a, namer), _list_positions(b, namer))
    equity = compare_equity(*curves, tolerances.time, tolerances.amount, growth=relative_to_equity)
    summaries = summarise_performance(a), summarise_performance(b)
    divergence = _find_divergence(trades, positions, equity)
    if divergence is None and not relative_to_equity and _get_final_difference(*summaries) > tolerances.amount:
        divergence = Divergence("equity", None)
    return Comparison(
        tolerances=tolerances,
        summary_a=summaries[0],
        summary_b=summaries[1],
        trades=trades,
        positions=positions,
        fills=_summarise_fills(trades),
        equity=equity,
        divergence=divergence,
        nearest_miss=_find_nearest_miss(trades),
    )


# --- Figures


def _list_trades(state: State, namer: PairNamer) -> list[TradeFigures]:
    trades = {
        trade.trade_id: trade
        for table in state.portfolio.get_position_tables()
        for position in table.values()
        for own in (position.trades, position.pending_trades, position.expired_trades)
        for trade in own.values()
    }
    return [_describe_trade(trade, namer) for trade in trades.values()]


def _describe_trade(trade: TradeExecution, namer: PairNamer) -> TradeFigures:
    return TradeFigures(
        trade_id=trade.trade_id,
        position_id=trade.position_id,
        ticker=namer.get_name(trade.pair),
        side="buy" if trade.is_buy() else "sell",
        type=trade.trade_type.value,
        status=trade.get_status().value,
        decided_at=trade.opened_at,
        executed_at=trade.executed_at,
        quantity=trade.planned_quantity if trade.executed_quantity is None else trade.executed_quantity,
        planned_price=trade.planned_price,
        price=trade.executed_price or None,
        value=trade.get_value(),
        fees=sum_fees(trade.lp_fees_paid),
        slippage=_get_slippage(trade),
    )


def _get_slippage(trade: TradeExecution) -> Percent | None:
    try:
        return trade.get_execution_cost() if trade.executed_price else None
    except AccountingError:
        return None


_TABLE_NAMES = ("open", "closed", "frozen", "pending", "expired")


def _list_positions(state: State, namer: PairNamer) -> list[PositionFigures]:
    tables = zip(_TABLE_NAMES, state.portfolio.get_position_tables(), strict=True)
    return [_describe_position(position, name, namer) for name, table in tables for position in table.values()]


def _describe_position(position: TradingPosition, status: str, namer: PairNamer) -> PositionFigures:
    try:
        profit_usd, profit_pct = position.get_total_profit()
        value, quantity = position.get_value(), position.get_quantity()
    except TradeExecutorError:
        profit_usd = profit_pct = value = quantity = None  # a kind of position without the figure
    return PositionFigures(
        position_id=position.position_id,
        ticker=namer.get_name(position.pair),
        status=status,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
        trades=len(position.trades),
        quantity=quantity,
        value=value,
        profit_usd=profit_usd,
        profit_pct=profit_pct,
    )


# --- Comparing

_TRADE_TEXTS = ("type", "status")
_TRADE_AMOUNTS = ("quantity", "value", "fees")
_TRADE_PRICES = ("planned_price", "price")
_TRADE_TIMES = ("decided_at", "executed_at")
_POSITION_TEXTS = ("status", "trades")
_POSITION_AMOUNTS = ("quantity", "value")
_POSITION_TIMES = ("opened_at", "closed_at")


@dataclass(frozen=True, slots=True)
class _Comparer:
    tolerances: Tolerances
    #: Equity over time of each state, when amounts are compared as fractions of it.
    scales: tuple[EquityIndex, EquityIndex] | None

    def compare_trades(self, a: Sequence[TradeFigures], b: Sequence[TradeFigures]) -> list[Pairing[TradeFigures]]:
        matches = match(
            a,
            b,
            lambda trade: (trade.ticker, trade.side),
            lambda trade: trade.decided_at,
            lambda trade: trade.trade_id,
            self.tolerances.time,
        )
        return [Pairing(x, y, self._compare_trade(x, y)) for x, y in matches]

    def compare_positions(
        self, a: Sequence[PositionFigures], b: Sequence[PositionFigures]
    ) -> list[Pairing[PositionFigures]]:
        matches = match(
            a,
            b,
            lambda position: position.ticker,
            lambda position: position.opened_at,
            lambda position: position.position_id,
            self.tolerances.time,
        )
        return [Pairing(x, y, self._compare_position(x, y)) for x, y in matches]

    def _compare_trade(self, a: TradeFigures | None, b: TradeFigures | None) -> tuple[Difference, ...]:
        if a is None or b is None:
            return ()
        scale = self._get_scales(a.decided_at, b.decided_at)
        return (
            *_compare_texts(a, b, _TRADE_TEXTS),
            *_compare_times(a, b, _TRADE_TIMES, self.tolerances.time),
            *_compare_numbers(a, b, _TRADE_AMOUNTS, self.tolerances.amount, scale),
            *_compare_numbers(a, b, _TRADE_PRICES, self.tolerances.price),
        )

    def _compare_position(self, a: PositionFigures | None, b: PositionFigures | None) -> tuple[Difference, ...]:
        if a is None or b is None:
            return ()
        scale = self._get_scales(a.opened_at, b.opened_at)
        return (
            *_compare_texts(a, b, _POSITION_TEXTS),
            *_compare_times(a, b, _POSITION_TIMES, self.tolerances.time),
            *_compare_numbers(a, b, _POSITION_AMOUNTS, self.tolerances.amount, scale),
            *_compare_profits(a, b, self.tolerances.amount),
        )

    def _get_scales(self, at_a: datetime.datetime, at_b: datetime.datetime) -> tuple[float, float] | None:
        """Return the equity of both sides, by which amounts are divided; None if one is unknown."""
        if self.scales is None:
            return None
        values = self.scales[0].get_value(at_a), self.scales[1].get_value(at_b)
        return values if values[0] > 0 and values[1] > 0 else None


def _compare_texts(a: Any, b: Any, names: Iterable[str]) -> Iterable[Difference]:
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x != y:
            yield Difference(name, x, y, None)


def _compare_times(a: Any, b: Any, names: Iterable[str], tolerance: datetime.timedelta) -> Iterable[Difference]:
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x is None or y is None:
            if x is not y:
                yield Difference(name, x, y, None)
        elif abs(y - x) > tolerance:
            yield Difference(name, x, y, (y - x).total_seconds())


def _compare_numbers(
    a: Any, b: Any, names: Iterable[str], tolerance: Percent, scales: tuple[float, float] | None = None
) -> Iterable[Difference]:
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x is None or y is None:
            if x is not y:
                yield Difference(name, x, y, None)
            continue
        if scales is None and x == y:
            continue
        left, right = (float(x), float(y)) if scales is None else (float(x) / scales[0], float(y) / scales[1])
        if name == "quantity" and left < 0 and right < 0:
            left, right = -left, -right
        # Different Decimals may be equal as floats; the difference is then below the precision of a fraction.
        size = (right - left) / max(abs(left), abs(right)) if left != right else 0.0
        if abs(size) > tolerance or (not tolerance and scales is None):
            yield Difference(name, x, y, size)


def _compare_profits(a: PositionFigures, b: PositionFigures, tolerance: Percent) -> Iterable[Difference]:
    # Not as a fraction of the profit, which is a small difference of large numbers.
    x, y = a.profit_pct, b.profit_pct
    if x is None or y is None:
        if x is not y:
            yield Difference("profit_pct", x, y, None)
    elif abs(y - x) > tolerance:
        yield Difference("profit_pct", x, y, y - x)


# --- Summing up


def _summarise_fills(trades: Iterable[Pairing[TradeFigures]]) -> FillSummary:
    success = TradeStatus.success.value
    pairs = [
        (pairing.a, pairing.b)
        for pairing in trades
        if pairing.a and pairing.b and pairing.a.status == pairing.b.status == success
    ]
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    worse = [
        ((y.price / x.price - 1) * (1 if x.side == "buy" else -1), x.value) for x, y in pairs if x.price and y.price
    ]
    return FillSummary(
        trades=len(pairs),
        value_a=sum(trade.value for trade in a),
        value_b=sum(trade.value for trade in b),
        fees_a=sum(trade.fees for trade in a),
        fees_b=sum(trade.fees for trade in b),
        slippage_a=_weigh([(trade.slippage, trade.value) for trade in a if trade.slippage is not None]),
        slippage_b=_weigh([(trade.slippage, trade.value) for trade in b if trade.slippage is not None]),
        lag_a=_average_lag(a),
        lag_b=_average_lag(b),
        worse_in_b=_weigh(worse),
    )


def _weigh(items: Sequence[tuple[float, float]]) -> float | None:
    total = sum(weight for _, weight in items)
    return sum(value * weight for value, weight in items) / total if total else None


def _average_lag(trades: Sequence[TradeFigures]) -> datetime.timedelta | None:
    lags = [trade.lag for trade in trades if trade.lag is not None]
    return sum(lags, datetime.timedelta(0)) / len(lags) if lags else None


def _get_final_difference(a: PerformanceSummary, b: PerformanceSummary) -> Percent:
    larger = max(abs(a.final_equity), abs(b.final_equity))
    return abs(a.final_equity - b.final_equity) / larger if larger else 0.0


def _find_divergence(
    trades: Sequence[Pairing[TradeFigures]], positions: Sequence[Pairing[PositionFigures]], equity: EquityComparison
) -> Divergence | None:
    """Return the earliest difference; at the same time, trades before positions before equity."""
    found: list[Divergence] = []
    for trade in trades:
        if not trade.is_equal:
            times = [item.decided_at for item in (trade.a, trade.b) if item is not None]
            found.append(Divergence("trade", min(times), trade=trade))
            break
    if equity.first is not None:
        found.append(Divergence("equity", equity.first.at))
    if found:
        return min(found, key=lambda item: item.at or datetime.datetime.max)
    for position in positions:  # the trades are all the same: a valuation, or interest
        if not position.is_equal:
            times = [item.opened_at for item in (position.a, position.b) if item is not None]
            return Divergence("position", min(times), position=position)
    return None if equity.is_equal else Divergence("equity", None)


def _find_nearest_miss(trades: Iterable[Pairing[TradeFigures]]) -> datetime.timedelta | None:
    waiting: dict[tuple[str, str, bool], datetime.datetime] = {}
    nearest: datetime.timedelta | None = None
    for pairing in trades:  # in order of decision, so the nearest one before is the latest seen
        trade = pairing.a or pairing.b
        if trade is None or (pairing.a is not None and pairing.b is not None):
            continue
        is_of_b = pairing.a is None
        other = waiting.get((trade.ticker, trade.side, not is_of_b))
        if other is not None and (nearest is None or trade.decided_at - other < nearest):
            nearest = trade.decided_at - other
        waiting[trade.ticker, trade.side, is_of_b] = trade.decided_at
    return nearest
