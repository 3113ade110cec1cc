"""Deposits, redemptions, interest and funding of a backtest."""

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.funding import FundingPayment, book_funding
from tradeexecutor.state.booking.interest import get_interest_tracker
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InterestRefused, TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.interest_distribution import InterestDistributionEntry, InterestDistributionOperation
from tradeexecutor.state.state import State
from tradeexecutor.strategy.funding import find_payments
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
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["BacktestSyncModel", "DelayedRedemption", "FundFlowEvent", "FundingNotPossible"]


class FundingNotPossible(TradeExecutorError, ValueError):
    """A simulated deposit or redemption cannot be meant; wallet, state and queue are unchanged."""


@dataclass(frozen=True, slots=True)
class FundFlowEvent:
    """A simulated deposit (positive amount) or redemption (negative).

    Attributes
    ----------
    timestamp
        Time of the transfer, naive UTC; it is booked in the first cycle at or after this time.
    amount
        Amount of the reserve currency.
    """

    timestamp: datetime.datetime
    amount: Decimal


@dataclass(slots=True)
class DelayedRedemption:
    """A redemption that had to wait, because there was less cash.

    Attributes
    ----------
    event
        The redemption.
    missing
        Cash that was missing when it was due, reserve currency.
    paid_at
        Time of the cycle that paid it, naive UTC; None while it waits.
    """

    event: FundFlowEvent
    missing: Decimal
    paid_at: datetime.datetime | None = None


