"""Prices that a backtest or paper trading records, so that every screen compares with the same purchase."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.types import new_list

__all__ = ["Benchmark", "keep_benchmarks", "read_benchmarks"]

#: Cycle of `State.other_data` for what belongs to no cycle, and the name of the record of a strategy on paper.
_NO_CYCLE, _RECORD = 0, "benchmarks"


@dataclass(slots=True)
class Benchmark(Serialisable):
    """Something that could have been bought when the strategy started, and held.

    Attributes
    ----------
    name
        Ticker of the pair, or for example ``4 pairs``.
    pairs
        Number of pairs that are held, with equal amounts of money at the start.
    times
        Whole epoch seconds, ascending: of the purchase, of each midnight (UTC) at which the price is another one than
        before, and of the end of the run.
    prices
        One for each time.  Of one pair USD, the first one paid at the purchase; of several pairs what 1 USD became.

    Raises
    ------
    InvalidValue
        There is not one price for each time.
    """

    name: str
    pairs: int
    times: list[int] = field(default_factory=new_list)
    prices: list[float] = field(default_factory=new_list)

    def __post_init__(self) -> None:
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if there is not one price for each time."""
        if len(self.times) != len(self.prices):
            raise InvalidValue(f"benchmark {self.name} has {len(self.times)} times and {len(self.prices)} prices")


class _HasBenchmarks(Protocol):
    """The attributes of `State` that are needed here."""

    @property
    def benchmarks(self) -> list[Benchmark]: ...


class _State(Protocol):
    @property
    def backtest_data(self) -> _HasBenchmarks | None: ...

    other_data: OtherData | None


def keep_benchmarks(state: _State, benchmarks: Iterable[Benchmark]) -> None:
    """Keep benchmarks in a state that is no backtest, in the place of earlier ones."""
    if state.other_data is None:
        state.other_data = OtherData()
    state.other_data.save(_NO_CYCLE, _RECORD, [benchmark.to_dict() for benchmark in benchmarks])


def read_benchmarks(state: _State) -> list[Benchmark]:
    """Return what a backtest or paper trading has recorded: all pairs first, then single ones; empty without any."""
    if state.backtest_data is not None:
        return state.backtest_data.benchmarks
    data = {} if state.other_data is None else state.other_data.data.get(_NO_CYCLE, {})
    return [Benchmark.from_dict(item) for item in data.get(_RECORD, ())]
