"""The JSON Schema says what the dataclasses say."""

import dataclasses
import enum

import fastjsonschema
import jsonschema
import pytest

from tradeexecutor.schema import build_definitions, build_state_schema, select_definition
from tradeexecutor.schema.source_comments import read_field_sources
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import Treasury
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import UNITS, WireType

SCHEMA = build_state_schema()
DEFINITIONS = SCHEMA["$defs"]


def test_it_is_a_schema_of_its_dialect():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_accepts_an_empty_state_as_it_is_written():
    fastjsonschema.compile(SCHEMA)(State().to_dict())


def test_a_trade_has_the_keys_that_are_written_in_their_order():
    assert list(DEFINITIONS["TradeExecution"]["properties"]) == [f.name for f in dataclasses.fields(TradeExecution)]


def test_keys_without_default_are_required():
    assert DEFINITIONS["JSONAssetDelta"]["required"] == ["asset", "raw_amount"]
    assert "required" not in DEFINITIONS["Portfolio"]


def test_a_field_has_the_comment_and_the_unit_of_its_source():
    slippage = DEFINITIONS["TradeExecution"]["properties"]["slippage_tolerance"]
    assert slippage["description"] == "Fraction by which the fill may be worse than planned: 0.01 is 1 %."
    assert slippage["unit"] == UNITS["BPS"]
    assert slippage["title"] == "Slippage tolerance"


def test_every_field_has_a_description():
    missing = [
        f"{name}.{key}"
        for name, definition in DEFINITIONS.items()
        for key, described in definition.get("properties", {}).items()
        if not described.get("description")
    ]
    assert missing == [], "write a `#:` comment above the field"


def test_a_docstring_may_describe_the_fields_instead_of_comments():
    found = DEFINITIONS["ArchiveRef"]["properties"]
    assert found["size"]["description"] == "Size of the file, bytes."
    assert found["transactions"]["description"] == found["valuation_updates"]["description"]


def test_descriptions_use_the_words_of_json():
    assert DEFINITIONS["BlockchainTransaction"]["properties"]["status"]["description"] == (
        "Status in the receipt; null until confirmed."
    )


def test_known_values_of_an_enum_are_listed_and_others_admitted():
    known, other = DEFINITIONS["TradeType"]["anyOf"]
    assert known["enum"] == [member.value for member in TradeType]
    assert other["type"] == "string"


def test_rare_data_may_be_left_out():
    scanned = DEFINITIONS["Treasury"]["properties"]["scanned_blocks"]
    assert scanned["default"] == []
    assert "scanned_blocks" not in Treasury().to_dict()


def test_a_default_is_what_a_missing_key_means():
    tree = BlockchainTransaction().to_dict()
    for name, described in DEFINITIONS["BlockchainTransaction"]["properties"].items():
        assert described["default"] == tree[name], name


def test_every_special_form_has_a_schema():
    assert [kind for kind in WireType.decoders if not kind.json_schema and not kind.free] == []


def test_references_can_point_into_another_document():
    definitions = build_definitions([TradeExecution], "#/components/schemas/")
    pair = definitions["TradeExecution"]["properties"]["pair"]
    assert pair["$ref"] == "#/components/schemas/TradingPairIdentifier"
    assert "TradingPosition" not in definitions


def test_one_definition_brings_those_that_it_needs():
    selected = select_definition(SCHEMA, "TriggerPriceUpdate")
    assert set(selected["$defs"]) == {"TriggerPriceUpdate", "UTCDatetime"}
    jsonschema.validate({"timestamp": 1}, selected)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"timestamp": "1970-01-01"}, selected)


def test_an_unknown_definition_is_named_with_those_that_exist():
    with pytest.raises(InvalidValue, match=r"no definition is called 'Trade'.*TradeExecution"):
        select_definition(SCHEMA, "Trade")


def test_two_classes_of_one_name_are_refused():
    def make(kind: type) -> type:
        return dataclasses.make_dataclass("Sample", [("value", kind)])

    with pytest.raises(InvalidValue, match="two classes are called Sample"):
        build_definitions([make(int), make(float)])


def test_an_annotation_without_a_form_is_refused():
    sample = dataclasses.make_dataclass("Sample", [("value", tuple[int, int])])
    with pytest.raises(InvalidValue, match="no JSON form is known"):
        build_definitions([sample])


def test_comments_of_enum_members_are_found():
    assert read_field_sources(TradeFlag)["open"].comment == ""
    assert issubclass(TradeFlag, enum.Enum)
    assert "A trading position, including a frozen one." in DEFINITIONS["BalanceUpdatePositionType"]["description"]
