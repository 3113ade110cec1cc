"""Reduction of the size of state files: details of closed positions that no figure needs are removed.

The state of a strategy that trades on a chain contains for each transaction the arguments of the call, the signed bytes
and the data of the call. These are several kilobytes that are not needed after the confirmation.

There are two methods, which remove different data:

================================  ====================================  ==============================================
what of closed positions          `prune_closed_positions` discards it  `archive_closed_positions` moves it
================================  ====================================  ==============================================
arguments, signed form and data   always                                always
of transactions
balance updates                   always                                where no figure of the position depends on them
valuation updates                 never                                 all but the last
================================  ====================================  ==============================================

**Discarding** is the method of the reference. The quantity of a position is the sum of its trades and balance updates,
so a closed position with balance updates has another quantity, profit and interest afterwards. The ledger, which lacks
the entries, can no longer prove its balance.

**Archiving** changes no figure, and `restore_archives` undoes it exactly. The removed details are written to an archive
beside the state file (:mod:`tradeexecutor.state.store.archive`), from which the ledger can get all entries and earlier
balances. A crash does no harm, because the archive is written before the state that refers to it. The state always
becomes smaller: if the reference to the archive would be longer than the removed details, nothing is removed.
"""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import ArchiveMismatch, InvalidValue, TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.state import State
from tradeexecutor.state.store.archive import (
    Archive,
    ArchivedPosition,
    ArchivedTransaction,
    ArchiveRef,
    find_archive,
    find_archive_problems,
    pack_archive,
    read_archive,
    write_archive,
)
from tradeexecutor.state.trade import TradeExecution

__all__ = [
    "PruningStats",
    "RemovedDetails",
    "TradePruningStats",
    "archive_closed_positions",
    "forget_unusable_archives",
    "needs_balance_updates",
    "prune_blockchain_transaction",
    "prune_closed_position",
    "prune_closed_positions",
    "prune_trade",
    "restore_archives",
]

#: Fields of a transaction that no figure needs; `ArchivedTransaction` has the same fields.
_DETAIL_FIELDS = ("transaction_args", "wrapped_args", "signed_bytes", "signed_tx_object")


# --- Discarding


class TradePruningStats(TypedDict):
    """Numbers of objects that `prune_trade` processed."""

    blockchain_transactions_processed: int
    trades_processed: int


class PruningStats(TradePruningStats):
    """Numbers of objects that `prune_closed_position` and `prune_closed_positions` processed and removed."""

    balance_updates_removed: int
    positions_processed: int


def prune_blockchain_transaction(tx: BlockchainTransaction) -> None:
    """Discard arguments, signed form and data of a transaction; hashes, gas and outcome are kept."""
    for name in _DETAIL_FIELDS:
        setattr(tx, name, None)
    if tx.details:
        tx.details["data"] = None


def prune_trade(trade: TradeExecution) -> TradePruningStats:
    """Discard the details of all transactions of a trade."""
    for tx in trade.blockchain_transactions:
        prune_blockchain_transaction(tx)
    return {"blockchain_transactions_processed": len(trade.blockchain_transactions), "trades_processed": 1}


def prune_closed_position(position: TradingPosition) -> PruningStats:
    """Discard the balance updates of a closed position, and the details of its transactions.

    Figures of the position change if it had balance updates, see the top of this module.

    Raises
    ------
    InvalidValue
        The position is not closed.
    """
    if not position.is_closed():
        raise InvalidValue(f"Cannot prune open position #{position.position_id}, only closed ones can be pruned")
    removed = len(position.balance_updates)
    position.balance_updates.clear()
    trades = [prune_trade(trade) for trade in position.trades.values()]
    return {
        "blockchain_transactions_processed": sum(item["blockchain_transactions_processed"] for item in trades),
        "trades_processed": len(trades),
        "balance_updates_removed": removed,
        "positions_processed": 1,
    }


def prune_closed_positions(state: State) -> PruningStats:
    """Prune all closed positions of a state with `prune_closed_position`.

    Returns
    -------
    PruningStats
        Numbers of all processed objects, pruned before or not; only `balance_updates_removed` counts removed ones.

    Raises
    ------
    InvalidValue
        A position in the table of closed ones is not closed; nothing has changed.
    """
    state.portfolio.owner.claim()
    positions = list(state.portfolio.closed_positions.values())
    for position in positions:
        if not position.is_closed():
            raise InvalidValue(f"{position} is among the closed positions and is not closed")
    done = [prune_closed_position(position) for position in positions]
    return {
        "blockchain_transactions_processed": sum(item["blockchain_transactions_processed"] for item in done),
        "trades_processed": sum(item["trades_processed"] for item in done),
        "balance_updates_removed": sum(item["balance_updates_removed"] for item in done),
        "positions_processed": len(done),
    }


