"""Makes the pictures of docs/dashboard.md: the dashboard over backtests of the examples.

    python docs/images/dashboard.py

Needs Chromium and Playwright. The pictures are made smaller with a palette.
"""

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.report.browser import require_browser
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.server import BackgroundServer, open_socket
from tradeexecutor.web.sources import read_catalogue

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

#: Name of the picture, address of the view, theme, width and height.
PICTURES = (
    ("overview", "", "light", 1200, 620),
    ("summary", "trend_following", "dark", 1200, 860),
    ("position", "trend_following/position/17", "light", 1200, 800),
    ("statistics", "rebalancing/statistics", "light", 1200, 1100),
    ("phone", "trend_following", "light", 390, 860),
)


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        for example in sorted(EXAMPLES.glob("*.py")):
            with JSONFileStore(Path(folder) / f"{example.stem}.json") as store:
                store.sync(run_backtest_for_module(example, progress=False).state)
        browser = driver.chromium.launch(executable_path=require_browser(), args=["--no-sandbox"])
        app = make_app(Site(read_catalogue([Path(folder)])), Settings(rate=0))
        with open_socket("127.0.0.1", 0) as listening, BackgroundServer(app, listening):
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/dashboard/#/"
            for picture in PICTURES:
                make(browser, address, *picture)
        browser.close()


def make(browser: Any, address: str, name: str, view: str, theme: str, width: int, height: int) -> None:
    """Make one picture."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    page.goto(address + view)
    page.wait_for_selector("main > *")
    while page.evaluate("document.querySelector('.loading') !== null"):
        page.wait_for_timeout(200)
    page.wait_for_timeout(1_000)
    path = HERE / "dashboard" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path)
    context.close()
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
