"""Time of ``import tradeexecutor.state.state`` in a fresh interpreter, next to interpreters that import nothing."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import best_time

_CACHE = str(Path(tempfile.gettempdir()) / "tradeexecutor-benchmark-bytecode")


def _start(statement: str) -> None:
    # Byte code is kept, as on a normal installation, whatever the caller's environment says.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": _CACHE}
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)


def run() -> None:
    """Print the difference in milliseconds."""
    bare = best_time(lambda: _start("pass"))
    state = best_time(lambda: _start("import tradeexecutor.state.state"))
    standard = best_time(lambda: _start("import dataclasses, decimal, typing, logging, msgspec, orjson"))
    print(f"import tradeexecutor.state.state: {(state - bare) * 1000:.0f} ms")
    print(f"of which standard library, msgspec and orjson: {(standard - bare) * 1000:.0f} ms")
