"""report: files that are written, and what is refused before the work is done."""

import json
import sys
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.report.browser import find_browser


def test_a_page_is_written(run: Run, backtest_state: Path, tmp_path: Path):
    target = tmp_path / "page.html"
    result = run("report", backtest_state, "-o", target)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {target}\n"
    page = target.read_text()
    assert page.startswith("<!doctype html>")
    assert "Ten days" in page
    assert "checks passed" in page
    assert 'data-theme="auto"' in page


@pytest.mark.slow
def test_the_page_goes_into_the_current_folder_unless_told_otherwise(
    run: Run, backtest_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert json.loads(run("report", backtest_state, "--json").stdout) == {"page": "report.html"}
    assert (tmp_path / "report.html").exists()
    (tmp_path / "folder").mkdir()
    result = run("report", backtest_state, "-o", tmp_path / "folder", "--theme", "dark", "--json")
    assert json.loads(result.stdout) == {"page": str(tmp_path / "folder" / "report.html")}
    assert 'data-theme="dark"' in (tmp_path / "folder" / "report.html").read_text()


@pytest.mark.slow
def test_candles_and_backtest_can_be_given(run: Run, backtest_state: Path, candles: Path, tmp_path: Path):
    target = tmp_path / "page.html"
    result = run("report", backtest_state, "--candles", candles, "--backtest", backtest_state, "-o", target)
    assert result.exit_code == 0, result.output
    assert "Backtest" in target.read_text()


def test_what_cannot_be_written_is_refused_before_the_work(run: Run, backtest_state: Path, tmp_path: Path):
    before = backtest_state.read_bytes()
    for target, reason in (
        (backtest_state, "is the state file"),
        (tmp_path / "missing" / "page.html", "there is no folder"),
    ):
        result = run("report", backtest_state, "-o", target)
        assert result.exit_code == 1
        assert reason in result.stderr
    assert run("report", backtest_state, "--pdf", tmp_path).exit_code == 1
    assert backtest_state.read_bytes() == before
    assert run("report", "missing.json").exit_code == 1


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_a_pdf_is_printed(run: Run, backtest_state: Path, tmp_path: Path):
    target = tmp_path / "report.pdf"
    result = run("report", backtest_state, "--pdf", target)
    assert result.exit_code == 0, result.output
    assert target.read_bytes().startswith(b"%PDF")
    assert not (tmp_path / "report.html").exists()


def test_printing_without_a_browser_is_explained(
    run: Run, backtest_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    result = run("report", backtest_state, "--pdf", tmp_path / "report.pdf")
    assert result.exit_code == 1
    assert "needs Chromium or Chrome" in result.stderr


def test_a_tear_sheet_needs_quantstats(run: Run, backtest_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "quantstats", None)
    result = run("report", backtest_state, "--tearsheet", tmp_path / "sheet.html")
    assert result.exit_code == 1
    assert "pip install 'tradeexecutor[tearsheet]'" in result.stderr
    assert not (tmp_path / "sheet.html").exists()
