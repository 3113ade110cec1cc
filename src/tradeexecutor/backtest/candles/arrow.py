"""The compute functions of pyarrow as ``Any``: pyarrow makes them at import, so type checkers cannot find them."""

from typing import Any

import pyarrow.compute

__all__ = ["pc"]

pc: Any = pyarrow.compute
