"""The fast parser accepts a text only if it loses nothing: neither an unknown key nor one of two equal keys."""

import dataclasses
import json
import typing
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kit import samples
from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.codec.codec import field_types, strip_optional
from tradeexecutor.state.codec.known_keys import parse_known
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.state import State

ADDITIONAL_KEYS = ("schema_version",)


def make_text() -> str:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.sell(WETH_USDC, "2", 2000.0)
    trader.buy(LINK_USDC, "2", 20.0)
    state = trader.state
    trade = next(iter(state.portfolio.open_positions[2].trades.values()))
    trade.price_structure = samples.trade_pricing()
    trade.position_size_risk = samples.size_risk()
    trade.triggers = [samples.trigger()]
    trade.blockchain_transactions = [samples.blockchain_transaction()]
    trade.notes = 'a "note": {"b":1, "b" : 2}'
    trade.other_data = {"a:b": [{"c": ":"}, {"c": [None, 1.5]}]}
    state.stats = samples.statistics()
    state.visualisation = samples.visualisation()
    state.uptime = samples.uptime()
    return state.to_json()


TEXT = make_text()
TREE = json.loads(TEXT)


def find_objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from find_objects(item)


def add_to_object(number: int, member: str) -> str:
    """Return the text with a member more at the beginning of one of its objects."""
    tree = json.loads(TEXT)
    place = list(find_objects(tree))[number]
    members = list(place.items())
    place.clear()
    place["@"] = 0
    place.update(members)
    return json.dumps(tree).replace('"@": 0', member, 1)


def parse(text: str) -> dict[str, Any] | None:
    known = parse_known(text.encode(), State, ADDITIONAL_KEYS)
    return None if known is None else known.tree


@pytest.mark.parametrize("data", [2**60, "[" * 70 + "]" * 70])
def test_free_data_beyond_the_bounds_is_not_taken_for_checked(data: int | str):
    text = json.dumps(TREE | {"other_data": {"data": {"1": {"key": "@value"}}}})
    known = parse_known(text.encode(), State, ADDITIONAL_KEYS)
    assert known is not None
    assert known.has_checked_data
    text = text.replace('"@value"', str(data))
    known = parse_known(text.encode(), State, ADDITIONAL_KEYS)
    assert known is not None
    assert not known.has_checked_data
    with pytest.raises(InvalidStateFile):
        State.read_json_blob(text)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " : ")])
def test_a_text_of_known_keys_is_parsed_as_any_parser_does_it(separators: tuple[str, str]):
    assert parse(json.dumps(TREE, separators=separators)) == TREE


def test_equal_pairs_and_assets_are_one_dictionary():
    tree = parse(TEXT)
    assert tree is not None
    closed, opened = tree["portfolio"]["closed_positions"]["1"], tree["portfolio"]["open_positions"]["2"]
    assert closed["pair"] is closed["trades"]["1"]["pair"]
    assert closed["pair"]["quote"] is opened["pair"]["quote"] is opened["reserve_currency"]


OBJECTS = list(find_objects(TREE))


def test_a_key_that_is_anywhere_twice_is_noticed_and_refused():
    tried = 0
    for number, place in enumerate(OBJECTS):
        for key in (*list(place)[:1], *list(place)[-1:]):
            text = add_to_object(number, f"{json.dumps(key)}:{json.dumps(place[key])}")
            assert parse(text) is None
            tried += 1
            if tried % 10 == 0:
                with pytest.raises(InvalidStateFile, match="is there twice"):
                    State.read_json_blob(text)
    assert tried > 100


