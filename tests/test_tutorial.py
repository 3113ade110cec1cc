"""The tutorial works as written: its code is the code of the example files, and its commands run in the given order."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from tests.kit.pages import find_blocks, run_command
from tests.kit.soak import SOAK
from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.ledger.proof import prove
from tradeexecutor.research.look_ahead import analyse_look_ahead
from tradeexecutor.strategy.strategy_module import read_strategy_module

DOCS = REPOSITORY / "docs"

#: The pages in the order in which the site shows them.
PAGES = [DOCS / name for name in re.findall(r'"(tutorial/[^"]+)"', (DOCS / "site.toml").read_text(encoding="utf-8"))]
EXAMPLES = REPOSITORY / "examples" / "tutorial"


def test_each_strategy_of_the_tutorial_is_on_one_page_as_it_is_in_its_file():
    shown = {title: text for page in PAGES for language, title, text in find_blocks(page) if title}
    assert {Path(title).name for title in shown} == {path.name for path in EXAMPLES.glob("*.py")}
    for title, text in shown.items():
        assert text == (REPOSITORY / title).read_text(encoding="utf-8")


SOLUTIONS = sorted((EXAMPLES / "solutions").glob("*.py"))


def test_the_solutions_are_shown_as_they_are_in_their_files():
    shown = {title: text for _, title, text in find_blocks(REPOSITORY / "docs" / "solutions.md") if title}
    assert {Path(title).name for title in shown} == {path.name for path in SOLUTIONS}
    assert len(SOLUTIONS) >= 5
    for title, text in shown.items():
        assert text == (REPOSITORY / title).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_trades_and_knows_nothing_of_the_future(path: Path):
    state, universe, diagnostics = run_backtest_for_module(path, progress=False)
    assert diagnostics["trades"] > 10
    assert diagnostics["failed_trades"] == diagnostics["unpaid_trades"] == diagnostics["reduced_trades"] == 0
    assert prove(state).is_balanced
    assert analyse_look_ahead(read_strategy_module(path), universe, cuts=4).is_clean


def test_the_pages_follow_each_other():
    assert sorted(PAGES) == sorted((DOCS / "tutorial").glob("*.md"))
    for page, following in itertools.pairwise(PAGES):
        assert f"]({following.name})" in page.read_text(encoding="utf-8").splitlines()[-1]


@pytest.mark.slow
def test_the_commands_of_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    printed = ""
    for page in PAGES:
        names: dict[str, object] = {}
        for language, title, text in find_blocks(page):
            if language == "console":
                for command in re.findall(r"^\$ tradeexecutor (.*)$", text, re.MULTILINE):
                    words = shlex.split(command)
                    if words[0] == "optimize" and SOAK == 1:
                        words += ["--jobs", "1"]  # without the seconds in which worker processes start
                    printed += run_command("tradeexecutor", words)
            elif language == "python" and not title:
                exec(text, names)
            elif not language and not text.startswith(("make ", "tradeexecutor ")):
                # What a page shows as output was printed by a command before it.
                for line in text.splitlines():
                    assert line in printed, line
