"""State to JSON and back: one rule of the text per test, and what survives of files that others wrote."""

import collections
import contextlib
import copy
import dataclasses
import datetime
import enum
import json
import math
import pathlib
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit import samples
from tests.kit.trader import T0, USDC, VAULT, WETH, WETH_USDC, Trader, new_state
from tests.kit.whole import Path, classes_below, get_at, is_enum, iterate_typed, make_whole_state
from tradeexecutor.state.codec.codec import encode
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, NewerStateFile
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.state.types import JS_MAX_INT

D = Decimal
NAN, INFINITY = math.nan, math.inf


class Colour(enum.Enum):
    red = "r"


Point = collections.namedtuple("Point", "x y")

WHOLE = make_whole_state().to_json()


@pytest.fixture
def tree() -> dict[str, Any]:
    """The JSON of a state that holds every class."""
    return json.loads(WHOLE)


def reload(tree: dict[str, Any]) -> dict[str, Any]:
    return State.from_dict(copy.deepcopy(tree)).to_dict()


# --- Writing: values in free-form data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(datetime.datetime(2024, 1, 1), 1_704_067_200, id="whole seconds are an integer"),
        pytest.param(datetime.datetime(2024, 1, 1, 0, 0, 0, 250_000), 1_704_067_200.25, id="microseconds are kept"),
        pytest.param(datetime.datetime(1969, 12, 31, 23, 59, 58, 500_000), -1.5, id="before the epoch"),
        pytest.param(pd.Timestamp(2024, 1, 1), 1_704_067_200, id="pandas timestamp"),
        pytest.param(datetime.timedelta(minutes=1), 60.0, id="timedelta"),
        pytest.param(pd.Timedelta(minutes=1), 60.0, id="pandas timedelta"),
        pytest.param(Colour.red, "r", id="enum"),
        pytest.param(ChainId.base, 8453, id="integer enum"),
        pytest.param(D("1000.00"), "1000.00", id="trailing zeros"),
        pytest.param(D("1E-18"), "1E-18", id="exponent"),
        pytest.param(D("0E-7"), "0E-7", id="zero with exponent"),
        pytest.param(D("1E+3"), "1E+3", id="positive exponent"),
        pytest.param(D("-0"), "-0", id="negative zero"),
        pytest.param(D("0.000001"), "0.000001", id="six places"),
        pytest.param(D(0.1), str(D(0.1)), id="all digits of a float"),
        pytest.param((1, (2,)), [1, [2]], id="tuple"),
        pytest.param(Point(1, 2), [1, 2], id="named tuple"),
        pytest.param({"b", "c", "a"}, ["a", "b", "c"], id="set is sorted"),
        pytest.param(frozenset({"b", "a"}), ["a", "b"], id="frozen set is sorted"),
        pytest.param({Colour.red}, ["r"], id="set of enums"),
        pytest.param(np.float64(1.5), 1.5, id="numpy float"),
        pytest.param({1: "a", 1.5: "b", "c": "d"}, {"1": "a", "1.5": "b", "c": "d"}, id="keys become text"),
        pytest.param(collections.defaultdict(dict, {"a": {}}), {"a": {}}, id="defaultdict"),
        pytest.param(collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}, id="ordered dict"),
        pytest.param(JS_MAX_INT, JS_MAX_INT, id="largest integer"),
        pytest.param(-JS_MAX_INT, -JS_MAX_INT, id="smallest integer"),
        pytest.param([True, None, "é", 0, 0.0], [True, None, "é", 0, 0.0], id="plain JSON"),
        pytest.param(samples.final_position_statistics(), samples.final_position_statistics().to_dict(), id="class"),
    ],
)
def test_how_a_value_is_written(value: Any, expected: Any):
    written = encode({"a": [value]})["a"][0]
    assert (written, type(written)) == (expected, type(expected))


