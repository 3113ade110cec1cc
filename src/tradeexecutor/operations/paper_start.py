"""Starting paper trading: what a user names is opened, and a new state is created."""

import contextlib
import datetime
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradeexecutor.backtest.delisting import Delisting
from tradeexecutor.backtest.feeds.exchanges import ExchangeSource
from tradeexecutor.backtest.feeds.files import FileFeed
from tradeexecutor.backtest.feeds.http import HttpSource
from tradeexecutor.backtest.feeds.market import GapPolicy, GrowingMarket
from tradeexecutor.backtest.feeds.sources import open_feed
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, load_data
from tradeexecutor.operations.operator_commands import CommandQueue
from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state, get_start
from tradeexecutor.operations.state_location import StateLocation, open_new_store, open_store
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.strategy.strategy_module import read_strategy_module

__all__ = ["PaperData", "PaperRequest", "open_market", "open_paper_loop"]


@dataclass(frozen=True, slots=True)
class PaperData:
    """Market data of paper trading.

    Attributes
    ----------
    data
        Candle files that grow, and folders of them; empty with `feed`.
    feed
        Description of an exchange or of a candle interface; None with `data`.
    history
        Older candles: files and names of data sets.
    warm_up
        How much older than the first decision the candles of `feed` are.
    gaps
        Value of `GapPolicy`.
    fee
        Trading fee, a fraction.
    """

    data: Sequence[str]
    feed: HttpSource | ExchangeSource | None
    history: Sequence[str]
    warm_up: datetime.timedelta
    gaps: str
    fee: float


def open_market(named: PaperData, start_at: datetime.datetime) -> GrowingMarket:
    """Return the market that a user has named.

    Parameters
    ----------
    start_at
        First decision of the strategy, naive UTC.

    Raises
    ------
    FeedNotValid, OperationRefused, InvalidCandles
        The data cannot be used.
    """
    history = {pair: candles for name in named.history for pair, candles in load_data(name, TOLD_FROM_FILES).items()}
    if named.feed is not None:
        # The same first candle after each restart, so that indicators do not depend on restarts.
        feed = open_feed(named.feed, start_at - named.warm_up, known_elsewhere=history.keys())
    else:
        feed = FileFeed([Path(name) for name in named.data])
    return GrowingMarket(feed, history, GapPolicy(named.gaps), fee=named.fee)


@dataclass(frozen=True, slots=True)
class PaperRequest:
    """Settings of paper trading.

    Attributes
    ----------
    strategy, place
        Python file of the strategy, and where its state is.
    data
        Market data.
    is_new
        Whether to create the state.
    start_at, cash
        First decision (naive UTC) and deposit (USD) of a new state; None for the next tick, and for the
        ``initial_cash`` of the strategy.
    slippage, offset, max_data_delay, max_cycles, delisting
        See `PaperSettings`; `delisting` is a value of `Delisting`.
    parameters
        Values that override those of the strategy, by name.
    """

    strategy: Path
    place: StateLocation
    data: PaperData
    is_new: bool
    start_at: datetime.datetime | None = None
    cash: float | None = None
    slippage: float = 0.0
    offset: datetime.timedelta = datetime.timedelta(0)
    max_data_delay: datetime.timedelta | None = None
    max_cycles: int | None = None
    delisting: str = Delisting.last_price.value
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@contextlib.contextmanager
def open_paper_loop(request: PaperRequest, commands: CommandQueue) -> Generator[PaperLoop]:
    """Open the store, create the state if it is new, and yield the loop.

    Raises
    ------
    OperationRefused, LiveStartRefused
        The state exists, or does not, or there is no cash; nothing was created.
    StoreLocked
        Another process runs the strategy.
    StrategyModuleNotValid, FeedNotValid, InvalidCandles, FeedUnavailable
        The strategy or the data cannot be used, or the source of a new strategy does not answer.
    """
    module = read_strategy_module(request.strategy)
    module.apply_parameters(request.parameters)
    cycle = module.cycle_duration
    if cycle is None:
        raise OperationRefused(f"{request.strategy} does not say how often to decide (cycle_duration in Parameters)")
    name, start_at = module.name or request.strategy.stem, request.start_at or utc_now()
    settings = PaperSettings(
        cycle,
        slippage=request.slippage,
        offset=request.offset,
        max_data_delay=request.max_data_delay,
        max_cycles=request.max_cycles,
        delisting=Delisting(request.delisting),
    )
    market = open_market(request.data, start_at)
    if request.is_new:
        market.feed.check()  # before the state exists
    with (open_new_store if request.is_new else open_store)(request.place) as store:
        if request.is_new:
            cash = Decimal(str(request.cash or module.initial_cash or 0))
            state = create_paper_state(store, name, cash, start_at, cycle)
        else:
            store.acquire_writer_lock()  # a second process must not trade until its first save
            state = store.load()
        market = open_market(request.data, get_start(state))
        yield PaperLoop(module, store, market, settings, name, commands=commands)
