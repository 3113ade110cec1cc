"""The strategies that are served: state files, folders of them, strategies in databases, the strategy of this process.

Everything is read from snapshots (`tradeexecutor.state.store.StateStore.snapshot`). A reader never takes the lock of a
writer, and a snapshot is read again only when the file or the database has changed.
"""

import contextlib
import datetime
import hashlib
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import list_strategies
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.upcast import CHECKSUM_HEADER_KEY
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, StateStore
from tradeexecutor.state.store.backups import BACKUP_NAME
from tradeexecutor.state.store.snapshot import Snapshot

__all__ = ["Catalogue", "Saved", "Strategy", "read_catalogue"]

#: Longest time for which a list of the files in a folder is used, seconds.
_SCAN_PAUSE = 1.0

_UNWANTED = re.compile(r"[^A-Za-z0-9._-]+")

#: Files beside a state that are not states of their own, see docs/stores.md.
_COPIES = re.compile(
    r"\.([a-z0-9-]+-backup|backup|damaged|replaced|overwritten)-\d+\.json$|\.\d{4}-\d\d-\d\dT\d{6}\.json$"
)


@dataclass(frozen=True, slots=True)
class Saved:
    """One save of a strategy.

    Attributes
    ----------
    snapshot
        The save as the store returned it.
    key
        Identity of the save: its number and the beginning of its checksum, e.g. ``124-5f1c0a2b9d3e4f60``.
    """

    snapshot: Snapshot
    key: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Saved":
        """Return the save of a snapshot; a file without a recorded checksum gets that of its text."""
        checksum = snapshot.sha256 or hashlib.sha256(snapshot.text).hexdigest()
        return cls(snapshot, f"{snapshot.revision}-{checksum[:16]}")

    @property
    def state(self) -> State:
        """The read-only state of the snapshot."""
        return self.snapshot.state

    @property
    def saved_at(self) -> datetime.datetime | None:
        """Time of the save, naive UTC; None if it is not known."""
        return self.snapshot.saved_at

    def read_tree(self) -> dict[str, Any]:
        """Return the JSON tree of the save, without the checksum header of the file.

        Older programs have written amounts as numbers and prices as text. A file that no store has written is
        therefore returned in the form in which this program would save it, so that clients need to know only that
        form; one that is no state for this program is returned as it is.
        """
        if self.snapshot.revision == 0:
            with contextlib.suppress(InvalidStateFile, BadStateData):
                return self.state.to_dict()
        tree = parse(self.snapshot.text)
        if isinstance(tree, dict):
            tree.pop(CHECKSUM_HEADER_KEY, None)
        return tree


@dataclass(slots=True)
class Strategy:
    """A strategy with its store.

    Attributes
    ----------
    id
        Name in addresses.
    place
        Location of the state.
    store
        Store from which snapshots are taken. Only the owner of a live store writes to it.
    root
        Folder that the file must not leave; None for a file that was named by the user, and for a database.
    is_live
        Whether this process runs the strategy.
    """

    id: str
    place: StateLocation
    store: StateStore
    root: Path | None = None
    is_live: bool = False
    _latest: Saved | None = field(default=None, init=False, repr=False)

    def peek(self) -> Saved | None:
        """Return the latest save if it is in memory, None if it has to be read; for the event loop.

        A link that now leads out of the served folder leads to another file, so that `read` looks at it.
        """
        latest = self._latest
        return latest if latest is not None and self.store.peek_snapshot() is latest.snapshot else None

    def read(self) -> Saved:
        """Return the latest save. Reads the disk if it is new, so it is called in a thread.

        Raises
        ------
        FileNotFoundError, StateFileError
            As `StateStore.snapshot`.
        """
        if self.root is not None:
            _require_inside(self.place, self.root)
        snapshot = self.store.snapshot()
        latest = self._latest
        if latest is None or latest.snapshot is not snapshot:
            self._latest = latest = Saved.of(snapshot)
        return latest


def _require_inside(place: StateLocation, root: Path) -> None:
    """Raise `FileNotFoundError` when a link now leads out of the folder that is served."""
    assert isinstance(place, Path)
    if not place.resolve().is_relative_to(root):
        raise FileNotFoundError(f"{place.name} is not in the folder that is served")