BAD_VALUES = [
    pytest.param(NAN, id="NaN"),
    pytest.param(INFINITY, id="infinity"),
    pytest.param(-INFINITY, id="minus infinity"),
    pytest.param(np.float64("nan"), id="numpy NaN"),
    pytest.param(D("NaN"), id="Decimal NaN"),
    pytest.param(D("-Infinity"), id="Decimal infinity"),
    pytest.param(JS_MAX_INT + 1, id="integer that JavaScript rounds"),
    pytest.param(-JS_MAX_INT - 1, id="negative integer that JavaScript rounds"),
    pytest.param(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), id="time with a zone"),
    pytest.param(pd.NaT, id="NaT"),
    pytest.param(datetime.date(2024, 1, 1), id="date"),
    pytest.param(np.datetime64("2024-01-01"), id="numpy time"),
    pytest.param(np.float32(1), id="numpy float32"),
    pytest.param(np.int64(1), id="numpy integer"),
    pytest.param(np.bool_(True), id="numpy bool"),
    pytest.param(uuid.UUID(int=1), id="UUID"),
    pytest.param(pathlib.Path("x"), id="path"),
    pytest.param(b"x", id="bytes"),
    pytest.param(pd.Series([1.0]), id="series, would lose its index"),
    pytest.param(pd.DataFrame({"a": [1.0]}), id="data frame, would lose its data"),
    pytest.param(object(), id="any object"),
    pytest.param({None: 1}, id="None as key"),
    pytest.param({True: 1}, id="bool as key"),
    pytest.param({ChainId.base: 1}, id="integer enum as key"),
    pytest.param({Colour.red: 1}, id="enum as key"),
    pytest.param({T0: 1}, id="time as key"),
    pytest.param({D(1): 1}, id="Decimal as key"),
    pytest.param({(1, 2): 1}, id="tuple as key"),
    pytest.param({np.int64(1): {}}, id="numpy integer as key"),
    pytest.param({1: "a", "1": "b"}, id="two keys of the same text"),
]


@pytest.mark.parametrize("value", BAD_VALUES)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        pytest.param(lambda value: value, "other_data.data[3].x", id="value"),
        pytest.param(lambda value: {"a": {"b": value}}, "other_data.data[3].x.a.b", id="dictionary"),
        pytest.param(lambda value: [0, [value]], "other_data.data[3].x[1][0]", id="list"),
        pytest.param(lambda value: (0, value), "other_data.data[3].x[1]", id="tuple"),
        pytest.param(lambda value: Point(0, value), "other_data.data[3].x[1]", id="named tuple"),
        pytest.param(lambda value: {7: value}, "other_data.data[3].x[7]", id="number key"),
    ],
)
def test_what_must_not_reach_a_file_is_refused_with_its_path(value: Any, wrap: Callable[[Any], Any], path: str):
    state = State()
    assert state.other_data is not None
    state.other_data.save(3, "x", wrap(value))
    with pytest.raises(BadStateData) as error:
        state.to_json()
    assert error.value.path.startswith(path)
    assert str(error.value).startswith(path)


def put(state: State, path: str, value: Any) -> None:
    """Set what the path names, past all checks."""
    target: Any = state
    steps = re.findall(r"[\w-]+|\[\d+\]", path)
    for last, step in zip([*[False] * (len(steps) - 1), True], steps, strict=True):
        if isinstance(target, set):
            assert len(target) == 1
            target = next(iter(target))
        elif step.startswith("["):
            if last:
                target[int(step[1:-1])] = value
            else:
                target = target[int(step[1:-1])]
        elif isinstance(target, dict):
            target[step] = value
        elif last:
            object.__setattr__(target, step, value)
        else:
            target = getattr(target, step)


