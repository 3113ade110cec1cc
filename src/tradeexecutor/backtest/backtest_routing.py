"""Import path of existing code: the routing of a backtest, where every pair of the universe is traded directly."""

from tradeexecutor.strategy.routing import RoutingModel, RoutingState

__all__ = ["BacktestRoutingIgnoredModel", "BacktestRoutingModel", "BacktestRoutingState"]


class BacktestRoutingState(RoutingState):
    """The routing of one cycle of a backtest; it has no data."""

    def __init__(self, pair_universe: object = None, wallet: object = None):
        super().__init__(pair_universe)
        self.wallet = wallet


class BacktestRoutingModel(RoutingModel):
    """The routing of a backtest: the market of a pair is that of its candles.

    Parameters
    ----------
    factory_router_map, allowed_intermediary_pairs, reserve_token_address
        Accepted for existing code; a backtest needs no addresses.
    """

    def __init__(
        self,
        factory_router_map: object = None,
        allowed_intermediary_pairs: object = None,
        reserve_token_address: str | None = None,
        **_settings: object,
    ):
        del factory_router_map, allowed_intermediary_pairs
        self.reserve_token_address = reserve_token_address

    def create_routing_state(self, universe: object, execution_details: object = None) -> BacktestRoutingState:
        """Return the routing of one cycle."""
        del execution_details
        return BacktestRoutingState(universe)


class BacktestRoutingIgnoredModel(BacktestRoutingModel):
    """The same for data without addresses."""
