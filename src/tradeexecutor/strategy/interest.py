"""Interest of lending positions: how the growth of a wallet's balance is distributed and booked.

All positions keep their aTokens and vTokens in one wallet, and the balances grow with the interest. A sync reads the
new balance of each token, or calculates it in a backtest; its excess over the expected balances of the positions is the
interest since the latest sync. It is split in proportion to the expected balances, including their earlier interest,
and booked as one event per position and token::

    operation = prepare_interest_distribution(state.sync.interest.last_sync_at, now, state.portfolio, pricing_model)
    events = accrue_interest(state, {token: balance ...}, operation, now, block_number)

Every function either completes or raises without changing the state. Events are made in a fixed order: tokens by
identifier, positions by id. Booking itself, and the checkpoint, are in
:mod:`tradeexecutor.state.booking.interest`.

No interest is lost between syncs. Each side of each loan records up to when its interest is booked
(`Interest.last_event_at`) and its expected balance (`Interest.last_token_amount`); the next sync books the interest
after that, independent of the checkpoint. The checkpoint in `state.sync.interest` is only the start of the period of
the diagnostics.
"""

import datetime
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from tradeexecutor.accounting import interest as maths
from tradeexecutor.accounting.accuracy import INTEREST_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.interest import YEAR
from tradeexecutor.accounting.values import require_finite_decimal
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.interest import (
    DEFAULT_MAX_INTEREST_GAIN,
    InterestBatch,
    InterestRefused,
    UnlikelyInterestGain,
    calculate_realised_interest_rate,
    get_interest_gain_usd,
    set_interest_checkpoint,
)
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, UnsupportedPairKind
from tradeexecutor.state.identifier import AssetIdentifier, AssetWithTrackedValue
from tradeexecutor.state.interest_distribution import (
    AssetInterestData,
    InterestDistributionEntry,
    InterestDistributionOperation,
)
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.types import BlockNumber, JSONHexBytes, Percent, USDollarPrice
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = [
    "InterestRefused",
    "LendingRates",
    "UnlikelyInterestGain",
    "accrue_interest",
    "calculate_realised_interest_rate",
    "distribute_interest_for_assets",
    "distribute_to_entry",
    "estimate_interest",
    "get_interest_gain_usd",
    "get_interest_rates",
    "prepare_interest_distribution",
    "record_interest_rate",
    "set_interest_checkpoint",
    "set_interest_rates",
    "update_interest",
    "update_leveraged_position_interest",
]

logger = logging.getLogger(__name__)


class LendingRates(Protocol):
    """Interest rates of lending protocols."""

    def get_yearly_rate(self, asset: AssetIdentifier, at: datetime.datetime) -> Percent:
        """Return the latest known yearly rate of an aToken or vToken, a fraction."""
        ...

    def get_accrual_multiplier(
        self, asset: AssetIdentifier, start: datetime.datetime, end: datetime.datetime
    ) -> Decimal:
        """Return the factor by which a balance of an aToken or vToken grows from `start` to `end`; >= 1."""
        ...


# --- One position


@contract_signature
def update_interest(
    state: State,
    position: TradingPosition,
    asset: AssetIdentifier,
    new_token_amount: Decimal,
    event_at: datetime.datetime,
    asset_price: USDollarPrice,
    block_number: BlockNumber | None = None,
    tx_hash: JSONHexBytes | None = None,
    log_index: int | None = None,
    max_interest_gain: Percent = DEFAULT_MAX_INTEREST_GAIN,
) -> BalanceUpdate:
    """Book the new balance of one side of a loan and return the event.

    Reserves, principal and price of the loan do not change. A decrease of the balance is booked as negative interest.

    Parameters
    ----------
    position
        Open or frozen, with a loan.
    asset
        aToken or vToken of the loan.
    new_token_amount
        Principal and interest, token units.
    event_at
        Time of the balance, naive UTC.
    asset_price
        USD per token, exactly a float; recorded as the value of the whole balance in `BalanceUpdate.usd_value`.
    max_interest_gain
        A change by this fraction or more is refused.

    Raises
    ------
    UnlikelyInterestGain
        The balance changed by `max_interest_gain` or more.
    InterestRefused, WrongPositionStatus
        Another argument is invalid; no id was used.
    """
    batch = InterestBatch(
        state.portfolio,
        event_at,
        block_number=block_number,
        tx_hash=tx_hash,
        log_index=log_index,
        max_interest_gain=max_interest_gain,
    )
    batch.add(position, asset, new_token_amount, asset_price)
    return batch.book()[0]


