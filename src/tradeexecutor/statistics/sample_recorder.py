"""Recording the samples of a backtest, one on every bar.

Between two trades nothing changes but prices. `update_statistics` does not rely on it: it adds up trades, cash and
internal shares for every sample. `SampleRecorder` keeps these sums while they are certain to be the same, and computes
the other figures from the prices with the same formulas, so that the samples have the same digits.

A sum is the same while

- the portfolio has the same open positions, none that is frozen or pending;
- each is a spot position without balance events and without a loan, its internal share price is the same, and all its
  trades are in the running totals, see :mod:`tradeexecutor.state.trade.totals`. The totals notice every change of a
  trade that they depend on, also one by code that assigns to its fields.

What a strategy may change otherwise, such as the price or the cash, is read for each sample. If one of these does not
hold, `update_statistics` records the sample.

A position that has closed gets its final figures: it is the last one in its table, also if a strategy puts it there by
hand.

While nobody reads the lists of samples, only times and prices are noted (:mod:`~.statistics.noted_samples`). From the
first time on, each sample is added to the lists at once, because the reader may keep them.
"""

import datetime
from collections.abc import Collection
from decimal import Decimal

from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import Statistics
from tradeexecutor.state.types import USDollarAmount, USDollarPrice
from tradeexecutor.statistics.core import record_newly_closed, update_statistics
from tradeexecutor.statistics.noted_samples import NotedSamples, Segment, make_portfolio_sample
from tradeexecutor.statistics.spot_holding import SpotHolding, make_holding

__all__ = ["SampleRecorder"]


class SampleRecorder:
    """Recorder of the samples of one backtest.

    Parameters
    ----------
    state
        The state to which samples are added.
    mode
        Mode of the run. Modes other than a backtest record figures for which all trades are read.
    """

    __slots__ = (
        "_cash",
        "_closed",
        "_finished",
        "_holdings",
        "_identifier",
        "_is_backtest",
        "_last_closed",
        "_mode",
        "_noted",
        "_price",
        "_quantity",
        "_segment",
        "_state",
    )

    def __init__(self, state: State, mode: ExecutionMode) -> None:
        self._state, self._mode = state, mode
        self._is_backtest = mode is ExecutionMode.backtesting
        self._holdings: tuple[SpotHolding, ...] | None = None
        #: Where samples wait, and the part of them that the next bar belongs to.
        self._noted: NotedSamples | None = None
        self._segment: Segment | None = None
        #: Number of the closed positions, and of those with final figures, at the beginning of that part.
        self._closed = self._finished = 0
        #: Id of the last one.
        self._last_closed: int | None = None
        #: Identifier, quantity and price of the only reserve, and its value in USD, whose calculation takes most time.
        self._identifier = ""
        self._quantity: Decimal | None = None
        self._price: USDollarPrice | None = None
        self._cash: USDollarAmount = 0.0

    def get_cash(self) -> USDollarAmount:
        """Return the value of all reserves, USD, like `Portfolio.get_cash`; computed once for each change of it."""
        reserves = self._state.portfolio.reserves
        if len(reserves) != 1:
            return self._state.portfolio.get_cash()
        try:
            reserve = reserves[self._identifier]
        except KeyError:
            ((self._identifier, reserve),) = reserves.items()
        if reserve.quantity is not self._quantity or reserve.reserve_token_price is not self._price:
            self._quantity, self._price = reserve.quantity, reserve.reserve_token_price
            self._cash = reserve.get_value()
        return self._cash

    def record(self, ts: datetime.datetime) -> None:
        """Record a sample, and the final figures of positions closed since the last one, like `update_statistics`.

        The calling thread owns the state.
        """
        # Runs on every bar, on which nearly always nothing but prices has changed: it is added to the present segment.
        state, segment = self._state, self._segment
        stats, portfolio = state.stats, state.portfolio
        positions, closed = portfolio.open_positions, portfolio.closed_positions
        if (
            segment is None
            or len(positions) != len(segment.holdings)
            or len(closed) != self._closed
            or (closed and next(reversed(closed)) != self._last_closed)
            or len(stats.closed_positions) != self._finished
            or stats.waiting is not self._noted
            or portfolio.frozen_positions
            or portfolio.pending_positions
            or self.get_cash() is not segment.cash
            or state.sync.treasury.share_count is not None
            or (positions and not _note_prices(ts, segment, positions.values()))
        ):
            self._segment = None
            self._record(ts)
            return
        segment.times.append(ts)
        stats.long_short_metrics_latest = None

    def _record(self, ts: datetime.datetime) -> None:
        """Record a sample after a change; start a segment with it if possible."""
        state = self._state
        stats, portfolio = state.stats, state.portfolio
        holdings = self._find_holdings()
        if holdings is None:
            update_statistics(ts, stats, portfolio, self._mode, ts, None, treasury=state.sync.treasury)
            return
        portfolio.owner.claim()
        stats.long_short_metrics_latest = None
        cash = self.get_cash()
        noted = None if stats.is_read else self._find_noted(stats)
        if noted is not None and all(holding.position.last_pricing_at is ts for holding in holdings):
            self._segment = noted.start_segment(ts, holdings, cash)
        else:
            _add_samples(ts, stats, holdings, cash)
        closed = portfolio.closed_positions
        if closed and (
            len(closed) > len(stats.closed_positions) or next(reversed(closed)) not in stats.closed_positions
        ):
            record_newly_closed(ts, stats, portfolio)
        self._closed, self._finished = len(closed), len(stats.closed_positions)
        self._last_closed = next(reversed(closed), None)

    def _find_holdings(self) -> tuple[SpotHolding, ...] | None:
        """Return the sums of all open positions; None if the prices do not determine the samples."""
        state = self._state
        portfolio = state.portfolio
        if (
            not self._is_backtest
            or portfolio.frozen_positions
            or portfolio.pending_positions
            or state.sync.treasury.share_count is not None
        ):
            self._holdings = None
            return None
        positions, holdings = portfolio.open_positions.values(), self._holdings
        if holdings is None or len(holdings) != len(positions) or not _are_same(holdings, positions):
            holdings = self._holdings = _make_holdings(positions)
        return holdings

    def _find_noted(self, stats: Statistics) -> NotedSamples | None:
        """Return where samples of unread lists wait; None if others let samples wait there."""
        if stats.waiting is None:
            stats.waiting = self._noted = NotedSamples()
        return self._noted if stats.waiting is self._noted else None


