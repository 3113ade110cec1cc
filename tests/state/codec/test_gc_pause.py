"""The garbage collector is as it was after the last pause, in whatever order threads end theirs."""

import gc
from contextlib import AbstractContextManager

import pytest

from tradeexecutor.state.codec.gc_pause import pause_full_collections, pause_garbage_collection


def overlap(first: AbstractContextManager[None], second: AbstractContextManager[None]) -> None:
    """Begin two pauses and end the first one first, as two threads do."""
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)


def test_pauses_of_full_collections_overlap():
    before = gc.get_threshold()
    overlap(pause_full_collections(), pause_full_collections())
    assert gc.get_threshold() == before


def test_pauses_of_the_collector_overlap():
    assert gc.isenabled()
    overlap(pause_garbage_collection(), pause_garbage_collection())
    assert gc.isenabled()


def test_a_pause_ends_with_an_error():
    before = gc.get_threshold()

    def fail() -> None:
        with pause_full_collections():
            assert gc.get_threshold() != before
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert gc.get_threshold() == before


def test_a_collector_that_collects_nothing_stays_so():
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with pause_full_collections():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
