"""Samples of a backtest that are computed when somebody reads them.

Between two trades only prices change. A `Segment` notes the time and the prices of such bars, the sums over the trades
once, and makes the samples when they are asked for. Samples that are not determined by prices alone are kept as they
are, in between.
"""

import datetime
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import orjson

from tradeexecutor.state.codec.bounds import MAX_ENTRIES
from tradeexecutor.state.codec.codec import dump, encode
from tradeexecutor.state.codec.deferred_series import PrintedSeries
from tradeexecutor.state.codec.memory import is_memory_limited
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import BadStateData, InvalidValue, UnencodableValue
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics
from tradeexecutor.state.types import USDollarAmount
from tradeexecutor.statistics.printed_samples import (
    NotPrintable,
    print_rows,
    to_figures,
    to_stamps,
)
from tradeexecutor.statistics.spot_holding import FIGURES, Figures, SpotHolding

__all__ = ["NotedSamples", "Segment", "make_portfolio_sample"]

_make_sample = make_short_constructor(
    PortfolioStatistics,
    ("calculated_at", "total_equity", "net_asset_value", "free_cash", "open_position_equity"),
    InvalidValue,
    checks_rules=False,  # the rule is about the profitability, which backtests do not record
)


def make_portfolio_sample(ts: datetime.datetime, equity: USDollarAmount, cash: USDollarAmount) -> PortfolioStatistics:
    """Return the sample of a portfolio from the value of its open positions and its cash, USD."""
    total = equity + cash
    return _make_sample(ts, total, total, cash, equity)


class Segment:
    """Bars between which only prices changed.

    Attributes
    ----------
    holdings
        The open positions.
    cash
        Cash, USD.
    times
        Time of each bar, naive UTC, which is the time of its prices, too.
    columns
        Each position with its price on each bar, USD.
    """

    __slots__ = ("cash", "columns", "holdings", "times")

    def __init__(self, ts: datetime.datetime, holdings: Sequence[SpotHolding], cash: USDollarAmount) -> None:
        self.holdings, self.cash = holdings, cash
        self.times = [ts]
        self.columns = [(holding.position, [holding.position.last_token_price]) for holding in holdings]

    def get_equities(self) -> list[USDollarAmount]:
        """Return the value of all open positions on each bar, USD."""
        if not self.holdings:
            return [0] * len(self.times)
        values = map(self.get_values, range(len(self.holdings)))
        equities = next(values)
        if 0.0 in equities:  # that loop begins with 0, so that it never gives -0.0
            equities = [0 + equity for equity in equities]
        for column in values:  # in the order of a loop over the positions; `sum` may round otherwise
            equities = [equity + value for equity, value in zip(equities, column, strict=True)]
        return equities

    def get_values(self, index: int) -> list[USDollarAmount]:
        """Return the value of one of the positions on each bar, USD."""
        return self.holdings[index].get_values(self.columns[index][1])

    def get_extreme_values(self, index: int) -> list[USDollarAmount]:
        """Return the first and the highest of the values of one of the positions, USD."""
        prices = self.columns[index][1]
        # A holding has a positive amount of tokens, so that it is worth most at the highest price.
        return self.holdings[index].get_values((prices[0], max(prices)))

    def make_portfolio_samples(self) -> list[PortfolioStatistics]:
        """Return the samples of the portfolio."""
        cash = self.cash
        return [
            make_portfolio_sample(ts, equity, cash) for ts, equity in zip(self.times, self.get_equities(), strict=True)
        ]

    def make_position_samples(self, index: int) -> list[PositionStatistics]:
        """Return the samples of one of the positions."""
        make_sample = self.holdings[index].make_sample
        return [make_sample(ts, ts, price) for ts, price in zip(self.times, self.columns[index][1], strict=True)]

    def calculate(self, index: int) -> list[Figures]:
        """Return the figures of one of the positions on each bar, see `SpotHolding.calculate`."""
        return list(map(self.holdings[index].calculate, self.columns[index][1]))