POSITION = "portfolio.open_positions[1]"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{POSITION}.last_token_price", NAN),
        (f"{POSITION}.opened_at", 5),
        (f"{POSITION}.bridge_capital_allocated", 0.5),
        (f"{POSITION}.trades[1].planned_price", INFINITY),
        (f"{POSITION}.trades[1].planned_price", "5"),
        (f"{POSITION}.trades[1].lp_fees_paid", NAN),
        (f"{POSITION}.trades[1].lp_fees_paid", "5"),
        (f"{POSITION}.trades[1].executed_reserve", D("NaN")),
        (f"{POSITION}.trades[1].executed_reserve", 0.5),
        (f"{POSITION}.trades[1].pair", "WETH-USDC"),
        (f"{POSITION}.trades[1].trade_type", "rebalance"),
        (f"{POSITION}.trades[1].price_structure.lp_fee[0]", NAN),
        (f"{POSITION}.trades[1].trade_size_risk.diagnostics_data.tvl", NAN),
        (f"{POSITION}.trades[1].planned_loan_update.collateral.quantity", D("Infinity")),
        (f"{POSITION}.loan.borrowed.last_usd_price", NAN),
        (f"{POSITION}.pair.kind", "vault"),
        (f"{POSITION}.pair.base.liquidation_threshold", NAN),
        (f"{POSITION}.pair.base.other_data.tags", {NAN}),
        (f"{POSITION}.pair.underlying_spot_pair.fee", NAN),
        (f"{POSITION}.pair.other_data.tvl", NAN),
        (f"{POSITION}.balance_updates[1].usd_value", NAN),
        (f"{POSITION}.valuation_updates[0].new_price", NAN),
        ("blacklisted_assets[0].liquidation_threshold", NAN),
        ("blacklist_reason.1-0xa", 5),
        ("stats.portfolio[0].total_equity", NAN),
        ("stats.positions[1][0].value", NAN),
        ("uptime.cycles_completed_at[1]", 5),
        ("cycle", 1.5),
        ("name", 5),
        ("portfolio.revalue_failures_as_zero", 1),
        ("backtest_data.decision_cycle_duration", "1h"),
        ("sync.deployment.block_number", JS_MAX_INT + 1),
    ],
)
def test_the_error_names_the_field_at_fault(path: str, value: Any):
    state = make_whole_state()
    put(state, path, value)
    with pytest.raises(BadStateData) as error:
        state.to_dict()
    assert error.value.path.startswith(path)
    assert error.value.path.removeprefix(path) in ("", "[0]")


def test_an_error_in_a_set_names_the_set():
    with pytest.raises(BadStateData) as error:
        State(asset_blacklist={NAN}).to_json()  # type: ignore[arg-type]
    assert error.value.path == "asset_blacklist[0]"


def test_text_that_is_not_unicode_is_refused():
    with pytest.raises(BadStateData):
        State(name="\ud800").to_json()


def test_look_up_results_of_a_pair_stay_in_memory_only():
    """The reference deletes them from the live object when it saves."""
    data = {"token_metadata": object(), "token_risk_data": {"score": 1}, "lagoon_compat_check_data": 1, "tvl": 5.0}
    pair = dataclasses.replace(WETH_USDC, other_data=data.copy())
    assert pair.to_dict()["other_data"] == {"tvl": 5.0}
    assert pair.other_data == data


def test_saving_does_not_change_the_state():
    state = make_whole_state()
    before = copy.deepcopy(state)
    text = state.to_json()
    assert state == before
    assert state.to_json() == text


def test_none_is_written_and_no_field_is_left_out():
    position = TradingPosition(1, WETH_USDC, T0, T0, 1.0, 1.0, USDC)
    written = position.to_dict()
    assert list(written) == [field.name for field in dataclasses.fields(position)]
    assert written["closed_at"] is None


def test_the_text_is_compact_and_readable_in_any_language():
    text = State(name="é").to_json()
    assert '"name":"é"' in text
    assert ": " not in text
    assert json.loads(text, parse_constant=lambda token: pytest.fail(token))["name"] == "é"


def test_the_version_of_the_schema_comes_first():
    assert next(iter(State().to_dict())) == "schema_version"
    assert State().to_dict()["schema_version"] == SCHEMA_VERSION


def test_numbers_of_a_float_field_are_written_as_they_read_back():
    state = make_whole_state()
    position = state.portfolio.open_positions[1]
    position.last_token_price = 2000
    position.trades[1].lp_fees_paid = [1, None, 2]
    position.trades[1].lp_fees_estimated = 0
    position.trades[1].native_token_price = 1
    text = state.to_json()
    assert '"last_token_price":2000.0' in text
    assert '"lp_fees_paid":[1.0,null,2.0]' in text
    assert State.read_json_blob(text).to_json() == text


# --- Both ways


def test_every_class_of_the_tree_is_in_the_state_of_these_tests(tree: dict[str, Any]):
    seen = {hint for _, hint, value in iterate_typed(tree, State) if dataclasses.is_dataclass(hint) and value}
    assert classes_below(State) - seen == set()


def test_a_saved_state_reads_back_equal():
    state = make_whole_state()
    again = State.read_json_blob(state.to_json())
    assert again.to_json() == state.to_json()
    assert again == state


