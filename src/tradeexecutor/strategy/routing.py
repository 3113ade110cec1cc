"""How a strategy reaches the markets of its pairs: the interface that existing code names.

A simulation trades every pair directly, see :mod:`tradeexecutor.backtest.backtest_routing`; live trading finds the
venue of a pair in its chain file.
"""

from abc import ABC, abstractmethod

__all__ = ["RoutingModel", "RoutingState"]


class RoutingState:
    """The routing of one cycle.

    Parameters
    ----------
    pair_universe
        Pairs that can be traded; None if the routing does not need them.
    """

    def __init__(self, pair_universe: object = None):
        self.pair_universe = pair_universe


class RoutingModel(ABC):
    """Model of how trades reach their markets."""

    @abstractmethod
    def create_routing_state(self, universe: object, execution_details: object = None) -> RoutingState:
        """Return the routing of one cycle.

        Parameters
        ----------
        universe
            Pairs that can be traded.
        execution_details
            What the execution model tells about the account.
        """
