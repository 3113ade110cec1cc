"""The application: addresses, answers with compression and entity tags, and the documentation of all of it."""

import asyncio
import contextlib
import email.utils
import logging
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from tradeexecutor import __version__
from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.display.visible import make_visible
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web import dashboard, records, reference, v1
from tradeexecutor.web.caching import Body
from tradeexecutor.web.changes import ChangeStreams, StreamLimits
from tradeexecutor.web.encoding import MIN_SIZE, choose_encoding, compress
from tradeexecutor.web.endpoints import Endpoint, Question, Site, encode, make_etag
from tradeexecutor.web.metrics import format_metrics
from tradeexecutor.web.openapi import make_openapi
from tradeexecutor.web.operating import CommandRequest, carry_out
from tradeexecutor.web.problems import ProblemRaised, describe_exception, describe_failed_command
from tradeexecutor.web.saves import SaveLimits, SaveStreams
from tradeexecutor.web.security import Access, Guard, RateLimit, Receive, Send, require_operate
from tradeexecutor.web.sources import Saved, Strategy
from tradeexecutor.web.views import endpoints as views

logger = logging.getLogger(__name__)

__all__ = ["Settings", "WebApi", "WebApp", "make_app"]

#: Answers are asked for again each time, and usually not sent again. ``private`` because they may need a token.
_CACHE_CONTROL = "private, no-cache"