class Catalogue:
    """All strategies by id.

    Parameters
    ----------
    strategies
        Strategies that were named one by one.
    folders
        Folders of state files; they are listed again when they are asked for, at most once a second.
    """

    def __init__(self, strategies: Iterable[Strategy] = (), folders: Iterable[Path] = ()):
        self._named: dict[str, Strategy] = {}
        for strategy in strategies:
            self._add(self._named, strategy)
        self._folders = [folder.resolve() for folder in folders]
        self._found: dict[Path, Strategy] = {}
        self._scanned_at = -_SCAN_PAUSE
        self._all = dict(self._named)
        self._lock = threading.Lock()

    @property
    def named(self) -> tuple[Strategy, ...]:
        """The strategies that were named one by one, not found in a folder."""
        return tuple(self._named.values())

    def list(self) -> list[Strategy]:
        """Return all strategies, by id."""
        return [strategy for _, strategy in sorted(self._scan().items())]

    def find(self, name: str) -> Strategy | None:
        """Return the strategy of an id; None for an unknown one. The id is only compared, never part of a path."""
        return self._all.get(name) or self._scan().get(name)

    def peek(self, name: str | None) -> Strategy | None:
        """Return the strategy of an id, or the only one, if that is known without listing folders; for the event loop.

        None means that `find` or `get_only` has to look.
        """
        if name is not None:
            return self._all.get(name)
        return next(iter(self._all.values())) if len(self._all) == 1 and not self._folders else None

    def get_only(self) -> Strategy | None:
        """Return the strategy if there is exactly one."""
        found = self._scan()
        return next(iter(found.values())) if len(found) == 1 else None

    def _scan(self) -> dict[str, Strategy]:
        if not self._folders:
            return self._all
        with self._lock:
            now = time.monotonic()
            if now - self._scanned_at >= _SCAN_PAUSE:
                found = dict(self._named)
                for folder in self._folders:
                    for path in list_state_files(folder):
                        known = self._found.get(path)
                        strategy = known or Strategy(make_id(path), path, JSONFileStore(path), folder)
                        self._found[path] = strategy
                        if known is None or found.setdefault(known.id, known) is not known:
                            self._add(found, strategy)
                self._all, self._scanned_at = found, now
            return self._all

    @staticmethod
    def _add(known: dict[str, Strategy], strategy: Strategy) -> None:
        name, number = strategy.id, 1
        while strategy.id in known:
            number += 1
            strategy.id = f"{name}-{number}"
        known[strategy.id] = strategy


def list_state_files(folder: Path) -> list[Path]:
    """Return the state files in a folder, and those named ``state.json`` in its folders and theirs, sorted.

    Copies beside a state are left out, and links that lead out of the folder.
    """
    found: list[Path] = []
    with contextlib.suppress(OSError):
        candidates = [*folder.glob("*.json"), *folder.glob("*/state.json"), *folder.glob("*/*/state.json")]
        for path in sorted(candidates):
            is_copy = _COPIES.search(path.name) or path.parent.name.endswith((".backups", ".archives"))
            if path.name.startswith(".") or is_copy or not path.is_file():
                continue
            if path.resolve().is_relative_to(folder):
                found.append(path)
    return found


def make_id(place: StateLocation) -> str:
    """Return the id of a state: the strategy in a database, the folder of ``state.json``, or the name of the file."""
    if isinstance(place, Path):
        place = place.absolute()
        text = place.parent.name if place.name == "state.json" else place.name.removesuffix(".json")
    else:
        text = place.strategy or place.name
    return _UNWANTED.sub("-", text).strip("-.") or "strategy"


def read_catalogue(places: Iterable[StateLocation]) -> Catalogue:
    """Return the strategies of state files, folders and databases.

    Raises
    ------
    InvalidValue
        There is nothing at a path, or an address names an earlier save.
    StateFileError, OSError
        A database, or a file that was named, cannot be read.
    """
    strategies: list[Strategy] = []
    folders: list[Path] = []
    for place in places:
        if not isinstance(place, Path):
            strategies += _open_database(place)
        elif place.is_dir():
            folders.append(place)
        elif place.exists():
            named = Strategy(make_id(place), place, JSONFileStore(place))
            try:
                named.read()
            except InvalidStateFile as error:
                raise InvalidStateFile(str(error), place) from error
            strategies.append(named)
        else:
            raise InvalidValue(f"there is no file or folder {place}")
    return Catalogue(strategies, folders)


def _open_database(address: DatabaseAddress) -> list[Strategy]:
    if address != address.newest:
        raise InvalidValue("the newest save is served; leave out the part after the @ of the address")
    addresses = [address]
    if address.strategy is None:
        with Database(address).reading() as connection:
            addresses = [address.with_strategy(found.name) for found in list_strategies(connection, address)]
    return [Strategy(make_id(item), item, SQLStateStore(item)) for item in addresses]


def list_backups(path: Path) -> list[tuple[int, datetime.datetime, Path]]:
    """Return number, time (naive UTC) and path of each backup of a state file, oldest first."""
    folder = path.resolve()
    folder = folder.with_name(f"{folder.name}.backups")
    found: list[tuple[int, datetime.datetime, Path]] = []
    if folder.is_dir():
        for backup in folder.iterdir():
            match = BACKUP_NAME.fullmatch(backup.name)
            if match and not backup.is_symlink():
                when = datetime.datetime.strptime(backup.name.split("-", 1)[1][:20], "%Y-%m-%dT%H-%M-%SZ")
                found.append((int(match[1]), when, backup))
    return sorted(found)


def read_backup(path: Path) -> Saved:
    """Return the save in a backup after checking it; raises `InvalidStateFile` if it is no state."""
    if path.is_symlink():
        raise InvalidStateFile("the backup is a link")
    return Saved.of(JSONFileStore(path, backups=None).snapshot())
