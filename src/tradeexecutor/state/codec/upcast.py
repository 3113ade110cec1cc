"""Upgrade of old files to the present schema, step by step, on the plain tree before it is converted to objects.

Files of the reference implementation contain no version and count as version 0. Each step is one function named
``upcast_...`` that changes the tree in place.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

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


def require_state(tree: Any) -> Any:
    """Return the tree of a file; raises `InvalidStateFile` when it is not the object of a state."""
    if isinstance(tree, dict) and "portfolio" not in tree and SCHEMA_VERSION_KEY not in tree:
        raise InvalidStateFile("this is JSON, but not a state: it has no portfolio")
    return cast(Any, tree)


def upcast(tree: Tree, version: int) -> None:
    """Upgrade a tree of schema `version` to `SCHEMA_VERSION` in place, and remove the checksum header."""
    tree.pop(CHECKSUM_HEADER_KEY, None)
    for step in _STEPS[version:]:
        for change in step:
            change(tree)


def _objects(container: Any, key: str) -> list[Tree]:
    """Return the objects of a map or list under `key`; the typed decoder reports other types."""
    value: Any = _get(container, key)
    if isinstance(value, dict):
        value = list(cast(Tree, value).values())
    return (
        [cast(Tree, item) for item in cast(list[Any], value) if isinstance(item, dict)]
        if isinstance(value, list)
        else []
    )


def _get(container: Any, key: str) -> Any:
    return cast(Tree, container).get(key) if isinstance(container, dict) else None


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


def iterate_trades(tree: Tree) -> Iterator[Tree]:
    """Yield the trades of all positions of a plain tree."""
    for position in iterate_positions(tree):
        for table in _TRADE_TABLES:
            yield from _objects(position, table)


def upcast_pickled_none(tree: Tree) -> None:
    """Replace the hex of a pickled None in transaction arguments by null."""
    for trade in iterate_trades(tree):
        for tx in _objects(trade, "blockchain_transactions"):
            for key in ("transaction_args", "wrapped_args"):
                value = tx.get(key)
                if isinstance(value, str) and value in _PICKLED_NONE:
                    tx[key] = None


def upcast_vault_features(tree: Tree) -> None:
    """Rename vault features of the pairs of positions and trades to their present names."""
    for owner in (*iterate_positions(tree), *iterate_trades(tree)):
        other_data = _get(owner.get("pair"), "other_data")
        features = _get(other_data, "vault_features")
        if isinstance(features, list):
            texts = cast(list[Any], features)
            other_data["vault_features"] = [
                _RENAMED_VAULT_FEATURES.get(text, text) if isinstance(text, str) else text for text in texts
            ]


#: Steps from version N to N + 1, at index N.
_STEPS: tuple[tuple[Callable[[Tree], None], ...], ...] = ((upcast_pickled_none, upcast_vault_features),)