def test_the_same_state_has_the_same_text_in_every_process():
    """Sets are sorted; a hash seed of another process must not show."""
    state = State(asset_blacklist={f"1-0x{n}" for n in range(50)})
    state.blacklisted_assets = {AssetIdentifier(1, f"0x{n:02}", "A", 18) for n in range(50)}
    written = state.to_dict()
    assert written["asset_blacklist"] == sorted(written["asset_blacklist"])
    addresses = [asset["address"] for asset in written["blacklisted_assets"]]
    assert addresses == sorted(addresses)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_comes_back_digit_by_digit(value: Decimal):
    state = new_state()
    state.portfolio.get_default_reserve_position().quantity = value
    again = State.read_json_blob(state.to_json()).portfolio.get_default_reserve_position().quantity
    assert again.as_tuple() == value.as_tuple()


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
def test_every_time_comes_back_to_the_microsecond(value: datetime.datetime):
    assert State.read_json_blob(State(created_at=value).to_json()).created_at == value


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-JS_MAX_INT, JS_MAX_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
JSON_DATA = st.recursive(
    LEAVES, lambda items: st.lists(items, max_size=3) | st.dictionaries(TEXT, items, max_size=3), max_leaves=10
)


@given(JSON_DATA)
def test_free_data_comes_back_whole(value: Any):
    state = State(created_at=T0)
    assert state.other_data is not None
    state.other_data.save(1, "x", value)
    text = state.to_json()
    again = State.read_json_blob(text)
    assert again.other_data is not None
    assert again.other_data.load_latest("x") == value
    assert again.to_json() == text


@given(JSON_DATA)
def test_unknown_keys_hold_any_data(value: Any):
    tree = State(created_at=T0).to_dict() | {"invented_later": value}
    assert reload(tree) == tree


# --- Reading


def generalise(path: Path) -> str:
    return re.sub(r"\d+", "N", ".".join(map(str, path)))


OBJECTS = {
    generalise(path): path
    for path, hint, value in iterate_typed(json.loads(WHOLE), State)
    if dataclasses.is_dataclass(hint) and value is not None
}
ENUMS = {
    generalise(path): path
    for path, hint, value in iterate_typed(json.loads(WHOLE), State)
    if is_enum(hint) and value is not None
}


def test_unknown_keys_survive_everywhere_at_once(tree: dict[str, Any]):
    for path in OBJECTS.values():
        get_at(tree, path)["invented_later"] = {"where": list(path), "deep": [None, {"x": 1}]}
    assert reload(tree) == tree


@pytest.mark.slow
def test_an_unknown_key_survives_wherever_it_is_the_only_one(tree: dict[str, Any]):
    """A quick check for unknown keys comes before the slow walk; it must not overlook any place."""
    lost: list[str] = []
    for name, path in OBJECTS.items():
        owner = get_at(tree, path)
        owner["invented_later"] = [1]
        if reload(tree) != tree:
            lost.append(name)
        del owner["invented_later"]
    assert lost == []


def test_unknown_keys_survive_in_pairs_below_pairs(tree: dict[str, Any]):
    pair = tree["portfolio"]["open_positions"]["1"]["pair"]
    for depth in range(8):
        pair["underlying_spot_pair"] = WETH_USDC.to_dict()
        pair = pair["underlying_spot_pair"]
        pair["invented_later"] = depth
        pair["base"]["underlying"] = USDC.to_dict() | {"invented_later": depth}
    assert reload(tree) == tree


def test_unknown_enum_values_survive_everywhere(tree: dict[str, Any]):
    lost: list[str] = []
    for name, path in ENUMS.items():
        owner: Any = get_at(tree, path[:-1])
        last: Any = path[-1]
        before = owner[last]
        owner[last] = "invented_later" if isinstance(before, str) else 777_777
        again = get_at(reload(tree), path[:-1])
        if sorted(again) != sorted(owner) if isinstance(owner, list) else again[last] != owner[last]:
            lost.append(name)
        owner[last] = before
    assert lost == []
    assert len(ENUMS) > 20


