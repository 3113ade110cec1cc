"""What docs/ledger.md shows is what happens."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.every_kind_trader import Driver
from tests.support import REPOSITORY
from tradeexecutor.cli.main import app
from tradeexecutor.ledger.entry import AccountKind
from tradeexecutor.ledger.proof import Verdict
from tradeexecutor.state.state import State

PAGE = (REPOSITORY / "docs" / "ledger.md").read_text(encoding="utf-8")


def make_state() -> State:
    """The state of the page: a deposit, a purchase with something left over, and a failure without a refund."""
    driver = Driver()
    driver.sample()
    driver.buy(1_000, reserve="999.5")
    driver.sample()
    driver.fail_to_buy(700)
    driver.reserve.quantity -= 700
    driver.sample()
    return driver.state


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")  # the page shows long lines whole
    (tmp_path / "state.json").write_text(make_state().to_json())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_print_what_the_page_shows(folder: Path):
    examples = re.findall(r"```console\n\$ tradeexecutor (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for command, shown in examples:
        result = CliRunner().invoke(app, command.split())
        assert result.stdout.strip() == shown.strip()


def test_the_library_example_runs(folder: Path, capsys: pytest.CaptureFixture[str]):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.splitlines() == [
        "USDC cash -700.0",
        "trade #2 fails and gets its capital back",
        "no",
    ]


def test_the_page_explains_every_account_and_verdict():
    for member in (*AccountKind, *Verdict):
        assert f"`{member.value}`" in PAGE
