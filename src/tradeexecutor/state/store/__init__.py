"""Stores, which keep a state between two cycles.

`interface` says what a store does, `store` is the one in a file, `none_store` the one in memory, `snapshot` what
threads that only read get of a store; `backups` and `copies` keep and find older versions, and `archive` keeps the
details that were pruned from a state.
"""

from tradeexecutor.state.store.interface import SaveHook, StateStore, StateStoreModel
from tradeexecutor.state.store.none_store import NoneStore
from tradeexecutor.state.store.snapshot import Snapshot
from tradeexecutor.state.store.store import JSONFileStore, SimulateStore

__all__ = [
    "JSONFileStore",
    "NoneStore",
    "SaveHook",
    "SimulateStore",
    "Snapshot",
    "StateStore",
    "StateStoreModel",
]
