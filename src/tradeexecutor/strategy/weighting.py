"""Weights of a portfolio from signals: functions of a mapping from the id of a pair to its signal.

Weights are positive fractions; the direction of a position is the sign of its signal.
"""

from collections.abc import Mapping

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import Percent

__all__ = [
    "BadWeightsException",
    "Signal",
    "check_normalised_weights",
    "clip_to_normalised",
    "normalise_weights",
    "weight_by_1_slash_n",
    "weight_by_1_slash_signal",
    "weight_equal",
    "weight_passthrough",
    "weight_passthrouh",
]

#: How strongly a pair is wanted, in any unit; negative for a short.
Signal = float

#: By how much weights may exceed 1 through rounding.
_ROUNDING = 1e-9


class BadWeightsException(TradeExecutorError, ValueError):
    """Weights are negative, not numbers, or add up to more than 1."""


def weight_passthrough(signals: Mapping[int, Signal]) -> dict[int, Percent]:
    """Return the signals themselves, without their sign.

    >>> weight_passthrough({1: 0.2, 2: -0.3})
    {1: 0.2, 2: 0.3}
    """
    return {pair_id: abs(signal) for pair_id, signal in signals.items()}


#: The historical spelling.
weight_passthrouh = weight_passthrough


def weight_equal(signals: Mapping[int, Signal]) -> dict[int, Percent]:
    """Return the same weight for all.

    >>> weight_equal({1: 5.0, 2: -3.0})
    {1: 1.0, 2: 1.0}
    """
    return dict.fromkeys(signals, 1.0)


def weight_by_1_slash_n(signals: Mapping[int, Signal]) -> dict[int, Percent]:
    """Return 1 for the strongest signal, 1/2 for the second, 1/3 for the third, and so on.

    >>> weight_by_1_slash_n({1: 0.5, 2: -2.0})
    {2: 1.0, 1: 0.5}
    """
    ranked = sorted(signals, key=lambda pair_id: -abs(signals[pair_id]))
    return {pair_id: 1 / rank for rank, pair_id in enumerate(ranked, 1)}


def weight_by_1_slash_signal(signals: Mapping[int, Signal]) -> dict[int, Percent]:
    """Return 1 divided by the signal, e.g. less for what is more volatile; signals of zero are left out.

    >>> weight_by_1_slash_signal({1: 4.0, 2: 2.0, 3: 0.0})
    {1: 0.25, 2: 0.5}
    """
    return {pair_id: 1 / abs(signal) for pair_id, signal in signals.items() if signal}


def normalise_weights(weights: Mapping[int, Percent]) -> dict[int, Percent]:
    """Return weights in the same proportions that add up to 1; all zero if they are.

    >>> normalise_weights({1: 1.0, 2: 3.0})
    {1: 0.25, 2: 0.75}
    """
    total = sum(weights.values())
    normal = {pair_id: weight / total if total else 0.0 for pair_id, weight in weights.items()}
    return clip_to_normalised(normal)


def clip_to_normalised(weights: Mapping[int, Percent]) -> dict[int, Percent]:
    """Return weights whose sum is at most 1: what rounding has added is taken off the largest.

    Raises
    ------
    BadWeightsException
        The sum exceeds 1 by more than rounding, or a weight is negative.
    """
    clipped = dict(weights)
    while (excess := sum(clipped.values()) - 1) > 0:
        check_normalised_weights(clipped)
        largest = max(clipped, key=lambda pair_id: clipped[pair_id])
        clipped[largest] -= max(excess, 1e-16)
    check_normalised_weights(clipped)
    return clipped


def check_normalised_weights(weights: Mapping[int, Percent]) -> None:
    """Raise `BadWeightsException` if a weight is negative or no number, or their sum exceeds 1."""
    for pair_id, weight in weights.items():
        if not weight >= 0:
            raise BadWeightsException(
                f"the weight of pair #{pair_id} is {weight}, a weight is a fraction of at least 0"
            )
    total = sum(weights.values())
    if total > 1 + _ROUNDING:
        raise BadWeightsException(f"the weights add up to {total}, not to at most 1")
