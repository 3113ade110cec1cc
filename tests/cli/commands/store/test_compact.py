"""store compact: removal of old saves."""

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.database.store import SQLStateStore


def test_compact(run: Run, address: str):
    assert run("store", "compact", address).exit_code == 2
    result = run("store", "compact", address, "--keep", "2", "--dry-run")
    assert "Saves 3 to 4 stay." in result.stdout
    assert len(SQLStateStore(address).history()) == 4
    result = run("store", "compact", address, "--keep", "2", "--yes")
    assert result.exit_code == 0
    assert "bytes were freed" in result.stdout
    assert [revision.number for revision in SQLStateStore(address).history()] == [3, 4]
    assert "nothing to remove" in run("store", "compact", address, "--keep", "2", "--yes").stdout
    assert "(earlier saves are not kept)" in run("store", "history", address).stdout


@pytest.mark.parametrize("days", ["1e300", "nan", "inf", "-1", "365001"])
def test_absurd_numbers_of_days(run: Run, address: str, days: str):
    result = run("store", "compact", address, f"--days={days}", "--dry-run")
    assert result.exit_code == 2, result.output


def test_many_days_keep_everything(run: Run, address: str):
    assert "nothing to remove" in run("store", "compact", address, "--days", "365000", "--dry-run").stdout