def _note_prices(ts: datetime.datetime, segment: Segment, positions: Collection[TradingPosition]) -> bool:
    """Add the prices of a bar to a segment with as many positions; return False if more than prices has changed."""
    holdings, number = segment.holdings, 0
    for position in positions:
        if position.last_pricing_at is not ts or not holdings[number].is_same(position):
            return False
        number += 1  # noqa: SIM113 - `enumerate` takes three times as long, and `zip` five times
    for position, prices in segment.columns:
        prices.append(position._last_token_price)
    return True


def _are_same(holdings: Collection[SpotHolding], positions: Collection[TradingPosition]) -> bool:
    """Return True if the sums are still those of the positions."""
    for holding, position in zip(holdings, positions, strict=True):  # noqa: SIM110 - `all` takes longer
        if not holding.is_same(position):
            return False
    return True


def _make_holdings(positions: Collection[TradingPosition]) -> tuple[SpotHolding, ...] | None:
    holdings: list[SpotHolding] = []
    for position in positions:
        holding = make_holding(position)
        if holding is None:
            return None
        holdings.append(holding)
    return tuple(holdings)


def _add_samples(
    ts: datetime.datetime, stats: Statistics, holdings: Collection[SpotHolding], cash: USDollarAmount
) -> None:
    """Add the samples of the portfolio and its positions to the lists."""
    if len(holdings) == 0:
        stats.add_portfolio_stats(make_portfolio_sample(ts, 0, cash))
        return
    equity: USDollarAmount = 0
    samples = [
        holding.make_sample(ts, holding.position.last_pricing_at, holding.position.last_token_price)
        for holding in holdings
    ]
    for sample in samples:
        equity += sample.value
    stats.add_portfolio_stats(make_portfolio_sample(ts, equity, cash))
    for holding, sample in zip(holdings, samples, strict=True):
        stats.add_positions_stats(holding.position.position_id, sample)
