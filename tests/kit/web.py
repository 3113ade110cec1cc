"""A client of the web API without a network."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.caching import Computations
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import read_catalogue

T = TypeVar("T")


@contextlib.asynccontextmanager
async def connect(app: Any, host: str = "localhost") -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{host}") as client:
        yield client


class Browser:
    """A client that asks one question after another."""

    def __init__(self, site: Site, settings: Settings | None = None):
        self.site = site
        self.app = make_app(site, settings or Settings(rate=0))
        self._runner = asyncio.Runner()

    def run(self, action: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
        """Run a conversation."""

        async def talk() -> T:
            async with connect(self.app) as client:
                return await action(client)

        return self._runner.run(talk())

    def get(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """Ask; keywords are those of httpx."""
        return self.run(lambda client: client.request(method, path, **more))

    def read(self, path: str, **more: Any) -> Any:
        """The JSON of an answer that must be a success."""
        response = self.get(path, **more)
        assert response.status_code == 200, (path, response.status_code, response.text[:500])
        return response.json()

    def read_raw(self, path: str, encoding: str) -> tuple[httpx.Headers, bytes]:
        """Headers and bytes as they are sent."""

        async def read(client: httpx.AsyncClient) -> tuple[httpx.Headers, bytes]:
            async with client.stream("GET", path, headers={"accept-encoding": encoding}) as response:
                return response.headers, b"".join([chunk async for chunk in response.aiter_raw()])

        return self.run(read)

    def close(self) -> None:
        self.site.computations.close()
        self._runner.close()


@contextlib.contextmanager
def browse(*places: Any, settings: Settings | None = None, **more: Any) -> Iterator[Browser]:
    """A client of the states at some places; keywords are fields of `Site`.

    Answers may take a minute: a busy machine is no reason for a test to fail.
    """
    more.setdefault("computations", Computations(budget=60.0))
    browser = Browser(Site(read_catalogue([Path(p) if isinstance(p, str) else p for p in places]), **more), settings)
    try:
        yield browser
    finally:
        browser.close()
