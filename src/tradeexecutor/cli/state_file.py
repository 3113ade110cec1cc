"""Opening the state that a command was given: a file, or the address of a strategy in a database."""

import datetime
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed

if TYPE_CHECKING:
    from tradeexecutor.database.address import Address
    from tradeexecutor.database.reading import Moment
    from tradeexecutor.state.state import State

__all__ = [
    "DatabaseAddress",
    "StateFile",
    "describe_state",
    "load_state",
    "open_address",
    "parse_moment",
    "parse_state_argument",
    "read_state_text",
    "require_state_file",
]


class DatabaseAddress(PosixPath):
    """The address of a strategy in a database, where a command expects a path: ``sqlite:///trading.db#my-strategy``.

    ``#my-strategy@120`` is the strategy as of its save 120.
    """

    #: As it was given; a path has only one slash where a URL has three.
    text: str = ""

    def __str__(self) -> str:
        return self.text

    def __fspath__(self) -> str:
        return self.text

    def resolve(self, strict: bool = False) -> Path:
        """Return the path beside which the archives of the strategy stand; a server has none, and no such path."""
        from tradeexecutor.database.copying import get_site

        return get_site(open_address(self.text)[0]) or Path(self.text)

    def has_archives(self) -> bool:
        """Tell whether archives can stand beside the database."""
        from tradeexecutor.database.copying import get_site

        return get_site(open_address(self.text)[0]) is not None


def parse_state_argument(text: str) -> Path:
    """Return the path, or the address, that a user has typed."""
    if "://" not in text:
        return Path(text)
    address = DatabaseAddress(text)
    address.text = text
    return address


#: The argument of commands that read one state file.
StateFile = Annotated[
    Path,
    typer.Argument(
        metavar="STATE_FILE",
        help="State file (JSON) of a backtest or a live strategy, or a strategy in a database:"
        " sqlite:///trading.db#my-strategy. Commands that change nothing also read #my-strategy@120, as of save 120.",
        show_default=False,
        parser=parse_state_argument,
    ),
]


def load_state(path: Path) -> "State":
    """Read a state file, or a strategy in a database.

    Raises
    ------
    CommandFailed
        There is no such file, or it is a folder.
    StateFileError, OSError
        It cannot be read.
    """
    if isinstance(path, DatabaseAddress):
        from tradeexecutor.database.store import SQLStateStore

        address, at, cycle = open_address(path.text)
        return SQLStateStore(address).load(at, cycle=cycle)
    require_state_file(path)
    from tradeexecutor.state.state import State

    return State.read_json_file(path)


def read_state_text(path: Path) -> bytes:
    """Return the JSON text that `load_state` parses; raises what that raises, but for wrong content."""
    if isinstance(path, DatabaseAddress):
        from tradeexecutor.database.store import SQLStateStore

        address, at, cycle = open_address(path.text)
        return SQLStateStore(address).read(at, cycle=cycle)[1]
    require_state_file(path)
    return path.read_bytes()


def require_state_file(path: Path) -> None:
    """Refuse a path under which there is no file; raises `CommandFailed`."""
    if isinstance(path, DatabaseAddress):
        raise CommandFailed(
            "this command works with state files, not with databases",
            f"`tradeexecutor store convert {path.text} FILE` makes one",
        )
    if path.is_dir():
        candidates = sorted(path.glob("*.json"))
        hint = f"Did you mean {candidates[0]}?" if candidates else ""
        raise CommandFailed(f"{path} is a folder, not a state file", hint)
    if not path.exists():
        raise CommandFailed(f"there is no file {path}")


def describe_state(state: "State", path: Path) -> str:
    """Return the name of the strategy, or of the file when it has none."""
    return state.name or path.name


# --- Databases


def open_address(text: str) -> "tuple[Address, Moment | None, int | None]":
    """Read an address; where it names no strategy, the only one in the database is meant.

    Returns
    -------
    The address, and the moment after ``@``: a save or a time, or a cycle.

    Raises
    ------
    CommandFailed
        There are several strategies, or none.
    StateFileError, InvalidValue, OSError
        It is no address, or the database cannot be read.
    """
    from tradeexecutor.database.address import Address
    from tradeexecutor.database.connection import Database
    from tradeexecutor.database.reading import list_strategies

    place, mark, name = text.partition("#")
    name, _, moment = name.partition("@")  # before the mark it belongs to a password
    place += mark + name
    at, cycle = parse_moment(moment) if moment else (None, None)
    address = Address.parse(place)
    if address.strategy is None:
        with Database(address).reading() as connection:
            names = [strategy.name for strategy in list_strategies(connection, address)]
        if len(names) != 1:
            listed = f"one of {', '.join(names)}" if names else "there is none yet"
            raise CommandFailed(f"which strategy in {address}? Add #NAME to the address: {listed}")
        address = address.with_strategy(names[0])
    return address, at, cycle


def parse_moment(text: str) -> "tuple[Moment | None, int | None]":
    """Read what stands after ``--at``: a save (120), a time (2026-03-01T12:30), or a cycle (cycle:15).

    Raises
    ------
    CommandFailed
        It is none of them.
    """
    word, _, number = text.rpartition(":")
    if word == "cycle" and number.isdecimal():
        return None, int(number)
    if text.replace(",", "").isdecimal():
        return int(text.replace(",", "")), None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"{text!r} is neither a save, as 120, nor a time, as 2026-03-01T12:30, nor a cycle, as cycle:15"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return moment, None
