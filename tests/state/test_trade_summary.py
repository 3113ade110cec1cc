"""The summary computes its ratios from its counts, also when a file says otherwise."""

import datetime
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.kit.samples import full_trade_summary, trade_summary
from tradeexecutor.state.errors import BadStateData, InvalidStateFile
from tradeexecutor.state.trade_summary import TradeSummary

COMPUTED = {
    "total_positions": 12,
    "win_percent": 0.5,
    "lost_percent": 0.25,
    "delta_neutral_percent": 2 / 12,
    "return_percent": 0.2,
    "annualised_return_percent": 1.0,
    "all_stop_loss_percent": 2 / 12,
    "lost_stop_loss_percent": 2 / 3,
    "all_take_profit_percent": 3 / 12,
    "won_take_profit_percent": 0.5,
    "average_net_profit": 50 / 12,
    "end_value": 1200.0,
    "winning_stop_losses_percent": 0.5,
    "losing_stop_losses_percent": 0.5,
    "winning_take_profits_percent": 1 / 3,
    "losing_take_profits_percent": 0.0,
    "average_position_frequency": 12 / 73,
}


def example(**changes: Any) -> TradeSummary:
    counts = {
        "delta_neutral": 2,
        "take_profits": 3,
        "winning_stop_losses": 1,
        "losing_stop_losses": 1,
        "winning_take_profits": 1,
    }
    return trade_summary(**counts | changes)


@pytest.mark.parametrize(("name", "value"), COMPUTED.items())
def test_computed_fields(name: str, value: float):
    assert getattr(example(), name) == pytest.approx(value)


@pytest.mark.parametrize("name", [name for name in COMPUTED if name != "average_position_frequency"])
def test_computed_fields_are_no_arguments(name: str):
    with pytest.raises(TypeError):
        trade_summary(**{name: 0.5})


def test_a_file_cannot_say_otherwise():
    tree = example().to_dict()
    lies = dict.fromkeys(COMPUTED, 99)
    assert TradeSummary.from_dict(tree | lies).to_dict() == tree
    absent = {key: value for key, value in tree.items() if key not in COMPUTED}
    assert TradeSummary.from_dict(absent).to_dict() == tree


def test_without_positions_the_ratios_are_unknown():
    empty = trade_summary(won=0, lost=0, zero_loss=0, stop_losses=0, initial_cash=0.0)
    for name in COMPUTED:
        if "percent" in name or name == "average_net_profit":
            assert getattr(empty, name) is None, name
    assert empty.total_positions == 0
    assert empty.average_position_frequency == 0


@pytest.mark.parametrize(
    ("changes", "frequency", "annualised"),
    [
        ({"duration": None}, 0, 0),
        ({"duration": datetime.timedelta(0)}, 0, None),
        ({"open_value": 500.0}, 12 / 73, None),
        ({"initial_cash": 0.0}, 12 / 73, None),
        ({"initial_cash": None}, 12 / 73, None),
    ],
)
def test_annual_figures_without_duration_or_return(changes: dict[str, Any], frequency: float, annualised: float | None):
    summary = example(**changes)
    assert summary.average_position_frequency == pytest.approx(frequency)
    assert summary.annualised_return_percent == annualised


def test_counts_may_be_unknown():
    assert example(winning_stop_losses=None).winning_stop_losses_percent is None


def test_fractions_are_numbers_not_durations():
    stored = {"time_in_market": 1.5036072115315106e-05, "time_in_market_volatile": 0}
    summary = TradeSummary.from_dict(example().to_dict() | stored)
    assert summary.time_in_market == 1.5036072115315106e-05
    assert summary.to_dict()["time_in_market_volatile"] == 0


def test_durations_may_be_unknown():
    tree = example().to_dict() | {"average_duration_of_winning_trades": None, "duration": None}
    assert TradeSummary.from_dict(tree).average_duration_of_winning_trades is None


def test_returns_are_stored_without_their_times():
    returns = pd.Series([0.1, math.nan, -0.2], index=pd.date_range("2024-01-01", periods=3))
    tree = example(daily_returns=returns, compounding_returns=(1, 2)).to_dict()
    assert tree["daily_returns"] == [0.1, None, -0.2]
    assert tree["compounding_returns"] == [1.0, 2.0]
    assert TradeSummary.from_dict(tree).daily_returns == [0.1, None, -0.2]


@pytest.mark.parametrize("returns", [[math.inf], ["x"], 5])
def test_other_returns_are_not_written(returns: Any):
    with pytest.raises(BadStateData, match="daily_returns"):
        example(daily_returns=returns).to_dict()


@pytest.mark.parametrize("change", [{"daily_returns": "x"}, {"daily_returns": ["x"]}, {"won": None}, {"duration": "1"}])
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        TradeSummary.from_dict(example().to_dict() | change)


def test_summaries_compare_by_value():
    assert full_trade_summary() == full_trade_summary()
    assert example() != example(won=7)


def test_real_summaries_agree_with_what_was_recorded(state_file: Path):
    for sample in json.loads(state_file.read_bytes())["stats"]["portfolio"]:
        stored = sample["summary"]
        if stored is None:
            continue
        written = TradeSummary.from_dict(stored).to_dict()
        # The oldest program computed returns differently.
        names = set(stored) - {"return_percent", "annualised_return_percent"}
        assert {name: written[name] for name in names} == {name: stored[name] for name in names}
