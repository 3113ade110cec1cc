"""What docs/stores.md shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support import REPOSITORY
from tradeexecutor.cli.main import app
from tradeexecutor.state import errors
from tradeexecutor.state.store.copies import examine

PAGE = (REPOSITORY / "docs" / "stores.md").read_text(encoding="utf-8")


def test_the_examples_and_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for example in examples:
        exec(example, {})
    (printed,) = re.findall(r"print\(.*?\)  # (.*)", PAGE)
    assert capsys.readouterr().out == f"{printed}\n"

    commands = re.findall(r"^\$ tradeexecutor (.*?) +# ", PAGE, re.MULTILINE)
    assert len(commands) == 11
    for command in (*commands, f"{printed.removeprefix('tradeexecutor ')} --yes"):
        result = CliRunner().invoke(app, shlex.split(command))
        assert result.exit_code == 0, f"{command}: {result.output}"


def test_the_files_it_names_are_those_that_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) * 2:
        exec(example, {})
    names = {path.name for path in tmp_path.iterdir()}
    files = {"demo.json", "demo.json.lock", "demo.json.backups", "trading.db", "trading.db.demo.lock"}
    assert names == files | {f"demo.prune-backup-{n}.json" for n in (1, 2)}
    assert examine(tmp_path / "demo.json").number == 2


def test_the_errors_it_names_exist():
    names = set(re.findall(r"`([A-Z][A-Za-z]+(?:Locked|Changed|Failed|File))(?:\.\w+)?`", PAGE))
    assert {"StoreLocked", "StoreChanged", "SaveFailed", "DamagedStateFile", "NewerStateFile"} <= names
    assert [name for name in names if not hasattr(errors, name) and not name.startswith("JSON")] == []
