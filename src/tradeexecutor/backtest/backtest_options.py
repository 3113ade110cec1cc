"""Options and result of a backtest."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.delisting import DEFAULT_DELISTED_AFTER, Delisting
from tradeexecutor.backtest.equity_sampling import EquitySampling
from tradeexecutor.backtest.result_html import render_backtest
from tradeexecutor.execution.failures import FailureModel
from tradeexecutor.execution.shortage import CashShortage
from tradeexecutor.execution.slippage import SlippageModel
from tradeexecutor.state.contract import warn_ignored
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.strategy.market_queue import ClosedMarket
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = [
    "BacktestNotPossible",
    "BacktestOptions",
    "BacktestResult",
    "Funding",
    "MarketRules",
    "RunSettings",
    "drop_ignored",
]

#: Settings of `run_backtest_inline` that existing code passes -> why they have no effect.
_IGNORED = {
    "client": "market data comes from the universe or the candles",
    "reserve_currency": "it is the reserve asset of the universe",
    "trade_routing": "the market of a pair is that of its candles",
    "routing_model": "the market of a pair is that of its candles",
    "allow_missing_fees": "a pair without a fee has none",
    "log_level": "logging is set up by the caller",
    "indicator_storage": "indicators are calculated in memory",
    "three_leg_resolution": "the market of a pair is that of its candles",
    "universe_options": "the universe is used as it is",
    "grid_search": "searches are tradeexecutor.research",
}

#: A deposit (positive) or redemption (negative) at a time, reserve currency.
Funding = tuple[datetime.datetime, Decimal | float | int]


class BacktestNotPossible(TradeExecutorError, ValueError):
    """The backtest cannot run, e.g. without initial cash or market data."""


def drop_ignored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that only other programs have; each that is not None causes a warning."""
    for name in settings:
        if name in _IGNORED and settings[name] is not None:
            warn_ignored("run_backtest_inline", name, _IGNORED[name], stacklevel=4)
    return {name: value for name, value in settings.items() if name not in _IGNORED}


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Result of a backtest; unpacks to ``state, strategy_universe, diagnostics_data``.

    Attributes
    ----------
    state
        State of the strategy, with the same structure as that of a live strategy.
    strategy_universe
        Pairs and candles.
    diagnostics_data
        ``decisions`` (int), ``seconds`` (float, wall clock of the loop), ``trades``, ``failed_trades``,
        ``stale_price_trades`` (int: exits from delisted markets at the last price, the only trades at an old price),
        ``delayed_trades`` (int: orders that filled at the next open, because there was no price when they were placed),
        ``refused_trades`` (int), ``reduced_trades`` and ``unpaid_trades`` (int: buys for which there was less
        cash than planned: those that spent the rest, and those that expired), ``delisted_positions``
        (`DelistedPosition` objects), ``warnings`` (list of sentences about results that the author of the strategy may
        not have intended), ``pending_funding`` (deposits and redemptions that were never due, and redemptions
        that were never paid).
    indicators
        Calculated indicators.
    strategy_module
        The strategy.
    """

    state: State
    strategy_universe: TradingStrategyUniverse
    diagnostics_data: dict[str, Any]
    indicators: IndicatorResults
    strategy_module: StrategyModule

    def __iter__(self) -> Iterator[Any]:
        return iter((self.state, self.strategy_universe, self.diagnostics_data))

    def _repr_html_(self) -> str:
        """Return figures and a small picture for notebooks."""
        return render_backtest(self.state, self.diagnostics_data)


class MarketRules(TypedDict, total=False):
    """Settings of `BacktestOptions` for latency, closed and delisted markets, lack of cash, and samples of the equity.

    `leaves_open` says how the run ends.
    """

    latency: datetime.timedelta | None
    closed_market: ClosedMarket | str
    cash_shortage: CashShortage | str
    delisting: Delisting | str
    delisted_after: datetime.timedelta
    equity_sampling: EquitySampling | str
    leaves_open: bool


class RunSettings(MarketRules, total=False):
    """All settings of `BacktestOptions` except name and mode."""

    start_at: datetime.datetime | None
    end_at: datetime.datetime | None
    initial_deposit: Decimal | float | None
    funding: Sequence[Funding]
    slippage: float | SlippageModel | Callable[[BacktestPricing], SlippageModel] | None
    failures: FailureModel | None
    data_delay_tolerance: datetime.timedelta | None
    progress: bool | None


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """Settings of a backtest that are not part of the strategy.

    Attributes
    ----------
    start_at, end_at
        Decisions are made from `start_at` (inclusive) to `end_at` (exclusive); None uses the period of the strategy,
        otherwise all data. Candles before `start_at` are available to indicators.
    initial_deposit
        Amount of the reserve currency; None uses ``initial_cash`` of the strategy.
    funding
        Further deposits and redemptions. A redemption that exceeds the cash waits until a decision finds enough of it;
        `PositionManager.get_pending_redemptions` returns how much is asked for.
    slippage
        How much worse than planned trades fill: a fraction, a model, or a function that makes a model from the
        pricing (for models that need volumes).
    failures
        Called with each trade; returns True if the trade fails.
    latency
        Time between a decision and the arrival of its orders in the market, see `tradeexecutor.strategy.latency`; None
        uses ``latency`` of the strategy, by default none.
    data_delay_tolerance
        See `BacktestPricing`.
    closed_market
        What happens to an order while its market has no price: ``wait`` for the next open, or ``refuse``.
    cash_shortage
        What happens to a buy that costs more than the cash, because the sells before it slipped or failed: with
        ``reduce`` it spends the cash that is left, with ``refuse`` it expires. A plan that spends more than the cash
        and the planned sells is an error.
    delisting
        Price at which a position in a delisted market is closed: the ``last_price``, or zero (``write_off``).
    delisted_after
        Time without trading after which a market counts as delisted.
    equity_sampling
        When the equity is recorded in addition to decisions and fills: ``day``, at each midnight (UTC); ``candle``,
        also at the end of each candle; or ``decision``, at no other time.
    leaves_open
        Whether the run ends with its last decision, without a valuation at the end, so that paper trading can continue
        the state.
    name
        Name of the state; None uses that of the strategy.
    mode
        Execution mode of the run.
    progress
        Whether to draw a progress bar; None draws one on a terminal.
    optimiser
        Whether this is one of many runs in a search; then the strategy is told not to record plots.
    """

    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    initial_deposit: Decimal | float | None = None
    funding: Sequence[Funding] = ()
    slippage: float | SlippageModel | Callable[[BacktestPricing], SlippageModel] | None = None
    failures: FailureModel | None = None
    latency: datetime.timedelta | None = None
    data_delay_tolerance: datetime.timedelta | None = None
    closed_market: ClosedMarket | str = ClosedMarket.wait
    cash_shortage: CashShortage | str = CashShortage.reduce
    delisting: Delisting | str = Delisting.last_price
    delisted_after: datetime.timedelta = DEFAULT_DELISTED_AFTER
    equity_sampling: EquitySampling | str = EquitySampling.day
    leaves_open: bool = False
    name: str | None = None
    mode: ExecutionMode = ExecutionMode.backtesting
    progress: bool | None = None
    optimiser: bool = False
