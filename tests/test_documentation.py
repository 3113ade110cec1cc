"""What the documentation shows is what happens."""

import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest
from typer.main import get_command

import tradeexecutor
from tests.kit.example_runs import run_example
from tests.support import REPOSITORY
from tradeexecutor.cli.command_table import COMMANDS, STORE_COMMANDS
from tradeexecutor.cli.lazy_commands import CommandEntry, LazyCommand
from tradeexecutor.cli.main import app
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION
from tradeexecutor.state.errors import TradeExecutorError

SOURCE = REPOSITORY / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")


def test_there_are_examples():
    assert "tradeexecutor.accounting.accuracy" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str):
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_library_example_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "backtests" / "trend_following"
    folder.mkdir(parents=True)
    run_example("trend_following").state.write_json_file(folder / "state.json")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(example, {})
    printed = capsys.readouterr().out
    assert "Trend following: " in printed
    assert "GOOG-USD" in printed


def test_the_reference_of_the_commands_is_what_the_code_says():
    written = runpy.run_path(str(REPOSITORY / "docs" / "commands.py"))["render"]()
    assert written == COMMANDS_PAGE, "run `make docs-commands`"


@pytest.mark.parametrize(
    ("prefix", "entry"),
    [*(("", entry) for entry in COMMANDS), *(("store ", entry) for entry in STORE_COMMANDS)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_every_command_and_option_is_in_the_reference(prefix: str, entry: CommandEntry):
    (section,) = re.findall(rf"^### {prefix}{entry.name}$\n(.*?)(?=^##|\Z)", COMMANDS_PAGE, re.MULTILINE | re.DOTALL)
    assert entry.help in section
    assert f"$ tradeexecutor {prefix}{entry.name}" in section
    assert "\nExit code: " in section
    command = LazyCommand(entry).load()
    assert command.params
    for parameter in command.params:
        names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar or "?"]
        where = COMMANDS_PAGE if names == ["--debug"] else section  # a global option
        assert all(f"`{name}`" in where for name in names)


def test_every_global_option_is_in_the_reference():
    (section,) = re.findall(r"^## Global options$\n(.*?)(?=^##|\Z)", COMMANDS_PAGE, re.MULTILINE | re.DOTALL)
    names = [name for parameter in get_command(app).params for name in parameter.opts]
    assert {"--debug", "--version"} <= set(names)
    missing = {name for name in names if f"`{name}`" not in section}
    assert missing == {"--install-completion", "--show-completion"}  # those of typer, which every program with it has


def test_the_pictures_of_the_fills_show_what_the_code_does():
    page = (REPOSITORY / "docs" / "fills.md").read_text(encoding="utf-8")
    drawing = runpy.run_path(str(REPOSITORY / "docs" / "images" / "fills.py"))
    folder = REPOSITORY / "docs" / "images" / "fills"
    names = {picture.name for picture in drawing["PICTURES"]}
    assert names == {path.stem for path in folder.glob("*.svg")}
    for picture in drawing["PICTURES"]:
        assert f"(images/fills/{picture.name}.svg)" in page
        assert (folder / f"{picture.name}.svg").read_text(encoding="utf-8") == drawing["draw"](picture)


def test_the_pictures_of_the_state_are_drawn_from_the_code():
    pictures = runpy.run_path(str(REPOSITORY / "docs" / "images" / "concepts.py"))["render"]()
    folder = REPOSITORY / "docs" / "images" / "concepts"
    assert {path.stem for path in folder.glob("*.svg")} == set(pictures)
    for name, picture in pictures.items():
        assert (folder / f"{name}.svg").read_text(encoding="utf-8") == picture, "run docs/images/concepts.py"


@pytest.mark.slow
def test_the_gallery_shows_every_example_as_it_runs():
    files = runpy.run_path(str(REPOSITORY / "docs" / "gallery.py"))["render"](lambda path: run_example(path.stem))
    pictures = set((REPOSITORY / "docs" / "images" / "examples").glob("*.svg"))
    assert pictures == {path for path in files if path.suffix == ".svg"}
    for path, content in files.items():
        assert path.read_text(encoding="utf-8") == content, "run `make docs-gallery`"


PROSE = sorted(
    path
    for path in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "deploy").rglob("*.md")]
    if "node_modules" not in path.parts
)


def find_anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, made as code hosts and site builders make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        linked = (page.parent / place).resolve() if place else page
        assert linked.exists(), target
        assert not anchor or linked.suffix != ".md" or anchor in find_anchors(linked), target


def test_every_error_is_explained():
    page = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
    for module in pkgutil.walk_packages(tradeexecutor.__path__, "tradeexecutor."):
        importlib.import_module(module.name)
    unexplained = {error.__name__ for error in find_errors(TradeExecutorError)} - set(re.findall(r"`(\w+)`", page))
    assert not unexplained


def find_errors(error: type[Exception]) -> set[type[Exception]]:
    """Return the subclasses of an error that the package defines, at any depth."""
    below = {kind for kind in error.__subclasses__() if kind.__module__.startswith("tradeexecutor.")}
    return below.union(*(find_errors(kind) for kind in below))


def test_the_version_of_the_schema_is_explained():
    page = (REPOSITORY / "docs" / "upgrading.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE)) == {str(number + 1) for number in range(SCHEMA_VERSION)}


def test_every_page_is_in_the_navigation_of_the_site():
    settings = (REPOSITORY / "docs" / "site.toml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(REPOSITORY / "docs")) for path in (REPOSITORY / "docs").rglob("*.md")}
    assert pages == set(re.findall(r'"([^"]+\.md)"', settings))
