"""The compressed copy of a state file, ``PATH.br``, for web servers that send it as it is.

The copy holds the very bytes of the file, compressed with brotli, and has mode, owner and group of the file.  A save
first removes the old copy, then replaces the file, then writes the new copy; so a crash leaves no copy rather than an
old one.  What a power cut leaves nobody can promise, and a disk may lose a bit: brotli has no checksum, and
decompresses many damaged copies to another text.  So whoever reads or serves a copy has to check it: it belongs to the
file when both have the same seal, and it is intact when its text matches the checksum in that seal.
`read_compressed_copy` does both.
"""

import logging
import os
from pathlib import Path
from typing import Any, Protocol, cast

from tradeexecutor.state.errors import DamagedStateFile
from tradeexecutor.state.files.checksum_header import HEAD_SIZE, check_seal, read_seal
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer

logger = logging.getLogger(__name__)

#: Of 0 to 11: fast, and a tenth of the size.
QUALITY = 4

#: Nobody's state is that large; a copy that claims to be is not one of ours.
_MAX_TEXT = 1 << 30

_CHUNK = 1 << 20


class _Decompressor(Protocol):
    def process(self, data: bytes, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...


def get_compressed_path(path: Path) -> Path:
    """Return where the compressed copy of a state file is."""
    return path.with_name(f"{path.name}.br")


def write_compressed_copy(path: Path, text: bytes, files: FileLayer = OS_FILES) -> None:
    """Write the copy of a state file that was saved just now; raises `OSError` like `write_atomically`."""
    brotli = _import_brotli()
    write_atomically(get_compressed_path(path), brotli.compress(text, quality=QUALITY), like=path, files=files)


def remove_compressed_copy(path: Path, files: FileLayer = OS_FILES) -> None:
    """Remove the copy of a state file that is about to be replaced; it need not exist."""
    copy = get_compressed_path(path)
    if os.path.lexists(copy):
        files.unlink(copy)


def read_compressed_copy(path: Path) -> bytes | None:
    """Return the compressed text of a state file as it is now, None when there is no intact copy of just this text.

    The copy is decompressed and its checksum verified, which takes some milliseconds for each megabyte of the text:
    a server that sends it often should keep the bytes until the file changes.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    try:
        compressed = get_compressed_path(path).read_bytes()
        with path.open("rb") as file:
            seal = read_seal(file.read(HEAD_SIZE))
    except FileNotFoundError:
        return None
    if seal is None:
        return None
    try:
        return compressed if check_seal(decompress(compressed)) == seal else None
    except DamagedStateFile as error:
        logger.warning("%s is not used: %s", get_compressed_path(path), error.reason)
        return None


def decompress(compressed: bytes) -> bytes:
    """Return the text of a compressed copy.

    Raises
    ------
    DamagedStateFile
        It is not brotli, or cut off, or larger than any state.
    """
    brotli = _import_brotli()
    decompressor = cast(_Decompressor, brotli.Decompressor())
    chunks: list[bytes] = []
    size, data = 0, compressed
    try:
        while not decompressor.is_finished():
            chunk = decompressor.process(data, output_buffer_limit=_CHUNK)
            data = b""
            if not chunk and not decompressor.is_finished():
                raise DamagedStateFile("the compressed copy is cut off")
            chunks.append(chunk)
            size += len(chunk)
            if size > _MAX_TEXT:
                raise DamagedStateFile("the compressed copy is larger than any state")
    except brotli.error as error:
        raise DamagedStateFile("the compressed copy is not brotli") from error
    return b"".join(chunks)


def _import_brotli() -> Any:
    """Return the library; only stores that compress load it."""
    import brotli  # pyright: ignore[reportMissingTypeStubs]

    return brotli
