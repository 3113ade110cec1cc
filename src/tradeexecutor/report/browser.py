"""Printing a page to PDF with an installed Chromium."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tradeexecutor.state.errors import PrintingFailed

__all__ = ["find_browser", "print_to_pdf", "require_browser"]

#: Command names of Chromium and of browsers derived from it.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge")

_MAC_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

#: Environment variable with the path of the browser to use.
BROWSER_VARIABLE = "BROWSER_PATH"

_TIMEOUT_SECONDS = 180

_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def find_browser() -> str | None:
    """Return the path of a Chromium; None if there is none.

    The environment variable ``BROWSER_PATH`` takes precedence over installed browsers.
    """
    chosen = os.environ.get(BROWSER_VARIABLE)
    if chosen:
        return shutil.which(chosen)
    found = (shutil.which(name) for name in (*_NAMES, *_MAC_PATHS))
    return next((path for path in found if path), None)


def require_browser() -> str:
    """Return the path of a Chromium; raises `PrintingFailed` if there is none."""
    browser = find_browser()
    if browser is None:
        raise PrintingFailed(
            "printing needs Chromium or Chrome, and there is none: install one, set "
            f"{BROWSER_VARIABLE} to its path, or open the HTML page in any browser and print it there"
        )
    return browser


def print_to_pdf(page: str, target: Path) -> None:
    """Print an HTML page to a PDF file.

    Parameters
    ----------
    page
        HTML that is complete when it has loaded, such as the result of
        :py:func:`tradeexecutor.report.page.make_report` with ``packed=False``.
    target
        The PDF file. An existing file is replaced, but not if printing fails.

    Raises
    ------
    PrintingFailed
        There is no browser, or it did not write a PDF.
    """
    browser = require_browser()
    with tempfile.TemporaryDirectory(prefix="tradeexecutor-report-") as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, "utf-8")
        command = [browser, *_OPTIONS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}", source.as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # needed by Chromium for root; the page is made by this program
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise PrintingFailed(f"{browser} did not finish within {_TIMEOUT_SECONDS} seconds") from None
        except OSError as error:
            raise PrintingFailed(f"{browser} cannot be started: {error.strerror}") from error
        if not made.exists() or not made.stat().st_size:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1].strip() if lines else f"exit code {done.returncode}"
            raise PrintingFailed(f"{browser} made no PDF: {reason}")
        shutil.copyfile(made, target)
