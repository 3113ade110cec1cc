"""Archives: details that were removed from a state, in files beside it.

`tradeexecutor.state.prune` defines what is removed. Each pruning writes a new file::

    demo.json                                   the state
    demo.json.archives/<64 hex digits>.json.br  the removed details: JSON, compressed with brotli

The name of the file is the SHA-256 of its bytes, and `State.archives` contains it, so an archive that is not what was
written is refused. An archive is written before the state that refers to it. It is never changed, and this program
never removes it, because backups of the state may refer to it as well.
"""

import hashlib
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.state.archive_ref import ArchiveRef
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import ArchiveError, ArchiveMissing, DamagedArchive, InvalidStateFile
from tradeexecutor.state.files.access import make_folder_beside
from tradeexecutor.state.files.bounded_read import read_file
from tradeexecutor.state.files.compressed_copy import decompress
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.pickle_over_json import PickledArguments
from tradeexecutor.state.types import JSONHexBytes, UTCDatetime, new_dict, new_list
from tradeexecutor.state.valuation import ValuationUpdate

__all__ = [
    "Archive",
    "ArchivedPosition",
    "ArchivedTransaction",
    "find_archive",
    "find_archive_problems",
    "get_archive_folder",
    "get_archive_path",
    "get_folder_beside",
    "pack_archive",
    "read_archive",
    "write_archive",
]

#: Version of the format of the archives that this program writes.
ARCHIVE_VERSION = 1

#: Name without ``.json`` of a copy made by `tradeexecutor.state.store.backups.backup_state`, or of an earlier result of
#: a backtest (`tradeexecutor.operations.earlier_results`).
_KEPT_ORIGINAL = re.compile(r"(.+)\.(?:[a-z0-9-]+-\d+|\d{4}-\d{2}-\d{2}T\d{6}(?:-\d+)?)")

#: Quality of brotli, from 0 to 11. It is high because transactions are archived once and kept for years.
_QUALITY = 9


@dataclass(slots=True)
class ArchivedTransaction(Serialisable):
    """Details removed from a blockchain transaction; hash and nonce identify the transaction."""

    #: Index in the list of transactions of the trade.
    index: int
    tx_hash: JSONHexBytes | None = None
    nonce: int | None = None
    transaction_args: PickledArguments | None = None
    wrapped_args: PickledArguments | None = None
    signed_bytes: JSONHexBytes | None = None
    signed_tx_object: str | None = None
    #: ``data`` of the removed details.
    data: Any = None


@dataclass(slots=True)
class ArchivedPosition(Serialisable):
    """Details removed from a position."""

    #: Trade id -> transactions.
    transactions: dict[int, list[ArchivedTransaction]] = field(default_factory=new_dict)
    balance_updates: dict[int, BalanceUpdate] = field(default_factory=new_dict)
    #: Removed updates, all older than those that are left.
    valuation_updates: list[ValuationUpdate] = field(default_factory=new_list)

    def is_empty(self) -> bool:
        """Return True if nothing was removed."""
        return not (self.transactions or self.balance_updates or self.valuation_updates)


@dataclass(slots=True)
class Archive(Serialisable):
    """Content of an archive file."""

    #: Position id -> details removed from it.
    positions: dict[int, ArchivedPosition] = field(default_factory=new_dict)
    archive_version: int = ARCHIVE_VERSION
    #: Name of the strategy, for messages.
    strategy: str | None = None

    def count(self) -> tuple[int, int, int, int]:
        """Return the numbers of positions, transactions, balance updates and valuation updates."""
        positions = self.positions.values()
        return (
            len(positions),
            sum(len(items) for position in positions for items in position.transactions.values()),
            sum(len(position.balance_updates) for position in positions),
            sum(len(position.valuation_updates) for position in positions),
        )


_get_counts = operator.attrgetter("positions", "transactions", "balance_updates", "valuation_updates")


# --- Files


def get_archive_folder(state_path: Path) -> Path:
    """Return the folder of the archives of a state file."""
    return get_folder_beside(resolve_links(state_path))


def get_folder_beside(path: Path) -> Path:
    """Return the folder of the archives of a state file whose path has no symbolic links."""
    return path.with_name(f"{path.name}.archives")


