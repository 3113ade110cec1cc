"""The compressed copy of a state file, ``PATH.br``, which web servers send without further work.

The copy contains the exact bytes of the file, compressed with brotli, and has mode, owner and group of the file. A save
first removes the old copy, then replaces the file, then writes the new copy, so a crash leaves no copy rather than an
old one. After a power cut or a fault of the disk the copy may be damaged: brotli has no checksum, and decompresses many
damaged copies to another text. A program that reads or serves a copy therefore has to check it. The copy belongs to the
file when both have the same checksum header, and it is intact when its text matches the checksum in that header.
`read_compressed_copy` checks both.
"""

import logging
import os
from pathlib import Path
from typing import Any, Protocol, cast

from tradeexecutor.state.errors import DamagedStateFile
from tradeexecutor.state.files.bounded_read import read_file, require_regular_file
from tradeexecutor.state.files.checksum_header import HEAD_SIZE, read_checksum_header, verify_checksum_header
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer

logger = logging.getLogger(__name__)

#: Quality of brotli, from 0 to 11: this one is fast and gives a tenth of the size.
QUALITY = 4

#: The largest text that a copy may contain, bytes. A larger one is not a state.
_MAX_TEXT_BYTES = 1 << 30

_CHUNK_BYTES = 1 << 20


class _Decompressor(Protocol):
    def process(self, data: bytes, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...


def get_compressed_path(path: Path) -> Path:
    """Return the path of the compressed copy of a state file."""
    return path.with_name(f"{path.name}.br")


def write_compressed_copy(path: Path, text: bytes, files: FileLayer = OS_FILES) -> None:
    """Write the copy of a state file that was just saved; raises `OSError` like `write_atomically`."""
    brotli = _import_brotli()
    write_atomically(get_compressed_path(path), brotli.compress(text, quality=QUALITY), like=path, files=files)


def remove_compressed_copy(path: Path, files: FileLayer = OS_FILES) -> None:
    """Remove the copy of a state file that is about to be replaced; it need not exist."""
    copy = get_compressed_path(path)
    if os.path.lexists(copy):
        files.unlink(copy)


def read_compressed_copy(path: Path) -> bytes | None:
    """Return the compressed text of a state file; None when there is no intact copy of its present text.

    The copy is decompressed and its checksum is verified, which takes some milliseconds for each megabyte of text. A
    server that sends the copy often should keep the bytes until the file changes.

    Raises
    ------
    OSError
        A file cannot be read.
    InvalidStateFile
        One of the two files is a device or a pipe, or the copy is larger than any state.
    """
    try:
        compressed = read_file(get_compressed_path(path))
        require_regular_file(path.stat(), path)  # opening a pipe would wait for its writer
        with path.open("rb") as file:
            header = read_checksum_header(file.read(HEAD_SIZE))
    except FileNotFoundError:
        return None
    if header is None:
        return None
    try:
        return compressed if verify_checksum_header(decompress(compressed)) == header else None
    except DamagedStateFile as error:
        logger.warning("%s is not used: %s", get_compressed_path(path), error.reason)
        return None


def decompress(compressed: bytes) -> bytes:
    """Return the text of a compressed copy.

    Raises
    ------
    DamagedStateFile
        The copy is not brotli, or cut off, or larger than any state.
    """
    brotli = _import_brotli()
    decompressor = cast(_Decompressor, brotli.Decompressor())
    chunks: list[bytes] = []
    size, data = 0, compressed
    try:
        while not decompressor.is_finished():
            chunk = decompressor.process(data, output_buffer_limit=_CHUNK_BYTES)
            data = b""
            if not chunk and not decompressor.is_finished():
                raise DamagedStateFile("the compressed copy is cut off")
            chunks.append(chunk)
            size += len(chunk)
            if size > _MAX_TEXT_BYTES:
                raise DamagedStateFile("the compressed copy is larger than any state")
    except brotli.error as error:
        raise DamagedStateFile("the compressed copy is not brotli") from error
    return b"".join(chunks)


def _import_brotli() -> Any:
    """Return the library, which is imported only when a state is compressed."""
    import brotli  # pyright: ignore[reportMissingTypeStubs]

    return brotli
