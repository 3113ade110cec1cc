"""What a release uploads is complete, and has nothing that does not belong there."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.support import REPOSITORY

CHECKS: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy" / "release_check.py"))


@pytest.mark.slow
def test_what_is_built_passes_the_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Functions of a file that was run keep their own names: the folder is replaced where `build` looks it up.
    monkeypatch.setitem(CHECKS["build"].__globals__, "DIST", tmp_path)
    wheel, source = CHECKS["build"]()
    CHECKS["check_contents"](wheel, source)
    CHECKS["run"](CHECKS["sys"].executable, "-m", "twine", "check", "--strict", wheel, source)
    assert CHECKS["check_version"](wheel)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/py.typed"], "the wheel lacks a/data"),
        (["a/py.typed", "a/data", "tests/test_a.py"], "the wheel has tests/test_a.py"),
        (["a/py.typed", "a/data", "a/__pycache__/b.pyc"], "the wheel has a/__pycache__"),
        (["a/py.typed", "a/data", "a/.env"], r"the wheel has a/\.env"),
    ],
)
def test_what_is_missing_or_too_much_is_named(names: list[str], message: str):
    with pytest.raises(CHECKS["CheckFailed"], match=message):
        CHECKS["check_names"]("wheel", names, ["a/py.typed", "a/data"], CHECKS["NEVER"])
    CHECKS["check_names"]("wheel", ["a/py.typed", "a/data/b"], ["a/py.typed", "a/data"], CHECKS["NEVER"])


def test_a_command_that_fails_is_shown_with_its_output():
    with pytest.raises(CHECKS["CheckFailed"], match="No module named nosuchmodule"):
        CHECKS["run"](CHECKS["sys"].executable, "-m", "nosuchmodule")


def test_the_supported_versions_are_those_of_the_package():
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert set(CHECKS["VERSIONS"]) == set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project))
    assert "docs" not in CHECKS["read_extras"]()