_COMPRESSIBLE = ("application/json", "text/", "image/svg")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the server.

    Attributes
    ----------
    access
        Tokens.
    rate, burst
        Requests that a client may make each second, and at once; a rate of 0 is no limit.
    hosts
        Names that the server answers to; empty for all.
    streams, saves
        Limits of the change streams, and of the streams of saves.
    """

    access: Access = field(default_factory=Access)
    rate: float = 100.0
    burst: int = 400
    hosts: tuple[str, ...] = ()
    streams: StreamLimits = field(default_factory=StreamLimits)
    saves: SaveLimits = field(default_factory=SaveLimits)


class WebApi:
    """Answers to requests.

    Parameters
    ----------
    site
        Everything that is served.
    settings
        Settings of the server.
    """

    def __init__(self, site: Site, settings: Settings):
        self.site = site
        self.settings = settings
        self.description = dump(make_openapi())
        self.changes = ChangeStreams(site.computations, settings.streams, site.get_tree)
        self.saves = SaveStreams(site.computations, settings.saves)
        self.guard: Guard | None = None

    def list_routes(self) -> list[BaseRoute]:
        """Return all addresses. Those of the reference exist for each strategy, and for the only one at the root."""
        routes: list[BaseRoute] = [
            self._route("/", self._greet),
            self._route("/ping", self._ping),
            self._route("/metrics", self._metrics),
            self._route("/v1/strategies", self._list_strategies),
            self._route("/v1/health", self._health),
            self._route("/v1/ready", self._ready),
            self._route("/v1/openapi.json", self._openapi),
        ]
        below = (*v1.ENDPOINTS, *views.ENDPOINTS)
        routes += [self._route(f"/v1/{{id}}{item.path}", self._serve(item)) for item in below]
        routes += dashboard.list_routes()
        routes.append(Route("/v1/{id}/operations/{name}", self._operate, methods=["POST"]))
        routes.append(Route("/v1/{id}/changes", _StreamEndpoint(self, self.changes), methods=["GET"]))
        routes.append(Route("/v1/{id}/saves", _StreamEndpoint(self, self.saves), methods=["GET"]))
        for base in ("", "/strategies/{id}"):
            routes += [self._route(f"{base}{item.path}", self._serve(item)) for item in reference.ENDPOINTS]
        routes.append(self._route("/strategies/{id}/ping", self._ping))
        return routes

    @staticmethod
    def _route(path: str, handler: Callable[[Request], Any]) -> Route:
        return Route(path, handler, methods=["GET", "HEAD"])

    def find_strategy(self, request: Request) -> Strategy:
        """Return the strategy of an address; raises `ProblemRaised`."""
        name = request.path_params.get("id")
        if name is not None:
            strategy = self.site.catalogue.find(name)
            if strategy is None:
                raise ProblemRaised(404, "there is no strategy of this id; /v1/strategies lists them")
            return strategy
        strategy = self.site.catalogue.get_only()
        if strategy is None:
            raise ProblemRaised(404, "there are several strategies: use /strategies/ID, see /v1/strategies")
        return strategy

    def _serve(self, endpoint: Endpoint) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            # What is in memory is answered by the event loop: handing it to a thread takes longer than the answer.
            strategy = self.site.catalogue.peek(request.path_params.get("id"))
            if strategy is None:
                strategy = await self.site.computations.read(self.find_strategy, request)
            values = endpoint.read_values(request.path_params, request.query_params)
            saved = strategy.peek() if values.get("at") is None else None
            if saved is None:
                saved = await self.site.computations.read(v1.find_save, strategy, values.get("at"))
            question = Question(self.site, strategy, saved, values)
            key = (strategy.id, saved.key, endpoint.path, endpoint.name, tuple(values.items()))
            if endpoint.is_stable:
                etag = make_etag(__version__, key)
                if is_known(request, etag):
                    return self._answer_unchanged(etag, saved)
                body = await self.site.computations.get(key, lambda: endpoint.make(question), is_slow=endpoint.is_slow)
            else:
                body = await self.site.computations.read(endpoint.make, question)
                etag = make_etag(body.content)
                key = (etag,)
                if is_known(request, etag):
                    return self._answer_unchanged(etag, saved)
            return await self._answer(request, body, etag, saved, key)

        return serve

    def _make_headers(self, etag: str, saved: Saved) -> dict[str, str]:
        headers = {"etag": etag, "cache-control": _CACHE_CONTROL, "vary": "Accept-Encoding"}
        if saved.saved_at is not None:
            headers["last-modified"] = email.utils.formatdate(to_epoch(saved.saved_at), usegmt=True)
        return headers

    def _answer_unchanged(self, etag: str, saved: Saved) -> Response:
        return Response(status_code=304, headers=self._make_headers(etag, saved))

    async def _answer(self, request: Request, body: Body, etag: str, saved: Saved, key: tuple[Any, ...]) -> Response:
        headers = self._make_headers(etag, saved) | dict(body.headers)
        encoding = choose_encoding(request.headers.get("accept-encoding", ""))
        content = body.content
        if encoding and len(content) >= MIN_SIZE and body.media_type.startswith(_COMPRESSIBLE):
            packed = await self.site.computations.get(
                (*key, encoding), lambda: Body(compress(body.content, encoding), body.media_type)
            )
            content = packed.content
            headers["content-encoding"] = encoding
        return Response(content, media_type=None, headers=headers | {"content-type": body.media_type})

    async def _operate(self, request: Request) -> Response:
        require_operate(request.state.scopes, self.settings.access)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise ProblemRaised(415, "a command is application/json")
        strategy = await self.site.computations.read(self.find_strategy, request)
        try:
            command = msgspec.json.decode(await request.body(), type=CommandRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProblemRaised(400, str(error)) from None
        name = request.path_params["name"]
        queue = self.site.queues.get(strategy.id)
        try:
            answer = await self.site.computations.operate(carry_out, strategy, queue, name, command)
        except Exception as error:
            problem = describe_failed_command(error)
            if problem.status == 500:
                raise  # the log of the server gets it
            raise problem from error
        if answer.is_done:
            logger.info("%s did %s on %s", make_visible(command.by), name, strategy.id)
        return _to_json(answer)

    # --- About all strategies

    async def _greet(self, request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return Response(status_code=307, headers={"location": dashboard.ADDRESS, "vary": "Accept"})
        names = "\n".join(strategy.id for strategy in await self.site.computations.read(self.site.catalogue.list))
        text = f"tradeexecutor {__version__}\nStrategies:\n{names}\nDescription: /v1/openapi.json\n"
        return Response(text, media_type="text/plain")

    async def _ping(self, request: Request) -> Response:
        return _to_json({"ping": "pong"})

    async def _list_strategies(self, request: Request) -> Response:
        strategies = await self.site.computations.read(self.site.catalogue.list)
        entries = [await self.site.computations.read(describe_strategy, strategy) for strategy in strategies]
        return _to_json(records.StrategyList(strategies=entries))

    async def _health(self, request: Request) -> Response:
        return _to_json(await self._look())

    async def _ready(self, request: Request) -> Response:
        health = await self._look()
        return _to_json(health, 200 if health.status == "ok" else 503)

    async def _look(self) -> records.Health:
        strategies = await self.site.computations.read(self.site.catalogue.list)
        unreadable = [
            entry.id
            for strategy in strategies
            if (entry := await self.site.computations.read(describe_strategy, strategy)).problem
        ]
        return records.Health(
            status="degraded" if unreadable else "ok",
            version=__version__,
            strategies=len(strategies),
            unreadable=unreadable,
        )

    async def _metrics(self, request: Request) -> Response:
        text = await self.site.computations.read(format_metrics, self.site, dict(self.get_answers()))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, request: Request) -> Response:
        return Response(self.description, media_type="application/json")

    def get_answers(self) -> Mapping[int, int]:
        """Return the number of answers by status."""
        return self.guard.answers if self.guard else {}


class _StreamEndpoint:
    """Sends a stream of a strategy."""

    def __init__(self, api: WebApi, streams: ChangeStreams | SaveStreams):
        self._api = api
        self._streams = streams

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = Request(scope)
        strategy = await self._api.site.computations.read(self._api.find_strategy, request)
        last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        await self._streams.send(strategy, last, receive, send)


class _Head(msgspec.Struct):
    """What the list of strategies shows of a state."""

    name: str | None = None
    backtest_data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))


_decode_head = msgspec.json.Decoder(_Head).decode


def describe_strategy(strategy: Strategy) -> records.StrategyEntry:
    """Return the entry of a strategy in the list. Reads the disk, so it is called in a thread."""
    try:
        saved = strategy.read()
        head = _decode_head(saved.snapshot.text)
    except (TradeExecutorError, OSError, msgspec.DecodeError) as error:
        return records.StrategyEntry(
            id=strategy.id,
            name=None,
            kind=None,
            revision=None,
            key=None,
            saved_at=None,
            bytes=None,
            is_running_here=strategy.is_live,
            problem=describe_exception(error).detail,
        )
    return records.StrategyEntry(
        id=strategy.id,
        name=head.name,
        kind="live" if bytes(head.backtest_data) == b"null" else "backtest",
        revision=saved.snapshot.revision,
        key=saved.key,
        saved_at=None if saved.saved_at is None else to_epoch(saved.saved_at),
        bytes=len(saved.snapshot.text),
        is_running_here=strategy.is_live,
        problem=None,
    )


def is_known(request: Request, etag: str) -> bool:
    """Return True if the client has this answer already."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag.removeprefix("W/") in (item.strip().removeprefix("W/") for item in known.split(","))


