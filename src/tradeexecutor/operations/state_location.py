"""Location of a state: a file, or the address of a strategy in a database."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tradeexecutor.database.address import DatabaseAddress, is_address, is_connection_string
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.files.bounded_read import read_file
from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

if TYPE_CHECKING:
    from tradeexecutor.database.store import SQLStateStore

__all__ = [
    "StateLocation",
    "describe_state",
    "get_archives_path",
    "get_stored_file",
    "load_state",
    "open_new_store",
    "open_store",
    "parse_state_location",
    "read_state_text",
    "recover_save",
    "require_no_folder",
    "require_state_file",
]

StateLocation: TypeAlias = Path | DatabaseAddress


def parse_state_location(text: str) -> StateLocation:
    """Return the location of a path, or of a database address such as ``sqlite:///trading.db#my-strategy``.

    Raises
    ------
    InvalidValue
        The text is neither. The message does not repeat the text, because it may contain a password.
    """
    if is_connection_string(text):
        raise InvalidValue("a database address has the form postgresql://user@host/database#NAME, not key=value")
    if is_address(text):
        return DatabaseAddress.parse(text)
    if "\0" in text:
        raise InvalidValue("a path must not contain NUL characters")
    return Path(text)


def load_state(place: StateLocation) -> State:
    """Return the state of a file, or of a strategy in a database.

    Raises
    ------
    OperationRefused
        The file or strategy does not exist, or the path is a folder.
    StateFileError, OSError
        It cannot be read.
    """
    if not isinstance(place, Path):
        return _import_databases().load_strategy(place)
    require_state_file(place)
    return State.read_json_file(place)


def read_state_text(place: StateLocation) -> bytes:
    """Return the JSON text that `load_state` parses; raises as `load_state`, except for wrong content."""
    if not isinstance(place, Path):
        return _import_databases().read_strategy_text(place)
    require_state_file(place)
    return read_file(place)


def open_store(place: StateLocation) -> "JSONFileStore | SQLStateStore":
    """Return the store of a state for loading and saving; use it as a context manager.

    Raises
    ------
    OperationRefused
        The file does not exist, or the address names an earlier save.
    """
    if not isinstance(place, Path):
        return _import_databases().open_strategy(place)
    require_state_file(place)
    return JSONFileStore(place, compressed=get_compressed_path(resolve_links(place)).exists())


def open_new_store(place: StateLocation) -> "JSONFileStore | SQLStateStore":
    """Return the store of a state that does not exist yet; raises `OperationRefused` if it exists."""
    if not isinstance(place, Path):
        return _import_databases().open_new_strategy(place)
    if place.exists():
        raise OperationRefused(f"{place} exists already")
    return JSONFileStore(place)


def get_archives_path(place: StateLocation) -> Path | None:
    """Return the path beside which archives of pruned details are stored; None for a database server."""
    if isinstance(place, Path):
        return place
    return _import_databases().open_address(place).files_path


def recover_save(address: DatabaseAddress, number: int | None) -> None:
    """Go back to an earlier save of a strategy in a database; raises as `tradeexecutor.database.recovery.recover`."""
    _import_databases().recover_save(address, number)


def _import_databases():  # the type checker knows which module it is
    """Return the module for databases; it needs SQLAlchemy, which takes longer to load than all else."""
    from tradeexecutor.operations import databases

    return databases


def get_stored_file(place: StateLocation) -> Path | None:
    """Return the file of the state, whose mode and owner new files beside it get; None for a database server."""
    return place if isinstance(place, Path) else place.path


def require_state_file(place: StateLocation) -> None:
    """Raise `OperationRefused` for a database, a folder or a missing file."""
    if not isinstance(place, Path):
        raise OperationRefused("this works with state files, not with databases", remedy=Remedy.convert_to_file)
    require_no_folder(place)
    if not place.exists():
        raise OperationRefused(f"there is no file {place}")


def require_no_folder(path: Path) -> None:
    """Raise `OperationRefused` for a folder; the hint names a state file in it."""
    if path.is_dir():
        candidates = sorted(path.glob("*.json"))
        hint = f"Did you mean {candidates[0]}?" if candidates else ""
        raise OperationRefused(f"{path} is a folder, not a state file", hint)


def describe_state(state: State, place: StateLocation) -> str:
    """Return the name of the strategy, or of its file if it has no name."""
    return state.name or place.name