# --- Archiving


@dataclass(frozen=True, slots=True)
class RemovedDetails:
    """Details that `archive_closed_positions` removed from a state.

    Attributes
    ----------
    ref
        Reference that is stored in the state.
    content
        Bytes of the archive file. Call `write` before the state is saved.
    """

    ref: ArchiveRef
    content: bytes

    def write(self, state_path: Path, like: Path | None = None) -> Path:
        """Write the archive beside the state file, and return its path; see `write_archive`."""
        return write_archive(state_path, self.content, like=like)


def archive_closed_positions(state: State, created_at: datetime.datetime) -> RemovedDetails | None:
    """Remove details of the closed positions of a state in memory; the caller writes the archive and saves the state.

    No figure of any position changes.

    Parameters
    ----------
    created_at
        Time of the archive, naive UTC.

    Returns
    -------
    RemovedDetails or None
        None when there is nothing to remove, or too little to make the state smaller; the state is then unchanged.

    Raises
    ------
    BadStateData
        A value must not be saved; the state is unchanged.
    """
    state.portfolio.owner.claim()
    archive = Archive(strategy=state.name)
    positions = state.portfolio.closed_positions
    for position_id, position in positions.items():
        detail = _collect(position)
        if not detail.is_empty():
            archive.positions[position_id] = detail
    if not archive.positions:
        return None
    content, ref = pack_archive(archive, created_at)
    affected = [positions[position_id] for position_id in archive.positions]
    size_before = _get_json_size(affected)
    for position_id, detail in archive.positions.items():
        _take_out(positions[position_id], detail)
    # A comma separates the reference from the previous one.
    if _get_json_size(affected) + len(ref.to_json()) + 1 >= size_before:
        for position_id, detail in archive.positions.items():
            _put_back(positions[position_id], detail)
        return None
    state.archives.append(ref)
    return RemovedDetails(ref, content)


def _get_json_size(positions: list[TradingPosition]) -> int:
    """Return the length of the JSON text of positions, characters."""
    return sum(len(position.to_json()) for position in positions)


def _collect(position: TradingPosition) -> ArchivedPosition:
    """Return the details that can be removed from a position, without changing it."""
    detail = ArchivedPosition(valuation_updates=position.valuation_updates[:-1])
    for trade_id, trade in position.trades.items():
        items = (_collect_transaction(index, tx) for index, tx in enumerate(trade.blockchain_transactions))
        found = [item for item in items if item is not None]
        if found:
            detail.transactions[trade_id] = found
    if position.balance_updates and not needs_balance_updates(position):
        detail.balance_updates.update(position.balance_updates)
    return detail


def _collect_transaction(index: int, tx: BlockchainTransaction) -> ArchivedTransaction | None:
    values = {name: getattr(tx, name) for name in _DETAIL_FIELDS}
    data = (tx.details or {}).get("data")
    if data is None and all(value is None for value in values.values()):
        return None
    return ArchivedTransaction(index, tx.tx_hash, tx.nonce, **values, data=data)


def _take_out(position: TradingPosition, detail: ArchivedPosition) -> None:
    for trade_id, items in detail.transactions.items():
        for item in items:
            tx = position.trades[trade_id].blockchain_transactions[item.index]
            for name in _DETAIL_FIELDS:
                setattr(tx, name, None)
            if item.data is not None and tx.details:
                tx.details["data"] = None
    if detail.balance_updates:
        position.balance_updates.clear()
    if detail.valuation_updates:
        position.valuation_updates = position.valuation_updates[-1:]


def needs_balance_updates(position: TradingPosition) -> bool:
    """Return True if a figure of a position would change without its balance updates."""
    events = position.balance_updates
    if position.share_price_state is None and position.is_exchange_account():
        return True  # `migrate_share_price_state` replays them
    before = _get_figures(position)
    position.balance_updates = BalanceUpdatesById()
    try:
        return _get_figures(position) != before
    finally:
        position.balance_updates = events


def _get_figures(position: TradingPosition) -> list[Any]:
    """Return all figures of a position that depend on its balance updates."""
    assets = [position.pair.base]
    if position.loan is not None:
        assets += [item.asset for item in (position.loan.collateral, position.loan.borrowed) if item is not None]
    figures = [
        position.get_base_token_balance_update_quantity,
        position.get_quantity,
        position.get_net_profit_usd,
        position.get_total_profit_usd,
        position.get_total_profit_percent,
        position.get_value,
        position.get_equity,
        lambda: position.estimate_gained_interest("year"),
        *(lambda asset=asset: position.calculate_accrued_interest_quantity(asset) for asset in assets),
    ]
    return [_evaluate(figure) for figure in figures]


