"""The address of a strategy in a database, as a user writes it.

It needs SQLAlchemy, which takes longer to load than all else; so it is imported only where there is such an address.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.database.address import Address
from tradeexecutor.database.connection import Database
from tradeexecutor.database.copying import get_site
from tradeexecutor.database.reading import Moment, list_strategies
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State

__all__ = ["DatabaseAddress", "open_address", "parse_moment"]


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a strategy is in a database: ``sqlite:///trading.db#my-strategy``.

    ``#my-strategy@120`` is the strategy as of its save 120.

    Attributes
    ----------
    text
        As it was given.  Its methods raise what `open_address` raises.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """What a state without a name is called."""
        return self.text.rpartition("/")[2]

    def load(self) -> State:
        """Read the state."""
        address, at, cycle = open_address(self.text)
        return SQLStateStore(address).load(at, cycle=cycle)

    def read_text(self) -> bytes:
        """Read the JSON text of the state."""
        address, at, cycle = open_address(self.text)
        return SQLStateStore(address).read(at, cycle=cycle)[1]

    def open_store(self) -> SQLStateStore:
        """Return the store of the strategy; only the newest save can be changed."""
        address, at, cycle = open_address(self.text)
        if at is not None or cycle is not None:
            raise OperationRefused(f"only the newest save can be changed; leave out what stands after @ in {self}")
        return SQLStateStore(address)

    def get_archives_path(self) -> Path | None:
        """Return the path beside which the archives of the strategy stand; None on a server, which has none."""
        return get_site(open_address(self.text)[0])


def open_address(text: str) -> tuple[Address, Moment | None, int | None]:
    """Read an address; where it names no strategy, the only one in the database is meant.

    Returns
    -------
    The address, and the moment after ``@``: a save or a time, or a cycle.

    Raises
    ------
    OperationRefused
        There are several strategies, or none.
    StateFileError, InvalidValue, OSError
        It is no address, or the database cannot be read.
    """
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
            raise OperationRefused(f"which strategy in {address}? Add #NAME to the address: {listed}")
        address = address.with_strategy(names[0])
    return address, at, cycle


def parse_moment(text: str) -> tuple[Moment | None, int | None]:
    """Read what stands after ``--at``: a save (120), a time (2026-03-01T12:30), or a cycle (cycle:15).

    Raises
    ------
    OperationRefused
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
        raise OperationRefused(
            f"{text!r} is neither a save, as 120, nor a time, as 2026-03-01T12:30, nor a cycle, as cycle:15"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return moment, None
