"""A state that is cut into parts and put together again is the same to the byte."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.kit.store_contract import make_state
from tests.kit.whole import make_whole_state
from tradeexecutor.database.parts import KnownParts, Part, assemble, find_placeholders, split
from tradeexecutor.database.row_index import RowIndex
from tradeexecutor.state.codec.codec import dump, encode_repeated_objects_once, parse
from tradeexecutor.state.codec.kept_groups import UNKEPT_SAVES
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.state import State

#: Texts that look like placeholders, or like what is around them.
TRICKY = ['"\\/trades"', "/trades", "\\/", '"\\\\/trades"', "\\", '\\"', '"/', "\x00", "\x1f/", "é", "</script>", '"']


def check(tree: dict[str, Any]) -> dict[str, list[Part]]:
    text = dump(tree)
    containers = split(parse(text))
    assert b"".join(assemble(containers)) == text
    for parts in containers.values():
        for part in parts:
            orjson.loads(part.body)  # any database function can read it
    return containers


@pytest.mark.slow
def test_a_real_state_file(state_file: Path):
    containers = check(State.read_json_file(state_file).to_dict())
    assert len(containers[""][0].body) < 20_000, "what is written by every save is small"


def test_a_state_with_every_class():
    containers = check(make_whole_state().to_dict())
    assert {"/portfolio/open_positions", "/portfolio/reserves", "/visualisation/plots"} <= set(containers)


def test_an_empty_state():
    assert set(check(State().to_dict())) == {"", "/sync/interest"}


def make_busy_tree() -> dict[str, Any]:
    """Every container that is cut has more entries than are left alone."""
    tree = make_whole_state().to_dict()
    position = tree["portfolio"]["open_positions"]["1"]
    position["trades"] = {str(number): position["trades"]["1"] for number in range(1, 30)}
    position["valuation_updates"] *= 100
    tree["stats"]["portfolio"] *= 50
    tree["stats"]["positions"]["1"] *= 100
    plot = next(iter(tree["visualisation"]["plots"].values()))
    plot["points"] = {str(number): number / 7 for number in range(1000)}
    tree["uptime"]["cycles_completed_at"] = {str(number): number for number in range(300)}
    tree["uptime"]["uptime_checks"] = list(range(200))
    return tree


def test_everything_that_grows_is_split():
    containers = check(make_busy_tree())
    assert len(containers["/portfolio/open_positions/1/trades"]) == 29
    assert len(containers["/uptime/uptime_checks"]) == 4
    assert len(containers["/stats/positions/1"]) == 7
    sizes = [len(part.body) for path, parts in containers.items() for part in parts if path != "/sync/interest"]
    assert max(sizes) < 30_000


@pytest.mark.parametrize("text", TRICKY)
def test_texts_that_look_like_placeholders(text: str):
    state = make_state()
    state.name = text
    state.portfolio.open_positions[1].notes = text
    state.visualisation.messages = {1: [text], 2: [text]}
    state.visualisation.discardable_data = {text: {text: text}}
    containers = check(state.to_dict())
    assert find_placeholders(containers["/visualisation/discardable_data"][0].body) == []
    assert set(find_placeholders(containers[""][0].body)) == {
        "portfolio/open_positions",
        "portfolio/reserves",
        "sync/interest",
        "visualisation/discardable_data",
    }


@pytest.mark.parametrize("key", ["", "a/b", "~", "~1", "/", '"', *TRICKY])
def test_any_key(key: str):
    tree = make_busy_tree()
    plot = next(iter(tree["visualisation"]["plots"].values()))
    tree["visualisation"]["plots"] = {key: plot, f"{key}x": plot}
    containers = check(tree)
    assert len([path for path in containers if path.endswith("/points")]) == 2


def test_containers_of_unexpected_kinds_are_left_alone():
    tree = make_busy_tree()
    tree["portfolio"]["closed_positions"] = None
    tree["stats"] = []
    tree["visualisation"] = "none"
    tree["uptime"]["uptime_checks"] = {}
    check(tree)


def test_a_missing_container_is_noticed():
    containers = check(make_busy_tree())
    del containers["/stats/portfolio"]
    with pytest.raises(KeyError):
        assemble(containers)


# --- What a save writes


def save(index: RowIndex, tree: dict[str, Any], revision: int) -> tuple[RowIndex, list[str], list[str]]:
    """The index afterwards, and the paths of rows that are removed and added."""
    changes = index.compare(split(parse(dump(tree))), revision)
    return changes.index, [row.path for row in changes.removed], [row.path for row in changes.added]


def test_what_did_not_change_is_not_written():
    index, _, _ = save(RowIndex(), make_busy_tree(), 1)
    _, removed, added = save(index, make_busy_tree(), 2)
    assert removed == added == []


def test_a_new_trade_is_one_row():
    tree = make_busy_tree()
    index, _, _ = save(RowIndex(), tree, 1)
    trades = tree["portfolio"]["open_positions"]["1"]["trades"]
    trades["30"] = trades["1"]
    _, removed, added = save(index, tree, 2)
    assert (removed, added) == ([], ["/portfolio/open_positions/1/trades"])


def test_a_sample_that_is_appended_or_dropped_is_one_page():
    tree = make_busy_tree()
    index, _, _ = save(RowIndex(), tree, 1)
    tree["stats"]["portfolio"].append(tree["stats"]["portfolio"][0])
    index, removed, added = save(index, tree, 2)
    assert (len(removed), len(added)) == (1, 1)
    del tree["stats"]["portfolio"][:4]
    _, removed, added = save(index, tree, 3)
    assert (len(removed), len(added)) == (1, 0)


def test_a_position_that_is_closed_moves():
    tree = make_busy_tree()
    index, _, _ = save(RowIndex(), tree, 1)
    tree["portfolio"]["closed_positions"]["1"] = tree["portfolio"]["open_positions"].pop("1")
    _, removed, added = save(index, tree, 2)
    assert {path for path in added if "closed" not in path} == {""}
    assert all("/open_positions" in path for path in removed if path)


def test_the_sum_of_checksums_does_not_depend_on_the_way():
    tree = make_busy_tree()
    index, _, _ = save(RowIndex(), tree, 1)
    before = index.sum
    tree["cycle"] += 1
    index, _, _ = save(index, tree, 2)
    assert index.sum != before
    tree["cycle"] -= 1
    index, _, _ = save(index, tree, 3)
    assert index.sum == before


def _list_bodies(containers: dict[str, list[Part]]) -> dict[str, list[tuple[str | None, bytes]]]:
    return {path: [(part.key, part.body) for part in parts] for path, parts in containers.items()}


def test_cached_texts_of_closed_positions_give_the_same_parts():
    state = make_whole_state()
    portfolio = state.portfolio
    portfolio.closed_positions[1] = portfolio.open_positions.pop(1)
    portfolio.closed_positions[2].valuation_updates = portfolio.closed_positions[1].valuation_updates * 40
    for edit in (
        lambda: None,
        lambda: None,
        lambda: portfolio.closed_positions[1].other_data.update(x=1),  # pyright: ignore[reportOptionalMemberAccess]
        lambda: portfolio.closed_positions[2].other_data.update(x=1),  # pyright: ignore[reportOptionalMemberAccess]
        lambda: portfolio.closed_positions[1].valuation_updates.extend(portfolio.closed_positions[2].valuation_updates),
    ):
        edit()
        with encode_repeated_objects_once(has_texts=True):
            tree = state.to_dict()
        assert _list_bodies(split(tree)) == _list_bodies(split(state.to_dict()))
    portfolio.closed_positions[1].trades = None  # pyright: ignore[reportAttributeAccessIssue]
    with encode_repeated_objects_once(has_texts=True), pytest.raises(BadStateData, match="closed_positions"):
        state.to_dict()


def test_the_part_of_a_position_that_has_not_changed_is_the_same_object():
    state = make_whole_state()
    portfolio = state.portfolio
    portfolio.closed_positions[1] = portfolio.open_positions.pop(1)
    known = KnownParts()

    def save_again() -> dict[str | None, Part]:
        with encode_repeated_objects_once(has_texts=True):
            containers = split(state.to_dict(), known)
        assert _list_bodies(containers) == _list_bodies(split(state.to_dict()))
        return {part.key: part for part in containers["/portfolio/closed_positions"]}

    for _ in range(UNKEPT_SAVES):
        save_again()
    first, second = save_again(), save_again()
    assert [first[key] is second[key] for key in ("1", "2")] == [True, True]
    portfolio.closed_positions[1].notes = "changed"
    third = save_again()
    assert [second[key] is third[key] for key in ("1", "2")] == [False, True]
    del portfolio.closed_positions[1]
    assert list(save_again()) == [key for key in third if key != "1"]
