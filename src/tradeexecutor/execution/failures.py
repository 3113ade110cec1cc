"""Making simulated trades fail on purpose, so that a strategy meets failed trades before they cost money."""

import random
from collections.abc import Callable

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.trade import TradeExecution

__all__ = ["FailureModel", "InvalidFailureRate", "RandomFailures"]

#: Decides whether a trade fails.
FailureModel = Callable[[TradeExecution], bool]


class InvalidFailureRate(TradeExecutorError, ValueError):
    """A probability outside 0-1."""


class RandomFailures:
    """Fails each trade with the same probability.

    The outcome depends on the seed and the trade id only, so a run can be repeated exactly and does not change when
    an earlier trade is added to another position.

    Parameters
    ----------
    probability
        From 0 (never) to 1 (always).
    seed
        Another seed fails other trades.
    """

    def __init__(self, probability: float, seed: int = 0):
        if not 0 <= probability <= 1:
            raise InvalidFailureRate(f"the probability of failure must be from 0 to 1, not {probability}")
        self.probability = probability
        self.seed = seed

    def __call__(self, trade: TradeExecution) -> bool:
        """Tell whether the trade fails."""
        # A seeded generator per trade: text seeds are hashed the same in every process.
        return random.Random(f"{self.seed}-{trade.trade_id}").random() < self.probability
