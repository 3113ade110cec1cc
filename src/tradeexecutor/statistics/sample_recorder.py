"""Recording the samples of a backtest, one on every bar.

Between two trades nothing changes but prices. `update_statistics` does not rely on it: it adds up trades, cash and
internal shares for every sample. `SampleRecorder` keeps these sums while they are certain to be the same, and computes
the other figures from the prices with the same formulas, so that the samples have the same digits.

A sum is the same while

- the portfolio has the same open positions, none that is frozen or pending, and no newly closed one;
- each is a spot position without balance events and without a loan, and all its trades are in the running totals, see
  :mod:`tradeexecutor.state.trade.totals`. The totals notice every change of a trade that they depend on, also one by
  code that assigns to its fields.

What a strategy may change otherwise, such as the cash or the internal share price, is read for each sample. If one of
these does not hold, `update_statistics` records the sample.
"""

# Reads the running totals of the trades, and the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import dataclasses
import datetime
import math
from decimal import Decimal

from tradeexecutor.accounting.values import MAX_NUMBER
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.profit import get_realised_profit_usd
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.position.value import get_average_price
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import FinalPositionStatistics, PortfolioStatistics, PositionStatistics
from tradeexecutor.state.trade.totals import TradesById, TradeTotals
from tradeexecutor.state.types import USDollarAmount, USDollarPrice
from tradeexecutor.statistics.core import update_statistics

__all__ = ["SampleRecorder"]

_SPOT = TradingPairKind.spot_market_hold

_make_position_sample = make_short_constructor(
    PositionStatistics, [field.name for field in dataclasses.fields(PositionStatistics)], InvalidValue
)

#: Sets the figures of a backtest; they cannot break the rule, which is about the profitability.
_make_portfolio_sample = make_short_constructor(
    PortfolioStatistics,
    ("calculated_at", "total_equity", "net_asset_value", "share_count", "free_cash", "open_position_equity"),
    InvalidValue,
    checks_rules=False,
)


class _Holding:
    """The sums over the trades of a spot position that a sample contains, and how to see that they still hold."""

    __slots__ = (
        "count",
        "entry_price",
        "invested",
        "pair",
        "position",
        "quantity",
        "realised",
        "tokens",
        "totals",
        "trades",
    )

    def __init__(self, position: TradingPosition, trades: TradesById, totals: TradeTotals) -> None:
        self.position, self.pair = position, position.pair
        self.trades, self.totals, self.count = trades, totals, len(trades)
        #: Token units.
        self.tokens = float(totals.tokens)
        self.quantity = float(get_quantity(position))
        #: USD.
        self.realised: USDollarAmount = get_realised_profit_usd(position) or 0
        self.entry_price: USDollarPrice = get_average_price(position)
        self.invested: USDollarAmount = totals.bought_usd

    def is_same(self, position: TradingPosition) -> bool:
        """Return True if this is the position, and the sums are still those of its trades."""
        trades = self.trades
        return (
            position is self.position
            and position._trades is trades
            and trades._settled is self.totals
            and trades._settled_count == self.count == len(trades)
            and position.pair is self.pair
            and position.closed_at is None
            and position.frozen_at is None
            and position.loan is None
            and not position.balance_updates
        )

    def make_sample(self, ts: datetime.datetime) -> PositionStatistics | None:
        """Return the sample of the position; None if its price or its internal share price is unusual."""
        position = self.position
        price, shares = position.last_token_price, position.share_price_state
        if shares is None or not shares.total_supply > 0 or type(price) is not float or not 0 <= price <= MAX_NUMBER:
            return None
        # The formulas of `calculate_position_statistics`, in the same order of operations.
        profit = self.realised + ((price - self.entry_price) * self.quantity + 0.0)
        assets = self.quantity * price
        supply, initial_price = shares.total_supply, shares.initial_share_price
        share_price = assets / supply
        return _make_position_sample(  # the fields in their order
            ts,
            position.last_pricing_at,
            profit / self.invested if self.invested else 0,
            profit,
            self.quantity,
            self.tokens * price,
            share_price,
            supply,
            share_price / initial_price - 1,
            assets - supply * initial_price,
            price,
        )


