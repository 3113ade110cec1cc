"""Strategies in databases, by address.

This module imports SQLAlchemy, which is slow; so it is imported only when there is a database address.
"""

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import list_strategies
from tradeexecutor.database.recovery import recover
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State

__all__ = ["load_strategy", "open_address", "open_new_strategy", "open_strategy", "read_strategy_text", "recover_save"]


def open_address(address: DatabaseAddress) -> DatabaseAddress:
    """Return an address with a strategy; an address without one means the only strategy in the database.

    Raises
    ------
    OperationRefused
        The address names no strategy, and the database does not have exactly one.
    StateFileError, OSError
        The database cannot be read.
    """
    if address.strategy is not None:
        return address
    with Database(address).reading() as connection:
        names = [strategy.name for strategy in list_strategies(connection, address)]
    if len(names) != 1:
        listed = f"one of {', '.join(names)}" if names else "there is none yet"
        raise OperationRefused(f"{address.database} needs a strategy: add #NAME to the address, {listed}")
    return address.with_strategy(names[0])


def load_strategy(address: DatabaseAddress) -> State:
    """Return the state of the save that the address names; raises as `open_address`."""
    found = open_address(address)
    return SQLStateStore(found.newest).load(found.at, cycle=found.cycle)


def read_strategy_text(address: DatabaseAddress) -> bytes:
    """Return the JSON text of the state; see `load_strategy`."""
    found = open_address(address)
    return SQLStateStore(found.newest).read(found.at, cycle=found.cycle)[1]


def open_strategy(address: DatabaseAddress) -> SQLStateStore:
    """Return the store of the strategy; raises as `open_address`, and `OperationRefused` for an earlier save."""
    if address != address.newest:
        raise OperationRefused(f"only the newest save can be changed; leave out the part after the @ in {address}")
    return SQLStateStore(open_address(address))


def open_new_strategy(address: DatabaseAddress) -> SQLStateStore:
    """Return the store of a strategy that does not exist yet; raises `OperationRefused` if it exists."""
    if address.strategy is None or address != address.newest:
        raise OperationRefused(f"the name of the new strategy is missing: add #NAME to {address.database}")
    store = SQLStateStore(address)
    if not store.is_pristine():
        raise OperationRefused(f"{address} exists already")
    return store


def recover_save(address: DatabaseAddress, number: int | None) -> None:
    """Go back to an earlier save; see `recover`."""
    recover(address, number)
