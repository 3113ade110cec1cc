"""Upgrade of old files to the present schema, step by step, on the plain tree before it is converted to objects.

Files of the reference implementation contain no version and count as version 0. Each step consists of functions named
``upcast_...``, which change the plain positions and trades of the tree in place.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import msgspec

from tradeexecutor.state.errors import InvalidStateFile

#: Version of the schema that this program writes.
SCHEMA_VERSION = 1

#: Key of the root object.
SCHEMA_VERSION_KEY = "schema_version"

#: Key of the root object, see :mod:`tradeexecutor.state.files.checksum_header`; it is part of the text, not of the
#: state.
CHECKSUM_HEADER_KEY = "seal"

#: Hex of a pickled None, in pickle protocols 4 and 5.
_PICKLED_NONE = frozenset({"80044e2e", "80054e2e"})

#: Vault features that were renamed.
_RENAMED_VAULT_FEATURES = {"maseer_one_like": "wstgbp_like", "enzyme_like": "enzyme_onyx_like"}

_POSITION_TABLES = (
    "open_positions",
    "closed_positions",
    "frozen_positions",
    "pending_positions",
    "expired_positions",
)
_TRADE_TABLES = ("trades", "pending_trades", "expired_trades")

Tree = dict[str, Any]


class _Versioned(msgspec.Struct):
    """The part of a state file that says its version."""

    schema_version: Any = 0


_versions = msgspec.json.Decoder(_Versioned)


def read_version(text: bytes) -> Any:
    """Return the schema version in the JSON text of a state, without making anything of the rest.

    Raises
    ------
    InvalidStateFile
        The text is not a JSON object.
    """
    try:
        return _versions.decode(text).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise InvalidStateFile(f"not a JSON object: {e}") from e


def require_state(tree: Any) -> Any:
    """Return the tree of a file; raises `InvalidStateFile` when it is not the object of a state."""
    if isinstance(tree, dict) and "portfolio" not in tree and SCHEMA_VERSION_KEY not in tree:
        raise InvalidStateFile("this is JSON, but not a state: it has no portfolio")
    return cast(Any, tree)


def upcast(tree: Tree, version: int) -> None:
    """Upgrade a tree of schema `version` to `SCHEMA_VERSION` in place, and remove the checksum header."""
    tree.pop(CHECKSUM_HEADER_KEY, None)
    for step in _STEPS[version:]:
        positions = list(iterate_positions(tree))
        trades = list(iterate_trades(positions))
        for change in step:
            change(positions, trades)


def _objects(container: Any, key: str) -> Iterable[Tree]:
    """Return the objects of a map or list under `key`; the typed decoder reports other types."""
    value: Any = _get(container, key)
    if not value:
        return ()
    if isinstance(value, dict):
        value = cast(Any, value).values()
    elif not isinstance(value, list):
        return ()
    return [cast(Tree, item) for item in cast(Any, value) if isinstance(item, dict)]


def _get(container: Any, key: str) -> Any:
    return cast(Any, container).get(key) if isinstance(container, dict) else None


def iterate_positions(tree: Tree) -> Iterator[Tree]:
    """Yield the positions of a plain tree, including the copies in the last distribution of interest."""
    portfolio = tree.get("portfolio")
    for table in _POSITION_TABLES:
        yield from _objects(portfolio, table)
    distribution = _get(_get(tree.get("sync"), "interest"), "last_distribution")
    for owner in (distribution, *_objects(distribution, "asset_interest_data")):
        for entry in _objects(owner, "entries"):
            position = entry.get("position")
            if isinstance(position, dict):
                yield cast(Tree, position)


def iterate_trades(positions: Iterable[Tree]) -> Iterator[Tree]:
    """Yield the trades of plain positions."""
    for position in positions:
        for table in _TRADE_TABLES:
            yield from _objects(position, table)


def upcast_pickled_none(_positions: Iterable[Tree], trades: Iterable[Tree]) -> None:
    """Replace the hex of a pickled None in transaction arguments by null."""
    for trade in trades:
        for tx in _objects(trade, "blockchain_transactions"):
            for key in ("transaction_args", "wrapped_args"):
                value = tx.get(key)
                if isinstance(value, str) and value in _PICKLED_NONE:
                    tx[key] = None


def upcast_vault_features(positions: Iterable[Tree], trades: Iterable[Tree]) -> None:
    """Rename vault features of the pairs of positions and trades to their present names."""
    for owner in (*positions, *trades):
        other_data = _get(owner.get("pair"), "other_data")
        features = _get(other_data, "vault_features") if other_data else None
        if isinstance(features, list) and any(name in features for name in _RENAMED_VAULT_FEATURES):
            texts = cast(list[Any], features)
            other_data["vault_features"] = [
                _RENAMED_VAULT_FEATURES.get(text, text) if isinstance(text, str) else text for text in texts
            ]


#: Steps from version N to N + 1, at index N; the functions take the positions and the trades.
_STEPS: tuple[tuple[Callable[[Iterable[Tree], Iterable[Tree]], None], ...], ...] = (
    (upcast_pickled_none, upcast_vault_features),
)
