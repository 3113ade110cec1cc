"""Changes of the equity that trading is unlikely to explain: money that moved without a record, or a wrong price."""

import bisect
import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.analysis.adjusted.returns import calculate_returns
from tradeexecutor.analysis.times import from_us
from tradeexecutor.ledger.entry import AccountKind, Entry
from tradeexecutor.ledger.journal import derive
from tradeexecutor.state.display.formatting import format_time, format_usd
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics

__all__ = ["Jump", "describe_jumps", "find_jumps", "find_unexplained_jumps"]

#: A change from sample to sample by more than these factors is a jump.
_JUMP_UP_FACTOR, _JUMP_DOWN_FACTOR = 1.25, 1 / 1.25

#: Equity below this counts as zero, USD.
_MIN_EQUITY_USD = 0.01

#: A jump is undone if the next sample differs from the one before the jump by less than this fraction.
_UNDONE_FRACTION = 0.05

#: Recorded and derived amounts agree if they differ by less than this fraction of the equity.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of the equity that trading is unlikely to explain.

    Attributes
    ----------
    at
        Time of the sample after it, naive UTC.
    before, after
        Net asset values, USD.
    flow
        Recorded net deposits between the two samples, USD.
    """

    at: datetime.datetime
    before: float
    after: float
    flow: float


def find_jumps(curve: EquityCurve) -> list[Jump]:
    """Return the changes between samples by more than a quarter up or a fifth down, without recorded deposits.

    The cause is money that was moved into or out of the wallet without a record, a wrong price, or a large move of the
    market; `find_unexplained_jumps` excludes the last.
    """
    growth = 1.0 + calculate_returns(curve)
    # The first money, or money that arrives when there was none, is not a return.
    unusual = (curve.values[:-1] >= _MIN_EQUITY_USD) & ((growth > _JUMP_UP_FACTOR) | (growth < _JUMP_DOWN_FACTOR))
    return [
        Jump(
            from_us(int(curve.times[index + 1])),
            float(curve.values[index]),
            float(curve.values[index + 1]),
            float(curve.flows[index + 1]),
        )
        for index in np.flatnonzero(unusual).tolist()
    ]


def find_unexplained_jumps(state: State, curve: EquityCurve) -> list[Jump]:
    """Return the jumps that the booked movements do not explain.

    A jump is explained by prices if both values consist of the cash and the sampled positions, these changed between
    the two samples by exactly what the ledger has booked, and the next sample does not return to the old value. A value
    that returns at once came from a position without a price or with a wrong one.
    """
    jumps = find_jumps(curve)
    if not jumps:
        return []
    try:
        entries = [entry for entry in derive(state).entries if entry.time is not None]
    except TradeExecutorError:
        return jumps  # the ledger of this file cannot be derived, so nothing is explained
    samples = sorted(state.stats.portfolio, key=lambda sample: sample.calculated_at)
    return [jump for jump in jumps if not _is_explained(state, entries, samples, jump)]


def _is_explained(state: State, entries: list[Entry], samples: Sequence[PortfolioStatistics], jump: Jump) -> bool:
    index = _find_sample(samples, jump)
    if index is None:
        return False
    before, after = samples[index - 1], samples[index]
    if before.free_cash is None or after.free_cash is None:
        return False
    if index + 1 < len(samples):
        returned = samples[index + 1].get_value() - jump.flow
        if math.isclose(returned, jump.before, rel_tol=_UNDONE_FRACTION):
            return False
    tolerance = _TOLERANCE * max(jump.before, jump.after)
    if not all(_is_made_of_positions(state, samples, at, tolerance) for at in (index - 1, index)):
        return False
    start, end = before.calculated_at, after.calculated_at
    until = [entry for entry in entries if start < entry.time <= end]
    choices = [until]
    if index + 1 < len(samples) and samples[index + 1].calculated_at == end:
        # Of two samples of one time the first was taken before a deposit was booked and what followed it.
        choices.append([entry for entry in until if entry.time < end])
    for between in choices:
        cash = float(sum(_iterate_amounts(between, AccountKind.cash), Decimal(0)))
        if math.isclose(before.free_cash + cash, after.free_cash, abs_tol=tolerance) and all(
            _is_holding_explained(state, position_id, between, samples, index) for position_id in state.stats.positions
        ):
            return True
    return False


def _find_sample(samples: Sequence[PortfolioStatistics], jump: Jump) -> int | None:
    """Return the index of the sample after a jump; two samples may have the same time."""
    for index in range(1, len(samples)):
        before, after = samples[index - 1], samples[index]
        if after.calculated_at == jump.at and (before.get_value(), after.get_value()) == (jump.before, jump.after):
            return index
    return None


def _get_position_sample(
    own: Sequence[PositionStatistics], samples: Sequence[PortfolioStatistics], index: int
) -> PositionStatistics | None:
    """Return the sample of a position that was taken with that of the portfolio; None without one."""
    when = samples[index].calculated_at
    found = [sample for sample in own if sample.calculated_at == when]
    if not found:
        return None
    last = bisect.bisect_right(samples, when, key=lambda sample: sample.calculated_at)
    # A position that was opened between two samples of one time was sampled with the later ones only.
    number = index - last + len(found)
    return found[number] if number >= 0 else None


def _is_made_of_positions(state: State, samples: Sequence[PortfolioStatistics], index: int, tolerance: float) -> bool:
    """Return True if a recorded value equals the cash plus the values of the positions sampled with it."""
    found = (_get_position_sample(own, samples, index) for own in state.stats.positions.values())
    positions = sum(sample.value or 0.0 for sample in found if sample is not None)
    sample = samples[index]
    return math.isclose((sample.free_cash or 0.0) + positions, sample.get_value(), abs_tol=tolerance)


def _is_holding_explained(
    state: State, position_id: int, between: list[Entry], samples: Sequence[PortfolioStatistics], index: int
) -> bool:
    """Return True if the holding of a position changed by what was booked, or the position was not sampled twice."""
    own = state.stats.positions[position_id]
    first, last = (_get_position_sample(own, samples, at) for at in (index - 1, index))
    if first is None or last is None or first.quantity is None or last.quantity is None:
        return True
    changed = float(sum(_iterate_amounts(between, AccountKind.holding, position_id), Decimal(0)))
    # A position without a value has no price; it still has its tokens.
    has_price = bool(last.value) or not last.quantity
    return has_price and math.isclose(first.quantity + changed, last.quantity, rel_tol=1e-6, abs_tol=1e-9)


def _iterate_amounts(entries: list[Entry], kind: AccountKind, position_id: int | None = None) -> Iterator[Decimal]:
    for entry in entries:
        for posting in entry.postings:
            if posting.account.kind is kind and (position_id is None or posting.account.position_id == position_id):
                yield posting.amount


def describe_jumps(jumps: list[Jump]) -> str:
    """Return a sentence about the largest jump; empty without jumps."""
    if not jumps:
        return ""
    largest = max(jumps, key=lambda jump: abs(jump.after - jump.before - jump.flow))
    others = len(jumps) - 1
    more = f", and {others} more such jump{'s' if others > 1 else ''}" if others else ""
    return (
        f"The recorded equity jumps from {format_usd(largest.before)} to {format_usd(largest.after)} USD at "
        f"{format_time(largest.at)}{more}. Trading is unlikely to explain this. Possible causes are money that moved "
        "without a record, a position that was not valued, and a wrong price. Return, drawdown and ratios count it as "
        "profit or loss."
    )
