"""Random changes of a state file that know its structure: values, keys, tables, numbers, pickles, text."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

#: A pickle that would make a file named after it, if anything ran it: ``os.mkdir(NAME)``, protocol 0.
PICKLE = "cposix\nmkdir\n(V{name}\ntR."

_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**53, 2**53 + 1, -(2**63), 2**64, 10**30, 10**400, 0.1, -0.0, 1e308, 5e-324,
    253402300800, -62135596801, 1e18,
)  # fmt: skip

_TEXTS: tuple[str, ...] = (
    "", " ", "0", "-0", "1E+999999", "1E-999999", "1E+999999999999", "NaN", "sNaN", "Infinity", "-Infinity", "1_0",
    "１", "0x10", "null", "1" * 5_000, "1." + "3" * 5_000, "\x00", "\ud7ff", "é", "a" * 100_000, "../../etc/passwd",
    "__class__", "{}", "80054e2e", "80", "zz", "2024-01-01", "USDC", "0x" + "0" * 40, "1-0x" + "0" * 40,
)  # fmt: skip

_KEYS = ("", "0", "-1", "1.5", "01", "١", "99999999999999999999", "__class__", "seal", "schema_version", "x" * 10_000)

_DEPTHS = (3, 100, 2_000, 100_000)

Place = tuple[Any, Any]


def mutate(tree: dict[str, Any], randomness: random.Random, trap: str) -> bytes:
    """Change a tree in a few places, and perhaps its text; returns the text.

    Parameters
    ----------
    tree
        A plain tree, which is changed in place.
    trap
        Name of the folder that an executed pickle would make.
    """
    places = list(iterate_places(tree))
    for _ in range(randomness.choice((1, 1, 1, 2, 3, 10))):
        container, key = randomness.choice(places)
        if key in (container if isinstance(container, dict) else range(len(container))):  # not yet removed
            randomness.choice(_CHANGES)(container, key, places, randomness, trap)
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=randomness.random() < 0.5).encode(
        errors="surrogatepass"
    )
    for depth in _DEPTHS if b'"@' in text else ():
        text = text.replace(b'"%b"' % _name_depth(depth).encode(), b"[" * depth + b"]" * depth)
    if randomness.random() < 0.2:
        text = randomness.choice(_TEXT_CHANGES)(text, randomness)
    return text


def iterate_places(value: Any) -> Any:
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            yield item, key
            if isinstance(item[key], dict | list):
                stack.append(item[key])


def _random_value(randomness: random.Random, trap: str) -> Any:
    kind = randomness.randrange(8)
    if kind == 0:
        return randomness.choice((None, True, False))
    if kind <= 2:
        return randomness.choice(_NUMBERS)
    if kind <= 4:
        return randomness.choice(_TEXTS)
    if kind == 5:
        return PICKLE.format(name=trap).encode().hex()
    if kind == 6:
        return randomness.choice(([], {}, [[]], {"a": {}}, [None], {"1": None}, [0] * 1000))
    return _name_depth(randomness.choice(_DEPTHS))


def _name_depth(depth: int) -> str:
    """A text that stands for so many arrays within each other, which `json` could not print."""
    return f"@{depth} arrays"


def _replace(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    container[key] = _random_value(randomness, trap)


def _remove(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    del container[key]


def _rename(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    if isinstance(container, dict):
        container[randomness.choice(_KEYS)] = container.pop(key)


def _copy_from_elsewhere(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    other, other_key = randomness.choice(places)
    if other_key in (other if isinstance(other, dict) else range(len(other))):
        container[key] = copy.deepcopy(other[other_key])


def _repeat(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    if isinstance(container, list):
        container.extend(copy.deepcopy(container) * randomness.choice((1, 10)))
    else:
        container[f"{key}0"] = container[key]


def _nudge(container: Any, key: Any, places: list[Place], randomness: random.Random, trap: str) -> None:
    """Change a value a little, so that it stays of its kind."""
    value = container[key]
    if isinstance(value, bool) or value is None:
        container[key] = not value
    elif isinstance(value, int | float):
        container[key] = randomness.choice((-value, value + 1, value - 1, value * 1000, float(value), str(value)))
    elif isinstance(value, str) and value:
        at = randomness.randrange(len(value))
        container[key] = value[:at] + randomness.choice(("", "0", "E9", "-", "é", "f")) + value[at + 1 :]


_CHANGES: tuple[Callable[..., None], ...] = (
    _replace,
    _replace,
    _nudge,
    _remove,
    _rename,
    _copy_from_elsewhere,
    _repeat,
)


def _cut(text: bytes, randomness: random.Random) -> bytes:
    return text[: randomness.randrange(len(text) + 1)]


def _insert(text: bytes, randomness: random.Random) -> bytes:
    at = randomness.randrange(len(text) + 1)
    foreign = randomness.choice((b"NaN", b"Infinity", b"\xff", b"\x00", b",", b"{", b'"', b"[" * 5_000, b"1e400", b"-"))
    return text[:at] + foreign + text[at:]


def _wrap(text: bytes, randomness: random.Random) -> bytes:
    return randomness.choice((b"\xef\xbb\xbf%b", b"[%b]", b" %b\n", b"%b%b", b'{"a":%b}')).replace(b"%b", text)


_TEXT_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _insert, _wrap)
