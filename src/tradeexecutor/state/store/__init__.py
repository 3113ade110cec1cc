"""Stores: where a state is kept between two cycles.

`store` is the interface and the store in one file; `backups` and `copies` keep and find older versions, and `archive`
holds the detail that was pruned from a state.
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
