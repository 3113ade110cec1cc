"""Time series of the portfolio and its positions, one sample per cycle."""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false, reportUnnecessaryComparison=false

import datetime
import functools
import operator
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable, TextKeeper
from tradeexecutor.state.codec.deferred_fields import defer_fields
from tradeexecutor.state.codec.deferred_series import PrintedSeries
from tradeexecutor.state.codec.kept_groups import KEEP_TEXTS, KeptGroups
from tradeexecutor.state.codec.packed_tables import PackedList
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.trade_summary import TradeSummary
from tradeexecutor.state.types import (
    JSONObject,
    Percent,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
    new_list,
)

if TYPE_CHECKING:
    import pandas as pd

S = TypeVar("S", bound="_StatisticsSlots")
V = TypeVar("V")


@dataclass(slots=True)
class PositionStatistics(Serialisable):
    """One sample of an open or frozen position.

    Raises
    ------
    InvalidValue
        A time is missing, or the profitability is NaN.
    """

    #: Time of the sample: strategy time in backtests, time of the clock in live trading.
    calculated_at: UTCDatetime
    #: Time of the price that was used.
    last_valuation_at: UTCDatetime
    #: Profit as a fraction; the estimated interest for credit positions.
    profitability: Percent
    #: Realised and unrealised profit, USD.
    profit_usd: USDollarAmount
    #: Quantity, token units.
    quantity: float
    #: Value of the position, USD.
    value: USDollarAmount
    #: Internal share price, USD per share; only for spot, vault and exchange account positions.
    internal_share_price: float | None = None
    #: Number of internal shares; only where there is an internal share price.
    internal_total_supply: float | None = None
    #: Return by the internal share price, a fraction; only where there is one.
    internal_profit_pct: Percent | None = None
    #: Profit by the internal share price, USD; only where there is one.
    internal_profit_usd: USDollarAmount | None = None
    #: Price of the token or vault share, USD.
    underlying_price: USDollarPrice | None = None

    def __post_init__(self) -> None:
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        # Runs for every sample, so it compares the usual types first.
        if type(self.calculated_at) is not datetime.datetime and not isinstance(self.calculated_at, datetime.datetime):
            raise InvalidValue(f"calculated_at must be a datetime, got {self.calculated_at!r}")
        valued_at = self.last_valuation_at
        if type(valued_at) is not datetime.datetime and not isinstance(valued_at, datetime.datetime):
            raise InvalidValue(f"last_valuation_at must be a datetime, got {self.last_valuation_at!r}")
        profitability = self.profitability
        if profitability is None or profitability != profitability:  # NaN
            raise InvalidValue(f"profitability must be a number, got {profitability!r}")


@dataclass(slots=True)
class FinalPositionStatistics(Serialisable):
    """Summary of a closed position."""

    #: Time at which the summary was computed.
    calculated_at: UTCDatetime
    #: Number of trades of the position.
    trade_count: int
    #: Value in the first sample, USD.
    value_at_open: USDollarAmount
    #: Highest value in all samples, USD.
    value_at_max: USDollarAmount


@dataclass(slots=True)
class PortfolioStatistics(Serialisable):
    """One sample of the portfolio.

    Backtests record only equity, net asset value, cash and share figures.

    Raises
    ------
    InvalidValue
        `unrealised_profitability` is NaN or not a number.
    """

    #: Time of the sample: strategy time in backtests, time of the clock in live trading.
    calculated_at: UTCDatetime
    #: Equity without frozen positions, USD; `net_asset_value` is the better figure.
    total_equity: USDollarAmount
    #: Value of everything that belongs to the investors, USD; None in old samples.
    net_asset_value: USDollarAmount | None = None
    #: Return since the beginning, a fraction.
    unrealised_profitability: Percent | None = None
    #: Number of issued vault shares.
    share_count: Decimal | None = None
    #: Price of a vault share, USD; None without shares.
    share_price_usd: USDollarPrice | None = None
    #: Cash in the reserves, USD.
    free_cash: USDollarAmount | None = None
    #: Number of open positions.
    open_position_count: int | None = None
    #: Value of the open positions, USD.
    open_position_equity: USDollarAmount | None = None
    #: Number of frozen positions.
    frozen_position_count: int | None = None
    #: Value of the frozen positions, USD.
    frozen_position_equity: USDollarAmount | None = None
    #: Number of closed positions.
    closed_position_count: int | None = None
    #: Unrealised profit of the open positions, USD.
    unrealised_profit_usd: USDollarAmount | None = None
    #: Time of the first trade; None before it.
    first_trade_at: UTCDatetime | None = None
    #: Time of the latest trade; None before the first.
    last_trade_at: UTCDatetime | None = None
    #: Realised profit of the closed positions, USD.
    realised_profit_usd: USDollarAmount | None = 0.0
    #: Summary of all positions at this time; None where it was not computed.
    summary: TradeSummary | None = None

    def __post_init__(self) -> None:
        if self.share_count is not None:
            check_values(self)
        if self.unrealised_profitability is not None:
            self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        profitability = self.unrealised_profitability
        if profitability is not None and (
            type(profitability) not in (float, int) or profitability != profitability  # NaN
        ):
            raise InvalidValue(f"unrealised_profitability must be a float, got {profitability!r}")

    def get_value(self) -> USDollarAmount:
        """Return the net asset value, or the total equity for old samples, USD."""
        return self.total_equity if self.net_asset_value is None else self.net_asset_value


