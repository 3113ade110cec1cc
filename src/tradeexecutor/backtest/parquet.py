"""Reading Parquet files without worker threads.

The bundled files are small, so threads do not save time. A thread pool that is still stopping when the interpreter
exits can abort the process, which happened in about one of sixty runs of a command that reads one file.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(source: Path | bytes) -> pa.Table:
    """Return all columns and rows of a file, given by path or content.

    Raises
    ------
    OSError, pyarrow.ArrowException
        The file cannot be read, or is not Parquet.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False).read(use_threads=False)