@contract_signature
def update_leveraged_position_interest(
    state: State,
    position: TradingPosition,
    new_vtoken_amount: Decimal,
    new_token_amount: Decimal,
    event_at: datetime.datetime,
    vtoken_price: USDollarPrice,
    atoken_price: USDollarPrice = 1.0,
    block_number: BlockNumber | None = None,
    tx_hash: JSONHexBytes | None = None,
    log_index: int | None = None,
    max_interest_gain: Percent = DEFAULT_MAX_INTEREST_GAIN,
) -> tuple[BalanceUpdate, BalanceUpdate]:
    """Book the new balances of debt and collateral of a short or leveraged long, both or none; see `update_interest`.

    Returns
    -------
    tuple
        The event of the vToken, and that of the aToken.
    """
    batch = InterestBatch(
        state.portfolio,
        event_at,
        block_number=block_number,
        tx_hash=tx_hash,
        log_index=log_index,
        max_interest_gain=max_interest_gain,
    )
    batch.add(position, position.pair.get_debt_token(), new_vtoken_amount, vtoken_price)
    batch.add(position, position.pair.get_collateral_token(), new_token_amount, atoken_price)
    vtoken_event, atoken_event = batch.book()
    return vtoken_event, atoken_event


def estimate_interest(
    start_at: datetime.datetime,
    end_at: datetime.datetime,
    start_quantity: Decimal,
    interest_rate: float,
    year: datetime.timedelta = YEAR,
) -> Decimal:
    """Return principal and compounded interest after a time, see `tradeexecutor.accounting.interest`.

    Parameters
    ----------
    interest_rate
        Growth in a year: 1.02 is 2 %.

    Raises
    ------
    InvalidValue
        The rate is below 1.
    """
    if not interest_rate >= 1:
        raise InvalidValue(f"interest_rate is the growth in a year, 1.02 for 2 %, got {interest_rate}")
    return maths.estimate_interest(start_at, end_at, start_quantity, interest_rate, year)


# --- All positions


def prepare_interest_distribution(
    start: datetime.datetime, end: datetime.datetime, portfolio: Portfolio, pricing_model: PricingModel
) -> InterestDistributionOperation:
    """Return the positions that share the interest of a period; nothing changes.

    These are open and frozen positions, with each side of their loan that has a balance, even if only interest is left.

    Parameters
    ----------
    start
        Time of the previous distribution.
    end
        Current time; the base tokens of shorts and leveraged longs are priced at this time. Stablecoins count as 1 USD.

    Raises
    ------
    UnsupportedPairKind
        Another token is not a stablecoin.
    PriceUnavailable
        The market has no price for a base token.
    """
    operation = InterestDistributionOperation(start, end, set(), {}, [], {})
    for position in sorted(portfolio.get_open_and_frozen_positions(), key=lambda position: position.position_id):
        for asset in (position.pair.base, position.pair.quote):
            entry = _create_entry(position, asset)
            if entry is not None:
                entry.price = _get_price(entry, end, pricing_model)
                operation.assets.add(asset)
                operation.entries.append(entry)
                data = operation.asset_interest_data.setdefault(asset.get_identifier(), AssetInterestData())
                data.entries.append(entry)
                data.total += entry.quantity
    for data in operation.asset_interest_data.values():
        total = sum((entry.balance for entry in data.entries), ZERO_DECIMAL)
        for entry in data.entries:
            entry.weight = entry.balance / total
    return operation


def _create_entry(position: TradingPosition, asset: AssetIdentifier) -> InterestDistributionEntry | None:
    """Return the entry for one token of a position; None when it accrues no interest."""
    if asset.underlying is None:
        return None
    if position.loan is None:
        if position.has_executed_trades():  # not one whose opening is on its way
            logger.warning("Position #%d has no loan, %s earns nothing", position.position_id, asset)
        return None
    side, tracker = position.loan.get_tracked_asset(asset)
    if side is None or tracker is None:
        return None
    entry = InterestDistributionEntry(side, position, tracker)
    return entry if entry.balance > 0 else None


