"""Interface for deposits, redemptions and actual balances."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = ["BalanceNotReadable", "DummySyncModel", "OnChainBalance", "SyncModel", "UnconfirmedTreasurySync"]


class UnconfirmedTreasurySync(TradeExecutorError, RuntimeError):
    """Deposits and redemptions could not be confirmed; the cycle ends without trading."""


class BalanceNotReadable(TradeExecutorError, NotImplementedError):
    """The model cannot read actual balances."""


@dataclass(frozen=True, slots=True)
class OnChainBalance:
    """Actual balance of one asset.

    Attributes
    ----------
    block_number, timestamp
        Block and time of the balance, naive UTC; the block is None without blocks.
    asset, amount
        The asset, and its amount in token units.
    """

    block_number: int | None
    timestamp: datetime.datetime
    asset: AssetIdentifier
    amount: Decimal


class SyncModel(ABC):
    """Synchronisation of a state with its account."""

    @abstractmethod
    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Initialise a new state with the address and the time of the deployment."""

    @abstractmethod
    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book deposits and redemptions since the last call, and return them.

        Raises
        ------
        UnconfirmedTreasurySync
            The account cannot be read reliably now; the next cycle tries again.
        """

    @abstractmethod
    def get_token_storage_address(self) -> str | None:
        """Return the address that holds the assets; None in a simulation."""

    @abstractmethod
    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Return actual balances for account checks; raises `BalanceNotReadable` if the model cannot read them."""

    @abstractmethod
    def create_transaction_builder(self) -> object | None:
        """Return the object that signs transactions for this account; None in a simulation."""

    def get_key_address(self) -> str | None:
        """Return the address that identifies the strategy; None if there is none."""
        return None

    def get_hot_wallet(self) -> object | None:
        """Return the wallet that pays for transactions; None if there is none."""
        return None

    def resync_nonce(self) -> None:
        """Read the nonce of the account again; by default do nothing."""
        return

    def is_ready_for_live_trading(self, state: State) -> bool:
        """Return True if the state has been initialised for this account."""
        del state
        return True

    def has_position_sync(self) -> bool:
        """Return True if `sync_positions` does anything."""
        return False

    def has_async_deposits(self) -> bool:
        """Return True if deposits are settled only after a valuation."""
        return False

    def sync_interests(
        self, timestamp: datetime.datetime, state: State, universe: object, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Book the accrued interest of loans, and return the events; by default do nothing."""
        del timestamp, state, universe, pricing_model
        return []

    def sync_positions(
        self, timestamp: datetime.datetime, state: State, strategy_universe: object, pricing_model: PricingModel
    ) -> None:
        """Read positions that are kept in another system; by default do nothing."""
        del timestamp, state, strategy_universe, pricing_model

    def reset_deposits(self, state: State) -> None:
        """Reset deposits and redemptions; raises `BalanceNotReadable` if the model cannot."""
        raise BalanceNotReadable(f"{type(self).__name__} cannot reset deposits of {state}")


class DummySyncModel(SyncModel):
    """An account without deposits and redemptions, whose balances cannot be read: for tests."""

    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Change nothing."""
        del state, kwargs

    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book nothing."""
        del strategy_cycle_ts, state, supported_reserves, end_block, post_valuation
        return []

    def get_token_storage_address(self) -> str | None:
        """Return None: there is no account."""
        return None

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Raise `BalanceNotReadable`."""
        del assets, filter_zero, block_identifier
        raise BalanceNotReadable("there is no account whose balances could be read")

    def create_transaction_builder(self) -> object | None:
        """Return None: there is nothing to sign for."""
        return None
