"""What was written is compared with what is read back."""

import pytest

from tradeexecutor.state.store.verification import verify_written

PARTS = b"head", memoryview(b"rest")


def test_the_parts_one_after_the_other_are_accepted():
    verify_written(b"headrest", PARTS, None)


@pytest.mark.parametrize("found", [b"", b"head", b"headres", b"headrest.", b"heaDrest", b"headresT", b".headrest"])
def test_anything_else_is_an_error_of_the_disk(found: bytes):
    with pytest.raises(OSError, match="not what was written"):
        verify_written(found, PARTS, None)
