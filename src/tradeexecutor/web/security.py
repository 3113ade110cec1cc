"""Who may ask for what: tokens, rate and size limits, hosts, and the headers of every answer.

Answers may be read by pages of every origin, because browsers are the clients. They contain no cookies, and a page of
another origin cannot send the credentials of its visitor along: ``Access-Control-Allow-Credentials`` is never sent.
"""

import base64
import binascii
import hmac
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tradeexecutor.web.problems import ProblemRaised, describe_exception

__all__ = ["Access", "Guard", "RateLimit", "Scope"]

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

Scope = Literal["read", "operate"]

#: Largest number of characters of the path and the query of an address.
MAX_ADDRESS = 4_096
MAX_BODY = 64 << 10

#: Largest number of clients whose rates are kept.
_MAX_CLIENTS = 10_000

#: Addresses that answer without a token: what probes of a process ask, and the program of the dashboard, which is the
#: same for everybody and asks for the token.
_OPEN_PATHS = frozenset({"/ping", "/v1/health", "/v1/ready", "/dashboard"})
_OPEN_FOLDER = "/dashboard/"

_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Last-Modified, Retry-After, Content-Disposition"),
)

_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Accept, Authorization, Content-Type, If-None-Match, Last-Event-ID, Origin",
    ),
    (b"access-control-max-age", b"86400"),
)

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)

_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'")


@dataclass(frozen=True, slots=True)
class Access:
    """Tokens by what they allow.

    Attributes
    ----------
    read_token
        Token for reading; None lets everybody read.
    operate_token
        Token for commands, which also allows reading; None switches commands off.
    user
        User name of basic authentication; its password is a token.
    """

    read_token: str | None = field(default=None, repr=False)
    operate_token: str | None = field(default=None, repr=False)
    user: str = "tradeexecutor"

    def find_scopes(self, authorization: str | None) -> frozenset[Scope]:
        """Return what the ``Authorization`` header of a request allows. The time does not depend on the tokens."""
        given = self._read_secret(authorization)
        may_operate = _is_equal(given, self.operate_token)
        may_read = _is_equal(given, self.read_token)
        if may_operate:
            return frozenset({"read", "operate"})
        return frozenset({"read"}) if may_read or self.read_token is None else frozenset()

    def _read_secret(self, authorization: str | None) -> str:
        kind, _, value = (authorization or "").partition(" ")
        if kind.lower() == "bearer":
            return value.strip()
        if kind.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return ""
            return password if _is_equal(user, self.user) else ""
        return ""


def _is_equal(given: str, expected: str | None) -> bool:
    if expected is None:
        return False
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


class RateLimit:
    """A limit of requests for each client: a number at once, and a number each second."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate = rate
        self._burst = burst
        self._clock = clock
        #: Client -> requests that it may still make, and when that was counted.
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Count a request; return 0, or the seconds after which the client may ask again."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        left, since = self._clients.pop(client, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._rate)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._rate
        self._clients[client] = (left - 1.0 if not wait else left, now)
        while len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)
        return wait


class Guard:
    """The outermost part of the application: checks requests, and adds headers to all answers, errors included.

    Parameters
    ----------
    app
        The application.
    access
        Tokens.
    rate_limit
        Limit of requests.
    hosts
        Names that the ``Host`` header may have, without a port; empty for all. It keeps a page of another site from
        reaching a server on the loopback interface under a name of its own.
    """

    def __init__(self, app: App, access: Access, rate_limit: RateLimit, hosts: Iterable[str] = ()):
        self._app = app
        self._access = access
        self._rate_limit = rate_limit
        self._hosts = frozenset(host.lower() for host in hosts)
        #: Number of answers by status.
        self.answers: dict[int, int] = {}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                self.answers[message["status"]] = self.answers.get(message["status"], 0) + 1
                message["headers"] = _add_headers(list(message.get("headers", ())), message["status"])
            await send(message)

        try:
            if scope["method"] == "OPTIONS":
                await _send(send_with_headers, 204, b"", list(_PREFLIGHT))
                return
            self._check(scope)
            scope["app"] = self  # makes the router raise errors, instead of answering them in words of its own
            await self._app(scope, _limit_body(receive), send_with_headers)
        except Exception as error:
            if is_started:
                raise
            problem = describe_exception(error)
            if problem.status == 500:
                logger.exception("an unexpected error at %s", scope["path"])
            await send_problem(send_with_headers, problem, with_body=scope["method"] != "HEAD")

    def _check(self, scope: MutableMapping[str, Any]) -> None:
        """Raise `ProblemRaised` if the request is refused, and note in the scope what it may do."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        if self._hosts and _get_host(headers.get(b"host", b"")) not in self._hosts:
            raise ProblemRaised(421, "this server does not have that name; tell it with --allow-host")
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MAX_ADDRESS:
            raise ProblemRaised(414, f"an address has at most {MAX_ADDRESS} characters")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise ProblemRaised(413, f"a body has at most {MAX_BODY} bytes")
        client = scope.get("client")
        wait = self._rate_limit.take(client[0] if client else "")
        if wait:
            raise ProblemRaised(429, "too many requests", {"Retry-After": str(max(1, round(wait)))})
        authorization = headers.get(b"authorization")
        scopes = self._access.find_scopes(None if authorization is None else authorization.decode("latin-1"))
        path = scope["path"]
        if "read" not in scopes and path not in _OPEN_PATHS and not path.startswith(_OPEN_FOLDER):
            raise ProblemRaised(401, "a token is needed: Authorization: Bearer TOKEN", _CHALLENGE)
        scope.setdefault("state", {})["scopes"] = scopes


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tradeexecutor"'}


def require_operate(scopes: frozenset[Scope], access: Access) -> None:
    """Raise `ProblemRaised` unless the request may give commands."""
    if access.operate_token is None:
        raise ProblemRaised(403, "commands are switched off; start the server with a token for them")
    if "operate" not in scopes:
        raise ProblemRaised(401, "the token for commands is needed", _CHALLENGE)


def _get_host(value: bytes) -> str:
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def list_loopback_names(host: str) -> tuple[str, ...]:
    """Return the names by which a server on a loopback address is called; empty for other addresses."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return ("localhost", "127.0.0.1", "::1", host) if is_loopback else ()


def _add_headers(headers: list[tuple[bytes, bytes]], status: int) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    headers += [header for header in (*_CORS, *_HEADERS) if header[0] not in present]
    if _POLICY[0] not in present:
        headers.append(_POLICY)
    if b"cache-control" not in present:
        headers.append((b"cache-control", b"no-store" if status >= 400 else b"no-cache"))
    return headers


def _limit_body(receive: Receive) -> Receive:
    """Return a function that reads the body and refuses one that is longer than announced or allowed."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise ProblemRaised(413, f"a body has at most {MAX_BODY} bytes")
        return message

    return receive_limited


async def _send(send: Send, status: int, content: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def send_problem(send: Send, problem: ProblemRaised, *, with_body: bool = True) -> None:
    """Send a problem as ``application/problem+json``."""
    content = msgspec.json.encode(problem.to_problem())
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    headers += [(b"content-type", b"application/problem+json"), (b"content-length", str(len(content)).encode())]
    await _send(send, problem.status, content if with_body else b"", headers)