def test_an_unknown_enum_value_is_a_member_of_its_own(tree: dict[str, Any]):
    tree["portfolio"]["open_positions"]["1"]["trades"]["1"]["trade_type"] = "invented_later"
    trade = State.from_dict(tree).portfolio.open_positions[1].trades[1]
    assert isinstance(trade.trade_type, TradeType)
    assert (trade.trade_type.value, trade.trade_type.is_known) == ("invented_later", False)
    assert trade.is_rebalance() is False
    with pytest.raises(ValueError, match="invented_later"):
        TradeType("invented_later")


def test_a_missing_key_gets_its_default(tree: dict[str, Any]):
    """Old files lack most keys."""
    complete = copy.deepcopy(tree)
    dropped = 0
    for _, hint, value in list(iterate_typed(tree, State)):
        if not dataclasses.is_dataclass(hint) or value is None:
            continue
        for field in dataclasses.fields(hint):  # type: ignore[arg-type]
            if field.default is not dataclasses.MISSING and value[field.name] == encode(field.default):
                del value[field.name]
                dropped += 1
    assert dropped > 500
    assert reload(tree) == complete


def test_an_object_without_keys_is_a_new_state():
    epoch = datetime.datetime(1970, 1, 1)
    assert State.from_dict({"created_at": 0}).to_dict() == State(created_at=epoch).to_dict()


@pytest.mark.parametrize("name", ["trade_id", "pair", "opened_at", "planned_quantity", "reserve_currency"])
def test_a_missing_required_key_is_named(tree: dict[str, Any], name: str):
    del tree["portfolio"]["open_positions"]["1"]["trades"]["1"][name]
    with pytest.raises(InvalidStateFile, match=name):
        State.from_dict(tree)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("started_at", 1_675_940_400, datetime.datetime(2023, 2, 9, 11)),
        ("started_at", 1_675_940_400.0, datetime.datetime(2023, 2, 9, 11)),
        ("started_at", 1_675_940_400.123456, datetime.datetime(2023, 2, 9, 11, 0, 0, 123_456)),
        ("started_at", -1.5, datetime.datetime(1969, 12, 31, 23, 59, 58, 500_000)),
        ("planned_reserve", "0E-37", D("0E-37")),
        ("planned_reserve", "3.27999753702897580E-7", D("3.27999753702897580E-7")),
        ("planned_reserve", 0, D(0)),
        ("planned_price", 7, 7),
        ("planned_price", 7.0, 7.0),
        ("native_token_price", 1, 1.0),
        ("flags", ["open", "open"], {TradeFlag.open}),
        ("flags", None, None),
        ("triggers", None, None),
        ("other_data", None, None),
        ("lp_fees_paid", [0.5, None], [0.5, None]),
        ("notes", "", ""),
    ],
)
def test_how_a_value_is_read(tree: dict[str, Any], name: str, value: Any, expected: Any):
    tree["portfolio"]["open_positions"]["1"]["trades"]["1"][name] = value
    loaded = getattr(State.from_dict(tree).portfolio.open_positions[1].trades[1], name)
    assert (str(loaded), type(loaded)) == (str(expected), type(expected))
    assert loaded == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("started_at", "2024-01-01T00:00:00", id="ISO text for a time"),
        pytest.param("started_at", "1675940400", id="number as text for a time"),
        pytest.param("started_at", 1_675_940_400_000, id="milliseconds"),
        pytest.param("started_at", True, id="true for a time"),
        pytest.param("planned_quantity", "half", id="words for a Decimal"),
        pytest.param("planned_quantity", [], id="list for a Decimal"),
        pytest.param("planned_quantity", "0", id="a quantity that a constructor refuses"),
        pytest.param("slippage_tolerance", 0.5, id="a tolerance that a constructor refuses"),
        pytest.param("native_token_price", "half", id="words for a number"),
        pytest.param("trade_id", "1", id="text for an integer"),
        pytest.param("trade_id", 1.5, id="fraction for an integer"),
        pytest.param("notes", 5, id="number for text"),
        pytest.param("closing", "yes", id="text for a bool"),
        pytest.param("trade_type", 5, id="number for an enum"),
        pytest.param("flags", "open", id="text for a list"),
        pytest.param("pair", [], id="list for an object"),
        pytest.param("pair", None, id="null for a required object"),
        pytest.param("position_id", None, id="null for a required number"),
    ],
)
def test_wrong_data_is_refused_with_its_place(tree: dict[str, Any], name: str, value: Any):
    tree["portfolio"]["open_positions"]["1"]["trades"]["1"][name] = value
    with pytest.raises(InvalidStateFile) as error:
        State.from_dict(tree)
    assert "portfolio" in str(error.value)


