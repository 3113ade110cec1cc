"""Starts a strategy with real money: opens its state, and makes its models and its schedule from settings."""

import contextlib
import datetime
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.live import RETRYABLE, SafetyRules, make_live_models
from tradeexecutor.operations.chain_balances import fetch_state_balances
from tradeexecutor.operations.chain_treasury import manage_vault
from tradeexecutor.operations.check_accounts import check_state_accounts
from tradeexecutor.operations.decision_schedule import CycleTrigger
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings, StaleMarketData
from tradeexecutor.operations.operator_commands import CommandQueue
from tradeexecutor.operations.state_location import StateLocation, open_new_store, open_store
from tradeexecutor.operations.watchdog import Watchdog
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import OperationRefused, TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.account_check import AccountComparison
from tradeexecutor.strategy.runner import Approval
from tradeexecutor.strategy.strategy_module import StrategyModule, read_strategy_module

__all__ = ["AccountsDiffer", "LiveChain", "LiveRequest", "open_live_loop", "read_live_strategy"]


class AccountsDiffer(TradeExecutorError, RuntimeError):
    """The books do not agree with the wallet, so the strategy did not start.

    Attributes
    ----------
    state, comparison
        The books, and what was found.
    """

    def __init__(self, state: State, comparison: AccountComparison):
        super().__init__("the books do not agree with the wallet")
        self.state = state
        self.comparison = comparison


@dataclass(frozen=True, slots=True)
class LiveChain:
    """The chain to trade on: its settings, a connection to it, and the wallet."""

    settings: ChainFile
    connection: ChainConnection
    wallet: HotWallet


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """Settings of a strategy that trades with real money.

    Attributes
    ----------
    strategy, place
        Python file of the strategy, and where its state is.
    is_new
        Whether to create the state.
    cycle
        Time between decisions; None for that of the strategy.
    offset, trigger, trigger_check, valuation, max_data_delay, decide_at_once, max_cycles
        See `LiveSettings`.
    max_fee
        Limit for a unit of gas, wei; None for no limit.
    confirmation_timeout
        Longest wait for a transaction, seconds.
    max_slippage, min_gas_balance
        See `SafetyRules`.
    vault
        Contract of the vault whose money is traded; None for the one in the state, if any.
    syncs_treasury, checks_accounts
        Whether to book deposits, and to refuse books that do not agree with the wallet, before the first job.
    parameters
        Values that override those of the strategy, by name.
    """

    strategy: Path
    place: StateLocation
    is_new: bool
    cycle: CycleDuration | None = None
    offset: datetime.timedelta = datetime.timedelta(0)
    trigger: CycleTrigger = CycleTrigger.cycle_offset
    trigger_check: datetime.timedelta | None = None
    valuation: datetime.timedelta | None = None
    max_data_delay: datetime.timedelta | None = None
    decide_at_once: bool = False
    max_cycles: int | None = None
    max_fee: int | None = None
    confirmation_timeout: float = 900.0
    max_slippage: float | None = None
    min_gas_balance: Decimal = Decimal(0)
    vault: str | None = None
    syncs_treasury: bool = False
    checks_accounts: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def read_live_strategy(request: LiveRequest) -> tuple[StrategyModule, LiveSettings]:
    """Return the strategy with its parameters, and its schedule.

    Raises
    ------
    StrategyModuleNotValid
        The strategy cannot be used.
    OperationRefused
        It does not say how often to decide.
    LiveStartRefused
        The offset is longer than a cycle.
    """
    module = read_strategy_module(request.strategy)
    module.apply_parameters(request.parameters)
    cycle = request.cycle or module.cycle_duration
    if cycle is None:
        raise OperationRefused(f"{request.strategy} does not say how often to decide (cycle_duration in Parameters)")
    settings = LiveSettings(
        cycle=cycle,
        offset=request.offset,
        trigger=request.trigger,
        trigger_check=request.trigger_check,
        valuation=request.valuation,
        max_data_delay=request.max_data_delay,
        decide_at_once=request.decide_at_once,
        max_cycles=request.max_cycles,
        retryable=(*RETRYABLE, StaleMarketData),
    )
    return module, settings


@contextlib.contextmanager
def open_live_loop(
    request: LiveRequest,
    chain: LiveChain,
    module: StrategyModule,
    settings: LiveSettings,
    *,
    commands: CommandQueue,
    watchdog: Watchdog,
    approval: Approval | None = None,
) -> Generator[LiveLoop]:
    """Open the store, create the state if it is new, and yield the loop.

    Parameters
    ----------
    module, settings
        From `read_live_strategy`.
    commands, watchdog, approval
        See `LiveLoop` and `Models`.

    Raises
    ------
    OperationRefused
        The state exists, or does not.
    WrongChain, NotTradeable
        A pair of the settings does not agree with the chain.
    ChainUnavailable
        No node answered.
    """
    with (open_new_store if request.is_new else open_store)(request.place) as store:
        if not request.is_new:
            store.acquire_writer_lock()  # a second process must not trade until its first save
        models = make_live_models(
            chain.settings,
            chain.connection,
            chain.wallet,
            store.sync,
            fee_rules=FeeRules(max_fee=request.max_fee),
            wait_rules=WaitRules(timeout=request.confirmation_timeout),
            safety=SafetyRules(request.max_slippage, request.min_gas_balance),
            approval=approval,
        )
        if request.is_new:
            state = store.create(module.name or request.strategy.stem)
            models.sync.sync_initial(state, reserve_assets=[chain.settings.reserve])
            store.sync(state)

        def prepare(state: State) -> None:
            if request.vault is not None:
                manage_vault(state, chain.settings, chain.connection, request.vault)
            if request.syncs_treasury:
                models.sync.sync_treasury(utc_now(), state, [chain.settings.reserve])
            if request.checks_accounts:
                _require_clean_accounts(state, chain)

        yield LiveLoop(
            module,
            store,
            models,
            lambda now: chain.settings.load_universe(),
            settings,
            on_start=prepare,
            commands=commands,
            watchdog=watchdog,
        )


def _require_clean_accounts(state: State, chain: LiveChain) -> None:
    comparison = check_state_accounts(state, fetch_state_balances(state, chain.settings, chain.connection))
    if not comparison.is_clean:
        raise AccountsDiffer(state, comparison)
