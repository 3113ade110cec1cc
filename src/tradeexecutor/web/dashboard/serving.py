"""Sends the files of the dashboard. They are known when the server starts: a path is only looked up, never opened."""

import functools
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from plotly.offline import get_plotlyjs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tradeexecutor.web.encoding import MIN_SIZE, choose_encoding, compress
from tradeexecutor.web.problems import ProblemRaised

__all__ = ["ADDRESS", "ASSETS", "list_routes"]

#: Address of the page.
ADDRESS = "/dashboard/"

#: Folder of the built files.
ASSETS = Path(__file__).with_name("assets")

_PAGE = "index.html"

#: The drawing library of the registry's charts: it comes with plotly, and is loaded when a chart is looked at.
_PLOTLY = "plotly.js"

#: Files whose name has a checksum never change.
_FOREVER = "public, max-age=31536000, immutable"

#: Scripts, data and pictures only from this server; nothing is sent elsewhere. Styles may be set on elements, which
#: plotly does.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the dashboard."""

    content: bytes
    media_type: str
    etag: str


def _make_asset(name: str, content: bytes) -> Asset:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind == "application/javascript":
        kind = "text/javascript"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return Asset(content, kind, f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"')


@functools.cache
def read_assets() -> dict[str, Asset]:
    """Return the files by name."""
    return {
        path.relative_to(ASSETS).as_posix(): _make_asset(path.name, path.read_bytes())
        for path in sorted(ASSETS.rglob("*"))
        if path.is_file()
    }


@functools.cache
def _get_plotly() -> Asset:
    return _make_asset(_PLOTLY, get_plotlyjs().encode())


@functools.lru_cache(maxsize=64)
def _pack(name: str, encoding: str) -> bytes:
    return compress(_find(name).content, encoding)


def _find(name: str) -> Asset:
    if name == _PLOTLY:
        return _get_plotly()
    asset = read_assets().get(name)
    if asset is None:
        raise ProblemRaised(404, "the dashboard has no such file")
    return asset


def send_asset(request: Request) -> Response:
    """Return a file of the dashboard, compressed as the browser prefers; called in a thread."""
    name = request.path_params.get("name") or _PAGE
    asset = _find(name)
    headers = {
        "etag": asset.etag,
        "vary": "Accept-Encoding",
        "content-type": asset.media_type,
        "content-security-policy": POLICY,
        "cache-control": _FOREVER if name.startswith("files/") else "no-cache",
    }
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    content = asset.content
    encoding = choose_encoding(request.headers.get("accept-encoding", ""))
    if encoding and len(content) >= MIN_SIZE:
        content = _pack(name, encoding)
        headers["content-encoding"] = encoding
    return Response(content, headers=headers)


def _redirect(request: Request) -> Response:
    return Response(status_code=307, headers={"location": ADDRESS})


def list_routes() -> list[BaseRoute]:
    """Return the addresses of the dashboard."""
    methods = ["GET", "HEAD"]
    return [
        Route("/dashboard", _redirect, methods=methods),
        Route(ADDRESS, send_asset, methods=methods),
        Route(f"{ADDRESS}{{name:path}}", send_asset, methods=methods),
    ]
