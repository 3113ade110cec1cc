"""Booking deposits, redemptions and flows from a list of events of a chain indexer, a vault or a file.

Events may be reported twice, in any order, and in several batches; only those of one transaction must be in the same
batch. An event is identified by its chain, transaction and token, and its order among equal transfers of these, also
after a reorganisation of the chain; it is booked once. A batch is booked completely or not at all: when an event is
impossible, nothing changes, and the error explains it with the amounts. This includes an event that spends money of
another event that was not reported yet; report it again together with the other one.
"""

import datetime
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradeexecutor.state.balance_update import BalanceUpdate, read_log_index
from tradeexecutor.state.booking.event_identity import (
    TransferKey,
    count_transfers,
    find_booked_flows,
    find_conflict,
    is_hex,
    make_hash,
    match_transfers,
)
from tradeexecutor.state.booking.treasury import (
    EventOrigin,
    book_reserve_flow,
    book_vault_flow,
    book_vault_settlement,
    check_position_change,
    redeem_in_kind,
)
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    AccountingError,
    NotEnoughMoney,
    TreasuryEventRefused,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import BalanceEventRef
from tradeexecutor.strategy.accounts.balance_source import BalanceSource
from tradeexecutor.strategy.accounts.treasury_event import (
    TreasuryEvent,
    TreasuryEventKind,
    read_treasury_events,
)
from tradeexecutor.strategy.sync_model import BalanceNotReadable, OnChainBalance, SyncModel

__all__ = [
    "EventSyncModel",
    "TreasuryEvent",
    "TreasuryEventKind",
    "TreasurySyncResult",
    "apply_treasury_events",
    "read_treasury_events",
]

#: Largest difference between the clocks of a chain and of a strategy.
_CLOCK_TOLERANCE = datetime.timedelta(hours=1)

_ZERO = Decimal(0)


@dataclass(slots=True)
class TreasurySyncResult:
    """Result of a batch.

    Attributes
    ----------
    booked
        New balance updates, in order.
    known
        Events that were booked before, or were in the batch twice.
    """

    booked: list[BalanceUpdate] = field(default_factory=list[BalanceUpdate])
    known: list[TreasuryEvent] = field(default_factory=list[TreasuryEvent])


def apply_treasury_events(
    state: State,
    events: Iterable[TreasuryEvent],
    strategy_cycle_ts: datetime.datetime,
    supported_reserves: Collection[AssetIdentifier] = (),
) -> TreasurySyncResult:
    """Book the events that are not booked yet, either all or none.

    A batch is booked in the order of the chain, not of arrival, and the share count is that of the latest event by
    block.

    Parameters
    ----------
    events
        Events in any order.
    strategy_cycle_ts
        Time of the cycle that books them, naive UTC.
    supported_reserves
        Currencies in which a first deposit creates a reserve.

    Raises
    ------
    TreasuryEventRefused
        An event is impossible: it exceeds the balance after all events, its token is unknown, it is older than the
        deployment, or it was booked before with another amount. Nothing has changed.
    """
    result = TreasurySyncResult()
    booked = find_booked_flows(state)
    fresh: list[TreasuryEvent] = []
    for key, reported in _group_by_transaction(events).items():
        once = _drop_repeated(reported, result)
        earlier = booked.get(key, [])
        matches = match_transfers(once, earlier)
        for event, match in zip(once, matches, strict=True):
            if match is not None:
                result.known.append(event)
                continue
            _refuse_conflict(event, find_conflict(event, earlier, matches))
            fresh.append(event)
    if not fresh:
        return result
    ordered = sorted(fresh, key=TreasuryEvent.get_place)
    bookings = [_prepare(state, event, strategy_cycle_ts, supported_reserves) for event in ordered]
    _require_enough(state, bookings)
    updates = [update for group in booked.values() for update in group]
    share_count = _choose_share_count(state, ordered, updates)
    # All checks have passed; nothing from here on may fail.
    _book_all(state, bookings, result, strategy_cycle_ts)
    treasury = state.sync.treasury
    treasury.share_count = share_count
    treasury.last_updated_at = treasury.last_cycle_at = strategy_cycle_ts
    blocks = [event.block_number for event in ordered if event.block_number is not None]
    if blocks:
        treasury.last_block_scanned = max(*blocks, treasury.last_block_scanned or 0)
    _sort_references(treasury.balance_update_refs, [*updates, *result.booked])
    return result


