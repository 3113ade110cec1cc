"""The code blocks of pages, and how their commands are run."""

import re
import shutil
from pathlib import Path

from typer.testing import CliRunner

from tradeexecutor.cli.main import app

_BLOCK = re.compile(r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def find_blocks(page: Path) -> list[tuple[str, str, str]]:
    """Return language, title and text of the code blocks of a page."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def run_command(program: str, arguments: list[str]) -> str:
    """Run a command of a page, and return what it prints. Packages are installed already."""
    if program == "cp":
        shutil.copy(*arguments)
    elif program != "pip":
        assert program == "tradeexecutor"
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})  # long lines as pages show them
        expected = 1 if arguments[0] == "compare" and "EQUAL" not in result.output else 0
        assert result.exit_code == expected, f"{arguments}: {result.output}"
        return result.output
    return ""