class WaitingSamples(Protocol):
    """Samples that are computed when somebody reads them, see :mod:`tradeexecutor.statistics.noted_samples`."""

    def add_portfolio_sample(self, sample: PortfolioStatistics) -> None:
        """Add a sample of the portfolio."""
        ...

    def add_position_sample(self, position_id: int, sample: PositionStatistics) -> None:
        """Add a sample of a position."""
        ...

    def get_position_ids(self) -> set[int]:
        """Return the ids of the positions with samples."""
        ...

    def get_extreme_position_values(self, position_id: int) -> list[USDollarAmount]:
        """Return values in samples of a position, USD, oldest first, with the first one and the highest one."""
        ...

    def get_net_asset_values(self, most: int | None) -> tuple[list[datetime.datetime], list[USDollarAmount]]:
        """Return time and value of each sample of the portfolio, USD; of at least the first `most` of them."""
        ...

    def write(self, portfolio: list[PortfolioStatistics], positions: dict[int, list[PositionStatistics]]) -> None:
        """Append all samples to these lists."""
        ...

    def print_portfolio(self, earlier: list[PortfolioStatistics]) -> PrintedSeries | None:
        """Return the texts of the samples of the portfolio, after earlier ones; None if objects are needed."""
        ...

    def print_positions(self, earlier: dict[int, list[PositionStatistics]]) -> PrintedSeries | None:
        """Return the texts of the samples of the positions, after earlier ones; None if objects are needed."""
        ...


class _StatisticsSlots(TextKeeper):
    """The slots of the lists, and what waits to be written into them."""

    __slots__ = ("is_read", "waiting")

    #: The lists without the samples that wait.
    _built_portfolio: list[PortfolioStatistics]
    _built_positions: dict[int, list[PositionStatistics]]
    #: Samples after those of the lists, at least one; None without any.
    waiting: WaitingSamples | None
    #: Whether somebody may have one of the lists, and sees what is added to it; then no sample may wait.
    is_read: bool

    def __getstate__(self) -> Any:
        """Return the data for a copy, for which nothing waits."""
        self.write_waiting()
        return super().__getstate__()

    def write_waiting(self) -> None:
        """Append the samples that wait to the lists; from now on all samples are added to the lists at once."""
        if getattr(self, "is_read", True):  # nobody reads it while its constructor runs
            return
        with _writing:  # threads may read a finished state at the same time
            if self.waiting is not None:
                self.waiting.write(self._built_portfolio, self._built_positions)
                self.waiting = None
            self.is_read = True


_writing = threading.Lock()


def _write_before_use(cls: type[S]) -> type[S]:
    """Make a class write the samples that wait into its lists before somebody reads, saves or replaces one of them."""
    for name in ("portfolio", "positions"):
        built = cls.__dict__[name]
        setattr(cls, f"_built_{name}", built)
        setattr(cls, name, property(_write_first(built.fget), _write_first(built.fset)))
        setattr(cls, f"_saved_{name}", property(_print_first(name, cls.__dict__[f"_{name}"].__get__)))
        cls.slot_names = cls.slot_names | {name: f"_saved_{name}"}
    return cls


def _write_first(use: Callable[..., Any]) -> Callable[..., Any]:
    def write_and_use(stats: _StatisticsSlots, *values: Any) -> Any:
        if not getattr(stats, "is_read", True):
            stats.write_waiting()
        return use(stats, *values)

    return write_and_use


