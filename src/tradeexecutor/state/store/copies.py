"""Which copies of a state file there are, which of them are intact, and bringing the newest one back.

========================== ================================= ==========================================
kind                       file                              holds
========================== ================================= ==========================================
current                    ``demo.json``                     the last save
compressed                 ``demo.json.br``                  the same, compressed
temporary                  ``.demo.json.<hex>.tmp``          a save that was under way when its process died
backup                     ``demo.json.backups/...``         earlier saves (:mod:`tradeexecutor.state.store.backups`)
kept                       ``demo.backup-1.json``            originals kept on purpose
========================== ================================= ==========================================

A generation is good when its checksum matches, or it has none, and this program can read it.
"""

import datetime
import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tradeexecutor.state.codec.upcast import SCHEMA_VERSION_KEY, require_state
from tradeexecutor.state.errors import DamagedStateFile, InvalidStateFile, NewerStateFile, NothingToRecover, SaveFailed
from tradeexecutor.state.files.checksum_header import make_seal, parse_sealed, read_seal, remove_seal
from tradeexecutor.state.files.compressed_copy import decompress, get_compressed_path, remove_compressed_copy
from tradeexecutor.state.files.durable_file import Replacement, find_temporary_files
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store.backups import BackupFolder, find_kept_originals, keep_original

logger = logging.getLogger(__name__)

#: Suffix under which an intact file is kept that somebody replaced by an earlier one.
_REPLACED = "replaced"


class GenerationKind(enum.Enum):
    """Where a copy of a state comes from."""

    current = "current"
    compressed = "compressed"
    temporary = "temporary"
    backup = "backup"
    kept = "kept"


class Verdict(enum.Enum):
    """Whether a copy of a state can be used."""

    #: Intact and readable.
    good = "good"
    #: Not what was saved, or not a state.
    damaged = "damaged"
    #: Intact as far as can be told, and only a newer program can read it.
    newer_schema = "newer_schema"
    #: The operating system does not let us read it.
    unreadable = "unreadable"


@dataclass(frozen=True, slots=True)
class Generation:
    """One copy of a state, and what was found about it.

    Attributes
    ----------
    path, kind, verdict
        The file, where it comes from, and whether it can be used.
    reason
        What is wrong; empty when good.
    number
        Place in the order of saves: from the seal, for a backup from its name; None when unknown.
    checksum
        The checksum of the seal; None for a file without one, in which a flipped bit cannot be found.
    schema_version, last_updated_at, name
        Of the state; None when it cannot be read, the latter two also when it has none.
    size
        Bytes on the disk.
    modified_at
        Of the file, naive UTC; None when it cannot be read.
    """

    path: Path
    kind: GenerationKind
    verdict: Verdict
    reason: str = ""
    number: int | None = None
    checksum: str | None = None
    schema_version: int | None = None
    last_updated_at: datetime.datetime | None = None
    name: str | None = None
    size: int = 0
    modified_at: datetime.datetime | None = None

    @property
    def is_good(self) -> bool:
        """Whether it can be used."""
        return self.verdict is Verdict.good


def examine(path: Path, kind: GenerationKind = GenerationKind.current, number: int | None = None) -> Generation:
    """Read one file and tell whether it is a good copy of a state; nothing is changed.

    Parameters
    ----------
    number
        What its name says about its place in the order of saves.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    try:
        status = path.stat()
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        return Generation(path, kind, Verdict.unreadable, error.strerror or str(error), number)
    modified_at = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC).replace(tzinfo=None)
    verdict, reason, checksum, version = Verdict.good, "", None, None
    state: State | None = None
    try:
        text = decompress(content) if kind is GenerationKind.compressed else content
        tree = require_state(parse_sealed(text))
        seal = read_seal(text)
        if seal is not None:
            checksum = seal.checksum
            number = seal.save if number is None else number
        version = tree.get(SCHEMA_VERSION_KEY, 0) if isinstance(cast(object, tree), dict) else None
        state = State.from_dict(tree)
    except NewerStateFile as error:
        verdict, reason = Verdict.newer_schema, str(error)
    except DamagedStateFile as error:
        verdict, reason = Verdict.damaged, error.reason
    except InvalidStateFile as error:
        verdict, reason = Verdict.damaged, str(error)
    return Generation(
        path=path,
        kind=kind,
        verdict=verdict,
        reason=reason,
        number=number,
        checksum=checksum,
        schema_version=version if type(version) is int else None,
        last_updated_at=state.last_updated_at if state else None,
        name=state.name if state else None,
        size=status.st_size,
        modified_at=modified_at,
    )


def list_generations(path: Path) -> list[Generation]:
    """Return every copy of a state file that there is, the file itself first, backups newest first.

    All of them are read, so this takes as long as loading as many states.  Nothing is changed.
    """
    path = path.resolve()
    return [generation for generation in _examine_all(path) if generation is not None]


def _examine_all(path: Path) -> Iterator[Generation | None]:
    yield _examine_if_there(path, GenerationKind.current)
    yield _examine_if_there(get_compressed_path(path), GenerationKind.compressed)
    for item in find_temporary_files(path):
        yield _examine_if_there(item, GenerationKind.temporary)
    for backup in reversed(BackupFolder(path).list_backups()):
        yield _examine_if_there(backup.path, GenerationKind.backup, backup.number)
    for item in find_kept_originals(path):
        yield _examine_if_there(item, GenerationKind.kept)


def _examine_if_there(path: Path, kind: GenerationKind, number: int | None = None) -> Generation | None:
    try:
        return examine(path, kind, number)
    except FileNotFoundError:  # a store that runs has removed it meanwhile
        return None


# --- Recovery


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery does, or has done.

    Attributes
    ----------
    path
        The state file.
    current
        The file as it was found; None when it was missing.
    chosen
        What replaces it; None when it is intact and nothing is to be done.
    kept_as
        Where the replaced file is now; None before the recovery, and when there was none.
    """

    path: Path
    current: Generation | None
    chosen: Generation | None
    kept_as: Path | None = None


