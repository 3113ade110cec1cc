"""query."""

import csv
import io
import json
import math
import sys
from pathlib import Path

import pytest

from tests.kit.command_runner import Run

pytest.importorskip("duckdb")


@pytest.fixture
def folder(run: Run, strategy: Path, candles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two backtests in a folder of their own, and one of them in a database."""
    monkeypatch.chdir(tmp_path)
    for name, share in (("half", 0.5), ("tenth", 0.1)):
        result = run("backtest", strategy, "--data", candles, "--output", f"runs/{name}", "--set", f"share={share}")
        assert result.exit_code == 0, result.output
    result = run("store", "convert", "runs/half/state.json", "sqlite:///trading.db#mine")
    assert result.exit_code == 0, result.output
    return tmp_path


def ask(run: Run, sql: str, *words: object) -> list[dict[str, object]]:
    result = run("query", sql, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_one_query_compares_files_folders_and_databases(run: Run, folder: Path):
    sql = "select state, strategy, count(*) as n, sum(value) as value from trades group by all order by state"
    rows = ask(run, sql, "runs", "sqlite:///trading.db")
    assert [(row["state"], row["strategy"], row["n"]) for row in rows] == [
        ("runs/half/state.json", "Ten days", 2),
        ("runs/tenth/state.json", "Ten days", 2),
        ("sqlite:///trading.db#mine", "Ten days", 2),
    ]
    assert rows[0]["value"] == rows[2]["value"]
    assert math.isclose(float(rows[0]["value"]), 5 * float(rows[1]["value"]), rel_tol=1e-3)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", ["positions", "trades", "samples"])
def test_every_table_has_the_columns_of_export(run: Run, folder: Path, table: str):
    exported = "portfolio" if table == "samples" else table
    listed = json.loads(run("export", "runs/half/state.json", "--columns", "--table", exported, "--json").stdout)
    described = ask(run, f"describe {table}", "runs/half/state.json")
    names = [row["column_name"] for row in described]
    assert names == ["state", "strategy", *(column["column"] for column in listed[exported])]


def test_amounts_are_those_of_the_state(run: Run, folder: Path):
    state = json.loads(Path("runs/half/state.json").read_text().splitlines()[0])
    (position,) = state["portfolio"]["closed_positions"].values()
    quantity = float(position["trades"]["1"]["executed_quantity"])
    rows = ask(run, "select executed_quantity, executed_at from trades where trade_id = 1", "runs/half/state.json")
    assert rows == [{"executed_quantity": quantity, "executed_at": "2024-01-01T00:00:00"}]


def test_results_of_an_optimisation_are_a_table(run: Run, folder: Path, strategy: Path, candles: Path):
    for name, values in (("one", "0.1,0.2"), ("two", "0.3,0.4")):
        line = ("optimize", strategy, "--data", candles, "--param", f"share={values}", "--output", f"found/{name}")
        assert run(*line, "--jobs", 1).exit_code == 0
    rows = ask(run, "select state, share, rank from results order by share", "found")
    assert [(row["state"], row["share"]) for row in rows] == [
        ("found/one/results.parquet", 0.1), ("found/one/results.parquet", 0.2),
        ("found/two/results.parquet", 0.3), ("found/two/results.parquet", 0.4),
    ]  # fmt: skip
    assert ask(run, "select count(*) as n from results", "found/one/results.parquet") == [{"n": 2}]
    result = run("query", "select * from results", "runs")
    assert result.exit_code == 1
    assert "no results of an optimisation" in result.stderr


def test_formats(run: Run, folder: Path):
    sql = "select trade_id, pair, value, executed_at, notes from trades order by trade_id"
    table = run("query", sql, "runs/half/state.json")
    assert table.stdout.split()[:5] == ["trade_id", "pair", "value", "executed_at", "notes"]
    assert "2024-01-01 00:00" in table.stdout
    printed = run("query", sql, "runs/half/state.json", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["trade_id"] for row in rows] == ["1", "2"]
    assert rows[0]["executed_at"] == "2024-01-01T00:00:00"
    for name in ("csv", "json", "parquet"):
        result = run("query", sql, "runs/half/state.json", "--format", name, "--output", f"rows.{name}")
        assert result.exit_code == 0, result.output
        assert "2 rows" in result.stderr
    assert Path("rows.csv").read_text() == printed
    assert [row["trade_id"] for row in json.loads(Path("rows.json").read_text())] == [1, 2]
    import pyarrow.parquet as pq

    assert pq.read_table("rows.parquet")["trade_id"].to_pylist() == [1, 2]
    assert run("query", "select 1 where false", "runs").stdout == "No rows.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "syntax error at or near"),
        ("", "there are 0"),
        ("select 1; select 2", "there are 2"),
        ("select * from nothing", "The tables are positions, trades, samples, results"),
        ("select nothing from trades", 'column "nothing" not found'),
        ("select 1 / 'a'", "Could not convert"),
        ("drop table trades", "only a select"),
        ("create table x as select 1", "only a select"),
        ("copy (select 1) to 'x.csv'", "only a select"),
        ("attach 'x.db'", "only a select"),
        ("set enable_external_access = true", "only a select"),
        ("select * from read_csv('rows.csv')", "disabled"),
        ("select * from 'runs/half/state.json'", "disabled"),
        ("select * from read_text('/etc/hostname')", "disabled"),
    ],
)
def test_a_query_that_cannot_be_run_is_explained(run: Run, folder: Path, sql: str, message: str):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = run("query", sql, "runs")
    assert result.exit_code == 1
    assert message.lower() in result.stderr.lower()
    assert "LINE 1" not in result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_query_changes_no_file(run: Run, folder: Path):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ask(run, "select * from trades, positions, samples", "runs", "sqlite:///trading.db")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_is_no_state_is_left_out_of_a_folder_but_refused_by_name(run: Run, folder: Path):
    Path("runs/other.json").write_text('{"a": 1}')
    result = run("query", "select count(*) from trades", "runs")
    assert result.exit_code == 0, result.output
    assert "Left out: runs/other.json" in result.stderr
    assert run("query", "select count(*) from trades", "runs/other.json").exit_code == 1
    assert "there is no file" in run("query", "select * from trades", "missing.json").stderr


def test_options_that_do_not_go_together(run: Run, folder: Path):
    assert run("query", "select 1", "runs", "--format", "parquet").exit_code == 2
    assert run("query", "select 1", "runs", "--output", "x").exit_code == 2
    assert "no folder" in run("query", "select 1", "runs", "--format", "csv", "--output", "no/x").stderr


def test_without_duckdb_the_command_says_how_to_install_it(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = run("query", "select 1", "runs")
    assert result.exit_code == 1
    assert "pip install 'tradeexecutor[query]'" in result.stderr
