"""Import path of existing code: bytes as hexadecimal text."""

__all__ = ["hexbytes_to_hex_str"]


def hexbytes_to_hex_str(value: bytes) -> str:
    """Return bytes as text that starts with ``0x``.

    >>> hexbytes_to_hex_str(bytes([1, 255]))
    '0x01ff'
    """
    return f"0x{bytes(value).hex()}"
