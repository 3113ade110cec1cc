"""What JavaScript clients accept of a state file beyond its types: one bad value blanks all of their pages."""

import re
from collections.abc import Callable, Iterator
from typing import Any

_HEX = re.compile(r"(0x)?[0-9a-fA-F]+")
_PREFIXED_HEX = re.compile(r"0x[0-9a-fA-F]*")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?")


def _is_hex(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_prefixed(value: Any) -> bool:
    return isinstance(value, str) and _PREFIXED_HEX.fullmatch(value) is not None


def _is_positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def _is_decimal(value: Any) -> bool:
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


#: Key, whether null is accepted, and the rule. A key means the same in every object.
_RULES: dict[str, tuple[bool, Callable[[Any], bool]]] = {
    "chain_id": (True, _is_positive),
    "cycle": (False, _is_positive),
    "internal_id": (True, _is_positive),
    "info_url": (True, bool),
    "pool_address": (False, _is_hex),
    "owner_address": (True, _is_hex),
    "tx_hash": (True, _is_hex),
    "log_index": (True, _is_prefixed),
    "signed_bytes": (True, _is_prefixed),
    "market_feed_delay": (True, lambda value: value >= 0),
    "quantity": (True, lambda value: _is_decimal(value) or isinstance(value, float)),
    "planned_quantity": (False, _is_decimal),
    "planned_reserve": (False, _is_decimal),
    "executed_quantity": (True, _is_decimal),
    "executed_reserve": (True, _is_decimal),
    "created_at": (True, _is_time),
    "calculated_at": (False, _is_time),
    "opened_at": (False, _is_time),
}

#: Keys that must not be null in objects that have all of these keys.
_NEVER_NULL = {
    "reserve": (frozenset({"reserve_token_price", "asset"}), ("last_sync_at", "quantity")),
    "sample": (frozenset({"profitability", "value"}), ("profitability", "value")),
    "backtest": (frozenset({"decision_cycle_duration", "start_at"}), ("decision_cycle_duration",)),
}

#: Data that clients do not look into.
_FREE = frozenset({"other_data", "details", "other", "long_short_metrics_latest", "calculations", "discardable_data"})


def find_refused(tree: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value in a state file that a client refuses."""
    if isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from find_refused(item, f"{path}[{number}]")
        return
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        here = f"{path}.{key}"
        accepts_null, is_accepted = _RULES.get(key, (True, lambda _: True))
        if not (accepts_null if value is None else isinstance(value, dict) or is_accepted(value)):
            yield f"{here} = {value!r}"
        if key not in _FREE:
            yield from find_refused(value, here)
    for keys, required in _NEVER_NULL.values():
        if keys <= tree.keys():
            yield from (f"{path}.{key} = None" for key in required if tree[key] is None)