@pytest.mark.parametrize("key", ["x", "1700000000.0", ""])
def test_keys_of_a_table_of_ids_must_be_integers(tree: dict[str, Any], key: str):
    tree["portfolio"]["closed_positions"] = {key: tree["portfolio"]["closed_positions"]["2"]}
    with pytest.raises(InvalidStateFile):
        State.from_dict(tree)


def test_nested_number_keys_of_free_data_stay_text():
    state = State()
    assert state.other_data is not None
    state.other_data.save(1, "x", {5: {6: "y"}})
    again = State.read_json_blob(state.to_json())
    assert again.other_data is not None
    assert again.other_data.data[1] == {"x": {"5": {"6": "y"}}}


def test_all_arguments_of_a_transaction_survive(tree: dict[str, Any]):
    """The reference cuts them to the first element at every load."""
    tx = tree["portfolio"]["open_positions"]["1"]["trades"]["1"]["blockchain_transactions"][0]
    tx["args"] = ["1", ["2", True, None], "abc"]
    assert reload(tree) == tree


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param(WHOLE[: len(WHOLE) // 2], id="half a file"),
        pytest.param(WHOLE + "}", id="too much"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="list"),
        pytest.param('"state"', id="text"),
        pytest.param('{"initial_share_price": NaN}', id="NaN"),
        pytest.param('{"initial_share_price": Infinity}', id="infinity"),
        pytest.param('{"portfolio": []}', id="list for the portfolio"),
        pytest.param('{"portfolio": {"open_positions": {"1": {}}}}', id="empty position"),
        pytest.param(b'{"name": "\xff"}', id="not UTF-8"),
        pytest.param("[" * 100_000, id="nested too deeply"),
        pytest.param('{"x":' * 100_000 + "1" + "}" * 100_000, id="objects nested too deeply"),
        pytest.param('{"schema_version": "1"}', id="version as text"),
        pytest.param('{"schema_version": -1}', id="negative version"),
        pytest.param('{"schema_version": true}', id="true as version"),
        pytest.param('{"schema_version": null}', id="null as version"),
    ],
)
def test_what_is_not_a_state_is_refused(text: str | bytes):
    with pytest.raises(InvalidStateFile):
        State.read_json_blob(text)


def test_a_file_of_a_newer_program_is_refused_whole():
    text = WHOLE.replace(f'"schema_version":{SCHEMA_VERSION}', f'"schema_version":{SCHEMA_VERSION + 1}', 1)
    with pytest.raises(NewerStateFile) as error:
        State.read_json_blob(text)
    assert (error.value.file_version, error.value.supported_version) == (SCHEMA_VERSION + 1, SCHEMA_VERSION)


@pytest.mark.parametrize(("error", "text"), [(InvalidStateFile, "{"), (NewerStateFile, '{"schema_version": 999}')])
def test_the_error_of_a_file_names_the_file(tmp_path: pathlib.Path, error: type[Exception], text: str):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(error, match=re.escape(str(path))):
        State.read_json_file(path)


