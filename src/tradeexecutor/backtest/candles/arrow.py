"""The compute functions of pyarrow, for type checkers: they are made at import, so that none is known by name."""

from typing import Any

import pyarrow.compute

__all__ = ["pc"]

pc: Any = pyarrow.compute
