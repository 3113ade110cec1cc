"""Made-up exchanges for tests."""

from dataclasses import dataclass
from typing import Any

from tradeexecutor.backtest.backtest_routing import BacktestRoutingModel

__all__ = ["Exchange", "generate_exchange", "generate_simple_routing_model", "generate_vault_routing_model"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange, with the attributes that pairs of tests read.

    Attributes
    ----------
    exchange_id
        Number of the exchange.
    chain_id
        Number of its chain.
    address
        Address of its factory.
    exchange_slug, exchange_type
        Its name, and its kind in the terms of the caller.
    """

    exchange_id: int
    chain_id: int
    address: str
    exchange_slug: str
    exchange_type: Any = None

    @property
    def name(self) -> str:
        """The name."""
        return self.exchange_slug


def generate_exchange(
    exchange_id: int, chain_id: Any, address: str, exchange_slug: str = "my-dex", exchange_type: Any = None
) -> Exchange:
    """Return an exchange; `chain_id` is a number, or a member of an enum of chains."""
    return Exchange(exchange_id, int(getattr(chain_id, "value", chain_id)), address, exchange_slug, exchange_type)


def generate_simple_routing_model(universe: object, **_settings: object) -> BacktestRoutingModel:
    """Return the routing of a backtest, which trades all pairs of the universe."""
    del universe
    return BacktestRoutingModel()


def generate_vault_routing_model(universe: object, **_settings: object) -> BacktestRoutingModel:
    """Return the routing of a backtest, which trades all vaults of the universe."""
    del universe
    return BacktestRoutingModel()
