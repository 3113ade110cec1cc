"""Promises about the package as a whole: what importing it costs, and what the lock files pin."""

import re
import subprocess
import sys
import tomllib

import pytest

import tradeexecutor
from tests.support import REPOSITORY

#: What importing the state must not load: each costs more time than all of the state's own modules.
HEAVY = {"numpy", "pandas", "plotly", "pyarrow", "rich", "typer"}


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level modules present after running one statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tradeexecutor", "tradeexecutor.state.state", "tradeexecutor.state.store"])
def test_importing_the_state_loads_no_heavy_library(module: str):
    assert not modules_loaded_by(f"import {module}") & HEAVY


@pytest.mark.slow
def test_ccxt_is_imported_only_for_an_exchange():
    statement = "from tradeexecutor.backtest.feeds.sources import describe_exchange as d; d('kraken', ['A/B'], '1h')"
    assert not modules_loaded_by(statement) & {"ccxt", "requests"}


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("tradeexecutor") == tradeexecutor.__version__


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_exact_versions_and_names_no_index(name: str):
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if not re.match(r"[a-z0-9-]+==[^ ]+( ; .+)?$", line)] == []


def test_the_lock_covers_every_declared_dependency():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    declared = {re.split(r"[\[<>=! ]", requirement)[0] for requirement in project["dependencies"]}
    assert declared <= pinned


def test_both_locks_agree():
    def pins(name: str) -> dict[str, str]:
        # Without the marker: what a dependency needs on some platforms, a developer's tool may need on all.
        lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        return {package: rest.partition(" ; ")[0] for package, _, rest in (line.partition("==") for line in lines)}

    everything = pins("requirements-dev.lock")
    assert {package: everything.get(package) for package in pins("requirements.lock")} == pins("requirements.lock")