def _get_price(entry: InterestDistributionEntry, at: datetime.datetime, pricing_model: PricingModel) -> USDollarPrice:
    position, underlying = entry.position, entry.asset.underlying
    if position.is_leverage() and entry.asset == position.pair.base:
        quantity = entry.quantity or entry.balance
        return pricing_model.get_sell_price(at, position.pair.get_pricing_pair(), quantity).price
    if underlying is None or not underlying.is_stablecoin():
        raise UnsupportedPairKind(
            f"{entry.side.value} {entry.asset} of position #{position.position_id} is not based on a stablecoin"
        )
    return 1.0


def distribute_to_entry(
    entry: InterestDistributionEntry,
    state: State,
    timestamp: datetime.datetime,
    block_number: BlockNumber | None,
    total_accrued: Decimal,
    max_interest_gain: Percent,
) -> BalanceUpdate:
    """Book the share of one entry, ``total_accrued * weight``, and return the event.

    `distribute_interest_for_assets` books all shares of a token, so that they add up exactly.

    Parameters
    ----------
    total_accrued
        Interest of the token since the latest sync, token units.

    Raises
    ------
    InterestRefused
        Weight or price are not known, or see `update_interest`.
    """
    if entry.weight is None:
        raise InterestRefused(f"{entry.asset} of position #{entry.position.position_id} has no weight")
    batch = InterestBatch(state.portfolio, timestamp, block_number=block_number, max_interest_gain=max_interest_gain)
    _add_entry(batch, entry, total_accrued * entry.weight)
    return batch.book()[0]


@contract_signature
def distribute_interest_for_assets(
    operation: InterestDistributionOperation,
    state: State,
    asset: AssetIdentifier,
    timestamp: datetime.datetime,
    block_number: BlockNumber | None,
    new_amount: Decimal,
    max_interest_gain: Percent,
) -> list[BalanceUpdate]:
    """Split the interest of a token among the positions, and book it.

    The interest is booked when the function returns.

    Parameters
    ----------
    new_amount
        Current balance of the token in the wallet, token units.

    Returns
    -------
    list
        One event per entry with interest, in order of position ids; their sum is exactly the difference between
        `new_amount` and the expected balances. Empty when that is below 0.00003 tokens: it is booked by a later sync.

    Raises
    ------
    InterestRefused
        The wallet holds less than the positions expect, or see `update_interest`.
    NotAvailable
        The token is not in the operation.
    """
    batch = InterestBatch(state.portfolio, timestamp, block_number=block_number, max_interest_gain=max_interest_gain)
    _add_asset(batch, operation, asset, new_amount)
    return batch.book()


@contract_signature
def accrue_interest(
    state: State,
    on_chain_balances: Mapping[AssetIdentifier, Decimal],
    interest_distribution: InterestDistributionOperation,
    block_timestamp: datetime.datetime,
    block_number: BlockNumber | None,
    max_interest_gain: Percent = DEFAULT_MAX_INTEREST_GAIN,
    aave_financial_year: datetime.timedelta = YEAR,
    created_at: datetime.datetime | None = None,
    *,
    least: Decimal = INTEREST_EPSILON,
) -> list[BalanceUpdate]:
    # Longer than 70 lines: the parameters are explained, the body is short.
    """Distribute the interest of all tokens, and move the checkpoint.

    Either all tokens are booked or none: one invalid balance refuses all. The interest is booked when the function
    returns.

    Parameters
    ----------
    on_chain_balances
        Balances of the wallet by token, token units. Interest of a missing token is booked by a later sync.
    interest_distribution
        Result of `prepare_interest_distribution`; the rates are stored in it for diagnostics.
    block_timestamp, block_number
        Time and block of the balances; simulated time and None in a backtest.
    created_at
        Time of booking that is recorded; None for the current time.
    least
        Interest of a token below this is booked by a later sync, token units. With 0 the books have every raw unit.

    Returns
    -------
    list
        The events, tokens in the order of the operation, then positions by id. Empty, without a new checkpoint, when no
        time has passed.

    Raises
    ------
    InterestRefused
        The period ends before it starts, or see `distribute_interest_for_assets`.
    NotAvailable
        A token is not in the operation.
    """
    duration = interest_distribution.duration
    if duration < datetime.timedelta(0):
        raise InterestRefused(
            f"interest cannot accrue from {interest_distribution.start} back to {interest_distribution.end}"
        )
    if not duration:
        return []
    batch = InterestBatch(
        state.portfolio,
        block_timestamp,
        block_number=block_number,
        max_interest_gain=max_interest_gain,
        created_at=created_at,
    )
    rates: list[tuple[AssetInterestData, Percent | None]] = []
    # The order of positions, not of addresses, so that events have the same ids in a backtest and on a chain.
    order = {identifier: number for number, identifier in enumerate(interest_distribution.asset_interest_data)}
    for asset in sorted(on_chain_balances, key=lambda asset: order.get(asset.get_identifier(), len(order))):
        new_amount = on_chain_balances[asset]
        _add_asset(batch, interest_distribution, asset, new_amount, least)
        data = interest_distribution.get_interest_data(asset)
        gained = new_amount - data.total
        rate = maths.calculate_yearly_yield(gained, data.total, duration, aave_financial_year) if data.total else None
        rates.append((data, rate))
    # All checks have passed; nothing from here on may fail.
    for data, rate in rates:
        data.effective_rate = rate
    events = batch.book()
    set_interest_checkpoint(state, block_timestamp, block_number, interest_distribution)
    return events


