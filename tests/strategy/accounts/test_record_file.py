"""Files of records: what is written is read back, whatever the texts are."""

from pathlib import Path

import pytest

from tradeexecutor.strategy.accounts.record_file import read_records, write_records

TEXTS = [
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2*3",
    "@SUM(A1)",
    "\t=1",
    "\r\n=1",
    "'quoted'",
    "''",
    " padded ",
    'a"b,\nc',
    "-5.2",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_in_csv_is_no_formula_and_is_read_back_exactly(tmp_path: Path, text: str):
    path = tmp_path / "records.csv"
    write_records(path, ["symbol", "amount"], [[text, "-5.2"], [None, 7]])
    first, second = read_records(path, ["amount"], ["symbol"])
    assert first.find_text("symbol") == text
    assert first.get_text("amount") == "-5.2"
    assert second.find_text("symbol") is None
    assert second.get_number("amount") == 7
    assert ",-5.2\n" in path.read_text().replace("\r\n", "\n")


def test_white_space_around_what_others_have_written_does_not_count(tmp_path: Path):
    path = tmp_path / "records.csv"
    path.write_text("symbol, amount\n WETH , -5.2 \n'WETH,'7\n")
    first, second = read_records(path, ["amount"], ["symbol"])
    assert (first.get_text("symbol"), first.get_text("amount")) == ("WETH", "-5.2")
    assert (second.get_text("symbol"), second.get_text("amount")) == ("WETH", "7")
