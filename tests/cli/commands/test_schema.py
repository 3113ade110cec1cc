import json
from pathlib import Path

from tests.kit.command_runner import Run
from tradeexecutor.schema import build_state_schema


def test_the_schema_is_printed_as_json(run: Run):
    result = run("schema")
    assert (result.exit_code, json.loads(result.stdout)) == (0, build_state_schema())


def test_one_definition_is_printed_with_what_it_needs(run: Run):
    printed = json.loads(run("schema", "--definition", "JSONAssetDelta").stdout)
    assert (printed["$ref"], list(printed["$defs"])) == ("#/$defs/JSONAssetDelta", ["JSONAssetDelta"])


def test_the_schema_is_written_to_a_file(run: Run, tmp_path: Path):
    result = run("schema", "--output", tmp_path / "state.schema.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads((tmp_path / "state.schema.json").read_text()) == build_state_schema()


def test_an_unknown_definition_is_an_error_with_the_known_ones(run: Run):
    result = run("schema", "--definition", "Trade")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no definition is called 'Trade'" in result.stderr
    assert "TradeExecution" in result.stderr


def test_a_folder_that_is_missing_is_an_error(run: Run, tmp_path: Path):
    result = run("schema", "--output", tmp_path / "missing" / "schema.json")
    assert result.exit_code == 1
    assert "missing" in result.stderr
