"""Stores, which keep a state between two cycles.

`store` contains the interface and the store in one file, `none_store` the one in memory, `snapshot` what threads that
only read get of a store; `backups` and `copies` keep and find older versions, and
`archive` keeps the details that were pruned from a state.
"""

from tradeexecutor.state.store.none_store import NoneStore
from tradeexecutor.state.store.snapshot import Snapshot
from tradeexecutor.state.store.store import (
    JSONFileStore,
    SaveHook,
    SimulateStore,
    StateStore,
    StateStoreModel,
)

__all__ = [
    "JSONFileStore",
    "NoneStore",
    "SaveHook",
    "SimulateStore",
    "Snapshot",
    "StateStore",
    "StateStoreModel",
]
