"""The checksum header of a saved file."""

import hashlib
import json

import pytest

from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import DamagedStateFile, InvalidStateFile
from tradeexecutor.state.files.checksum_header import (
    HEAD_SIZE,
    make_checksum_header,
    parse_verified,
    read_checksum_header,
    remove_checksum_header,
    verify_checksum_header,
)
from tradeexecutor.state.state import State


def add_header(text: bytes, save: int = 7) -> bytes:
    return b"".join(make_checksum_header(text, save))


@pytest.mark.parametrize(
    "text", [b"{}", b"{ }", b'{"a":1}', b'{ "a" : [1, 2] }', b' {"a":{"seal":1}}', '{"ä":"€"}'.encode()]
)
def test_an_object_with_a_header_is_json_with_one_more_member(text: bytes):
    text_with_header = add_header(text)
    tree = json.loads(text_with_header)
    assert next(iter(tree)) == "seal"
    assert tree.pop("seal")["save"] == 7
    assert tree == json.loads(text)
    assert json.loads(remove_checksum_header(text_with_header)) == json.loads(text)


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place():
    """So that any tool can verify it."""
    text_with_header = add_header(b'{"a":1}')
    checksum = json.loads(text_with_header)["seal"]["sha256"]
    assert hashlib.sha256(text_with_header.replace(checksum.encode(), b"0" * 64)).hexdigest() == checksum


def test_a_good_header_is_returned():
    text_with_header = add_header(b'{"a":1}')
    found = verify_checksum_header(text_with_header)
    assert found is not None
    assert (found.save, found.checksum) == (7, json.loads(text_with_header)["seal"]["sha256"])
    assert text_with_header[found.length :] == b'"a":1}'
    assert read_checksum_header(text_with_header) == found
    assert found.length < HEAD_SIZE


@pytest.mark.parametrize("save", [1, 10**15])
def test_any_number_of_saves_fits(save: int):
    found = verify_checksum_header(add_header(b'{"schema_version":1}', save))
    assert found is not None
    assert found.save == save
    assert found.length + len('"schema_version":999999999,') < HEAD_SIZE


@pytest.mark.parametrize("text", [b"{}", b'{"a":1}', b"", b"[]", b"{"])
def test_a_text_without_a_header_is_not_checked(text: bytes):
    assert verify_checksum_header(text) is None
    assert read_checksum_header(text) is None
    assert remove_checksum_header(text) == text


def test_a_state_without_a_header_is_read():
    state = make_state()
    assert State.read_json_blob(state.to_json()).to_json() == state.to_json()


def test_text_and_bytes_are_checked_alike():
    text_with_header = add_header('{"name":"€","portfolio":{}}'.encode())
    assert State.read_json_blob(text_with_header.decode()).name == "€"
    with pytest.raises(DamagedStateFile):
        State.read_json_blob(text_with_header.decode().replace("€", "$"))


def test_the_header_is_no_part_of_the_state():
    text_with_header = add_header(make_state().to_json_bytes())
    state = State.read_json_blob(text_with_header)
    assert state.unknown_keys == {}
    assert state.to_json() == make_state().to_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"a":1', b'"a":2'),
        lambda text: text.replace(b'"save":7', b'"save":8'),
        lambda text: text.replace(b'"seal"', b'"Seal"'),
        lambda text: text.replace(b'"sha256"', b'"sha257"'),
        lambda text: text + b"\n",
        lambda text: json.dumps(json.loads(text), indent=2).encode(),
        lambda text: json.dumps(json.loads(text)).encode(),
        lambda text: json.dumps(dict(reversed(json.loads(text).items()))).encode(),
        lambda text: text.replace(json.loads(text)["seal"]["sha256"].encode(), b"0" * 64),
        lambda text: text.replace(json.loads(text)["seal"]["sha256"].encode(), b""),
        lambda text: b'{"seal":null}',
        lambda text: b'{"name":"x","other_data":null,' + b" " * HEAD_SIZE + b'"seal":{}}',
    ],
)
def test_a_change_after_the_save_is_found(change):  # type: ignore[no-untyped-def]
    with pytest.raises(DamagedStateFile, match="store generations") as failure:
        parse_verified(change(add_header(b'{"a":1}')))
    assert "store generations" not in failure.value.reason


def test_editing_a_file_and_removing_the_header_is_accepted():
    """As the error message says."""
    tree = json.loads(add_header(make_state().to_json_bytes()))
    del tree["seal"]
    tree["name"] = "edited"
    assert State.read_json_blob(json.dumps(tree, indent=1)).name == "edited"


def test_damage_that_is_no_json_is_an_invalid_file_too():
    with pytest.raises(InvalidStateFile):
        parse_verified(b"{")