# --- Recognising events


def _group_by_transaction(events: Iterable[TreasuryEvent]) -> dict[TransferKey, list[TreasuryEvent]]:
    groups: dict[TransferKey, list[TreasuryEvent]] = {}
    for event in events:
        groups.setdefault(event.get_key(), []).append(event)
    return groups


def _drop_repeated(reported: list[TreasuryEvent], result: TreasurySyncResult) -> list[TreasuryEvent]:
    """Return the events of a transaction without duplicates, in the order of their logs.

    A transaction is in one block: if several blocks are reported after a reorganisation, the last one counts.

    Raises
    ------
    TreasuryEventRefused
        The same log, or the same transaction in another block, has different content.
    """
    blocks: dict[int | None, dict[int, TreasuryEvent]] = {}
    for event in reported:
        earlier = blocks.setdefault(event.block_number, {}).setdefault(event.log_index, event)
        if earlier is not event:
            if earlier != event:
                raise TreasuryEventRefused(f"{event} came twice, the other time as {earlier}", str(event))
            result.known.append(event)
    numbers = sorted(blocks, key=lambda number: -1 if number is None else number)
    last = blocks[numbers[-1]]
    for number in numbers[:-1]:
        if count_transfers(blocks[number].values()) != count_transfers(last.values()):
            event = next(iter(last.values()))
            raise TreasuryEventRefused(
                f"the transaction of {event} came twice, with different events: in block {event.block_number} and "
                f"{'without one' if number is None else f'in block {number}'}",
                str(event),
            )
        result.known += blocks[number].values()
    return sorted(last.values(), key=lambda event: event.log_index)


def _refuse_conflict(event: TreasuryEvent, earlier: BalanceUpdate | None) -> None:
    if earlier is not None:
        raise TreasuryEventRefused(
            f"{event} was booked before as a {earlier.cause.value} of {earlier.quantity} "
            f"(balance update #{earlier.balance_update_id})",
            str(event),
        )


# --- Checking


@dataclass(frozen=True, slots=True)
class _Booking:
    """An event, and the balance that it changes: cash, or a position."""

    event: TreasuryEvent
    asset: AssetIdentifier
    position: TradingPosition | None


def _prepare(
    state: State, event: TreasuryEvent, strategy_cycle_ts: datetime.datetime, supported: Collection[AssetIdentifier]
) -> _Booking:
    _require_possible_time(state, event, strategy_cycle_ts)
    if event.position_id is None:
        currencies = [*(reserve.asset for reserve in state.portfolio.reserves.values()), *supported]
        asset = next((asset for asset in currencies if _is_token(asset, event)), None)
        if asset is not None:
            if event.kind is TreasuryEventKind.vault_flow:
                raise _refuse(event, "a reserve currency has deposits and redemptions, not vault flows")
            return _Booking(event, asset, None)
    if event.kind in (TreasuryEventKind.deposit, TreasuryEventKind.settlement):
        raise _refuse(event, "this token is not a reserve currency of the strategy")
    position = _find_position(state, event)
    if event.kind is TreasuryEventKind.redemption and not (position.is_spot() or position.is_credit_supply()):
        raise _refuse(event, f"nothing can be redeemed in kind from {position}")
    return _Booking(event, position.pair.base, position)


def _require_possible_time(state: State, event: TreasuryEvent, strategy_cycle_ts: datetime.datetime) -> None:
    deployment = state.sync.deployment
    start = deployment.block_mined_at
    if start is not None and event.happened_at < start:
        raise _refuse(event, f"the strategy was deployed later, at {start}")
    block, first = event.block_number, deployment.block_number
    if block is not None and first is not None and event.chain_id == deployment.chain_id and block < first:
        raise _refuse(event, f"its block {block:,} is before block {first:,}, in which the strategy was deployed")
    if event.happened_at > strategy_cycle_ts + _CLOCK_TOLERANCE:
        raise _refuse(event, f"it has not happened yet at {strategy_cycle_ts}")


