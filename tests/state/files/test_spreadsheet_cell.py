"""Texts in cells: no spreadsheet takes one for a formula, and all are read back as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.files.spreadsheet_cell import from_cell, to_cell

TEXTS = st.text(alphabet=st.sampled_from("=+-@'\t\r\n \x000129.eE,\"aZ\u00a0\uff1d\u202e"), max_size=8) | st.text()


@given(TEXTS)
def test_texts_are_read_back_exactly(text: str):
    file = io.StringIO(newline="")
    csv.writer(file).writerow([to_cell(text), "x"])
    ((cell, _),) = csv.reader(io.StringIO(file.getvalue(), newline=""), strict=True)
    assert from_cell(cell) == text


@given(TEXTS)
def test_a_cell_that_may_be_a_formula_is_a_number_or_has_the_mark_of_a_text(text: str):
    cell = to_cell(text)
    if cell.strip()[:1] in tuple("=+-@") or cell[:1] in tuple("\t\r\n"):
        float(cell)


@pytest.mark.parametrize("number", ["-5.2", "+1", "0", "1e-18", "-.5", "5.", "123456789012345678901234567890.5"])
def test_numbers_are_not_touched(number: str):
    assert to_cell(number) == number
    assert from_cell(number) == number


@pytest.mark.parametrize("text", ["-5.2.1", "-", "+1+1", "-5e", "=1", "@A1", "\t=1", " =1", "-1 ", "-١"])
def test_what_only_looks_like_a_number_is_marked(text: str):
    assert to_cell(text) == f"'{text}"
