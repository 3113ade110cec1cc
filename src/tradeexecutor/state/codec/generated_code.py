"""Functions whose source is generated at run time, where a loop over names would be too slow."""

import linecache
from typing import Any

__all__ = ["compile_function"]


def compile_function(name: str, source: str, namespace: dict[str, Any], described_as: str) -> Any:
    """Compile `source`, and return the function `name` that it defines.

    Parameters
    ----------
    namespace
        Globals of the function; the dictionary is changed.
    described_as
        Name shown instead of a file name in tracebacks. Tracebacks and debuggers can show the lines of the source.
    """
    file_name = f"<{described_as}>"
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    exec(compile(source, file_name, "exec"), namespace)
    return namespace[name]
