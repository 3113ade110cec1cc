"""The checksum header of a saved state file: number of the save and a checksum, by which any flipped bit is found.

The JSON object in a saved file begins with one member that is not part of the state::

    {"seal":{"save":124,"sha256":"<64 hex digits>"},"schema_version":1,...}

``save`` counts the saves of this file: the copy with the larger number is newer, independent of the clock. ``sha256``
is the checksum of the whole file with its own 64 digits written as zeros. The header is part of the file, so it is
replaced together with the state and is part of every copy. Programs that do not know the key ignore it.

A text without a header is accepted, because files of older programs and the result of `State.to_json` have none. A text
whose header is damaged, moved or formatted differently is refused.
"""

import hashlib
import re
from typing import Any, NamedTuple

from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.duplicate_keys import require_unique_keys
from tradeexecutor.state.codec.known_keys import KnownTree, parse_known
from tradeexecutor.state.codec.upcast import CHECKSUM_HEADER_KEY, SCHEMA_VERSION_KEY
from tradeexecutor.state.errors import DamagedStateFile

#: Number of bytes from the beginning that always contain the whole header and the schema version after it.
HEAD_SIZE = 256

_ZEROS = b"0" * 64
_HEADER = re.compile(rb'\{"seal":\{"save":(0|[1-9][0-9]{0,15}),"sha256":"([0-9a-f]{64})"\}(,|(?=\}))')

#: Texts that show a header which was damaged, or which another program has formatted differently.
_TRACES = (b'"seal"', b'"sha256"')


class ChecksumHeader(NamedTuple):
    """Content of the header; `length` is the number of bytes before the members of the state."""

    save: int
    checksum: str
    length: int


def make_checksum_header(text: bytes, save: int) -> tuple[bytes, memoryview]:
    """Add a checksum header to the JSON text of an object.

    Parameters
    ----------
    text
        JSON text without a header.
    save
        Number of the save, from 1.

    Returns
    -------
    The header and the rest of the text; together they are the content of the file. The rest is a view, not a copy.
    """
    rest = memoryview(text)[text.index(b"{") + 1 :]
    comma = b","
    if bytes(rest[:64]).strip() == b"}":
        rest, comma = memoryview(b"}"), b""
    head = b'{"seal":{"save":%d,"sha256":"%b"}%b'
    checksum = hashlib.sha256(head % (save, _ZEROS, comma))
    checksum.update(rest)
    return head % (save, checksum.hexdigest().encode(), comma), rest


def read_checksum_header(text: bytes) -> ChecksumHeader | None:
    """Return the header of a text without verifying it; None when there is none of the exact form."""
    found = _HEADER.match(text)
    return ChecksumHeader(int(found[1]), found[2].decode(), found.end()) if found else None


def verify_checksum_header(text: bytes) -> ChecksumHeader | None:
    """Return the header of a text after verifying it; None for a text without one.

    Raises
    ------
    DamagedStateFile
        The checksum does not match, or the header does not have the form in which a store writes it.
    """
    found = _HEADER.match(text)
    if found is None:
        head = text[:HEAD_SIZE]
        if any(trace in head for trace in _TRACES):
            raise DamagedStateFile("the checksum header at the beginning is damaged or was changed")
        return None
    whole = memoryview(text)
    checksum = hashlib.sha256(whole[: found.start(2)])
    checksum.update(_ZEROS)
    checksum.update(whole[found.end(2) :])
    if checksum.hexdigest().encode() != found[2]:
        raise DamagedStateFile("damaged or changed after it was saved, the checksum does not match")
    return ChecksumHeader(int(found[1]), found[2].decode(), found.end())


def remove_checksum_header(text: bytes) -> bytes:
    """Return a text without its header; a text without a header is returned unchanged."""
    header = read_checksum_header(text)
    return text if header is None else b"{" + text[header.length :]


def parse_verified(text: str | bytes) -> Any:
    """Return the parsed JSON text of a state. A header is verified, and stays in the tree.

    A text with a matching header was written by a store. Any other text is checked for objects that contain a key
    twice.

    Raises
    ------
    DamagedStateFile
        The header does not match the text.
    InvalidStateFile
        The text is not JSON, or an object contains a key twice.
    """
    return _parse(text, verify_checksum_header(_as_bytes(text)))


def parse_verified_object(text: str | bytes, cls: type) -> tuple[Any, KnownTree | None]:
    """Return the same as `parse_verified`, and what is known of the tree if it contains only keys that `cls` declares.

    In that case equal pairs and assets are the same dictionary, see :mod:`~tradeexecutor.state.codec.known_keys`.
    """
    content = _as_bytes(text)
    header = verify_checksum_header(content)
    known = parse_known(content, cls, (SCHEMA_VERSION_KEY, CHECKSUM_HEADER_KEY))
    if known is None:
        return _parse(text, header), None
    _require_no_misplaced_header(known.tree, header)
    return known.tree, known


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _parse(text: str | bytes, header: ChecksumHeader | None) -> Any:
    tree = parse(text)
    _require_no_misplaced_header(tree, header)
    if header is None:
        require_unique_keys(text, tree)
    return tree


def _require_no_misplaced_header(tree: Any, header: ChecksumHeader | None) -> None:
    if header is None and CHECKSUM_HEADER_KEY in (tree if isinstance(tree, dict) else ()):
        raise DamagedStateFile("changed after it was saved, the seal is not at the beginning")
