"""Verification of a save: what was written is read back before the save is acknowledged."""

import errno
from typing import Literal, TypeAlias, cast, get_args

from tradeexecutor.state.errors import BadStateData, InvalidValue, StateFileError
from tradeexecutor.state.files.durable_file import Replacement
from tradeexecutor.state.state import State

__all__ = ["Verify", "require_same_state", "require_verify", "verify_written"]

#: What a save verifies, beside the values of the state, which are always checked.
#: ``off``: nothing. ``written``: the bytes are read back and compared. ``loaded``: they are also loaded, and the loaded
#: state must have the same text.
Verify: TypeAlias = Literal["off", "written", "loaded"]


def require_verify(verify: str) -> Verify:
    """Return the argument of a store; raises `InvalidValue` for any other value."""
    if verify not in get_args(Verify):
        raise InvalidValue(f"verify must be one of {', '.join(get_args(Verify))}, got {verify!r}")
    return cast(Verify, verify)


def verify_written(replacement: Replacement, parts: tuple[bytes | memoryview, ...], text: bytes | None) -> None:
    """Compare what was written with what is read back.

    Parameters
    ----------
    parts
        What was written.
    text
        JSON text of the state, with which the loaded state is compared; None to compare only the bytes.

    Raises
    ------
    OSError
        The bytes differ.
    BadStateData
        They cannot be loaded, or give another state.
    """
    if not replacement.holds(*parts):
        raise OSError(errno.EIO, "what was read back is not what was written")
    if text is not None:
        require_same_state(replacement.read_back(), text)


def require_same_state(content: bytes, text: bytes) -> None:
    """Raise `BadStateData` if the content of a store cannot be loaded, or gives another text than `text`."""
    try:
        again = State.read_json_blob(content).to_json_bytes()
    except StateFileError as error:
        raise BadStateData(f"nothing is saved, because it could not be loaded again: {error}") from error
    if again != text:
        raise BadStateData("nothing is saved, because loading it would give another state")