def _add_asset(
    batch: InterestBatch,
    operation: InterestDistributionOperation,
    asset: AssetIdentifier,
    new_amount: Decimal,
    least: Decimal = INTEREST_EPSILON,
) -> None:
    """Add the interest of one token to a batch; raises `InterestRefused`."""
    require_finite_decimal(new_amount, f"the balance of {asset}", InterestRefused)
    entries = operation.get_interest_data(asset).entries
    balances = [entry.balance for entry in entries]
    accrued = new_amount - sum(balances)
    # Pools round against the wallet.
    if -INTEREST_EPSILON < accrued <= 0 or 0 < accrued < least:
        return
    if accrued < 0:
        raise InterestRefused(
            f"the wallet holds {new_amount} {asset.token_symbol}, {-accrued} less than the positions expect"
        )
    weights = [entry.weight or ZERO_DECIMAL for entry in entries]
    if not any(weights):
        raise InterestRefused(f"no position holds the {asset} that earned {accrued}")
    for entry, share in zip(entries, maths.distribute_interest(accrued, balances, weights), strict=True):
        if share:
            _add_entry(batch, entry, share)


def _add_entry(batch: InterestBatch, entry: InterestDistributionEntry, share: Decimal) -> None:
    if entry.price is None:
        raise InterestRefused(f"{entry.asset} of position #{entry.position.position_id} has no price")
    batch.add(entry.position, entry.asset, entry.balance + share, entry.price, gained=share)


# --- Rates


def record_interest_rate(state: State, rates: LendingRates, timestamp: datetime.datetime) -> None:
    """Record the current supply rate on the collateral of all credit positions, either all or none.

    Raises
    ------
    InvalidValue
        A rate is not a fraction of at least 0 and below 1.
    """
    set_interest_rates(get_interest_rates(state, rates, timestamp))


def get_interest_rates(
    state: State, rates: LendingRates, timestamp: datetime.datetime
) -> list[tuple[AssetWithTrackedValue, Percent]]:
    """Return the collateral of each credit position with its supply rate; raises as `record_interest_rate`.

    Raises
    ------
    InvalidValue
        A rate is not a fraction below 1.
    """
    found: list[tuple[AssetWithTrackedValue, Percent]] = []
    for position in state.portfolio.get_current_credit_positions():
        if position.loan is not None:
            tracker = position.loan.collateral
            rate = rates.get_yearly_rate(tracker.asset, timestamp)
            if not 0 <= rate < 1:
                raise InvalidValue(f"the supply rate of {tracker.asset} must be a fraction below 1, got {rate}")
            found.append((tracker, rate))
    return found


def set_interest_rates(found: list[tuple[AssetWithTrackedValue, Percent]]) -> None:
    """Record rates from `get_interest_rates`."""
    for tracker, rate in found:
        tracker.interest_rate_at_open = tracker.interest_rate_at_open or rate
        tracker.last_interest_rate = rate