def _find_position(state: State, event: TreasuryEvent) -> TradingPosition:
    holders = [
        position
        for position in state.portfolio.get_open_and_frozen_positions()
        if _is_token(position.pair.base, event) and event.position_id in (None, position.position_id)
    ]
    if len(holders) == 1:
        return holders[0]
    if holders:
        numbers = ", ".join(f"#{position.position_id}" for position in holders)
        raise _refuse(event, f"positions {numbers} hold this token; choose one with position_id")
    which = "no open position" if event.position_id is None else f"no open position #{event.position_id}"
    raise _refuse(event, f"{which} holds this token, and it is not a reserve currency")


def _is_token(asset: AssetIdentifier, event: TreasuryEvent) -> bool:
    return asset.chain_id == event.chain_id and asset.address == event.token.lower()


def _refuse(event: TreasuryEvent, reason: str, error: NotEnoughMoney | None = None) -> TreasuryEventRefused:
    return TreasuryEventRefused(
        f"{event} cannot be booked: {reason}", str(event), error and error.available, error and error.needed
    )


def _require_enough(state: State, bookings: list[_Booking]) -> None:
    """Raise `TreasuryEventRefused` if a balance is negative after all events."""
    groups: dict[tuple[str, int | None], list[_Booking]] = {}
    for booking in bookings:
        position_id = None if booking.position is None else booking.position.position_id
        groups.setdefault((booking.asset.get_identifier(), position_id), []).append(booking)
    for group in groups.values():
        total = sum((booking.event.quantity for booking in group), _ZERO)
        last = max((b.event for b in group), key=lambda event: (event.quantity < 0, event.get_place()))
        position, asset = group[0].position, group[0].asset
        try:
            if position is not None:
                check_position_change(state, position, total)
                continue
            available = _get_cash(state, asset)
            if available + total < 0:
                raise NotEnoughMoney("", available, -total)
        except NotEnoughMoney as error:
            raise _refuse(
                last,
                f"{len(group)} events take {error.needed} {asset.token_symbol} out of {position or 'the cash'}, "
                f"which has {error.available}",
                error,
            ) from None
        except AccountingError as error:
            raise _refuse(last, str(error)) from error


def _get_cash(state: State, asset: AssetIdentifier) -> Decimal:
    reserve = state.portfolio.reserves.get(asset.get_identifier())
    return _ZERO if reserve is None else reserve.quantity


# --- Booking


def _book_all(
    state: State, bookings: list[_Booking], result: TreasurySyncResult, strategy_cycle_ts: datetime.datetime
) -> None:
    """Book in the order of the chain; an event that exceeds the current balance is booked after later deposits."""
    waiting = bookings
    while waiting:
        rest: list[_Booking] = []
        for booking in waiting:
            if _is_there(state, booking):
                result.booked.append(_book(state, booking, strategy_cycle_ts))
            else:
                rest.append(booking)
        assert len(rest) < len(waiting), "the sum of all events was checked"
        waiting = rest


def _is_there(state: State, booking: _Booking) -> bool:
    quantity = booking.event.quantity
    if quantity >= 0:
        return True
    if booking.position is None:
        return _get_cash(state, booking.asset) + quantity >= 0
    try:
        check_position_change(state, booking.position, quantity)
    except NotEnoughMoney:
        return False
    return True


def _book(state: State, booking: _Booking, strategy_cycle_ts: datetime.datetime) -> BalanceUpdate:
    event, asset, position = booking.event, booking.asset, booking.position
    origin = _make_origin(event, strategy_cycle_ts)
    if position is not None and event.kind is TreasuryEventKind.redemption:
        update = redeem_in_kind(state, position, event.amount, origin)
    elif position is not None:
        return book_vault_flow(state, position, event.amount, origin)
    elif event.kind is TreasuryEventKind.settlement:
        return book_vault_settlement(state, asset, event.amount, origin, event.share_count)
    else:
        update = book_reserve_flow(state, asset, event.quantity, origin)
    if event.share_count is not None:
        update.other_data = {**(update.other_data or {}), "share_count": str(event.share_count)}
    return update


