"""The models of a live strategy on a chain, made from a settings file and a key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

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
from tradeexecutor.strategy.runner import Approval, Models
from tradeexecutor.strategy.valuation import InvalidValuationOutput

__all__ = ["RETRYABLE", "SafetyRules", "connect", "make_live_models"]

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


@dataclass(frozen=True, slots=True)
class SafetyRules:
    """Limits of live trades.

    Attributes
    ----------
    max_slippage
        Largest slippage tolerance, a fraction; larger ones of the strategy are reduced to it. None for no limit.
    min_gas_balance
        Native tokens below which the program does not start, and no trade enters a position.
    """

    max_slippage: float | None = None
    min_gas_balance: Decimal = Decimal(0)


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
    safety: SafetyRules | None = None,
    approval: Approval | None = None,
) -> Models:
    """Return the models of prices, valuation, deposits and execution on the chain of the settings.

    Parameters
    ----------
    save
        Function that saves the state durably, e.g. ``store.sync``.
    fee_rules, wait_rules, safety
        Prices to offer for gas, times to wait, and limits of trades.
    approval
        Returns the trades of a decision that may be executed; None executes all.

    Raises
    ------
    WrongChain, NotTradeable
        A pair of the settings does not agree with the chain.
    ChainUnavailable
        No node answered.
    """
    venues = settings.make_venues(connection)
    safety = safety or SafetyRules()
    execution = EthereumExecution(
        connection,
        wallet,
        venues,
        save,
        max_slippage=safety.max_slippage,
        fee_rules=fee_rules,
        wait_rules=wait_rules,
        min_gas_balance=safety.min_gas_balance,
    )
    execution.check_pairs(settings.list_traded_pairs())
    pricing = EthereumPricing(venues)
    return Models(
        pricing=pricing,
        valuation=EthereumValuation(pricing),
        sync=EthereumSync(connection, wallet),
        execution=execution,
        approval=approval,
    )
