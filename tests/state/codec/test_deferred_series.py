"""Samples of a state file stay plain data until they are read; nothing else about them is different."""

import datetime
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit import samples
from tradeexecutor.state.codec import deferred_series
from tradeexecutor.state.codec.deferred_series import DeferredSeries
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics, Statistics

AT = datetime.datetime(2024, 1, 1, microsecond=250_000)


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defer short series, too."""
    monkeypatch.setattr(deferred_series, "_LEAST_SIZE", 0)


def make_state(count: int = 3) -> State:
    state = State(name="samples", created_at=AT)
    for number in range(count):
        at = AT + datetime.timedelta(hours=number)
        summary = samples.trade_summary()
        summary.daily_returns = summary.compounding_returns = summary.time_bucket = None
        sample = PortfolioStatistics(at, 100.5 * number, share_count=Decimal("1.50"), summary=summary)
        state.stats.portfolio.append(sample)
        state.stats.positions[1].append(PositionStatistics(at, at, 0.1, 2.0, 3.0, float(number)))
    return state


def make_tree() -> dict[str, Any]:
    return json.loads(make_state().to_json())


def load(tree: Any) -> State:
    return State.read_json_blob(json.dumps(tree, separators=(",", ":")))


def get_slots(state: State) -> tuple[Any, Any]:
    stats: Any = state.stats
    return stats._portfolio, stats._positions


def is_deferred(state: State) -> list[bool]:
    return [type(value) is DeferredSeries for value in get_slots(state)]


def test_samples_are_made_when_they_are_read():
    state = load(make_tree())
    assert is_deferred(state) == [True, True]
    assert state.stats.portfolio == make_state().stats.portfolio
    assert is_deferred(state) == [False, True]
    assert state.stats.portfolio is state.stats.portfolio
    assert type(state.stats.positions) is defaultdict
    assert state.stats.positions == make_state().stats.positions
    assert is_deferred(state) == [False, False]


@pytest.mark.parametrize("name", ["to_json", "to_dict"])
def test_a_save_is_the_same_whether_the_samples_were_read_or_not(name: str):
    unread, read = load(make_tree()), load(make_tree())
    assert read.stats.portfolio
    assert read.stats.positions
    assert getattr(unread, name)() == getattr(read, name)() == getattr(make_state(), name)()
    assert is_deferred(unread) == [True, True]
    assert unread.stats.portfolio == read.stats.portfolio


def test_a_save_completes_what_the_file_lacks_or_writes_in_another_form():
    tree = make_tree()
    for sample in tree["stats"]["portfolio"]:
        del sample["frozen_position_count"], sample["summary"]["win_percent"]
        sample["calculated_at"] = int(sample["calculated_at"]) + 0.1234567891
        sample["total_equity"] = 7
        sample["share_count"] = "0.000000010"
        sample["summary"]["average_net_profit"] = -5.0
        sample["summary"]["duration"] = 86400.1234567891
    unread, read = load(tree), load(tree)
    assert read.stats.portfolio
    assert is_deferred(unread) == [True, True]
    assert unread.to_json() == read.to_json()


DECIMALS = ("1.50", "0", "-0", "007", "0.0000010", "0.0000001", "0.0000000", "0.000000", "-0.5", "00.5", "9" * 60)
TIMES = (1_704_067_200, 1_704_067_200.0, 1_704_067_200.25, 1_704_067_200.123456789, -1.5, 0, 0.0)
DURATIONS = (86_400, 86_400.0, 0.1, 0.123456789, 1e9)


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("portfolio", "share_count", DECIMALS),
        ("portfolio", "calculated_at", TIMES),
        ("portfolio", "last_trade_at", (None, *TIMES)),
        ("positions", "last_valuation_at", TIMES),
        ("summary", "duration", (None, *DURATIONS)),
        ("summary", "average_duration_of_all_trades", (None, *DURATIONS)),
    ],
)
def test_every_form_of_a_value_is_written_as_that_of_the_object(name: str, key: str, values: Any, place: int):
    for value in values:
        tree = make_tree()
        for sample in tree["stats"]["portfolio"] + tree["stats"]["positions"]["1"]:
            sample["calculated_at"] = int(sample["calculated_at"])
        series = tree["stats"]["positions"]["1"] if name == "positions" else tree["stats"]["portfolio"]
        (series[place]["summary"] if name == "summary" else series[place])[key] = value
        unread, read = load(tree), load(tree)
        assert read.stats.portfolio
        assert read.stats.positions
        assert is_deferred(unread) == [True, True]
        assert unread.to_json() == read.to_json()
        assert unread.to_json() == read.to_json()  # a second time, when everything is in the form of a save


def test_a_copy_has_samples_of_its_own():
    import copy

    state = load(make_tree())
    other = copy.deepcopy(state)
    other.stats.portfolio.pop()
    assert len(state.stats.portfolio) == 3


def test_all_threads_get_the_same_samples():
    state = load(make_tree())
    gate = threading.Barrier(4)
    found: list[Any] = []

    def read() -> None:
        gate.wait()
        found.append(state.stats.portfolio)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(portfolio) for portfolio in found}) == 1


def set_in_last(name: str, key: str, value: Any) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        series = tree["stats"]["portfolio"] if name != "positions" else tree["stats"]["positions"]["1"]
        (series[-1] if name != "summary" else series[-1]["summary"])[key] = value

    return change


def remove_in_last(tree: Any) -> None:
    del tree["stats"]["positions"]["1"][-1]["value"]


@pytest.mark.parametrize(
    "damage",
    [
        set_in_last("portfolio", "total_equity", None),
        set_in_last("portfolio", "total_equity", "much"),
        set_in_last("portfolio", "calculated_at", 1e15),
        set_in_last("portfolio", "share_count", "NaN"),
        set_in_last("portfolio", "open_position_count", 2**60),
        set_in_last("positions", "profitability", None),
        set_in_last("positions", "last_valuation_at", True),
        set_in_last("summary", "won", 2**53),
        set_in_last("summary", "initial_cash", 1e-300),
        set_in_last("summary", "duration", 1e15),
        remove_in_last,
    ],
)
def test_damage_in_a_sample_is_found_when_the_file_is_loaded(damage: Callable[[Any], None]):
    tree = make_tree()
    damage(tree)
    with pytest.raises(InvalidStateFile):
        load(tree)


def test_a_key_that_is_there_twice_is_found():
    text = make_state().to_json().replace('"free_cash":null', '"free_cash":null,"free_cash":1.0', 1)
    with pytest.raises(InvalidStateFile, match="there twice"):
        State.read_json_blob(text)


@pytest.mark.parametrize(
    "change",
    [
        set_in_last("portfolio", "key_of_a_newer_program", {"a": 1}),
        set_in_last("portfolio", "total_equity", 1e17),
        set_in_last("portfolio", "total_equity", "1.5"),
        set_in_last("summary", "initial_cash", 1e-15),
        set_in_last("summary", "time_bucket", "1d"),
        set_in_last("summary", "daily_returns", [0.5, None]),
    ],
)
def test_unusual_samples_are_not_deferred_and_not_lost(change: Callable[[Any], None]):
    tree = make_tree()
    change(tree)
    state = load(tree)
    assert not is_deferred(state)[0]
    assert load(json.loads(state.to_json())).to_json() == state.to_json()
    assert len(state.stats.portfolio) == 3


def test_a_state_without_samples_has_none_to_defer():
    state = load(json.loads(State(name="empty").to_json()))
    assert is_deferred(state) == [False, False]
    assert state.stats == Statistics()


def test_a_program_may_replace_the_samples_before_reading_them():
    state = load(make_tree())
    state.stats.portfolio = []
    assert state.stats.portfolio == []
    assert json.loads(state.to_json())["stats"]["portfolio"] == []
