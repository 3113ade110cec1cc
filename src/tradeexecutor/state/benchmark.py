"""Prices that a backtest records, so that every screen compares the strategy with the same purchase."""

from dataclasses import dataclass, field

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import new_list


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