def _make_origin(event: TreasuryEvent, strategy_cycle_ts: datetime.datetime) -> EventOrigin:
    """Return time and place of an event; a reference or owner that is free text becomes a note."""
    owner, notes = event.owner_address, [event.notes] if event.notes else []
    if not is_hex(event.tx_hash):
        notes.append(f"reference: {event.tx_hash}")
    if owner is not None and not is_hex(owner):
        notes.append(f"owner: {owner}")
        owner = None
    return EventOrigin(
        event.happened_at,
        strategy_cycle_ts,
        event.block_number,
        make_hash(event.tx_hash),
        event.log_index,
        owner,
        "\n".join(notes) or None,
    )


def _choose_share_count(state: State, events: list[TreasuryEvent], booked: Iterable[BalanceUpdate]) -> Decimal | None:
    """Return the share count of the latest event by block that reports one."""
    present = state.sync.treasury.share_count
    telling = [event for event in events if event.share_count is not None]
    if not telling:
        return present
    latest = telling[-1]
    for update in booked:
        if update.get_share_count() is not None:
            place = update.block_mined_at, update.block_number or 0, read_log_index(update.log_index) or 0
            if place > (latest.happened_at, latest.block_number or 0, latest.log_index):
                return present
    return latest.share_count


def _sort_references(references: list[BalanceEventRef], events: Iterable[BalanceUpdate]) -> None:
    """Sort by cycle, then by block time, then by number, as if all events had arrived in order."""
    times = {event.balance_update_id: event.block_mined_at for event in events}
    nothing = datetime.datetime.min
    references.sort(
        key=lambda ref: (
            ref.strategy_cycle_included_at or nothing,
            times.get(ref.balance_event_id, nothing),
            ref.balance_event_id,
        )
    )


# --- In a strategy


class EventSyncModel(SyncModel):
    """Sync model that books the events of a source.

    Parameters
    ----------
    fetch_events
        Gets the time of the cycle, and returns the events up to then; it may return old ones again.
    balances
        Source of balances for account checks; None for no checks.
    """

    def __init__(
        self,
        fetch_events: Callable[[datetime.datetime], Iterable[TreasuryEvent]],
        balances: BalanceSource | None = None,
    ):
        self.fetch_events = fetch_events
        self.balances = balances

    def sync_initial(self, state: State, **kwargs: Any) -> None:
        """Do nothing, because the first deposit creates the reserve."""

    @contract_signature
    def sync_treasury(
        self,
        strategy_cycle_ts: datetime.datetime,
        state: State,
        supported_reserves: list[AssetIdentifier] | None = None,
        end_block: int | None = None,
        post_valuation: bool = False,
    ) -> list[BalanceUpdate]:
        """Book the events that are not booked yet; raises `TreasuryEventRefused` as `apply_treasury_events`.

        With `end_block`, events of later blocks and events without a block are not booked.
        """
        events = self.fetch_events(strategy_cycle_ts)
        if end_block is not None:
            events = [event for event in events if event.block_number is not None and event.block_number <= end_block]
        return apply_treasury_events(state, events, strategy_cycle_ts, supported_reserves or ()).booked

    def get_token_storage_address(self) -> str | None:
        """Return the address of the balances."""
        return None if self.balances is None else self.balances.get_token_storage_address()

    @contract_signature
    def fetch_onchain_balances(
        self,
        assets: Collection[AssetIdentifier],
        filter_zero: bool = True,
        block_identifier: int | None = None,
    ) -> Iterable[OnChainBalance]:
        """Return the balances of the source; raises `BalanceNotReadable` without one."""
        if self.balances is None:
            raise BalanceNotReadable("no source of balances was given")
        return self.balances.fetch_onchain_balances(assets, filter_zero, block_identifier)

    def create_transaction_builder(self) -> None:
        """Return None, because this model signs no transactions."""
        return
