"""Options of the commands that start a web server, and the server that they describe."""

import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_problem

if TYPE_CHECKING:
    from tradeexecutor.web.app import Settings

__all__ = [
    "READ_TOKEN_VARIABLE",
    "AllowHostOption",
    "HostOption",
    "HttpOperateOption",
    "OperateOption",
    "PortOption",
    "RateOption",
    "ServingOptions",
    "StrategyOption",
    "make_settings",
    "require_web",
]

#: Environment variables with the tokens; arguments of a process can be seen by all users of a machine.
READ_TOKEN_VARIABLE = "TRADEEXECUTOR_READ_TOKEN"
OPERATE_TOKEN_VARIABLE = "TRADEEXECUTOR_OPERATE_TOKEN"

_SHORTEST_TOKEN = 16

HostOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on; 0.0.0.0 means every address, which others can then reach."
    ),
]
PortOption = Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0 is a free one.")]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Name by which clients may call the server. May be repeated.",
        show_default="the names of this machine for itself, or any name with another --host",
    ),
]
RateOption = Annotated[
    float, typer.Option(min=0, metavar="N", help="Requests that a client may make each second; 0 is no limit.")
]
StrategyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        metavar="ID=FILE",
        help="Python file of a strategy, for its source and its charts. It is run. May be repeated.",
        show_default=False,
    ),
]
_OPERATE_HELP = f"Accept commands (pause, resume, close-position, retry) with the token in {OPERATE_TOKEN_VARIABLE}."
OperateOption = Annotated[bool, typer.Option("--operate", help=_OPERATE_HELP)]
HttpOperateOption = Annotated[bool, typer.Option("--http-operate", help=_OPERATE_HELP)]


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """The strategy file to show, the address to listen on, and whether commands are accepted.

    `min_gas` is the amount of native tokens below which no position is entered; 0 if there is none.
    """

    file: Path
    host: str
    port: int
    operate: bool
    min_gas: float = 0.0


def require_web() -> None:
    """Raise `CommandFailed` if the packages of the server are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn", "httptools")):
        raise CommandFailed("the web API needs more packages", 'pip install "tradeexecutor[web]"')


def make_settings(host: str, allowed: Iterable[str], rate: float, *, operate: bool) -> "Settings":
    """Return the settings of a server.

    Raises
    ------
    CommandFailed
        A token is missing or short.
    """
    from tradeexecutor.web.app import Settings
    from tradeexecutor.web.security import Access, list_loopback_names

    read, commands = _read_token(READ_TOKEN_VARIABLE), _read_token(OPERATE_TOKEN_VARIABLE)
    if operate and commands is None:
        raise CommandFailed(f"--operate needs a token in the environment variable {OPERATE_TOKEN_VARIABLE}")
    names = list_loopback_names(host)
    if not names and read is None:
        print_problem(f"Everybody who can reach {host} can read the states. To prevent it, set {READ_TOKEN_VARIABLE}.")
    hosts = tuple(dict.fromkeys((*names, *allowed)))
    return Settings(access=Access(read, commands if operate else None), rate=rate, burst=int(4 * rate), hosts=hosts)


def _read_token(variable: str) -> str | None:
    token = os.environ.get(variable)
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise CommandFailed(
            f"{variable} has fewer than {_SHORTEST_TOKEN} characters",
            f"{Path(sys.executable).name} -c 'import secrets; print(secrets.token_urlsafe())' prints a good one",
        )
    return token
