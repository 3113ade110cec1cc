"""Deposits, redemptions and interest of a backtest."""

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.interest import get_interest_tracker
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InterestRefused, TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.interest_distribution import InterestDistributionEntry, InterestDistributionOperation
from tradeexecutor.state.state import State
from tradeexecutor.strategy.interest import (
    LendingRates,
    accrue_interest,
    get_interest_rates,
    prepare_interest_distribution,
    set_interest_checkpoint,
    set_interest_rates,
)
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.sync_model import BalanceNotReadable, OnChainBalance, SyncModel

__all__ = ["BacktestSyncModel", "FundFlowEvent", "FundingNotPossible"]


class FundingNotPossible(TradeExecutorError, ValueError):
    """A simulated deposit or redemption cannot be applied; wallet, state and queue are unchanged."""


@dataclass(frozen=True, slots=True)
class FundFlowEvent:
    """A simulated deposit (positive amount) or redemption (negative).

    Attributes
    ----------
    timestamp
        When the money moved, naive UTC; it is booked in the first cycle at or after this time.
    amount
        Reserve currency.
    """

    timestamp: datetime.datetime
    amount: Decimal


class BacktestSyncModel(SyncModel):
    """Books queued deposits and redemptions, and the interest of loans.

    Parameters
    ----------
    wallet
        The account the money goes to or comes from.
    initial_deposit_amount
        Deposited in the first cycle; None or zero: nothing.
    lending_rates
        What loans earn and cost, e.g. `tradeexecutor.backtest.lending_rates.LendingRateHistory`; None: nothing.
    """

    def __init__(
        self,
        wallet: SimulatedWallet,
        initial_deposit_amount: Decimal | None = None,
        lending_rates: LendingRates | None = None,
    ):
        self.wallet = wallet
        self.lending_rates = lending_rates
        self.fund_flow_queue: list[FundFlowEvent] = []
        if initial_deposit_amount:
            # Due whenever the run begins: no wall clock gets into a backtest.
            self.simulate_funding(datetime.datetime.min, Decimal(initial_deposit_amount))

    def simulate_funding(self, timestamp: datetime.datetime, amount: Decimal) -> None:
        """Queue a deposit (positive) or redemption (negative)."""
        if not is_finite_decimal(amount) or not amount:
            raise FundingNotPossible(f"a deposit or redemption is a non-zero Decimal, not {amount!r}")
        self.fund_flow_queue.append(FundFlowEvent(timestamp, amount))
        # Stable: events of the same time stay in the order they were queued.
        self.fund_flow_queue.sort(key=lambda event: event.timestamp)

    def has_due_flow(self, ts: datetime.datetime) -> bool:
        """Return True if a deposit or redemption is booked in a cycle at `ts`."""
        return bool(self.fund_flow_queue) and self.fund_flow_queue[0].timestamp <= ts

    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Do nothing: there is no chain to read a deployment from."""

    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book the queued events that are due, in order of time, each exactly once.

        Either all due events are booked in wallet and state, or none is and the queue stays as it was.

        Raises
        ------
        FundingNotPossible
            A redemption exceeds the reserves, or there is not exactly one reserve currency.
        """
        queue = self.fund_flow_queue
        if not queue or queue[0].timestamp > strategy_cycle_ts:
            return []
        if end_block is not None:
            raise FundingNotPossible("a backtest has no blocks")
        due = [event for event in queue if event.timestamp <= strategy_cycle_ts]
        asset = self._get_reserve_asset(state, supported_reserves)
        reserve = state.portfolio.reserves.get(asset.get_identifier())
        # Both are the same, unless somebody changed one of them by hand.
        balance = min(self.wallet.get_balance(asset), ZERO_DECIMAL if reserve is None else reserve.quantity)
        for event in due:
            balance += event.amount
            if balance < 0:
                what = f"a redemption of {-event.amount} {asset.token_symbol} at {event.timestamp}"
                raise FundingNotPossible(f"{what} exceeds the reserves by {-balance}")
        booked = [self._book(event, asset, strategy_cycle_ts, state) for event in due]
        self.fund_flow_queue = queue[len(due) :]
        state.sync.treasury.last_updated_at = strategy_cycle_ts
        return booked

    def _get_reserve_asset(self, state: State, supported_reserves: list[AssetIdentifier] | None) -> AssetIdentifier:
        reserves = supported_reserves or state.portfolio.get_reserve_assets()
        if len(reserves) != 1:
            raise FundingNotPossible(f"exactly one reserve currency is needed, there are {len(reserves)}")
        return reserves[0]

    def _book(
        self, event: FundFlowEvent, asset: AssetIdentifier, cycle_ts: datetime.datetime, state: State
    ) -> BalanceUpdate:
        """Book an event that was checked, in the state and in the wallet."""
        is_initial = event.timestamp == datetime.datetime.min
        happened_at = cycle_ts if is_initial else max(event.timestamp, state.created_at)
        update = book_reserve_flow(state, asset, event.amount, EventOrigin(happened_at, cycle_ts))
        self.wallet.update_balance(asset, event.amount, "funding")
        return update

    # --- Interest

    def sync_interests(
        self, timestamp: datetime.datetime, state: State, universe: object, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Let the aTokens and vTokens of the wallet grow, and book what they gained.

        Each side of each loan earns from the time up to which its interest is booked, so nothing is lost between
        syncs and nothing is earned twice, whether or not a batch of trades moved the checkpoint. A trade changes the
        balance that earns: sync before each batch, so that the time before is paid on the balance of that time.

        Everything is checked before the wallet or the state changes.

        Parameters
        ----------
        timestamp
            Strategy time.
        universe
            Not used: the rates come from `lending_rates`.
        pricing_model
            Values the debt of shorts.

        Returns
        -------
        list
            The interest events; empty without rates, without loans, and when no time has passed.

        Raises
        ------
        InterestRefused
            The time is before the latest sync, the wallet does not hold a token that earns, or a rate makes no sense.
        """
        checkpoint = state.sync.interest.last_sync_at
        if self.lending_rates is None or timestamp == checkpoint:
            return []
        if checkpoint is not None and timestamp < checkpoint:
            raise InterestRefused(f"interest was synced at {checkpoint}, it cannot be synced at {timestamp} again")
        operation = prepare_interest_distribution(checkpoint or timestamp, timestamp, state.portfolio, pricing_model)
        if not operation.entries:
            if checkpoint is not None:
                set_interest_checkpoint(state, timestamp, None)
            return []
        operation.start = checkpoint or min(_get_interest(entry).last_event_at for entry in operation.entries)
        balances = self._calculate_balances(operation, self.lending_rates)
        yearly_rates = get_interest_rates(state, self.lending_rates, timestamp)
        events = accrue_interest(state, balances, operation, timestamp, None, created_at=timestamp)
        # From here on nothing fails.
        set_interest_rates(yearly_rates)
        for event in events:
            self.wallet.rebase(event.asset, self.wallet.get_balance(event.asset) + event.quantity)
        return events

    def _calculate_balances(
        self, operation: InterestDistributionOperation, rates: LendingRates
    ) -> dict[AssetIdentifier, Decimal]:
        """Return what the positions should hold of each token with interest, and weight their entries by it."""
        balances: dict[AssetIdentifier, Decimal] = {}
        for data in operation.asset_interest_data.values():
            asset = data.entries[0].asset
            if asset.address not in self.wallet.balances:
                raise InterestRefused(f"the wallet holds no {asset}, which should earn interest")
            gains = [_calculate_gain(entry, operation.end, rates) for entry in data.entries]
            gained = sum(gains, ZERO_DECIMAL)
            balances[asset] = sum((entry.balance for entry in data.entries), gained)
            if gained:
                for entry, gain in zip(data.entries, gains, strict=True):
                    entry.weight = gain / gained
        return balances

    def get_token_storage_address(self) -> str | None:
        """Return None: a simulation has no address."""
        return None

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Raise `BalanceNotReadable`: there is no chain to read."""
        raise BalanceNotReadable("a backtest has no chain to read balances from")

    def create_transaction_builder(self) -> None:
        """Return None: nothing is signed."""
        return


def _calculate_gain(entry: InterestDistributionEntry, end: datetime.datetime, rates: LendingRates) -> Decimal:
    """Return what one side of a loan earned since its interest was booked, token units."""
    start = _get_interest(entry).last_event_at
    if start >= end:
        return ZERO_DECIMAL
    return entry.balance * rates.get_accrual_multiplier(entry.asset, start, end) - entry.balance


def _get_interest(entry: InterestDistributionEntry) -> Interest:
    loan = entry.position.loan
    assert loan is not None, "entries have a loan"
    _, interest = get_interest_tracker(loan, entry.asset)
    assert interest is not None, "entries are a side of it"
    return interest
