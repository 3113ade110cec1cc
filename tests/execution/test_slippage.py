"""Slippage models and random failures: their parameters and their numbers."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.markets import START
from tradeexecutor.execution.failures import InvalidFailureRate, RandomFailures
from tradeexecutor.execution.slippage import (
    FixedSlippage,
    InvalidSlippage,
    MarketTooThin,
    NoSlippage,
    VolumeShareSlippage,
)


def make_trade(value: float, trade_id: int = 1) -> Any:
    return SimpleNamespace(get_planned_value=lambda: value, pair=None, trade_id=trade_id)


def test_fixed():
    assert NoSlippage().get_slippage(START, make_trade(1)) == 0
    assert FixedSlippage(0.001).get_slippage(START, make_trade(1)) == 0.001
    for fraction in (-0.1, 1.0):
        with pytest.raises(InvalidSlippage):
            FixedSlippage(fraction)


def test_share_of_the_volume():
    model = VolumeShareSlippage(lambda ts, pair: 10_000, impact=0.1, max_share=0.25)
    assert model.get_slippage(START, make_trade(200)) == pytest.approx(0.002)
    with pytest.raises(MarketTooThin, match=r"30.0% of the 10,000 traded in the candle, the limit is 25%"):
        model.get_slippage(START, make_trade(3_000))


@pytest.mark.parametrize("volume", [None, 0.0])
def test_unknown_volume_uses_the_fallback(volume: float | None):
    model = VolumeShareSlippage(lambda ts, pair: volume, fallback=0.003)
    assert model.get_slippage(START, make_trade(200)) == 0.003


@pytest.mark.parametrize(
    "arguments", [{"impact": -1}, {"max_share": 0}, {"fallback": 1}, {"impact": 5, "max_share": 1}]
)
def test_impossible_parameters_are_refused(arguments: dict[str, Any]):
    with pytest.raises(InvalidSlippage):
        VolumeShareSlippage(lambda ts, pair: 1.0, **arguments)


def test_failures_depend_on_seed_and_trade_only():
    def outcomes(seed: int) -> list[bool]:
        return [RandomFailures(0.3, seed)(make_trade(1, trade_id)) for trade_id in range(1, 1001)]

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert 0.25 < sum(outcomes(1)) / 1000 < 0.35
    assert not any(RandomFailures(0)(make_trade(1, n)) for n in range(100))
    assert all(RandomFailures(1)(make_trade(1, n)) for n in range(100))
    with pytest.raises(InvalidFailureRate):
        RandomFailures(1.5)
