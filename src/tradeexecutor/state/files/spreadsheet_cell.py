"""Text in the cells of CSV files in a form that a spreadsheet does not run as a formula.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, also after white space; the symbol of a token
may be such a text. The rule:

- Writing puts an apostrophe before a text that begins with one of ``= + - @ '`` or white space, or ends with white
  space. A spreadsheet takes such an apostrophe for the mark of a text.
- A cell with a number of any sign is not changed, so ``-5.2`` stays a number.
- Reading removes one apostrophe from a cell that begins with one, and white space from the ends of all other cells.

What is written is read back exactly.
"""

import re

__all__ = ["from_cell", "to_cell"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

#: First characters of a formula, including the wide forms that East Asian versions of spreadsheets treat alike.
_FIRST = frozenset("=+-@'\uff1d\uff0b\uff0d\uff20\0")


def to_cell(text: str) -> str:
    """Return the text to write into a cell.

    >>> to_cell("=SUM(A1)"), to_cell("WETH"), to_cell("-5.2"), to_cell("'quoted'")
    ("'=SUM(A1)", 'WETH', '-5.2', "''quoted'")
    """
    if not text or _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text[0] in _FIRST or text != text.strip() else text


def from_cell(cell: str) -> str:
    """Return the original text of a cell.

    >>> from_cell("'=SUM(A1)"), from_cell("WETH"), from_cell("-5.2"), from_cell("''quoted'")
    ('=SUM(A1)', 'WETH', '-5.2', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") else cell.strip()
