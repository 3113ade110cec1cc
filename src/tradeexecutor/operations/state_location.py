"""Where a state is: in a file, or under the address of a strategy in a database."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tradeexecutor.database.address import DatabaseAddress, is_address, is_connection_string
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.files.compressed_copy import get_compressed_path
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
    "open_store",
    "parse_state_location",
    "read_state_text",
    "require_no_folder",
    "require_state_file",
]

StateLocation: TypeAlias = Path | DatabaseAddress


def parse_state_location(text: str) -> StateLocation:
    """Read a path, or an address of a database such as ``sqlite:///trading.db#my-strategy``.

    Raises
    ------
    InvalidValue
        It is neither. The message does not repeat the text, in which there may be a password.
    """
    if is_connection_string(text):
        raise InvalidValue("a database is not named by key=value, but as postgresql://user@host/database#NAME")
    if is_address(text):
        return DatabaseAddress.parse(text)
    if "\0" in text:
        raise InvalidValue("a path has no NUL characters")
    return Path(text)


def load_state(place: StateLocation) -> State:
    """Read a state file, or a strategy in a database.

    Raises
    ------
    OperationRefused
        There is no such file or strategy, or it is a folder.
    StateFileError, OSError
        It cannot be read.
    """
    if not isinstance(place, Path):
        from tradeexecutor.operations.databases import load_strategy  # SQLAlchemy takes longer than all else

        return load_strategy(place)
    require_state_file(place)
    return State.read_json_file(place)


def read_state_text(place: StateLocation) -> bytes:
    """Return the JSON text that `load_state` parses; raises what that raises, but for wrong content."""
    if not isinstance(place, Path):
        from tradeexecutor.operations.databases import read_strategy_text

        return read_strategy_text(place)
    require_state_file(place)
    return place.read_bytes()


def open_store(place: StateLocation) -> "JSONFileStore | SQLStateStore":
    """Return the store that a state can be loaded from and saved to; use it as a context manager.

    Raises
    ------
    OperationRefused
        There is no such file, or the address is of an earlier save.
    """
    if not isinstance(place, Path):
        from tradeexecutor.operations.databases import open_strategy

        return open_strategy(place)
    require_state_file(place)
    return JSONFileStore(place, compressed=get_compressed_path(place.resolve()).exists())


def get_archives_path(place: StateLocation) -> Path | None:
    """Return the path beside which archives of pruned detail stand; None for a server, which has no such place."""
    if isinstance(place, Path):
        return place
    from tradeexecutor.operations.databases import open_address

    return open_address(place).files_path


def get_stored_file(place: StateLocation) -> Path | None:
    """Return the file that holds the state, whose mode and owner files beside it get; None for a server."""
    return place if isinstance(place, Path) else place.path


def require_state_file(place: StateLocation) -> None:
    """Refuse what is no file; raises `OperationRefused`."""
    if not isinstance(place, Path):
        raise OperationRefused("this works with state files, not with databases", remedy=Remedy.convert_to_file)
    require_no_folder(place)
    if not place.exists():
        raise OperationRefused(f"there is no file {place}")


def require_no_folder(path: Path) -> None:
    """Refuse a folder, with the state file that may be meant; raises `OperationRefused`."""
    if path.is_dir():
        candidates = sorted(path.glob("*.json"))
        hint = f"Did you mean {candidates[0]}?" if candidates else ""
        raise OperationRefused(f"{path} is a folder, not a state file", hint)


def describe_state(state: State, place: StateLocation) -> str:
    """Return the name of the strategy, or of the file when it has none."""
    return state.name or place.name
