"""Tables for other programs: the same columns whatever the state, and amounts exact to the last digit."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.kit.command_runner import Run
from tests.kit.every_kind_trader import TEXT, Driver
from tradeexecutor.analysis.frames import positions_to_frame, trades_to_frame
from tradeexecutor.analysis.frames.history import ledger_to_frame, position_statistics_to_frame
from tradeexecutor.cli.export_tables import TABLES, AmountFormat, make_frame, read_csv_rows, to_arrow
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.ledger.journal import derive
from tradeexecutor.state.prune import archive_closed_positions
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.valuation import ValuationUpdate

pytestmark = pytest.mark.slow

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with positions of every kind."""
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        store.sync(State.read_json_blob(TEXT))
    return path


def test_every_table_is_written(run: Run, path: Path, tmp_path: Path):
    result = run("export", path, "-o", tmp_path / "tables")
    assert result.exit_code == 0
    assert sorted(file.name for file in (tmp_path / "tables").iterdir()) == sorted(f"{name}.csv" for name in TABLES)
    with (tmp_path / "tables" / "trades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    state = State.read_json_blob(TEXT)
    assert len(rows) == len(trades_to_frame(state)) == state.portfolio.next_trade_id - 1
    assert [D(row["planned_quantity"]) for row in rows] == list(trades_to_frame(state)["planned_quantity"])
    assert rows[0]["opened_at"] == "2022-01-01T00:00:03"
    assert rows[0]["failed_at"] == ""


@pytest.mark.parametrize("file_format", ["parquet", "arrow", "feather"])
def test_columnar_files_have_types_and_units(run: Run, path: Path, tmp_path: Path, file_format: str):
    arguments = ("--format", file_format, "--table", "positions,trades", "--json")
    result = run("export", path, "-o", tmp_path, *arguments)
    assert [item["table"] for item in json.loads(result.stdout)["files"]] == ["positions", "trades"]
    file = tmp_path / f"positions.{file_format}"
    table = pq.read_table(file) if file_format == "parquet" else feather.read_table(file)
    frame = positions_to_frame(State.read_json_blob(TEXT))
    assert table.column_names == list(frame.columns)
    assert str(table.schema.field("opened_at").type) == "timestamp[us]"
    assert table.schema.field("value").metadata[b"unit"] == b"USD"
    assert [D(text) for text in table["quantity"].to_pylist()] == list(frame["quantity"])
    assert table["value"].to_pylist() == list(frame["value"])


def test_decimals_are_exact_or_refused(run: Run, path: Path, tmp_path: Path):
    arguments = ("--format", "parquet", "--amounts", "decimal", "--table")
    assert run("export", path, "-o", tmp_path, *arguments, "balance-updates").exit_code == 0
    table = pq.read_table(tmp_path / "balance-updates.parquet")
    assert str(table.schema.field("quantity").type) == "decimal128(38, 18)"
    assert table["quantity"].to_pylist()[0] == 50_000
    state = State.read_json_blob(TEXT)
    state.portfolio.get_default_reserve_position().balance_updates[1].quantity = D("0.1234567890123456789")
    state.write_json_file(path)
    refused = run("export", path, "-o", tmp_path, "--force", *arguments, "balance-updates")
    assert refused.exit_code == 1
    assert "an amount of 19 digits (quantity of balance-updates: 0.12345679) does not fit" in refused.stderr


@pytest.mark.parametrize(
    ("amount", "fits"),
    [
        ("99999999999999999999.999999999999999999", True),
        ("100000000000000000000", False),
        ("0.0000000000000000010000", True),
        ("0.0000000000000000001", False),
        ("-1E+5", True),
        ("0", True),
        ("0E-30", True),
    ],
)
def test_what_fits_into_a_decimal(amount: str, fits: bool):
    frame = pd.DataFrame({"amount": pd.Series([D(amount), None], dtype=object)})
    frame.attrs["units"] = {}
    if fits:
        assert to_arrow(frame, "t", AmountFormat.decimal)["amount"].to_pylist() == [D(amount), None]
    else:
        with pytest.raises(CommandFailed):
            to_arrow(frame, "t", AmountFormat.decimal)
    assert to_arrow(frame, "t", AmountFormat.text)["amount"].to_pylist() == [f"{D(amount):f}", None]
    assert to_arrow(frame, "t", AmountFormat.real)["amount"].to_pylist() == [float(amount), None]


def test_columns_do_not_depend_on_the_state():
    for name in TABLES:
        full = to_arrow(make_frame(State.read_json_blob(TEXT), name), name, AmountFormat.text)
        empty = to_arrow(make_frame(State(), name), name, AmountFormat.text)
        assert empty.num_rows == 0
        assert full.schema == empty.schema, name


def test_files_are_not_replaced_unless_asked_for(run: Run, path: Path, tmp_path: Path):
    (tmp_path / "trades.csv").write_text("mine")
    result = run("export", path, "-o", tmp_path, "--table", "trades,positions")
    assert result.exit_code == 1
    assert "trades.csv exists" in result.stderr
    assert not (tmp_path / "positions.csv").exists()
    assert run("export", path, "-o", tmp_path, "--table", "trades", "--force").exit_code == 0
    assert (tmp_path / "trades.csv").read_text().startswith("trade_id,")


def test_columns_can_be_listed(run: Run, path: Path):
    result = run("export", path, "--columns", "--table", "ledger")
    assert result.exit_code == 0
    assert "ledger: a posting of the double-entry ledger" in result.stdout
    assert ["amount", "string", "token", "units"] in [line.split() for line in result.stdout.splitlines()]
    report = json.loads(run("export", path, "--columns", "--json").stdout)
    assert list(report) == list(TABLES)
    assert report["trades"][0] == {"column": "trade_id", "type": "int64", "unit": None}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "--output FOLDER"),
        (("-o", "x", "--table", "tirades"), 2, "there is no table 'tirades'"),
        (("-o", "x", "--table", ","), 2, "there is no table ''"),
        (("-o", "x", "--format", "xlsx"), 2, "xlsx"),
        (("-o", "state.json"), 1, "state.json: "),
    ],
)
def test_wrong_arguments(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, text: str
):
    monkeypatch.chdir(path.parent)
    result = run("export", "state.json", *arguments)
    assert result.exit_code == code
    assert text in result.stderr


