"""All that a live strategy needs of a chain, put together from a file of settings and a key."""

from collections.abc import Callable, Sequence

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection, Provider
from tradeexecutor.ethereum.errors import ChainUnavailable, GasTooExpensive, NotTradeable, OutOfGasFunds, RpcError
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.valuation import EthereumValuation
from tradeexecutor.state.state import State
from tradeexecutor.strategy.pricing_model import PriceUnavailable
from tradeexecutor.strategy.runner import Models
from tradeexecutor.strategy.valuation import InvalidValuationOutput

__all__ = ["RETRYABLE", "connect", "make_live_models"]

#: Errors after which nothing is under way, or what is can be resolved: the next job tries again.
RETRYABLE: tuple[type[Exception], ...] = (
    ChainUnavailable,
    GasTooExpensive,
    InvalidValuationOutput,
    NotTradeable,
    OutOfGasFunds,
    PriceUnavailable,
    RpcError,
)


def connect(settings: ChainFile, nodes: Sequence[str | Provider]) -> ChainConnection:
    """Return a connection to the chain of the settings, by the given nodes."""
    return ChainConnection(nodes, settings.chain_id, confirmations=settings.confirmations)


def make_live_models(
    settings: ChainFile,
    connection: ChainConnection,
    wallet: HotWallet,
    save: Callable[[State], None],
    *,
    fee_rules: FeeRules | None = None,
    wait_rules: WaitRules | None = None,
) -> Models:
    """Return prices, valuation, deposits and execution on the chain of the settings.

    Parameters
    ----------
    save
        Writes the state to where it survives a crash, e.g. ``store.sync``.

    Raises
    ------
    WrongChain, NotTradeable
        A pair of the settings is not what the chain has.
    ChainUnavailable
        No node answered.
    """
    venues = settings.make_venues(connection)
    execution = EthereumExecution(connection, wallet, venues, save, fee_rules=fee_rules, wait_rules=wait_rules)
    execution.check_pairs(list(settings.pairs))
    pricing = EthereumPricing(venues)
    return Models(
        pricing=pricing,
        valuation=EthereumValuation(pricing),
        sync=EthereumSync(connection, wallet),
        execution=execution,
    )
