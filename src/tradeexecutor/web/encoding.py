"""Compression of answers: brotli, zstandard and gzip, as the client prefers."""

import gzip
import sys
from typing import Any

__all__ = ["ENCODINGS", "choose_encoding", "compress"]

#: In the order in which they are chosen among equals: zstandard is the fastest to unpack and nearly the smallest.
ENCODINGS = ("zstd", "br", "gzip")

#: Smaller answers do not get smaller by it.
MIN_SIZE = 1_000


def choose_encoding(accepted: str) -> str | None:
    """Return the best encoding that an ``Accept-Encoding`` header accepts; None for none.

    >>> choose_encoding("gzip, deflate, br, zstd")
    'zstd'
    >>> choose_encoding("gzip;q=1.0, br;q=0.5")
    'gzip'
    >>> choose_encoding("identity") is None
    True
    """
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, _, parameter = item.partition(";")
        weights[name.strip()] = _read_weight(parameter)
    general = weights.get("*", 0.0)
    weight, best = max((weights.get(name, general), -place) for place, name in enumerate(ENCODINGS))
    return ENCODINGS[-best] if weight > 0 else None


def _read_weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def compress(content: bytes, encoding: str) -> bytes:
    """Return the content in an encoding of `ENCODINGS`, at a level that takes some milliseconds for each megabyte."""
    if encoding == "gzip":
        return gzip.compress(content, 6, mtime=0)
    if encoding == "br":
        import brotli

        return brotli.compress(content, quality=4)
    return _get_zstd().compress(content, 6)


def _get_zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
