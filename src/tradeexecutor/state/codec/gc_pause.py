"""Pauses of Python's cyclic garbage collector.

The state is a tree that mostly grows. It has no reference cycles to collect, and repeated passes of the collector cost
more than building the tree. Both context managers restore the previous settings, also after an error and when blocks of
several threads overlap.
"""

import contextlib
import gc
import threading
from collections.abc import Generator

#: Threshold of the collector that is never reached, so that older objects are not collected.
_UNREACHABLE_THRESHOLD = 1_000_000

#: New objects after which they are collected meanwhile; nearly all of them are trades that stay.
_NEW_OBJECTS = 20_000


class _Pause:
    """A block in which nothing is collected; a class, because a generator takes several times as long."""

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_error: object) -> None:
        if self._was_enabled:
            gc.enable()


def pause_garbage_collection() -> contextlib.AbstractContextManager[None]:
    """Collect nothing inside the block. Use it for short work that allocates a lot, such as reading a file."""
    return _Pause()


@contextlib.contextmanager
def pause_full_collections() -> Generator[None]:
    """Collect only new objects inside the block. Use it for long work in which the state grows, such as a backtest.

    Python runs a full collection, which visits every trade and sample, after each growth by a quarter. This takes a
    third of the time when 100,000 trades are made.
    """
    _pause_full(+1)
    try:
        yield
    finally:
        _pause_full(-1)


class _Pauses:
    """Number of blocks, in all threads, that pause full collections, and the thresholds before the first of them."""

    lock = threading.Lock()
    count = 0
    thresholds = gc.get_threshold()


def _pause_full(change: int) -> None:
    """Count a block. The first one changes the thresholds and the last one restores them."""
    with _Pauses.lock:
        before = _Pauses.count
        _Pauses.count += change
        if before == 0:
            _Pauses.thresholds = gc.get_threshold()
            new = _Pauses.thresholds[0] and max(_Pauses.thresholds[0], _NEW_OBJECTS)  # 0 collects nothing at all
            gc.set_threshold(new, _UNREACHABLE_THRESHOLD, _UNREACHABLE_THRESHOLD)
        elif _Pauses.count == 0:
            gc.set_threshold(*_Pauses.thresholds)
