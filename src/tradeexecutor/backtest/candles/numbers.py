"""Numbers written as text: with a decimal comma, or with commas between thousands.

All columns of a file use one convention, which a value must decide: ``1,234`` alone is ambiguous.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tradeexecutor.backtest.candles.arrow import pc
from tradeexecutor.strategy.candle_length import InvalidCandles

__all__ = ["read_numbers"]

#: Only with a decimal comma: 1,5  0,123  1.234,5  1.234.567
_DECIMAL_COMMA = r"^[+-]?(\d+,(\d{1,2}|\d{4,})|0+,\d+|\d{4,},\d+|,\d+|\d{1,3}(\.\d{3})+,\d*|\d{1,3}(\.\d{3}){2,})$"
#: Only with a decimal point: 1.5  0.123  1,234.5  1,234,567
_DECIMAL_POINT = (
    r"^[+-]?(\d+\.(\d{0,2}|\d{4,})|0+\.\d+|\d{4,}\.\d+|\.\d+|\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,}"
    r"|\d+\.?\d*[eE][+-]?\d+)$"
)
#: Points between thousands, possible only with a decimal comma: 1.234.567
_GROUPED = r"^[+-]?\d{1,3}(\.\d{3}){2,}"
_COMMA = ","


def read_numbers(frame: pd.DataFrame, names: list[str], source: str) -> Mapping[str, NDArray[np.float64]]:
    """Return columns as numbers, by name; NaN for a value that is not a number.

    Columns of a number type are not changed, and do not decide the convention.

    Raises
    ------
    InvalidCandles
        Both conventions occur, or no value decides the meaning of a comma.
    """
    texts = {name: _to_texts(frame[name]) for name in names if not pd.api.types.is_numeric_dtype(frame[name])}
    plain = {
        name: pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan) for name in names
    }
    if _find_first(texts, _COMMA) is None and _find_first(texts, _GROUPED) is None:
        return plain
    comma = _find_first(texts, _DECIMAL_COMMA)
    point = _find_first(texts, _DECIMAL_POINT)
    if comma and point:
        (name, row), (other, against) = comma, point
        raise InvalidCandles(
            f"{name} is {texts[name][row].as_py()!r}, with a decimal comma, and {other} in row {against + 1} is "
            f"{texts[other][against].as_py()!r}, with a decimal point",
            source,
            row + 1,
        )
    if not comma and not point:
        found = _find_first(texts, _COMMA)
        assert found is not None
        name, row = found
        raise InvalidCandles(
            f"{name} is {texts[name][row].as_py()!r}, and no value shows whether the comma is a decimal comma "
            "or separates thousands; write the numbers with a decimal point",
            source,
            row + 1,
        )
    return plain | {name: _convert(column, is_decimal_comma=comma is not None) for name, column in texts.items()}


def _to_texts(column: Any) -> "pa.StringArray":
    return pa.array([None if value is None or value != value else str(value).strip() for value in column], pa.string())


def _find_first(texts: Mapping[str, "pa.StringArray"], pattern: str) -> tuple[str, int] | None:
    """Return column and row of the first value with a pattern."""
    for name, column in texts.items():
        found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
        if bool(pc.any(found).as_py()):
            return name, int(np.argmax(np.asarray(found)))
    return None


def _convert(column: "pa.StringArray", *, is_decimal_comma: bool) -> NDArray[np.float64]:
    thousands, decimal = (r"\.", ",") if is_decimal_comma else (",", r"\.")
    is_number = pc.match_substring_regex(
        column, rf"^[+-]?(\d{{1,3}}({thousands}\d{{3}})+|\d*)({decimal}\d*)?([eE][+-]?\d+)?$"
    )
    cleaned = pc.replace_substring_regex(column, thousands, "")
    if is_decimal_comma:
        cleaned = pc.replace_substring(cleaned, _COMMA, ".")
    kept = pc.if_else(is_number, cleaned, pa.scalar(None, pa.string()))
    numbers = pd.to_numeric(pd.Series(kept.to_pylist(), dtype=object), errors="coerce")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
