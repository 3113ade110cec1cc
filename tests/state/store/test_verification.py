"""What was written is compared with what is read back."""

from pathlib import Path

import pytest

from tradeexecutor.state.files import durable_file
from tradeexecutor.state.files.durable_file import Replacement
from tradeexecutor.state.store.verification import verify_written

PARTS = b"head", memoryview(b"rest")


@pytest.fixture(params=[1, 3, 100], autouse=True)
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_file, "_PIECE", request.param)


def write(folder: Path, content: bytes) -> Replacement:
    replacement = Replacement(folder / "state.json")
    replacement.write(content)
    return replacement


def test_the_parts_one_after_the_other_are_accepted(tmp_path: Path):
    verify_written(write(tmp_path, b"headrest"), PARTS, None)


@pytest.mark.parametrize("found", [b"", b"head", b"headres", b"headrest.", b"heaDrest", b"headresT", b".headrest"])
def test_anything_else_is_an_error_of_the_disk(tmp_path: Path, found: bytes):
    with pytest.raises(OSError, match="not what was written"):
        verify_written(write(tmp_path, found), PARTS, None)