class NotedSamples:
    """The samples that a run adds to a `Statistics`, in the order of time; implements `WaitingSamples`."""

    __slots__ = ("_portfolio", "_positions")

    def __init__(self) -> None:
        self._portfolio: list[Segment | PortfolioStatistics] = []
        #: Position id -> its samples: a segment with the index of the position in it, or one sample.
        self._positions: dict[int, list[tuple[Segment, int] | PositionStatistics]] = {}

    def start_segment(self, ts: datetime.datetime, holdings: Sequence[SpotHolding], cash: USDollarAmount) -> Segment:
        """Return a new segment with its first bar; the caller adds bars until the next sample that is added here."""
        segment = Segment(ts, holdings, cash)
        self._portfolio.append(segment)
        for index, holding in enumerate(holdings):
            self._positions.setdefault(holding.position.position_id, []).append((segment, index))
        return segment

    def add_portfolio_sample(self, sample: PortfolioStatistics) -> None:
        """Add a sample of the portfolio."""
        self._portfolio.append(sample)

    def add_position_sample(self, position_id: int, sample: PositionStatistics) -> None:
        """Add a sample of a position."""
        self._positions.setdefault(position_id, []).append(sample)

    def get_position_ids(self) -> set[int]:
        """Return the ids of the positions with samples."""
        return set(self._positions)

    def get_extreme_position_values(self, position_id: int) -> list[USDollarAmount]:
        """Return values in samples of a position, USD, oldest first, with the first one and the highest one."""
        values: list[USDollarAmount] = []
        for part in self._positions.get(position_id, ()):
            if isinstance(part, tuple):
                segment, index = part
                values += segment.get_extreme_values(index)
            else:
                values.append(part.value)
        return values

    def get_net_asset_values(self, most: int | None) -> tuple[list[datetime.datetime], list[USDollarAmount]]:
        """Return time and value of each sample of the portfolio, USD, see `PortfolioStatistics.get_value`.

        With `most` only the segments up to that many samples are read.
        """
        times: list[datetime.datetime] = []
        values: list[USDollarAmount] = []
        for part in self._portfolio:
            if most is not None and len(times) >= most:
                break
            if isinstance(part, Segment):
                cash = part.cash
                times += part.times
                values += [equity + cash for equity in part.get_equities()]
            else:
                times.append(part.calculated_at)
                values.append(part.get_value())
        return times, values

    def write(self, portfolio: list[PortfolioStatistics], positions: dict[int, list[PositionStatistics]]) -> None:
        """Append all samples to the lists of a `Statistics`."""
        for part in self._portfolio:
            portfolio.extend(part.make_portfolio_samples() if isinstance(part, Segment) else (part,))
        for position_id, parts in self._positions.items():
            samples = positions.setdefault(position_id, [])
            for part in parts:
                samples.extend(part[0].make_position_samples(part[1]) if isinstance(part, tuple) else (part,))

    def print_portfolio(self, earlier: list[PortfolioStatistics]) -> PrintedSeries | None:
        """Return the texts of the samples of the portfolio; None if objects are needed."""
        try:
            return PrintedSeries(_print_list(earlier, self._portfolio))
        except _OBSTACLES:
            return None

    def print_positions(self, earlier: dict[int, list[PositionStatistics]]) -> PrintedSeries | None:
        """Return the texts of the samples of the positions; None if objects are needed."""
        if not {int}.issuperset(map(type, earlier)):
            return None
        keys = {**earlier, **self._positions}
        try:
            return PrintedSeries(
                {str(key): _print_list(earlier.get(key, ()), self._positions.get(key, ())) for key in keys}
            )
        except _OBSTACLES:
            return None


# --- Printing

#: Errors after which the text is made of objects, so that the error of the save names the place of a wrong value.
_OBSTACLES = (NotPrintable, BadStateData, UnencodableValue)

_Part: TypeAlias = Segment | tuple[Segment, int] | PortfolioStatistics | PositionStatistics


def _print_list(earlier: Sequence[PortfolioStatistics | PositionStatistics], parts: Iterable[_Part]) -> orjson.Fragment:
    """Return the JSON text of a list: samples, and then those of the parts, as many of them at once as possible."""
    if is_memory_limited():  # the text of all is longer than a limited process may print at once
        raise NotPrintable
    texts: list[bytes] = []
    count = len(earlier)
    for kind, group in itertools.groupby((*earlier, *parts), type):
        alike: list[Any] = list(group)
        if kind is Segment:
            count += sum(len(segment.times) for segment in alike)
            texts.append(_print_portfolio_rows(alike))
        elif kind is tuple:
            count += sum(len(segment.times) for segment, _ in alike)
            texts.append(_print_position_rows(alike))
        else:
            texts.append(dump([encode(sample) for sample in alike]))
    if count > MAX_ENTRIES:
        raise NotPrintable
    if len(texts) == 1:  # nearly always; saves a copy of a long text
        return orjson.Fragment(texts[0])
    return orjson.Fragment(b"[" + b",".join(text[1:-1] for text in texts) + b"]")


def _print_portfolio_rows(segments: list[Segment]) -> bytes:
    """Return the JSON text of a list of samples of the portfolio."""
    times: list[datetime.datetime] = []
    equities: list[USDollarAmount] = []
    cash: list[USDollarAmount] = []
    for segment in segments:
        times += segment.times
        equities += segment.get_equities()
        cash += [segment.cash] * len(segment.times)
    totals = to_figures(map(operator.add, equities, cash))
    columns = {
        "calculated_at": to_stamps(times),
        "total_equity": totals,
        "net_asset_value": totals,
        "free_cash": to_figures(cash),
        "open_position_equity": to_figures(equities),
    }
    return print_rows(PortfolioStatistics, columns)


def _print_position_rows(parts: list[tuple[Segment, int]]) -> bytes:
    """Return the JSON text of a list of samples of a position."""
    times: list[datetime.datetime] = []
    rows: list[Figures] = []
    for segment, index in parts:
        times += segment.times
        rows += segment.calculate(index)
    stamps = to_stamps(times)
    columns = {"calculated_at": stamps, "last_valuation_at": stamps}
    columns |= {name: to_figures(values) for name, values in zip(FIGURES, zip(*rows, strict=True), strict=True)}
    return print_rows(PositionStatistics, columns)
