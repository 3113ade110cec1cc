"""The root of the tree: all data of a strategy.

>>> state = State(name="example")
>>> State.read_json_blob(state.to_json()).name
'example'

The data is in `StateFields`. The functions that change it are in modules, one per subject; they are the methods of
`State`. Reading and writing files is in this module.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar, cast

from tradeexecutor.state.codec.bounds import free_data_is_checked
from tradeexecutor.state.codec.codec import decode
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.interning import intern_at, intern_equal_objects
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, SCHEMA_VERSION_KEY, require_state, upcast
from tradeexecutor.state.display.html_repr import render_state
from tradeexecutor.state.errors import (
    BadStateData,
    DamagedStateFile,
    IntegrityError,
    InvalidStateFile,
    MethodRemoved,
    NewerStateFile,
    UncleanState,
)
from tradeexecutor.state.files.bounded_read import read_file
from tradeexecutor.state.files.checksum_header import parse_verified_object
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.owner import get_owner
from tradeexecutor.state.portfolio.ids import check_ids
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import (
    blacklist,
    cycles,
    integrity,
    outcome,
    planning,
    settlement,
    transitions,
)
from tradeexecutor.state.state.fields import BacktestData, StateFields
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType

__all__ = [
    "BacktestData",
    "State",
    "TradeExecution",
    "TradeFlag",
    "TradeStatus",
    "TradeType",
    "TradingPosition",
    "UncleanState",
]


S = TypeVar("S", bound=StateFields)


class State(StateFields):
    """All data of a strategy, in backtests and live trading."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<State for {self.name}>"

    def _repr_html_(self) -> str:
        return render_state(self)

    # --- Threads

    def hand_over(self) -> None:
        """Give the state up: the next thread that changes or saves it becomes its owner.

        Raises
        ------
        WrongThread
            The state belongs to another thread.
        """
        self.portfolio.owner.release()

    # --- JSON

    def to_dict(self) -> dict[str, Any]:
        """Return the tree of the state file: plain JSON data, with the schema version first.

        Raises
        ------
        BadStateData
            A value cannot be represented in JSON, or ids contradict each other, so the file could not be read again.
        ConcurrentUse
            The state belongs to another thread, or another thread has changed it meanwhile.
        """
        with get_owner(self.portfolio).reading_everything(), comparing_closed_once(self.portfolio, is_last=True):
            tree = super().to_dict()  # refuses values of a wrong type, with which ids cannot be compared
            try:
                check_ids(self.portfolio)
            except IntegrityError as error:
                raise BadStateData(str(error), "portfolio") from None
            return {SCHEMA_VERSION_KEY: SCHEMA_VERSION, **tree}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build a state from the tree of a state file, old schema versions included.

        The objects inside the tree of an old file are changed in place; `data` itself is not.

        Raises
        ------
        NewerStateFile
            The schema version is newer than this program.
        InvalidStateFile
            The tree is not a state, or its ids contradict each other.
        """
        tree = _upcast(data)
        return _require_consistent_ids(decode(tree, cls))

    @classmethod
    def read_json_blob(cls, text: str | bytes) -> Self:
        """Read a state from JSON text; raises `InvalidStateFile`, `DamagedStateFile` or `NewerStateFile`."""
        with pause_garbage_collection():
            data, known = parse_verified_object(text, cls)
            tree = _upcast(require_state(data))
            is_checked = known is not None and known.has_checked_data

            def intern(tree: Any, cls: type, decode_one: Callable[[Any, type], Any]) -> None:
                # Equal pairs and assets become one object, which halves the memory of a state with many trades.
                if known is None:
                    intern_equal_objects(tree, cls, decode_one)
                else:
                    intern_at(known.places, decode_one)

            with free_data_is_checked() if is_checked else contextlib.nullcontext():
                state = decode(tree, cls, intern, has_only_known_keys=known is not None)
            if known is not None:
                for record in (state.stats, state.visualisation):
                    for (cls_of_field, name), data in known.deferred.items():
                        if type(record) is cls_of_field:
                            setattr(record, name, data)
            return _require_consistent_ids(state)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Same as `read_json_blob`."""
        return cls.read_json_blob(text)

    @classmethod
    def read_json_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a state file.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        InvalidStateFile, DamagedStateFile, NewerStateFile
            The file cannot be used; the message names it. A device, a pipe, or a file larger than any state is refused
            without reading it.
        """
        path = Path(path)
        content = read_file(path)
        try:
            return cls.read_json_blob(content)
        except NewerStateFile as e:
            raise NewerStateFile(e.file_version, e.supported_version, path) from None
        except DamagedStateFile as e:
            raise DamagedStateFile(e.reason, path) from None
        except InvalidStateFile as e:
            raise InvalidStateFile(str(e), path) from e

    def to_json_safe(self) -> str:
        """Return JSON text; raises `BadStateData` naming the path of a value that must not reach a file."""
        return self.to_json()

    def write_json_file(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, atomically.

        The text is created before the file is touched, so a value that cannot be written leaves the old file in place.
        `last_updated_at` is not changed. Live strategies save through `tradeexecutor.state.store.JSONFileStore`.
        """
        write_atomically(Path(path), self.to_json_bytes())

    # --- Planning trades

    request_trade = planning.request_trade
    request_long = planning.request_long
    request_short = planning.request_short
    request_credit = planning.request_credit
    create_trade = planning.create_trade
    trade_short = planning.trade_short
    supply_credit = planning.supply_credit

    # --- Transitions of trades

    start_execution = transitions.start_execution
    start_execution_all = transitions.start_execution_all
    mark_broadcasted = transitions.mark_broadcasted
    record_fill = outcome.record_fill
    mark_trade_success = outcome.mark_trade_success
    mark_trade_failed = transitions.mark_trade_failed

    # --- Trades that wait for another chain or a vault

    mark_bridge_in_transit = settlement.mark_bridge_in_transit
    resume_bridge_transfer = settlement.resume_bridge_transfer
    mark_vault_settlement_pending = settlement.mark_vault_settlement_pending
    resume_vault_settlement = settlement.resume_vault_settlement

    @staticmethod
    def maybe_set_vault_lockup_expiry(position: TradingPosition, trade: TradeExecution) -> None:
        """Set the estimated end of the lock-up of a vault deposit, see `set_vault_lockup_estimate`."""
        settlement.set_vault_lockup_estimate(position, trade)

    # --- Decision cycles and time ranges

    record_cycle_end = cycles.record_cycle_end
    mark_ready = cycles.mark_ready
    get_strategy_time_range = cycles.get_strategy_time_range
    get_trading_time_range = cycles.get_trading_time_range
    get_strategy_duration = cycles.get_strategy_duration
    get_formatted_strategy_duration = cycles.get_formatted_strategy_duration
    get_strategy_start_and_end = cycles.get_strategy_start_and_end

    # --- Assets that must not be traded

    is_good_pair = blacklist.is_good_pair
    blacklist_asset = blacklist.blacklist_asset
    unblacklist_asset = blacklist.unblacklist_asset

    # --- Valuation

    def revalue_positions(self, ts: object, valuation_method: object) -> NoReturn:
        """Raise `MethodRemoved`: a revaluation needs the whole state, and all or none of the positions change."""
        raise MethodRemoved("use tradeexecutor.strategy.valuation.revalue_state(state, ts, valuation_model)")

    # --- Checks

    def is_empty(self) -> bool:
        """Return True if nothing has happened yet."""
        return self.portfolio.is_empty()

    check_if_clean = integrity.check_if_clean
    perform_integrity_check = integrity.perform_integrity_check

    # --- Reserves

    def update_reserves(self, new_reserves: list[ReservePosition]) -> None:
        """Replace reserves by asset; raises `UnexecutedTrades` while trades are in flight."""
        self.portfolio.update_reserves(new_reserves)


def _upcast(data: Any) -> dict[str, Any]:
    """Return the tree of a state file in the present schema, without its version."""
    if not isinstance(data, dict):
        raise InvalidStateFile(f"a state is a JSON object, got {type(data).__name__}")
    tree = dict(cast(dict[str, Any], data))
    version = tree.pop(SCHEMA_VERSION_KEY, 0)
    if type(version) is not int or version < 0:
        raise InvalidStateFile(f"{SCHEMA_VERSION_KEY} must be a positive integer, got {version!r}")
    if version > SCHEMA_VERSION:
        raise NewerStateFile(version, SCHEMA_VERSION)
    upcast(tree, version)
    return tree


def _require_consistent_ids(state: S) -> S:
    """Return a state that was read; raise `InvalidStateFile` if its ids contradict each other."""
    try:
        check_ids(state.portfolio)
    except IntegrityError as error:
        raise InvalidStateFile(f"its ids contradict each other: {error}") from None
    return state
