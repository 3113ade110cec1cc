"""Deposits, redemptions and balances from outside the strategy."""

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

__all__ = ["BalanceNotReadable", "OnChainBalance", "SyncModel", "UnconfirmedTreasurySync"]


class UnconfirmedTreasurySync(TradeExecutorError, RuntimeError):
    """Deposits and redemptions could not be confirmed; the cycle ends without trading."""


class BalanceNotReadable(TradeExecutorError, NotImplementedError):
    """Balances of the outside world cannot be read by this model."""


@dataclass(frozen=True, slots=True)
class OnChainBalance:
    """What an account holds of one asset.

    Attributes
    ----------
    block_number, timestamp
        When it was read; None where there are no blocks.
    asset, amount
        What and how much, token units.
    """

    block_number: int | None
    timestamp: datetime.datetime
    asset: AssetIdentifier
    amount: Decimal


class SyncModel(ABC):
    """Keeps the state in line with what happens to the account from outside."""

    @abstractmethod
    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Prepare a new state: where the money is kept, since when."""

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
        """Apply deposits and redemptions since the last call and return them.

        Raises
        ------
        UnconfirmedTreasurySync
            The outside world cannot be read reliably now; try again in the next cycle.
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
        """Read balances from outside, for account checks; raise `BalanceNotReadable` where that is impossible."""

    @abstractmethod
    def create_transaction_builder(self) -> object | None:
        """Return what signs transactions for this account; None in a simulation."""

    def get_key_address(self) -> str | None:
        """Return the address that identifies the strategy, None when there is none."""
        return None

    def get_hot_wallet(self) -> object | None:
        """Return the wallet that pays for transactions, None when there is none."""
        return None

    def resync_nonce(self) -> None:
        """Read the transaction counter again; nothing to do by default."""
        return

    def is_ready_for_live_trading(self, state: State) -> bool:
        """Return True if the state has been initialised for this account."""
        del state
        return True

    def has_position_sync(self) -> bool:
        """Return True if `sync_positions` does anything."""
        return False

    def has_async_deposits(self) -> bool:
        """Return True if deposits wait for a valuation before they are settled."""
        return False

    def sync_interests(
        self, timestamp: datetime.datetime, state: State, universe: object, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Book interest accrued on loans; nothing by default."""
        del timestamp, state, universe, pricing_model
        return []

    def sync_positions(
        self, timestamp: datetime.datetime, state: State, strategy_universe: object, pricing_model: PricingModel
    ) -> None:
        """Read positions that are kept elsewhere; nothing by default."""
        del timestamp, state, strategy_universe, pricing_model

    def reset_deposits(self, state: State) -> None:
        """Forget deposits and redemptions and start over; not every model can."""
        raise BalanceNotReadable(f"{type(self).__name__} cannot reset deposits of {state}")
