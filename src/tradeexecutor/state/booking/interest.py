"""Booking of interest: the amount of a rebasing token that a position holds or owes has grown.

A booking is an interest event on the position (`BalanceUpdate`, cause ``interest``) and the matching change of the
loan's `Interest`. Reserves, principal and prices do not change, and no sync index refers to the event.

The interest of several positions is booked together: their tokens are in one wallet, and the positions share the
interest of the whole balance. An `InterestBatch` collects bookings, checks each of them when it is added, and books all
of them or none. Before that nothing changes, and no id is used up.
"""

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.accounting.interest import calculate_interest_gain_usd, calculate_weighted_yield
from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.balance_update import (
    BalanceUpdate,
    BalanceUpdateCause,
    BalanceUpdatePositionType,
    format_log_index,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    BalanceUpdateEventAlreadyAdded,
    InterestRefused,
    InvalidValue,
    UnlikelyInterestGain,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.interest_distribution import InterestDistributionOperation
from tradeexecutor.state.loan import Loan, LoanSide
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.ids import get_next_balance_update_id
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.types import BlockNumber, JSONHexBytes, Percent, USDollarAmount, USDollarPrice

__all__ = [
    "DEFAULT_MAX_INTEREST_GAIN",
    "InterestBatch",
    "InterestRefused",
    "UnlikelyInterestGain",
    "calculate_realised_interest_rate",
    "get_interest_gain_usd",
    "get_interest_tracker",
    "set_interest_checkpoint",
]

#: A change of a balance by this fraction or more is not interest.
DEFAULT_MAX_INTEREST_GAIN: Percent = 0.05


class _Booking(NamedTuple):
    """One checked booking of a batch."""

    position: TradingPosition
    interest: Interest
    event: BalanceUpdate
    new_token_amount: Decimal


class InterestBatch:
    """Interest events of the same time, which are booked together or not at all.

    Parameters
    ----------
    portfolio
        Portfolio that contains the positions.
    event_at
        Time of the new balances, naive UTC: block time, or strategy time in a backtest.
    block_number, tx_hash, log_index
        Place on the chain where they were read; None without a chain.
    max_interest_gain
        A change of a balance by this fraction or more is refused.
    created_at
        Time of booking to record, naive UTC; None for the present time. Backtests pass the strategy time, so that runs
        can be repeated exactly.

    Raises
    ------
    InterestRefused
        The time is not a naive datetime.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        event_at: datetime.datetime,
        *,
        block_number: BlockNumber | None = None,
        tx_hash: JSONHexBytes | None = None,
        log_index: int | None = None,
        max_interest_gain: Percent = DEFAULT_MAX_INTEREST_GAIN,
        created_at: datetime.datetime | None = None,
    ):
        self.portfolio = portfolio
        self.event_at = require_naive_utc(event_at, "the time of an interest event", InterestRefused)
        self.block_number = block_number
        self.tx_hash = tx_hash
        self.log_index = log_index
        self.max_interest_gain = max_interest_gain
        self.created_at = created_at
        self._bookings: list[_Booking] = []

    def add(
        self,
        position: TradingPosition,
        asset: AssetIdentifier,
        new_token_amount: Decimal,
        asset_price: USDollarPrice,
        gained: Decimal | None = None,
    ) -> None:
        """Check a booking and add it to the batch.

        Parameters
        ----------
        position
            Open or frozen position with a loan.
        asset
            aToken or vToken of the loan.
        new_token_amount
            Principal and interest at the time of the event, token units.
        asset_price
            USD per token, exactly of type float; used only for `BalanceUpdate.usd_value`.
        gained
            Interest since the latest event, token units; None for the difference of the balances.

        Raises
        ------
        WrongPositionStatus
            The position is neither open nor frozen.
        UnlikelyInterestGain
            The change is `max_interest_gain` or more.
        InterestRefused
            The token is not a side of the loan, the event is older than the latest one, or a number is not valid.
        BalanceUpdateEventAlreadyAdded
            The position has a balance update with this id.
        """
        loan = self._get_loan(position)
        side, interest = get_interest_tracker(loan, asset)
        if side is None or interest is None:
            raise InterestRefused(f"{asset} is no side of the loan of position #{position.position_id}")
        if any(booking.interest is interest for booking in self._bookings):
            raise InterestRefused(f"interest of {asset} was given twice for position #{position.position_id}")
        self._check_numbers(asset, new_token_amount, asset_price)
        if self.event_at < interest.last_event_at:
            raise InterestRefused(
                f"interest of {asset} at {self.event_at} is older than the latest event of position "
                f"#{position.position_id} at {interest.last_event_at}"
            )
        old_quantity = interest.last_token_amount
        if gained is None:
            gained = new_token_amount - old_quantity
        if not (abs(gained / old_quantity) < self.max_interest_gain if old_quantity else not gained):
            raise UnlikelyInterestGain(asset, gained, old_quantity, new_token_amount, self.max_interest_gain)
        # This is the value of the whole balance, as in recorded files; `get_interest_gain_usd` returns the value of the
        # gain.
        usd_value = float(new_token_amount) * asset_price
        if not usd_value < math.inf:
            raise InterestRefused(f"the value of {new_token_amount} {asset} at {asset_price} USD is not a number")
        event = self._make_event(position, asset, interest, gained, usd_value)
        if event.balance_update_id in position.balance_updates:
            raise BalanceUpdateEventAlreadyAdded(
                f"position #{position.position_id} already has balance update #{event.balance_update_id}"
            )
        self._bookings.append(_Booking(position, interest, event, new_token_amount))

    def _make_event(
        self,
        position: TradingPosition,
        asset: AssetIdentifier,
        interest: Interest,
        gained: Decimal,
        usd_value: USDollarAmount,
    ) -> BalanceUpdate:
        return BalanceUpdate(
            balance_update_id=get_next_balance_update_id(self.portfolio) + len(self._bookings),
            cause=BalanceUpdateCause.interest,
            position_type=BalanceUpdatePositionType.open_position,
            asset=asset,
            block_mined_at=self.event_at,
            strategy_cycle_included_at=None,
            chain_id=asset.chain_id,
            quantity=gained,
            old_balance=interest.last_token_amount,
            usd_value=usd_value,
            created_at=self.created_at or utc_now(),
            previous_update_at=interest.last_event_at,
            tx_hash=self.tx_hash,
            log_index=format_log_index(self.log_index),
            position_id=position.position_id,
            block_number=self.block_number,
        )

    def book(self) -> list[BalanceUpdate]:
        """Book all added events in order, and return them."""
        bookings, self._bookings = self._bookings, []
        for position, interest, event, new_token_amount in bookings:
            assert event.balance_update_id == get_next_balance_update_id(self.portfolio), (
                "ids were given away meanwhile"
            )
            self.portfolio.allocate_balance_update_id()
            position.add_balance_update_event(event)
            interest.accrue(event.quantity, new_token_amount, self.event_at, self.block_number)
        return [booking.event for booking in bookings]

    def _get_loan(self, position: TradingPosition) -> Loan:
        position_id = position.position_id
        tables = (self.portfolio.open_positions, self.portfolio.frozen_positions)
        if all(table.get(position_id) is not position for table in tables):
            raise WrongPositionStatus(f"position #{position_id} is neither open nor frozen, it earns no interest")
        if position.loan is None:
            raise InterestRefused(f"position #{position_id} has no loan, it earns no interest")
        return position.loan

    @staticmethod
    def _check_numbers(asset: AssetIdentifier, new_token_amount: Decimal, asset_price: USDollarPrice) -> None:
        if not is_finite_decimal(new_token_amount) or new_token_amount < 0:
            raise InterestRefused(f"the balance of {asset} must be a Decimal >= 0, got {new_token_amount!r}")
        if type(asset_price) is not float or not 0 < asset_price < math.inf:
            raise InterestRefused(f"the price of {asset} must be a positive float, got {asset_price!r}")


def get_interest_tracker(loan: Loan, asset: AssetIdentifier) -> tuple[LoanSide, Interest] | tuple[None, None]:
    """Return the side of the loan that a token belongs to, and its interest; ``(None, None)`` when it is on neither."""
    side, _ = loan.get_tracked_asset(asset)
    if side is LoanSide.collateral:
        return side, loan.collateral_interest
    if side is LoanSide.borrowed and loan.borrowed_interest is not None:
        return side, loan.borrowed_interest
    return None, None


def set_interest_checkpoint(
    state: StateFields,
    timestamp: datetime.datetime,
    block_number: BlockNumber | None,
    distribution: InterestDistributionOperation | None = None,
) -> None:
    """Record the time of the last interest checkpoint: after a distribution, and after a batch of trades.

    The first checkpoint, usually set by the first trade of a lending position, starts the syncs.

    A batch of trades moves the checkpoint without booking interest. No interest is lost by this, because none is
    calculated from the checkpoint: a sync on a chain compares balances, and the sync of a backtest calculates the
    interest of each side of each loan from its own `Interest.last_event_at`, which only a booking changes. A time
    before the present checkpoint is ignored.

    Parameters
    ----------
    distribution
        Stored for diagnostics.
    """
    state.portfolio.owner.claim()
    sync = state.sync.interest
    if sync.last_sync_at is None or timestamp >= sync.last_sync_at:
        sync.last_sync_at = timestamp
        sync.last_sync_block = block_number
    if distribution is not None:
        sync.last_distribution = distribution


def get_interest_gain_usd(event: BalanceUpdate) -> USDollarAmount:
    """Return the value of the interest of an event, USD; negative for a loss.

    `BalanceUpdate.usd_value` of an interest event is the value of the whole balance.

    Raises
    ------
    InvalidValue
        The event is not an interest event.
    """
    if event.cause is not BalanceUpdateCause.interest:
        raise InvalidValue(f"balance update #{event.balance_update_id} is a {event.cause.value}, not interest")
    return calculate_interest_gain_usd(event.quantity, event.old_balance, event.usd_value)


def calculate_realised_interest_rate(events: Iterable[BalanceUpdate]) -> Percent | None:
    """Return the simple yearly rate of all interest events of one token together; None without a period.

    Each gain is divided by the balance that earned it. `AssetInterestData.effective_rate` divides all interest since
    the last change of the principal by the principal, so it grows from sync to sync.
    """
    return calculate_weighted_yield(
        [
            (event.quantity, event.old_balance, event.block_mined_at - event.previous_update_at)
            for event in events
            if event.cause is BalanceUpdateCause.interest and event.previous_update_at is not None
        ]
    )
