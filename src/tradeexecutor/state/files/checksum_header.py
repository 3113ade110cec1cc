"""The seal of a saved state file: its number and a checksum, so that any flipped bit is found.

A file that a store has saved begins with one member more than the state has::

    {"seal":{"save":124,"sha256":"<64 hex digits>"},"schema_version":1,...}

``save`` counts the saves of this file; of two copies the one with the larger number is the newer, whatever the clock
said.  ``sha256`` is the checksum of the whole file with its own 64 digits written as zeros.  The seal is part of the
file, so it is replaced together with the state and travels with every copy; programs that do not know the key pass
over it.

A text without a seal is accepted: files of older programs have none, nor has `State.to_json`.  A text whose seal is
broken, moved or reformatted is not.
"""

import hashlib
import re
from typing import Any, NamedTuple, cast

from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.duplicate_keys import require_unique_keys
from tradeexecutor.state.codec.upcast import SEAL_KEY
from tradeexecutor.state.errors import DamagedStateFile

#: So many bytes from the beginning hold any seal, and the schema version after it.
HEAD_SIZE = 256

_ZEROS = b"0" * 64
_SEAL = re.compile(rb'\{"seal":\{"save":(0|[1-9][0-9]{0,15}),"sha256":"([0-9a-f]{64})"\}(,|(?=\}))')

#: What is left of a seal after damage, or after another program has formatted the file again.
_TRACES = (b'"seal"', b'"sha256"')


class Seal(NamedTuple):
    """What the seal says; `length` is the number of bytes up to the first byte of the state's own members."""

    save: int
    checksum: str
    length: int


def make_seal(text: bytes, save: int) -> tuple[bytes, memoryview]:
    """Seal the JSON text of an object.

    Parameters
    ----------
    text
        Without a seal.
    save
        Number of the save, from 1.

    Returns
    -------
    Head and rest of the sealed text; together they are the file.  The rest is a view, nothing is copied.
    """
    rest = memoryview(text)[text.index(b"{") + 1 :]
    comma = b","
    if bytes(rest[:64]).strip() == b"}":
        rest, comma = memoryview(b"}"), b""
    head = b'{"seal":{"save":%d,"sha256":"%b"}%b'
    checksum = hashlib.sha256(head % (save, _ZEROS, comma))
    checksum.update(rest)
    return head % (save, checksum.hexdigest().encode(), comma), rest


def read_seal(text: bytes) -> Seal | None:
    """Return the seal at the beginning of a text, unchecked; None when there is none of the exact form."""
    found = _SEAL.match(text)
    return Seal(int(found[1]), found[2].decode(), found.end()) if found else None


def check_seal(text: bytes) -> Seal | None:
    """Return the seal of a text, None for a text without one.

    Raises
    ------
    DamagedStateFile
        The checksum does not match, or the seal is not as a store has written it.
    """
    found = _SEAL.match(text)
    if found is None:
        head = text[:HEAD_SIZE]
        if any(trace in head for trace in _TRACES):
            raise DamagedStateFile("the seal at the beginning is damaged or was changed")
        return None
    whole = memoryview(text)
    checksum = hashlib.sha256(whole[: found.start(2)])
    checksum.update(_ZEROS)
    checksum.update(whole[found.end(2) :])
    if checksum.hexdigest().encode() != found[2]:
        raise DamagedStateFile("damaged or changed after it was saved, the checksum does not match")
    return Seal(int(found[1]), found[2].decode(), found.end())


def remove_seal(text: bytes) -> bytes:
    """Return a text without its seal; a text without one as it is."""
    seal = read_seal(text)
    return text if seal is None else b"{" + text[seal.length :]


def parse_sealed(text: str | bytes) -> Any:
    """Parse the JSON text of a state; a seal is checked, and stays in the tree.

    A text with a seal that matches is what a store has written.  In any other, keys may be there twice.

    Raises
    ------
    DamagedStateFile
        There is a seal, and it does not match.
    InvalidStateFile
        Not JSON, or an object has a key twice.
    """
    seal = check_seal(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    tree = parse(text)
    if seal is None and SEAL_KEY in (tree if isinstance(cast(object, tree), dict) else ()):
        raise DamagedStateFile("changed after it was saved, the seal is not at the beginning")
    if seal is None:
        require_unique_keys(text, tree)
    return tree
