"""The code of the pages runs as it is written, page by page, in a folder that is empty at first."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from tests.kit.pages import find_blocks, run_command
from tests.support import REPOSITORY

DOCS = REPOSITORY / "docs"

#: Guides whose code runs from top to bottom. Other pages show fragments, which have to be valid and name what exists.
GUIDES = [
    DOCS / f"{name}.md"
    for name in (
        "costs",
        "exporting",
        "extending-execution",
        "extending-store",
        "indicators",
        "many-strategies",
        "my-data",
        "notebooks",
        "state",
        "upgrading",
    )
]

PAGES_WITH_CODE = sorted(
    page for page in DOCS.rglob("*.md") if any(language == "python" for language, _, _ in find_blocks(page))
)


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_code_of_a_guide_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {"__name__": "guide"}
    printed = ""
    for language, title, text in find_blocks(page):
        if language == "python" and title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, f"{page.name}", "exec"), names)
            printed += capsys.readouterr().out
        elif language == "console":
            if "--exchange" in text:
                continue  # asks an exchange; tests/cli/commands/test_download.py has one of its own
            for program, rest in re.findall(r"^\$ (\w+) (.*)$", text, re.MULTILINE):
                printed += run_command(program, shlex.split(rest))
        elif language == "text":
            # What a page shows as output was printed by the code before it.
            for line in text.splitlines():
                assert line.rstrip() in printed, line


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_code_of_a_page_is_valid_and_imports_what_exists(page: Path):
    for language, _, text in find_blocks(page):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tradeexecutor"):
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module} has no {name.name}"
