"""What docs/concurrency.md shows is what happens."""

import re
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tradeexecutor.state import errors

PAGE = (REPOSITORY / "docs" / "concurrency.md").read_text(encoding="utf-8")


def test_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})


def test_the_errors_it_names_exist():
    names = set(re.findall(r"`(WrongThread|ChangedMeanwhile|ReadOnlyState|Store[A-Z]\w+)`", PAGE))
    assert len(names) == 5
    assert [name for name in names if not hasattr(errors, name)] == []
