"""Records of a comparison of two states: figures of trades and positions, their differences, and the first one."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary
from tradeexecutor.analysis.compare.equity import EquityComparison
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

__all__ = [
    "Comparison",
    "Difference",
    "Divergence",
    "FillSummary",
    "Pairing",
    "PositionFigures",
    "Tolerances",
    "TradeFigures",
]


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Largest differences that count as equal; by default values must be the same.

    Attributes
    ----------
    time
        Between the decisions of matched trades, their executions, the openings and closings of positions, and the
        beginning and end of the recorded equity.
    price
        Of prices, a fraction of the larger one: 0.001 is 0.1 %.
    amount
        Of quantities, values, fees and equity, a fraction of the larger one; of profits, a fraction of what was
        invested.

    Raises
    ------
    InvalidValue
        A tolerance is negative or not a number.
    """

    time: datetime.timedelta = datetime.timedelta(0)
    price: Percent = 0.0
    amount: Percent = 0.0

    def __post_init__(self) -> None:
        if self.time < datetime.timedelta(0):
            raise InvalidValue(f"a tolerance cannot be negative, as {self.time} is")
        for tolerance in (self.price, self.amount):
            if not tolerance >= 0:
                raise InvalidValue(f"a tolerance is a fraction of at least 0, not {tolerance}")


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """Figures of a trade that are compared.

    Attributes
    ----------
    side
        ``buy`` or ``sell``.
    decided_at, executed_at
        Naive UTC; the time of the cycle or trigger, and of the fill.
    quantity
        Token units, signed; executed, or planned where nothing was executed.
    planned_price, price
        USD per token; `price` is None where nothing was executed.
    value, fees
        USD.
    slippage
        How much worse than planned the fill was, a fraction; negative when better.
    """

    trade_id: int
    position_id: int
    ticker: str
    side: str
    type: str
    status: str
    decided_at: datetime.datetime
    executed_at: datetime.datetime | None
    quantity: Decimal
    planned_price: USDollarPrice
    price: USDollarPrice | None
    value: USDollarAmount
    fees: USDollarAmount
    slippage: Percent | None

    @property
    def lag(self) -> datetime.timedelta | None:
        """Time between decision and fill."""
        return None if self.executed_at is None else self.executed_at - self.decided_at


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """Figures of a position that are compared; `profit_pct` is a fraction, missing figures are None."""

    position_id: int
    ticker: str
    status: str
    opened_at: datetime.datetime
    closed_at: datetime.datetime | None
    trades: int
    quantity: Decimal | None
    value: USDollarAmount | None
    profit_usd: USDollarAmount | None
    profit_pct: Percent | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not the same.

    Attributes
    ----------
    figure
        Attribute of `TradeFigures` or `PositionFigures`.
    a, b
        Its values.
    size
        ``(b - a)`` as a fraction of the larger one, without the sign of quantities; for profits ``b - a`` as a fraction
        of what was invested, for times in seconds; None for texts and missing values.
    """

    figure: str
    a: Any
    b: Any
    size: float | None


F = TypeVar("F", TradeFigures, PositionFigures)


@dataclass(frozen=True, slots=True)
class Pairing(Generic[F]):
    """A trade or position of A and its partner in B; one of them is None without a partner."""

    a: F | None
    b: F | None
    differences: tuple[Difference, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both exist, and are the same within the tolerances."""
        return self.a is not None and self.b is not None and not self.differences


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first thing that differs.

    Attributes
    ----------
    kind
        ``trade``, ``position`` or ``equity``.
    at
        Time of the decision, opening or sample, naive UTC; None when only the span of the samples differs, or the
        current net asset value.
    trade, position
        The pairing that differs.
    """

    kind: str
    at: datetime.datetime | None
    trade: Pairing[TradeFigures] | None = None
    position: Pairing[PositionFigures] | None = None


@dataclass(frozen=True, slots=True)
class FillSummary:
    """Fills of the matched trades that both sides executed.

    Attributes
    ----------
    trades
        How many there are.
    value_a, value_b, fees_a, fees_b
        Sums, USD.
    slippage_a, slippage_b
        Average cost against the planned price, a fraction weighted by value; None without value.
    lag_a, lag_b
        Average time from decision to fill.
    worse_in_b
        How much worse B's prices were than A's, a fraction weighted by A's value; negative when better.
    """

    trades: int
    value_a: USDollarAmount
    value_b: USDollarAmount
    fees_a: USDollarAmount
    fees_b: USDollarAmount
    slippage_a: Percent | None
    slippage_b: Percent | None
    lag_a: datetime.timedelta | None
    lag_b: datetime.timedelta | None
    worse_in_b: Percent | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of :py:func:`tradeexecutor.analysis.compare.states.compare_states`.

    Attributes
    ----------
    summary_a, summary_b
        Figures of each state, adjusted for deposits.
    trades, positions
        Every trade and position of both states once, in order of decision and opening.
    fills
        About the matched trades.
    equity
        The recorded net asset values.
    divergence
        None when nothing differs.
    nearest_miss
        The shortest time between a trade without a partner and one of the same pair and side that also has none; None
        without such trades. A time tolerance as large would match them.
    """

    tolerances: Tolerances
    summary_a: PerformanceSummary
    summary_b: PerformanceSummary
    trades: list[Pairing[TradeFigures]]
    positions: list[Pairing[PositionFigures]]
    fills: FillSummary
    equity: EquityComparison
    divergence: Divergence | None
    nearest_miss: datetime.timedelta | None

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return self.divergence is None
