"""What docs/operations.md shows is what happens."""

import re
from pathlib import Path

import pytest

from tests.kit.changed_files import save
from tests.kit.funded_trader import fail, fund
from tests.kit.trader import LINK_USDC, WETH_USDC
from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_library_example_repairs_a_file_and_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    trader = fund()
    trader.start(trader.plan(WETH_USDC, "1", 2000.0)[1])
    fail(trader, LINK_USDC, "10", 10.0)
    path = save(trader, tmp_path)
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.splitlines() == [
        "position #1: was never sent and its position is closed",
        "position #2: its capital had been returned",
        "position #2: is unfrozen and closed, nothing is left",
    ]
    assert len(list(tmp_path.glob("state.repair-backup-*.json"))) == 1
    assert path.read_bytes() == before