def get_archive_path(state_path: Path, ref: ArchiveRef) -> Path:
    """Return the path of an archive."""
    return get_archive_folder(state_path) / f"{ref.sha256}.json.br"


def find_archive(state_path: Path, ref: ArchiveRef) -> Path:
    """Return the path of an existing archive; a backup of a state file uses the archives of the state file."""
    own = get_archive_path(state_path, ref)
    if own.exists():
        return own
    target = resolve_links(state_path)
    owners: list[Path] = []
    if target.parent.suffix == ".backups":
        owners.append(target.parent.with_suffix(""))
    kept = _KEPT_ORIGINAL.fullmatch(target.stem)
    if kept is not None:
        owners.append(target.with_name(f"{kept[1]}{target.suffix}"))
    candidates = (get_archive_path(owner, ref) for owner in owners)
    return next((path for path in candidates if path.exists()), own)


def pack_archive(archive: Archive, created_at: UTCDatetime) -> tuple[bytes, ArchiveRef]:
    """Return the bytes of an archive file, and the reference to store in the state.

    Raises
    ------
    BadStateData
        The archive contains a value that must not be written to a file.
    """
    content: bytes = _import_brotli().compress(archive.to_json_bytes(), quality=_QUALITY)
    return content, ArchiveRef(hashlib.sha256(content).hexdigest(), created_at, len(content), *archive.count())


def write_archive(state_path: Path, content: bytes, files: FileLayer = OS_FILES, *, like: Path | None = None) -> Path:
    """Write the bytes of an archive beside a state file; they are on the disk when this returns.

    An existing archive with the same content, from an earlier attempt, is kept.

    Parameters
    ----------
    like
        File whose mode, owner and group the archive gets, by default the state file. For a strategy in a database this
        is the database.

    Raises
    ------
    OSError
        The folder cannot be written to, or the disk is full.
    """
    folder = get_archive_folder(state_path)
    like = resolve_links(like or state_path)
    make_folder_beside(like, folder, files)
    files.flush_folder(folder.parent)
    path = folder / f"{hashlib.sha256(content).hexdigest()}.json.br"
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content, like=like, files=files)
    else:
        files.flush_folder(folder)
    return path


def read_archive(state_path: Path, ref: ArchiveRef) -> Archive:
    """Return the content of an archive after checking that it is the one in the reference.

    Raises
    ------
    ArchiveMissing
        There is no such file.
    DamagedArchive
        The file is not what was written.
    OSError
        The file cannot be read.
    """
    path = find_archive(state_path, ref)
    try:
        content = read_file(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ArchiveMissing(
            path,
            f"the archive of {ref.created_at:%Y-%m-%d %H:%M:%S} is missing, "
            "the folder of archives has to be beside the state file",
        ) from None
    if hashlib.sha256(content).hexdigest() != ref.sha256:
        raise DamagedArchive(path, "the archive is damaged, its bytes do not match the checksum in its name")
    try:
        archive = Archive.from_json(decompress(content))
    except InvalidStateFile as error:
        raise DamagedArchive(path, f"this is no archive ({error})") from None
    if archive.archive_version != ARCHIVE_VERSION:
        raise DamagedArchive(
            path, f"the archive has form {archive.archive_version}, this program reads {ARCHIVE_VERSION}; upgrade it"
        )
    if archive.count() != _get_counts(ref):
        raise DamagedArchive(path, "the contents of the archive differ from those that the state records")
    return archive


def find_archive_problems(state_path: Path, refs: Iterable[ArchiveRef]) -> dict[str, ArchiveError | OSError]:
    """Return the errors of archives that cannot be used, by checksum; empty when all are there and intact."""
    problems: dict[str, ArchiveError | OSError] = {}
    for ref in refs:
        try:
            read_archive(state_path, ref)
        except (ArchiveError, OSError) as error:
            problems[ref.sha256] = error
    return problems


def _import_brotli() -> Any:
    """Return the library, which is imported only when something is archived."""
    import brotli  # pyright: ignore[reportMissingTypeStubs]

    return brotli