def test_what_was_pruned_is_exported(run: Run, path: Path, tmp_path: Path):
    driver = Driver()
    position = driver.position_of(driver.buy(1_000))
    position.valuation_updates = [
        ValuationUpdate(position.position_id, driver.ts, driver.ts, float(value), 2_000.0) for value in range(4)
    ]
    driver.sell("0.5")
    out = archive_closed_positions(driver.state, driver.ts)
    assert out is not None
    out.write(path)
    driver.state.write_json_file(path)
    assert len(make_frame(driver.state, "valuations")) == 1
    assert run("export", path, "-o", tmp_path, "--table", "valuations").exit_code == 0
    assert len((tmp_path / "valuations.csv").read_text().splitlines()) == 5


def test_a_missing_archive_is_reported(run: Run, path: Path, tmp_path: Path):
    driver = Driver()
    position = driver.position_of(driver.buy(1_000))
    position.valuation_updates = [
        ValuationUpdate(position.position_id, driver.ts, driver.ts, float(value), 2_000.0) for value in range(4)
    ]
    driver.sell("0.5")
    assert archive_closed_positions(driver.state, driver.ts) is not None
    driver.state.write_json_file(path)
    result = run("export", path, "-o", tmp_path, "--table", "valuations")
    assert result.exit_code == 0
    assert "pruned details are not in the tables" in result.stdout


def test_postings_of_an_entry_add_up_to_nothing():
    state = State.read_json_blob(TEXT)
    frame = ledger_to_frame(state)
    assert len(frame) == sum(len(entry.postings) for entry in derive(state).entries)
    assert all(abs(sum(group["amount"])) < D("1e-20") for _, group in frame.groupby(["entry", "asset_identifier"]))


def test_real_files_are_written_in_every_format(run: Run, state_file: Path, tmp_path: Path):
    for file_format in ("csv", "parquet", "arrow"):
        assert run("export", state_file, "-o", tmp_path / file_format, "--format", file_format).exit_code == 0
    state = State.read_json_file(state_file)
    trades = feather.read_table(tmp_path / "arrow" / "trades.arrow")
    expected = [None if value is None else f"{value:f}" for value in trades_to_frame(state)["executed_quantity"]]
    assert trades["executed_quantity"].to_pylist() == expected
    samples = pq.read_table(tmp_path / "parquet" / "position-statistics.parquet")
    assert samples.num_rows == len(position_statistics_to_frame(state))
    with (tmp_path / "csv" / "trades.csv").open(newline="") as file:
        assert [row["executed_quantity"] or None for row in csv.DictReader(file)] == expected


FORMULAS = [
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2*3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'quoted'",
    "-5.2",
    " padded ",
    "a\nb",
    'q"',
]


def test_no_text_is_a_formula_and_all_are_read_back_exactly(run: Run, tmp_path: Path):
    state = State.read_json_blob(TEXT)
    for position, text in zip(state.portfolio.get_all_positions(), FORMULAS * 3, strict=False):
        position.pair.base.token_symbol = text
    frame = positions_to_frame(state)
    expected = list(frame["pair"])
    assert any(text.startswith("=") for text in expected)
    path = tmp_path / "formulas.json"
    path.write_text(state.to_json())
    assert run("export", path, "-o", tmp_path / "tables").exit_code == 0
    file = tmp_path / "tables" / "positions.csv"
    assert [row["pair"] for row in read_csv_rows(file)] == expected
    for name in TABLES:
        with (tmp_path / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
            for cell in (cell for row in csv.reader(handle) for cell in row):
                if cell[:1] in tuple("=+-@\t\r\n"):
                    D(cell)  # nothing but a number
    negative = [row["quantity"] for row in read_csv_rows(tmp_path / "tables" / "ledger.csv") if row.get("quantity")]
    assert all(not text.startswith("'") for text in negative)