def _evaluate(figure: Callable[[], Any]) -> Any:
    """Return a figure, or the text of the error when it is not available."""
    try:
        return str(figure())
    except (TradeExecutorError, ArithmeticError) as error:
        return type(error)


# --- Restoring


def restore_archives(state: State, state_path: Path) -> list[ArchiveRef]:
    """Restore all details that were removed from a state, after which its JSON is the same as before.

    Parameters
    ----------
    state
        State to change in memory; the archives are kept.
    state_path
        Path of the state file, beside which the archives are.

    Returns
    -------
    list of ArchiveRef
        The restored archives, to which the state no longer refers.

    Raises
    ------
    ArchiveMissing, DamagedArchive
        An archive cannot be used; nothing has changed.
    ArchiveMismatch
        An archive does not fit; nothing has changed.
    """
    state.portfolio.owner.claim()
    refs = list(state.archives)
    # The details of a later archive come after those of an earlier one.
    archives = [(read_archive(state_path, ref), find_archive(state_path, ref)) for ref in reversed(refs)]
    positions = {position.position_id: position for position in state.portfolio.get_all_positions()}
    seen: set[tuple[int, str, int, int]] = set()
    for archive, path in archives:
        for place, problem in _find_mismatches(archive, positions):
            if problem or place in seen:
                raise ArchiveMismatch(path, f"the archive does not fit, {problem or 'another one has the same detail'}")
            seen.add(place)
    for archive, _ in archives:
        for position_id, detail in archive.positions.items():
            _put_back(positions[position_id], detail)
    state.archives = []
    return refs


def forget_unusable_archives(state: State, state_path: Path) -> list[ArchiveRef]:
    """Remove the references to missing or damaged archives, whose details are lost for this state.

    Returns
    -------
    list of ArchiveRef
        The removed references.
    """
    state.portfolio.owner.claim()
    problems = find_archive_problems(state_path, state.archives)
    forgotten = [ref for ref in state.archives if ref.sha256 in problems]
    state.archives = [ref for ref in state.archives if ref.sha256 not in problems]
    return forgotten


def _find_mismatches(
    archive: Archive, positions: dict[int, TradingPosition]
) -> Iterator[tuple[tuple[int, str, int, int], str]]:
    """Yield every place of a detail, with the reason why it cannot be restored there; empty when it can be."""
    for position_id, detail in archive.positions.items():
        position = positions.get(position_id)
        if position is None:
            yield (position_id, "", 0, 0), f"there is no position #{position_id} in the state"
            continue
        for trade_id, items in detail.transactions.items():
            trade = position.trades.get(trade_id)
            for item in items:
                yield (position_id, "transaction", trade_id, item.index), _find_problem(item, trade, trade_id)
        for event_id in detail.balance_updates:
            taken = event_id in position.balance_updates
            problem = f"position #{position_id} has a balance update #{event_id}" if taken else ""
            yield (position_id, "balance update", event_id, 0), problem


def _find_problem(item: ArchivedTransaction, trade: TradeExecution | None, trade_id: int) -> str:
    if trade is None:
        return f"there is no trade #{trade_id} in the state"
    what = f"transaction {item.index} of trade #{trade_id}"
    if item.index >= len(trade.blockchain_transactions):
        return f"there is no {what} in the state"
    tx = trade.blockchain_transactions[item.index]
    if (tx.tx_hash, tx.nonce) != (item.tx_hash, item.nonce):
        return f"{what} is another one in the state: {tx.tx_hash}, not {item.tx_hash}"
    details = tx.details or {}
    is_in_place = any(getattr(tx, name) is not None for name in _DETAIL_FIELDS) or details.get("data") is not None
    has_no_place = item.data is not None and "data" not in details
    return f"{what} was changed since" if is_in_place or has_no_place else ""


def _put_back(position: TradingPosition, detail: ArchivedPosition) -> None:
    for trade_id, items in detail.transactions.items():
        for item in items:
            tx = position.trades[trade_id].blockchain_transactions[item.index]
            for name in _DETAIL_FIELDS:
                setattr(tx, name, getattr(item, name))
            if item.data is not None and tx.details:
                tx.details["data"] = item.data
    if detail.balance_updates:
        position.balance_updates = BalanceUpdatesById(detail.balance_updates | dict(position.balance_updates))
    position.valuation_updates = [*detail.valuation_updates, *position.valuation_updates]