def _make_holding(position: TradingPosition) -> _Holding | None:
    """Return the sums of a position; None if they do not determine its samples together with the price."""
    trades = position._trades
    if position.pair.kind is not _SPOT or not isinstance(trades, TradesById):
        return None
    totals, rest = trades.count_settled()
    if rest or totals.waiting or totals.locked_reserve or not trades:
        return None
    holding = _Holding(position, trades, totals)
    return holding if math.isfinite(holding.entry_price) and holding.is_same(position) else None


class SampleRecorder:
    """Recorder of the samples of one backtest.

    Parameters
    ----------
    state
        The state to which samples are added.
    mode
        Mode of the run. Modes other than a backtest record figures for which all trades are read.
    """

    __slots__ = ("_cash", "_holdings", "_mode", "_state")

    def __init__(self, state: State, mode: ExecutionMode) -> None:
        self._state, self._mode = state, mode
        self._holdings: tuple[_Holding, ...] | None = None
        #: Quantity and price of the only reserve, and its value in USD. Converting the quantity takes most of the time.
        self._cash: tuple[Decimal | None, USDollarPrice | None, USDollarAmount] = (None, None, 0.0)

    def get_cash(self) -> USDollarAmount:
        """Return the value of all reserves, USD, like `Portfolio.get_cash`; computed once for each change of it."""
        reserves = self._state.portfolio.reserves
        if len(reserves) != 1:
            return self._state.portfolio.get_cash()
        (reserve,) = reserves.values()
        quantity, price, value = self._cash
        if reserve.quantity is not quantity or reserve.reserve_token_price is not price:
            quantity, price = reserve.quantity, reserve.reserve_token_price
            value = reserve.get_value()
            self._cash = (quantity, price, value)
        return value

    def record(self, ts: datetime.datetime) -> None:
        """Record a sample, and the final figures of positions closed since the last one, like `update_statistics`."""
        if self._holdings is not None and self._record_prices(ts, self._holdings):
            return
        state = self._state
        update_statistics(ts, state.stats, state.portfolio, self._mode, ts, None, treasury=state.sync.treasury)
        self._holdings = self._make_holdings() if self._mode is ExecutionMode.backtesting else None

    def _make_holdings(self) -> tuple[_Holding, ...] | None:
        holdings: list[_Holding] = []
        for position in self._state.portfolio.open_positions.values():
            holding = _make_holding(position)
            if holding is None:
                return None
            holdings.append(holding)
        return tuple(holdings)

    def _record_prices(self, ts: datetime.datetime, holdings: tuple[_Holding, ...]) -> bool:
        """Record a sample if nothing but prices has changed; otherwise record nothing and return False."""
        state = self._state
        portfolio, stats = state.portfolio, state.stats
        share_count = state.sync.treasury.share_count
        positions, closed = portfolio.open_positions, portfolio.closed_positions
        if (
            len(positions) != len(holdings)
            or portfolio.frozen_positions
            or portfolio.pending_positions
            or share_count
            or (closed and _has_newly_closed(closed, stats.closed_positions))
        ):
            return False
        portfolio.owner.claim()
        equity: USDollarAmount = 0
        samples: list[PositionStatistics] = []
        if holdings:
            for position, holding in zip(positions.values(), holdings, strict=True):
                sample = holding.make_sample(ts) if holding.is_same(position) else None
                if sample is None:
                    return False
                equity += sample.value
                samples.append(sample)
        cash = self.get_cash()
        total = equity + cash
        stats.long_short_metrics_latest = None
        stats.portfolio.append(_make_portfolio_sample(ts, total, total, share_count, cash, equity))
        if holdings:
            for holding, sample in zip(holdings, samples, strict=True):
                stats.positions.setdefault(holding.position.position_id, []).append(sample)
        return True


def _has_newly_closed(closed: dict[int, TradingPosition], final: dict[int, FinalPositionStatistics]) -> bool:
    """Return True if the final figures of closed positions are missing, of which the last one is the newest."""
    return len(closed) > len(final) or next(reversed(closed)) not in final
