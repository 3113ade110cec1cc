"""Operations know nothing of a terminal: a web API and a live loop run the same code as the command line."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tradeexecutor.cli.remedies import describe_remedy
from tradeexecutor.operations.remedy import Remedy

FOLDER = REPOSITORY / "src" / "tradeexecutor" / "operations"
FILES = sorted(FOLDER.glob("*.py"))


@pytest.mark.slow
def test_importing_all_of_them_loads_no_terminal_library():
    modules = ", ".join(f"tradeexecutor.operations.{path.stem}" for path in FILES if path.stem != "__init__")
    code = f"import sys, {modules}; sys.exit(', '.join(sorted({{'typer', 'rich', 'click'}} & set(sys.modules))) or 0)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"loaded: {result.stderr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_none_of_them_prints_or_asks(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"print", "input", "exit", "breakpoint"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_message_speaks_of_options_or_commands(path: Path):
    """Those belong to one of many front ends, which says them for a `Remedy`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    docstrings = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    assert [text for text in texts if text not in docstrings and re.search(r"(^|\W)--\w|`?tradeexecutor ", text)] == []


@pytest.mark.parametrize("remedy", Remedy)
def test_the_command_line_has_words_for_every_remedy(remedy: Remedy):
    text = describe_remedy(remedy, "it's a state.json")
    assert text
    assert "STATE_FILE" not in text