class BacktestSyncModel(SyncModel):
    """Sync model that books queued deposits and redemptions, and the interest of loans.

    A redemption that exceeds the cash waits, and later redemptions wait behind it, until a cycle can pay it in full.
    Meanwhile `TreasurySync.pending_redemptions` of the state is the cash that they need.

    Parameters
    ----------
    wallet
        Wallet that deposits go to and redemptions come from.
    initial_deposit_amount
        Deposit of the first cycle, reserve currency; None or zero for none.
    lending_rates
        Interest rates of loans, e.g. `tradeexecutor.backtest.lending_rates.LendingRateHistory`; None for no interest.

    Attributes
    ----------
    fund_flow_queue
        Events that are not booked, in order of time.
    delayed
        Redemptions that had to wait, in the order in which they were due.
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
        self.delayed: list[DelayedRedemption] = []
        if initial_deposit_amount:
            # The earliest time, so that the deposit is due at the start of the run, whenever that is.
            self.simulate_funding(datetime.datetime.min, Decimal(initial_deposit_amount))

    def simulate_funding(self, timestamp: datetime.datetime, amount: Decimal) -> None:
        """Queue a deposit (positive) or redemption (negative); raises `FundingNotPossible` for zero."""
        if not is_finite_decimal(amount) or not amount:
            raise FundingNotPossible(f"a deposit or redemption is a non-zero Decimal, not {amount!r}")
        self.fund_flow_queue.append(FundFlowEvent(timestamp, amount))
        # The sort is stable: events of the same time keep the order in which they were queued.
        self.fund_flow_queue.sort(key=lambda event: event.timestamp)

    def has_due_flow(self, ts: datetime.datetime, state: State) -> bool:
        """Return True if a deposit or redemption will be booked in a cycle at `ts`."""
        queue = self.fund_flow_queue
        if not queue or queue[0].timestamp > ts:
            return False
        return bool(self._split(ts, self._get_balance(state, self._get_reserve_asset(state, None)))[0])

    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Do nothing, because there is no chain to read a deployment from."""

    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book the queued events that are due and can be paid, in order of time, each exactly once.

        Raises
        ------
        FundingNotPossible
            There is not exactly one reserve currency; nothing is booked, and the queue does not change.
        """
        queue = self.fund_flow_queue
        if not queue or queue[0].timestamp > strategy_cycle_ts:
            return []
        if end_block is not None:
            raise FundingNotPossible("a backtest has no blocks")
        asset = self._get_reserve_asset(state, supported_reserves)
        payable, waiting = self._split(strategy_cycle_ts, self._get_balance(state, asset))
        booked = [self._book(event, asset, strategy_cycle_ts, state) for event in payable]
        due = len(payable) + len(waiting)
        self.fund_flow_queue = [*(item.event for item in waiting), *queue[due:]]
        self.delayed += [item for item in waiting if self._find_delayed(item.event) is None]
        treasury = state.sync.treasury
        if self.delayed:
            treasury.pending_redemptions = float(-sum(item.event.amount for item in waiting))
        treasury.last_updated_at = strategy_cycle_ts
        return booked

    def _get_balance(self, state: State, asset: AssetIdentifier) -> Decimal:
        reserve = state.portfolio.reserves.get(asset.get_identifier())
        # Both are the same, unless one of them was changed by hand.
        return min(self.wallet.get_balance(asset), ZERO_DECIMAL if reserve is None else reserve.quantity)

    def _split(self, ts: datetime.datetime, balance: Decimal) -> tuple[list[FundFlowEvent], list[DelayedRedemption]]:
        """Divide the events that are due into those that can be booked, and the redemptions that wait."""
        payable: list[FundFlowEvent] = []
        waiting: list[DelayedRedemption] = []
        for event in self.fund_flow_queue:
            if event.timestamp > ts:
                break
            if event.amount < 0 and (waiting or balance + event.amount < 0):
                waiting.append(DelayedRedemption(event, max(-event.amount - balance, ZERO_DECIMAL)))
            else:
                balance += event.amount
                payable.append(event)
        # A later deposit may pay for them in the same cycle.
        while waiting and balance + waiting[0].event.amount >= 0:
            event = waiting.pop(0).event
            balance += event.amount
            payable.append(event)
        return payable, waiting

    def _find_delayed(self, event: FundFlowEvent) -> DelayedRedemption | None:
        # By identity, because two redemptions may be equal.
        return next((item for item in self.delayed if item.event is event), None)

    def _get_reserve_asset(self, state: State, supported_reserves: list[AssetIdentifier] | None) -> AssetIdentifier:
        reserves = supported_reserves or state.portfolio.get_reserve_assets()
        if len(reserves) != 1:
            raise FundingNotPossible(f"exactly one reserve currency is needed, there are {len(reserves)}")
        return reserves[0]

    def _book(
        self, event: FundFlowEvent, asset: AssetIdentifier, cycle_ts: datetime.datetime, state: State
    ) -> BalanceUpdate:
        """Book a checked event in the state and in the wallet."""
        is_initial = event.timestamp == datetime.datetime.min
        delayed = self._find_delayed(event)
        if delayed is not None:
            delayed.paid_at = cycle_ts
        happened_at = cycle_ts if is_initial or delayed is not None else max(event.timestamp, state.created_at)
        update = book_reserve_flow(state, asset, event.amount, EventOrigin(happened_at, cycle_ts))
        self.wallet.update_balance(asset, event.amount, "funding")
        return update

    # --- Interest

    def sync_interests(
        self, timestamp: datetime.datetime, state: State, universe: object, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Add interest and funding of loans to the aTokens and vTokens of the wallet, and book them.

        Each side of each loan accrues interest from the time up to which its interest is booked, so no interest is
        lost between syncs or booked twice, whether or not a batch of trades moved the checkpoint. A trade changes the
        balance that accrues interest: sync before each batch, so that earlier interest uses the earlier balance.

        Everything is checked before the wallet or the state changes; funding that is due by now is booked at its own
        times, after the interest up to them.

        Parameters
        ----------
        timestamp
            Simulated time, naive UTC.
        universe
            Its market terms say which markets have funding; the interest comes from `lending_rates`.
        pricing_model
            Pricing model that values the base of shorts and leveraged longs.

        Returns
        -------
        list
            The events; empty without rates, without loans, or when no time has passed.

        Raises
        ------
        NoFundingData
            Recorded funding rates do not cover the time of an open position.
        InterestRefused
            The time is before the latest sync, the wallet lacks a token that accrues interest, or a rate is invalid.
        """
        checkpoint = state.sync.interest.last_sync_at
        if timestamp == checkpoint:
            return []
        if checkpoint is not None and timestamp < checkpoint:
            raise InterestRefused(f"interest was synced at {checkpoint}, it cannot be synced at {timestamp} again")
        events: list[BalanceUpdate] = []
        # Funding changes the balances that bear interest, so interest is booked up to each payment first.
        due = self._find_funding(timestamp, state, universe, pricing_model)
        for when in sorted({payment.paid_at for payment in due}):
            events += self._sync_lending(when, state, pricing_model)
            payments = self._find_funding(when, state, universe, pricing_model, at=when)
            events += self._move_tokens(book_funding(state.portfolio, payments))
            set_interest_checkpoint(state, when, None)
        return events + self._sync_lending(timestamp, state, pricing_model)

    def _find_funding(
        self,
        until: datetime.datetime,
        state: State,
        universe: object,
        pricing_model: PricingModel,
        at: datetime.datetime | None = None,
    ) -> list[FundingPayment]:
        """Return the funding since the latest sync, or since the opening of a younger position; `at` for one time."""
        if not isinstance(universe, TradingStrategyUniverse):
            return []
        since = state.sync.interest.last_sync_at if at is None else at - datetime.timedelta(microseconds=1)
        return find_payments(
            state.portfolio, since, until, lambda pair: universe.get_terms(pair).funding, pricing_model
        )

    def _sync_lending(
        self, timestamp: datetime.datetime, state: State, pricing_model: PricingModel
    ) -> list[BalanceUpdate]:
        """Book the interest of both sides of all loans."""
        checkpoint = state.sync.interest.last_sync_at
        if timestamp == checkpoint:
            return []
        if self.lending_rates is None:
            return []
        operation = prepare_interest_distribution(checkpoint or timestamp, timestamp, state.portfolio, pricing_model)
        if not operation.entries:
            if checkpoint is not None:
                set_interest_checkpoint(state, timestamp, None)
            return []
        operation.start = checkpoint or min(_get_interest(entry).last_event_at for entry in operation.entries)
        balances = self._calculate_balances(operation, self.lending_rates)
        yearly_rates = get_interest_rates(state, self.lending_rates, timestamp)
        events = accrue_interest(state, balances, operation, timestamp, None, created_at=timestamp)
        # All checks have passed; nothing from here on may fail.
        set_interest_rates(yearly_rates)
        return self._move_tokens(events)

    def _move_tokens(self, events: list[BalanceUpdate]) -> list[BalanceUpdate]:
        """Change the wallet by booked events, and return them."""
        for event in events:
            self.wallet.rebase(event.asset, self.wallet.get_balance(event.asset) + event.quantity)
        return events

    def _calculate_balances(
        self, operation: InterestDistributionOperation, rates: LendingRates
    ) -> dict[AssetIdentifier, Decimal]:
        """Return the balance of each token with interest, and set the weights of the entries by it."""
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
        """Return None, because a simulation has no address."""
        return None

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Raise `BalanceNotReadable`, because there is no chain to read."""
        raise BalanceNotReadable("a backtest has no chain to read balances from")

    def create_transaction_builder(self) -> None:
        """Return None, because a backtest signs no transactions."""
        return


def _calculate_gain(entry: InterestDistributionEntry, end: datetime.datetime, rates: LendingRates) -> Decimal:
    """Return the interest of one side of a loan since its last booking, token units."""
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
