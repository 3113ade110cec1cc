"""The models of a live strategy on a chain, made from a settings file and a key."""

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

#: Errors after which the next job tries again: nothing was sent, or the outcome can be found out later.
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
    """Return a connection to the chain of the settings through the given nodes."""
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
    """Return the models of prices, valuation, deposits and execution on the chain of the settings.

    Parameters
    ----------
    save
        Function that saves the state durably, e.g. ``store.sync``.

    Raises
    ------
    WrongChain, NotTradeable
        A pair of the settings does not agree with the chain.
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
