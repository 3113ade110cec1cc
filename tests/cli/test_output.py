"""How numbers, times and tables are printed."""

from decimal import Decimal
from pathlib import Path

import pytest

from tradeexecutor.cli.output import (
    Column,
    format_line,
    format_percent,
    format_price,
    format_quantity,
    format_usd,
    get_program,
    print_table,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (1234567.891, "1,234,567.89"), (-12.345, "-12.35"), (0.00456, "0.00456"), (None, "-")],
)
def test_dollars(value: float | None, text: str):
    assert format_usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0"), ("100", "100"), ("1E+3", "1,000"), ("0.000000000123456789", "0.00000000012345679"), ("-1.50", "-1.5")],
)
def test_quantities_never_have_an_exponent(value: str, text: str):
    assert format_quantity(Decimal(value)) == text


def test_prices_of_any_size():
    assert format_price(0) == "0"
    assert format_price(1e-12) == "0.000000000001"
    assert format_price(43210.987) == "43,210.99"
    assert format_price(100.0) == "100"


def test_percentages():
    assert format_percent(-0.5) == "-50.00 %"
    assert format_percent(None) == "-"


def test_texts_of_several_lines_become_one():
    assert format_line("one\n\n  two \n") == "one | two"
    assert format_line(None) == ""


COLUMNS = (Column("Id", right=True), Column("Long name", priority=2), Column("Text", priority=1, is_text=True))
ROWS = [("1", "x" * 30, "a long text that goes on " * 4), ("22", "y", "[bold]short[/bold]")]


def test_a_wide_place_gets_everything(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    print_table(COLUMNS, ROWS)
    header, rule, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["Id", "Long", "name", "Text"]
    assert set(rule) == {"─"}
    assert first.endswith("goes on")
    assert second.endswith("[bold]short[/bold]")


def test_texts_are_shortened_before_columns_are_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "60")
    print_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("…")
    assert len(lines) == 4
    monkeypatch.setenv("COLUMNS", "40")
    print_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert "xxx" not in lines[2]
    assert lines[-1] == "Columns that do not fit: Long name"
    assert all(len(line) <= 40 for line in lines)


def test_columns_without_content_are_left_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_table(COLUMNS, [("1", "", ""), ("2", "", "")])
    assert capsys.readouterr().out.splitlines()[0] == "Id"


def test_the_program_is_named_so_that_it_can_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / ".venv" / "bin" / "tradeexecutor"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert get_program(str(program)) == ".venv/bin/tradeexecutor"
    assert get_program(".venv/bin/tradeexecutor") == ".venv/bin/tradeexecutor"
    monkeypatch.chdir("/")
    assert get_program(str(program)) == str(program).removeprefix("/")
    monkeypatch.setenv("PATH", str(program.parent))
    assert get_program(str(program)) == "tradeexecutor"
    assert get_program("/anything/pytest") == "tradeexecutor"