def test_files_are_written_and_read(tmp_path: pathlib.Path):
    state = make_whole_state()
    state.write_json_file(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == WHOLE
    assert State.read_json_file(str(tmp_path / "a.json")).to_json() == WHOLE
    assert state.last_updated_at == T0, "only a store changes it"


# --- Old files


def vault_tree(version: int | None, features: list[str], pickled: str) -> dict[str, Any]:
    trader = Trader(new_state(100))
    position, trade = trader.plan(VAULT, "10", 1.0)
    position.pair = dataclasses.replace(VAULT, other_data={"vault_features": features})
    trade.blockchain_transactions = [samples.blockchain_transaction()]
    tree = trader.state.to_dict()
    tx = tree["portfolio"]["open_positions"]["1"]["trades"]["1"]["blockchain_transactions"][0]
    tx["transaction_args"] = tx["wrapped_args"] = pickled
    del tree["schema_version"]
    return tree if version is None else {"schema_version": version} | tree


@pytest.mark.parametrize("pickled", ["80044e2e", "80054e2e"])
def test_pickled_none_of_old_files_becomes_null(pickled: str):
    state = State.from_dict(vault_tree(None, [], pickled))
    tx = state.portfolio.open_positions[1].trades[1].blockchain_transactions[0]
    assert (tx.transaction_args, tx.wrapped_args) == (None, None)
    assert tx.to_dict()["transaction_args"] is tx.to_dict()["wrapped_args"] is None


@pytest.mark.parametrize("version", [None, 0, SCHEMA_VERSION])
def test_renamed_vault_features_are_renamed_in_old_files_only(version: int | None):
    old = ["maseer_one_like", "enzyme_like", "lagoon_like"]
    state = State.from_dict(vault_tree(version, list(old), "80044e2e"))
    data = state.portfolio.open_positions[1].pair.other_data
    assert data is not None
    assert data["vault_features"] == (
        ["wstgbp_like", "enzyme_onyx_like", "lagoon_like"] if version in (None, 0) else old
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.update(portfolio=None),
        lambda t: t["portfolio"].update(open_positions=[1]),
        lambda t: t["portfolio"]["open_positions"].update({"1": 5}),
        lambda t: t["portfolio"]["open_positions"]["1"].update(trades="x"),
        lambda t: t["portfolio"]["open_positions"]["1"]["trades"]["1"].update(blockchain_transactions={"a": 1}),
    ],
)
def test_damaged_old_files_are_refused_and_do_not_crash_the_upcast(damage: Callable[[dict[str, Any]], None]):
    tree = vault_tree(None, [], "80044e2e")
    damage(tree)
    with pytest.raises(InvalidStateFile):
        State.from_dict(tree)


def test_free_data_that_looks_unusual_is_left_alone():
    tree = vault_tree(None, [], "80044e2e")
    tree["portfolio"]["open_positions"]["1"]["pair"]["other_data"] = {"vault_features": 5}
    assert State.from_dict(tree).portfolio.open_positions[1].pair.other_data == {"vault_features": 5}


def test_old_files_have_no_kind_and_are_spot():
    tree = Trader(new_state()).plan(WETH_USDC, "1", 1.0)[0].to_dict()
    for name in ("kind", "underlying_spot_pair", "exchange_name", "other_data", "reverse_token_order"):
        del tree["pair"][name]
    pair = TradingPosition.from_dict(tree).pair
    assert pair.kind is TradingPairKind.spot_market_hold
    assert pair.reverse_token_order is True
    assert pair == WETH_USDC


def test_addresses_are_lower_cased_on_reading():
    asset = AssetIdentifier.from_dict(WETH.to_dict() | {"address": "0xABCDEF"})
    assert asset.address == "0xabcdef"


def test_attributes_of_the_caller_are_not_saved():
    position, trade = Trader(new_state()).plan(WETH_USDC, "1", 1.0)
    anything: Any = trade
    anything.nonce = 5
    assert "nonce" not in trade.to_dict()
    with pytest.raises(AttributeError):
        setattr(TradingPairIdentifier.from_dict(position.pair.to_dict()), "nonce", 5)  # noqa: B010


@pytest.mark.parametrize("junk", [[], {}, 5, True])
def test_upcasting_leaves_wrong_shapes_to_the_decoder(junk: Any):
    """An old file with the wrong kind of value somewhere is refused with its place, or loads, but never crashes."""
    trade = {
        "blockchain_transactions": [{"transaction_args": junk}],
        "pair": {"other_data": {"vault_features": [junk]}},
    }
    for tables in ({"open_positions": {"1": {"trades": {"1": trade}}}}, {"open_positions": junk}, junk):
        with contextlib.suppress(InvalidStateFile):
            State.from_dict({"portfolio": copy.deepcopy(tables)})


def test_a_number_that_no_constructor_can_compare_is_refused():
    state = new_state()
    Trader(state).plan(WETH_USDC, "1", 1.0)
    tree = state.to_dict()
    tree["portfolio"]["open_positions"]["1"]["trades"]["1"]["planned_quantity"] = "NaN"
    with pytest.raises(InvalidStateFile, match="not a finite number"):
        State.from_dict(tree)