def _print_first(name: str, read_slot: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that returns what a save writes: text of samples that wait, or data as it was read."""

    def get(stats: _StatisticsSlots) -> Any:
        if not stats.is_read:
            with _writing:
                waiting = stats.waiting
                earlier = getattr(stats, f"_built_{name}") if waiting is not None else None
                printed = None if waiting is None else getattr(waiting, f"print_{name}")(earlier)
            if printed is not None:
                return printed
            stats.write_waiting()
        return read_slot(stats)

    return get


def _keep_list(samples: list[PortfolioStatistics]) -> list[PortfolioStatistics]:
    return samples


def _make_table(samples: dict[int, list[PositionStatistics]]) -> dict[int, list[PositionStatistics]]:
    return defaultdict(list, samples)


def _no_positions() -> dict[int, list[PositionStatistics]]:
    return defaultdict(list)


#: Returns a function that reads a field of a sample; always the same one.
_get_reader = functools.cache(operator.attrgetter)
_get_time: Callable[[PortfolioStatistics], datetime.datetime] = operator.attrgetter("calculated_at")


@_write_before_use
@defer_fields(portfolio=_keep_list, positions=_make_table)
@dataclass(slots=True)
class Statistics(_StatisticsSlots):
    """All samples, oldest first; several may have the same time.

    A backtest computes most of its samples when `portfolio` or `positions` is read for the first time, and writes them
    into a file without making objects of them.
    """

    #: Samples of the portfolio, oldest first.
    portfolio: list[PortfolioStatistics] = field(default_factory=new_list, metadata=KEEP_TEXTS)
    #: Samples by position id.
    positions: dict[int, list[PositionStatistics]] = field(default_factory=_no_positions, metadata=KEEP_TEXTS)
    #: Summaries by position id; not every closed position has one.
    closed_positions: dict[int, FinalPositionStatistics] = field(default_factory=new_dict, metadata=KEEP_TEXTS)
    #: Tables of metrics for all, long and short positions, live and backtested: `StatisticsTable` objects as they were
    #: recorded, plain JSON data after loading.
    long_short_metrics_latest: JSONObject | None = None

    def __post_init__(self) -> None:
        if self.long_short_metrics_latest:
            check_values(self)
        if type(self.positions) is not defaultdict:
            self.positions = _make_table(self.positions)
        self.waiting, self.is_read = None, False

    def get_latest_portfolio_stats(self) -> PortfolioStatistics | None:
        """Return the latest sample of the portfolio; None without samples."""
        return self.portfolio[-1] if self.portfolio else None

    def get_earliest_portfolio_stats(self) -> PortfolioStatistics | None:
        """Return the first sample of the portfolio; None without samples."""
        return self.portfolio[0] if self.portfolio else None

    def get_latest_position_stats(self, position_id: int) -> PositionStatistics | None:
        """Return the latest sample of a position; None without samples."""
        samples = self.positions.get(position_id)
        return samples[-1] if samples else None

    def add_portfolio_stats(self, sample: PortfolioStatistics) -> None:
        """Append a sample of the portfolio."""
        if self.waiting is not None:
            self.waiting.add_portfolio_sample(sample)
        else:
            self._built_portfolio.append(sample)

    def add_positions_stats(self, position_id: int, p_stats: PositionStatistics) -> None:
        """Append a sample of a position."""
        if self.waiting is not None:
            self.waiting.add_position_sample(position_id, p_stats)
        else:
            self._built_positions.setdefault(position_id, []).append(p_stats)

    # --- Reading without making samples that wait

    def has_portfolio_stats(self) -> bool:
        """Return True if there is a sample of the portfolio."""
        return bool(self._built_portfolio) or self.waiting is not None

    def get_position_ids(self) -> set[int]:
        """Return the ids of the positions with samples."""
        waiting = self.waiting
        return set(self._built_positions) if waiting is None else {*self._built_positions, *waiting.get_position_ids()}

    def get_extreme_position_values(self, position_id: int) -> list[USDollarAmount]:
        """Return values in samples of a position, USD, oldest first, with the first one and the highest one."""
        values = [sample.value for sample in self._built_positions.get(position_id, ())]
        waiting = self.waiting
        return values if waiting is None else values + waiting.get_extreme_position_values(position_id)

    def get_net_asset_values(self, most: int | None = None) -> tuple[list[datetime.datetime], list[USDollarAmount]]:
        """Return time and value of each sample of the portfolio, USD, see `PortfolioStatistics.get_value`.

        With `most` only as many samples are read, from the first one on.
        """
        times, values = self._compute(_get_time, most), self._compute(PortfolioStatistics.get_value, most)
        if self.waiting is not None and (most is None or len(times) < most):
            later_times, later_values = self.waiting.get_net_asset_values(most)
            times += later_times
            values += later_values
        return times[:most], values[:most]

    def get_figures(self, name: str) -> list[Any]:
        """Return a figure of each sample of the portfolio; packed samples stay packed."""
        self.write_waiting()
        return self._compute(_get_reader(name))

    def _compute(self, function: Callable[[PortfolioStatistics], V], most: int | None = None) -> list[V]:
        """Return the values of a function, always the same object, for the samples that do not wait."""
        samples = self._built_portfolio
        if not isinstance(samples, PackedList):
            return [*map(function, samples[:most])]
        return self.keep("portfolio", KeptGroups).add_up(samples, function, list[V], ("values", function))[:most]

    def get_equity_series(self) -> "pd.Series[float]":
        """Return the total equity over time, USD, named ``equity``."""
        import pandas as pd

        index = pd.DatetimeIndex([sample.calculated_at for sample in self.portfolio])
        return pd.Series(
            [sample.total_equity for sample in self.portfolio], index=index, name="equity", dtype="float64"
        )

    def get_portfolio_statistics_dataframe(
        self, attr_name: str, resampling_time: str = "D", resampling_method: str = "max"
    ) -> "pd.Series[float]":
        """Return one figure of the portfolio over time: the highest value of each period.

        Parameters
        ----------
        attr_name
            Field of `PortfolioStatistics`.
        resampling_time
            Length of the periods, a pandas offset alias.
        resampling_method
            Only ``max`` is supported.

        Raises
        ------
        NotAvailable
            There are no samples.
        InvalidValue
            Another resampling method than max was asked for.
        """
        import pandas as pd

        if resampling_method != "max":
            raise InvalidValue(f"the only resampling method is max, not {resampling_method!r}")
        if not self.portfolio:
            raise NotAvailable("there are no portfolio statistics")
        index = pd.DatetimeIndex([sample.calculated_at for sample in self.portfolio])
        series = pd.Series([getattr(sample, attr_name) for sample in self.portfolio], index=index, name=attr_name)
        return series.sort_index().resample(resampling_time).max()

    def get_position_statistics_as_dataframe(self, position_id: int) -> "pd.DataFrame":
        """Return all samples of a position with a column for each field, indexed by ``calculated_at``."""
        import pandas as pd

        names = [item.name for item in fields(PositionStatistics)]
        samples = self.positions.get(position_id, ())
        columns: dict[str, list[Any]] = {name: [getattr(sample, name) for sample in samples] for name in names}
        return pd.DataFrame(columns).set_index("calculated_at")

    def get_naive_rolling_pnl_pct(self) -> Percent:
        """Return the change of value from the first to the latest sample, a fraction; deposits count as profit.

        0 without samples, and when the first value is 0.
        """
        if not self.portfolio:
            return 0.0
        first, last = self.portfolio[0].get_value(), self.portfolio[-1].get_value()
        return (last - first) / first if first else 0.0


def calculate_naive_profitability(
    total_equity_samples: "pd.Series[float]",
    look_back: datetime.timedelta | None = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
) -> tuple[Percent | None, datetime.timedelta | None]:
    """Return the change of value over a period, and the length of the period; deposits count as profit.

    Parameters
    ----------
    total_equity_samples
        Value over time.
    look_back
        Length of the period that ends with the last sample.
    start_at, end_at
        Bounds of the period; they take precedence over `look_back`.

    Returns
    -------
    tuple
        Fraction and duration, computed from the samples nearest to the bounds. ``(None, None)`` with fewer than two
        samples. Only the fraction is None when the value at the start is 0.
    """
    import pandas as pd

    if len(total_equity_samples) < 2:
        return None, None
    samples = total_equity_samples.sort_index()
    samples = samples[~samples.index.duplicated(keep="last")]
    first: datetime.datetime = samples.index[0]
    last: datetime.datetime = samples.index[-1]
    end = end_at or last
    start = start_at or (max(first, end - look_back) if look_back else first)
    near_start, near_end = samples.index.get_indexer(pd.DatetimeIndex([start, end]), method="nearest")
    value_at_start, value_at_end = float(samples.iloc[near_start]), float(samples.iloc[near_end])
    duration = end - start
    if not value_at_start:
        return None, duration
    return (value_at_end - value_at_start) / value_at_start, duration
