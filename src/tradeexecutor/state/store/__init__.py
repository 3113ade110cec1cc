"""Stores, which keep a state between two cycles.

`store` contains the interface and the store in one file; `backups` and `copies` keep and find older versions, and
`archive` keeps the details that were pruned from a state.
"""

from tradeexecutor.state.store.store import (
    JSONFileStore,
    NoneStore,
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
    "StateStore",
    "StateStoreModel",
]
