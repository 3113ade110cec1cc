"""The dashboard in a real browser: Debian's chromium, driven by Playwright. Tests skip where one of them is missing."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.node import run, skip_without_node
from tests.support import REPOSITORY
from tradeexecutor.report.browser import find_browser
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.server import BackgroundServer, open_socket

PACKAGE = REPOSITORY / "clients" / "dashboard"

#: Notes what the content security policy refuses; runs before the scripts of the page.
_WATCH = """
globalThis.refused = [];
addEventListener("securitypolicyviolation", (event) => refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


#: Two frames, and the tasks that are waiting after them: Preact begins requests after it has painted.
_DRAW = """
new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))
"""


@contextlib.contextmanager
def start_browser() -> Iterator[Any]:
    """A running browser; skips where there is none."""
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def serve(site: Site, settings: Settings | None = None, port: int = 0) -> Iterator[str]:
    """The address of a server in a thread."""
    with (
        open_socket("127.0.0.1", port) as listening,
        BackgroundServer(make_app(site, settings or Settings(rate=0)), listening),
    ):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@dataclass
class Visit:
    """A page, and what went wrong in it."""

    page: Any
    address: str
    errors: list[str] = field(default_factory=list)
    #: Requests without an answer yet; the stream of saves never has its whole answer.
    pending: set[Any] = field(default_factory=set)

    def go(self, route: str) -> None:
        """Show a view, and wait until everything that it asks for is there."""
        self.page.goto(f"{self.address}/dashboard/#/{route}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is on its way: all answers have come, and what they change has been drawn."""
        is_settled = False
        while not is_settled:
            self.draw()
            self.wait_until("!document.querySelector('.loading') && document.querySelector('main > *') !== null")
            self.wait_for_answers()
            self.draw()
            is_settled = not self.pending and self.page.evaluate("!document.querySelector('.loading')")

    def draw(self) -> None:
        """Let the page draw what has happened so far, and begin what follows from it."""
        self.page.evaluate(_DRAW)

    def wait_for_answers(self, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while self.pending:
            assert time.monotonic() < end, f"no answer: {[request.url for request in self.pending]}"
            self.page.wait_for_timeout(10)

    def wait_until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait for a condition; Playwright's own way evaluates text in the page, which the policy forbids."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            self.page.wait_for_timeout(20)

    def assert_clean(self) -> None:
        """Nothing was written to the console, refused by the policy, or wider than the window."""
        assert self.errors == [], (self.page.url, self.errors)
        refused = self.page.evaluate("refused")
        assert refused == [], (self.page.url, refused)
        width = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], f"{self.page.url} is {width[0]} pixels wide"

    @property
    def text(self) -> str:
        return self.page.inner_text("main")


@contextlib.contextmanager
def visit(browser: Any, address: str, *, theme: str = "light", width: int = 1440, **options: Any) -> Iterator[Visit]:
    """A new window."""
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.add_init_script(_WATCH)
    found = Visit(page, address)
    page.on("console", lambda message: found.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("request", lambda request: None if request.url.endswith("/saves") else found.pending.add(request))
    for ended in ("requestfinished", "requestfailed"):
        page.on(ended, lambda request: found.pending.discard(request))
    try:
        yield found
    finally:
        context.close()


def read_axe(folder: Path) -> str:
    """The program that looks for what a screen reader or a person with weak eyes cannot use; skips without npm."""
    path = PACKAGE / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        skip_without_node()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGE / name, folder)
        installed = run(["npm", "ci", "--prefer-offline", "--no-progress", "--no-audit"], cwd=folder)
        assert "EUSAGE" not in installed.stderr, installed.stderr  # the lock file does not fit package.json
        if installed.returncode:
            pytest.skip(f"npm cannot install axe-core: {installed.stderr[-300:]}")
        path = folder / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text(encoding="utf-8")


def find_barriers(page: Any, axe: str) -> list[str]:
    """Serious findings of axe-core on a page."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {json.dumps([node['html'][:120] for node in item['nodes'][:3]])} "
        f"{item['nodes'][0]['failureSummary'][:300]}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
    ]
