"""Colons of a text are counted alike with NumPy and without it."""

import sys
import types

import numpy as np
import pytest

from tradeexecutor.state.codec import counting
from tradeexecutor.state.codec.counting import count_colons


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make texts long that are not."""
    monkeypatch.setattr(counting, "_LONG", 4)
    monkeypatch.setattr(counting, "_PIECE", 16)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 15, 16, 17, 32, 1_000])
def test_the_count_is_that_of_bytes(length: int):
    text = np.random.default_rng(length).choice([58, 57, 59, 186, 0], length).astype(np.uint8).tobytes()
    assert count_colons(text) == text.count(b":")
    assert count_colons(b":" * length) == length


@pytest.mark.parametrize("module", [None, types.ModuleType("numpy")])
def test_it_needs_no_numpy(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None):
    """None is what a process without NumPy has, and an empty module one in which another thread is importing it."""
    monkeypatch.setitem(sys.modules, "numpy", module)
    assert count_colons(b'{"a":":"}' * 9) == 18