def test_an_unknown_key_in_an_object_of_a_class_is_noticed_and_kept():
    accepted = 0
    for number in range(len(OBJECTS)):
        text = add_to_object(number, '"from_the_future":{"a":1}')
        tree = parse(text)
        if tree is not None:  # data of any kind has this key, too
            assert tree == json.loads(text)
            accepted += 1
    assert 0 < accepted < len(OBJECTS) / 2
    text = add_to_object(0, '"from_the_future":{"a":1}')
    assert State.read_json_blob(text).unknown_keys == {"from_the_future": {"a": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{",
        '{"portfolio":1}',
        '{"portfolio":{"open_positions":[{}]}}',
        '{"portfolio":{"reserves":{"a":{"asset":"x"}}}}',
        '{"name":{"a":1,"a":2}}',
        '{"name":"x","name":"a\\u003a"}',
        '{"other_data":{"data":{"1":{"a":123456789012345678901234567890}}}}',
        '{"other_data":{"data":' + '{"a":' * 2000 + "1" + "}" * 2000 + "}}",
    ],
)
def test_any_other_text_is_left_to_the_general_parser(text: str):
    assert parse(text) is None


def test_a_null_in_the_place_of_a_pair_or_of_a_trade_stays_null():
    tree = parse('{"portfolio":{"open_positions":{"1":{"pair":null,"trades":{"1":null}}}}}')
    assert tree is not None
    position = tree["portfolio"]["open_positions"]["1"]
    assert position["pair"] is None
    assert position["trades"] == {"1": None}


def make_text_without(left_out: Callable[[type, str], bool]) -> bytes:
    """Return the text without keys that have a default."""

    def leave_out(value: Any, hint: Any) -> Any:
        hint = strip_optional(hint)
        arguments = typing.get_args(hint)
        if isinstance(value, dict) and isinstance(hint, type) and dataclasses.is_dataclass(hint):
            hints = field_types(hint)
            return {
                field.name: leave_out(value[field.name], hints[field.name])
                for field in dataclasses.fields(hint)
                if field.name in value and (is_required(field) or not left_out(hint, field.name))
            }
        if isinstance(value, dict) and arguments:
            return {key: leave_out(item, arguments[-1]) for key, item in value.items()}
        return [leave_out(item, arguments[-1]) for item in value] if isinstance(value, list) and arguments else value

    return json.dumps({"schema_version": 1, **leave_out(TREE, State)}).encode()


def is_required(field: dataclasses.Field[Any]) -> bool:
    has_no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    return has_no_default or field.name == "created_at"  # its default is the present time


@pytest.mark.parametrize("part", range(4))
def test_keys_that_old_files_lack_have_the_same_defaults_as_in_the_general_way(part: int):
    text = make_text_without(lambda cls, name: part == 3 or zlib.crc32(name.encode()) % 3 == part)
    assert len(text) < len(TEXT)
    state = State.read_json_blob(text)
    assert parse(text.decode()) is not None
    assert state.to_json() == State.from_dict(json.loads(text)).to_json()


def make_valuations(last: str) -> str:
    """Return a state with three valuations of a position, the last of them with the given members."""
    state = State.read_json_blob(TEXT)
    position = state.portfolio.open_positions[2]
    position.valuation_updates = [samples.valuation_update() for _ in range(3)]
    text = state.to_json()
    before, valuation, after = text.rpartition(position.valuation_updates[0].to_json())
    return f"{before}{last or valuation}{after}"


VALUATION = samples.valuation_update().to_json()


@pytest.mark.parametrize("last", ["", VALUATION.replace('"old_value":', '"mark_down_to_zero":null,"old_value":')])
def test_valuations_with_all_keys_are_counted(last: str):
    is_damaged = bool(last)
    assert (parse(make_valuations(last)) is None) is is_damaged
    if is_damaged:
        with pytest.raises(InvalidStateFile, match="there twice"):
            State.read_json_blob(make_valuations(last))


def test_a_valuation_that_lacks_a_key_is_completed():
    without = json.loads(VALUATION)
    del without["mark_down_to_zero"]
    text = make_valuations(json.dumps(without))
    assert parse(text) is not None
    assert State.read_json_blob(text).to_json() == State.from_dict(json.loads(text)).to_json()


@pytest.mark.parametrize("last", ["null", VALUATION.replace("{", '{"surprise":1,', 1)])
def test_other_valuations_are_read_in_the_general_way(last: str):
    text = make_valuations(last)
    if last == "null":
        with pytest.raises(InvalidStateFile):
            State.read_json_blob(text)
    else:
        assert parse(text) is None
        assert State.read_json_blob(text).to_json() == State.from_dict(json.loads(text)).to_json()
