"""A save writes samples that nobody has read without making objects of them, and the same text as with objects."""

import json

import pytest

from tests.kit.recorded_backtests import BACKTESTS
from tradeexecutor.state.codec.codec import encode_repeated_objects_once
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics

NAMES = ("cross", "several pairs")


@pytest.fixture(params=NAMES)
def state(request: pytest.FixtureRequest) -> State:
    return BACKTESTS[request.param]()


def test_a_save_makes_no_samples(state: State, monkeypatch: pytest.MonkeyPatch):
    made: list[object] = []

    def count(self: object) -> None:
        made.append(self)

    for kind in (PortfolioStatistics, PositionStatistics):
        monkeypatch.setattr(kind, "check_rules", count, raising=False)
    before = state.stats.waiting
    state.to_json_bytes()
    assert state.stats.waiting is before
    assert not state.stats.is_read
    assert len(made) < len(state.stats.portfolio) / 2  # the last samples of closed positions are kept as they are


def test_all_forms_of_a_save_are_the_same_before_and_after_reading(state: State):
    text, tree = state.to_json_bytes(), state.to_dict()
    with encode_repeated_objects_once(has_texts=True):
        state.to_dict()
    assert state.stats.portfolio
    assert state.stats.positions
    assert state.to_json_bytes() == text
    assert json.dumps(state.to_dict()) == json.dumps(tree)


def test_a_sample_that_cannot_be_saved_is_named(state: State):
    stats = state.stats
    position_id = max(stats.get_position_ids())
    place = len(json.loads(state.to_json_bytes())["stats"]["positions"][str(position_id)])
    stats.add_positions_stats(
        position_id, PositionStatistics(state.created_at, state.created_at, 0.0, 0.0, 1.0, float("inf"))
    )
    with pytest.raises(BadStateData, match=rf"stats\.positions\[{position_id}\]\[{place}\]\.value"):
        state.to_json_bytes()


def test_samples_before_and_after_those_that_wait_are_saved(state: State):
    first, last = PortfolioStatistics(state.created_at, 1.0), PortfolioStatistics(state.created_at, 2.0)
    state.stats._built_portfolio.append(first)
    state.stats.add_portfolio_stats(last)
    saved = json.loads(state.to_json_bytes())["stats"]["portfolio"]
    assert [saved[0]["total_equity"], saved[-1]["total_equity"]] == [1.0, 2.0]
    assert state.stats.portfolio[0] is first
    assert state.stats.portfolio[-1] is last
    assert len(saved) == len(state.stats.portfolio)