def plan_recovery(path: Path, source: Path | None = None) -> Recovery:
    """Say what `recover` would do; nothing is changed.

    Raises
    ------
    NothingToRecover
        There is no good copy, or `source` is not one; also for an intact file of a newer program without a `source`.
    """
    return _plan(path.resolve(), source, list_generations(path))


def _plan(path: Path, source: Path | None, generations: list[Generation]) -> Recovery:
    current = next((item for item in generations if item.kind is GenerationKind.current), None)
    if source is not None:
        return Recovery(path, current, _examine_source(path, source))
    if current is not None and current.is_good:
        return Recovery(path, current, None)
    if current is not None and current.verdict is Verdict.newer_schema:
        raise NothingToRecover(path, f"intact, but {current.reason}; --from FILE replaces it all the same")
    good = [item for item in generations if item.is_good]
    if not good:
        raise NothingToRecover(path, _describe_failure(generations))
    return Recovery(path, current, max(good, key=_get_rank))


def _examine_source(path: Path, source: Path) -> Generation:
    kind = GenerationKind.compressed if source.suffix == ".br" else GenerationKind.kept
    generation = examine(source, kind)
    if not generation.is_good:
        raise NothingToRecover(path, f"{source} cannot replace it: {generation.reason}")
    return generation


def _describe_failure(generations: list[Generation]) -> str:
    if not generations:
        return "there is no such file, and no copy of it"
    listed = "; ".join(f"{item.path.name}: {item.reason}" for item in generations[:5])
    return f"none of {len(generations)} copies is intact ({listed})"


def _get_rank(generation: Generation) -> tuple[bool, int, datetime.datetime]:
    """Order by the number of the save, and what has none by the clock; of equals the first in the list wins.

    What was replaced on purpose comes last, however new it is.
    """
    is_wanted = generation.kind is not GenerationKind.kept or f".{_REPLACED}-" not in generation.path.name
    number = -1 if generation.number is None else generation.number
    return is_wanted, number, generation.last_updated_at or datetime.datetime.min


def recover(path: Path, source: Path | None = None, *, exact: bool = False, files: FileLayer = OS_FILES) -> Recovery:
    """Replace a damaged or missing state file by its newest good copy; an intact one is left alone.

    The damaged file is kept as ``STEM.damaged-N.json``.  The recovered file gets a new number, so that it counts as
    newer than every copy.  Its `last_updated_at` stays what it was.

    Parameters
    ----------
    source
        Use this copy, also when the file is intact; the file is then kept as ``STEM.replaced-N.json``.
    exact
        Restore the bytes of the copy, its number included: to undo a change as if it had never been.

    Raises
    ------
    NothingToRecover
        There is no good copy, or `source` is not one; also for an intact file of a newer program without a `source`.
    StoreLocked
        A process writes to the file.
    SaveFailed
        The file was replaced, and only the last step failed, the flush of the folder: a power cut may undo it.
    OSError
        The folder cannot be written to, or the disk is full; the file is as it was.
    """
    path = path.resolve()
    lock = WriterLock(path)
    lock.acquire()
    try:
        generations = list_generations(path)
        plan = _plan(path, source, generations)
        chosen = plan.chosen
        if chosen is None:
            return plan
        content = chosen.path.read_bytes()
        text = decompress(content) if chosen.kind is GenerationKind.compressed else content
        parse_sealed(text)  # once more: it was read a moment ago
        if exact:
            head, rest = b"", memoryview(text)
        else:
            numbers = [item.number for item in (*generations, chosen) if item.number is not None]
            head, rest = make_seal(remove_seal(text), max(numbers, default=0) + 1)
        kept_as = None
        if plan.current is not None:
            kept_as = keep_original(path, _REPLACED if plan.current.is_good else "damaged", files)
        done = Recovery(path, plan.current, chosen, kept_as)
        _replace(done, Replacement(path, None if path.exists() else chosen.path, files), head, rest)
        try:
            remove_compressed_copy(path, files)  # only now: it may have been the chosen one
        except OSError as error:  # it stays, and readers see by its checksum that it belongs to another save
            logger.warning("%s is recovered, but its old compressed copy cannot be removed: %s", path, error)
        return done
    finally:
        lock.release()


def _replace(done: Recovery, replacement: Replacement, *parts: bytes | memoryview) -> None:
    """Put the content in place; when only the last flush fails, say what was done all the same."""
    try:
        replacement.write(*parts)
        replacement.put_in_place()
    except BaseException as error:
        if isinstance(error, OSError) and replacement.is_in_place:
            raise SaveFailed(done.path, error, in_place=True, advice=_describe(done)) from error
        replacement.discard()
        raise


def _describe(done: Recovery) -> str:
    assert done.chosen is not None
    kept = "" if done.kept_as is None else f", and what was there before is now {done.kept_as}"
    return f"it was recovered from {done.chosen.path}{kept}; `sync` writes it to the disk for good"
