"""Decoding of signed Ethereum transactions."""

from typing import Any, cast

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import JSONObject

_SIGNATURE = ("v", "r", "s")

#: Field names by transaction type, in the order in which they are encoded.
_FIELDS: dict[int, tuple[str, ...]] = {
    0: ("nonce", "gasPrice", "gas", "to", "value", "data", *_SIGNATURE),
    1: ("chainId", "nonce", "gasPrice", "gas", "to", "value", "data", "accessList", *_SIGNATURE),
    2: (
        *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data", "accessList"),
        *_SIGNATURE,
    ),
}

_BYTE_FIELDS = frozenset({"data"})


def decode_signed_transaction(raw: bytes) -> JSONObject:
    """Return the fields of a legacy, access list (type 1) or fee market (type 2) transaction.

    Numbers are ``int``, ``to`` is checksummed text (None when a contract is created), ``data`` is bytes.

    Raises
    ------
    InvalidValue
        The bytes are not such a transaction.
    """
    kind = raw[0] if raw and raw[0] < 0x80 else 0
    names = _FIELDS.get(kind)
    if names is None:
        raise InvalidValue(f"unknown transaction type {kind}")
    try:
        items, rest = _decode_rlp(raw[1:] if kind else raw)
    except IndexError:
        raise InvalidValue("truncated transaction") from None
    if rest or not isinstance(items, list) or len(cast(list[Any], items)) != len(names):
        raise InvalidValue("not a signed transaction")
    result: JSONObject = {"type": kind}
    for name, item in zip(names, cast(list[Any], items), strict=True):
        if isinstance(item, list):
            result[name] = item
        elif name == "to":
            result[name] = _checksum(item) if item else None
        else:
            result[name] = item if name in _BYTE_FIELDS else int.from_bytes(item, "big")
    return result


def _checksum(address: bytes) -> str:
    from eth_utils.address import to_checksum_address  # slow to import and rarely needed

    return to_checksum_address(address)


def _decode_rlp(data: bytes, depth: int = 0) -> tuple[Any, bytes]:
    """Return the first item (bytes or a list of items), and the remaining bytes."""
    head = data[0]
    if head < 0x80:
        return data[:1], data[1:]
    is_list = head >= 0xC0
    size = head - (0xC0 if is_list else 0x80)
    start = 1
    if size > 55:
        start += size - 55
        size = int.from_bytes(data[1:start], "big")
    if len(data) < start + size or depth > 8:
        raise IndexError
    content, rest = data[start : start + size], data[start + size :]
    if not is_list:
        return content, rest
    items: list[Any] = []
    while content:
        item, content = _decode_rlp(content, depth + 1)
        items.append(item)
    return items, rest
