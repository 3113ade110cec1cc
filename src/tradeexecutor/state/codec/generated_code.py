"""Functions whose source is made at run time, where a loop over names would be too slow."""

import linecache
from typing import Any

__all__ = ["compile_function"]


def compile_function(name: str, source: str, namespace: dict[str, Any], described_as: str) -> Any:
    """Return the function `name` that `source` defines.

    Parameters
    ----------
    namespace
        The globals of the function; changed.
    described_as
        What stands in place of the file name in tracebacks.  They, and a debugger, show the lines of the source.
    """
    file_name = f"<{described_as}>"
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    exec(compile(source, file_name, "exec"), namespace)
    return namespace[name]