def _to_json(answer: Any, status: int = 200) -> Response:
    return Response(encode(answer).content, status, media_type="application/json")


async def _prepare(site: Site) -> None:
    """Build the states that were named one by one, so that the first visitor does not wait for it."""
    for strategy in site.catalogue.named:
        with contextlib.suppress(TradeExecutorError, OSError, TimeoutError):  # who asks about it is told
            await site.computations.read(lambda strategy=strategy: strategy.read().state)


class WebApp(Guard):
    """The ASGI application.

    Parameters
    ----------
    api
        Answers to requests.
    """

    def __init__(self, api: WebApi):
        @contextlib.asynccontextmanager
        async def live(app: object) -> AsyncIterator[None]:
            preparing = asyncio.create_task(_prepare(api.site))
            yield
            preparing.cancel()
            api.site.computations.close()

        settings = api.settings
        router = Router(api.list_routes(), redirect_slashes=False, lifespan=live)
        super().__init__(router, settings.access, RateLimit(settings.rate, settings.burst), settings.hosts)
        self._api = api
        api.guard = self

    def close_streams(self) -> None:
        """End all streams, which would never end by themselves."""
        self._api.changes.close()
        self._api.saves.close()


def make_app(site: Site, settings: Settings | None = None) -> WebApp:
    """Return the ASGI application.

    Parameters
    ----------
    site
        Everything that is served; its threads end with the application.
    settings
        Settings of the server.
    """
    return WebApp(WebApi(site, settings or Settings()))
