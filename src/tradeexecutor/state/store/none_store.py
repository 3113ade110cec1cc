"""A store that keeps a state in memory only."""

import errno

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.owner import get_owner
from tradeexecutor.state.state import State
from tradeexecutor.state.store.interface import StateStore
from tradeexecutor.state.store.snapshot import Snapshot


class NoneStore(StateStore):
    """State in memory only.

    There is always a state, so the store is never pristine. `load` returns the same object, and `create` replaces it. A
    saved state is neither checked nor copied.

    Parameters
    ----------
    state
        Initial state; None for a new one.
    """

    def __init__(self, state: State | None = None):
        self.state = state if state is not None else State()
        self.created = False

    def __repr__(self) -> str:
        return f"<In-memory store of {self.state}>"

    def is_pristine(self) -> bool:
        """Return False, because there is always a state."""
        return False

    def load(self) -> State:
        """Return the state object itself."""
        return self.state

    def create(self, name: str) -> State:
        """Replace the state by a new, empty one with this name, and return it."""
        self.state = State(name=name)
        self.created = True
        return self.state

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Keep the state and set its `last_updated_at`."""
        get_owner(state.portfolio).claim()
        state.last_updated_at = utc_now()
        self.state = state

    def snapshot(self) -> Snapshot:
        """Raise `FileNotFoundError`: nothing is written, so there is no save that another thread could read."""
        raise FileNotFoundError(errno.ENOENT, "a store in memory has no saves to read; use a JSONFileStore", repr(self))
