"""Failures of simulated trades, which show how a strategy handles failed trades before they cost money."""

import random
from collections.abc import Callable

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.trade import TradeExecution

__all__ = ["FailureModel", "InvalidFailureRate", "RandomFailures"]

#: Returns whether a trade fails.
FailureModel = Callable[[TradeExecution], bool]


class InvalidFailureRate(TradeExecutorError, ValueError):
    """The probability is outside the range from 0 to 1."""


class RandomFailures:
    """Failure model in which each trade fails with the same probability.

    The outcome depends only on the seed and the trade id, so a run can be repeated exactly.

    Parameters
    ----------
    probability
        From 0 (never) to 1 (always).
    seed
        Seed of the random numbers; with another seed other trades fail.
    """

    def __init__(self, probability: float, seed: int = 0):
        if not 0 <= probability <= 1:
            raise InvalidFailureRate(f"the probability of failure must be from 0 to 1, not {probability}")
        self.probability = probability
        self.seed = seed

    def __call__(self, trade: TradeExecution) -> bool:
        """Return True if the trade fails."""
        # Each trade has its own generator. The hash of a text seed is the same in every process.
        return random.Random(f"{self.seed}-{trade.trade_id}").random() < self.probability
