"""The examples in the documentation of the analysis are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["performance", "trade_analyser"])
def test_examples(name: str):
    result = doctest.testmod(importlib.import_module(f"tradeexecutor.analysis.{name}"))
    assert result.attempted
    assert not result.failed
