"""``tradeexecutor webapi``."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.logs import (
    LogCountOption,
    LogFileOption,
    LogFormatOption,
    LogSizeOption,
    make_log_settings,
    write_log,
)
from tradeexecutor.cli.run_report import RunReport
from tradeexecutor.cli.state_file import parse_place
from tradeexecutor.cli.web_options import (
    AllowHostOption,
    HostOption,
    OperateOption,
    PortOption,
    RateOption,
    StrategyOption,
    make_settings,
    require_web,
)
from tradeexecutor.operations.state_location import StateLocation

if TYPE_CHECKING:
    from tradeexecutor.web.endpoints import Site
    from tradeexecutor.web.summary import Description

    StatePlaces = list[StateLocation]
else:  # typer accepts no union; the parser returns what the alias says
    StatePlaces = Annotated[
        list[Path],
        typer.Argument(
            metavar="STATE...",
            help="State files (JSON), folders with state files, databases (sqlite:///trading.db), or strategies in"
            " them (sqlite:///trading.db#my-strategy).",
            show_default=False,
            parser=parse_place,
        ),
    ]

EXAMPLES = (
    "tradeexecutor webapi state.json",
    "tradeexecutor webapi backtests/ sqlite:///trading.db --port 8000",
    "tradeexecutor webapi live.json --strategy live=my_strategy.py --about about.json",
    "TRADEEXECUTOR_READ_TOKEN=... tradeexecutor webapi live.json --host 0.0.0.0",
)

_AboutOption = Annotated[
    Path | None,
    typer.Option(
        "--about",
        metavar="FILE",
        help="What to tell about strategies (JSON): {ID: {name, short_description, tags, fees, ...}}.",
        show_default=False,
    ),
]


def webapi(
    places: StatePlaces,
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 3456,
    allow_host: AllowHostOption = None,
    rate: RateOption = 100.0,
    strategy: StrategyOption = None,
    about: _AboutOption = None,
    operate: OperateOption = False,
    log_format: LogFormatOption = "text",
    log_file: LogFileOption = None,
    log_size: LogSizeOption = 10.0,
    log_count: LogCountOption = 5,
) -> None:
    """Serve states over HTTP, for browsers and other programs.

    /dashboard/ is a page for people, the rest is for programs.

    The states are read, never locked: a strategy that writes them is not
    disturbed. New saves are seen at once, and can be followed as a stream of
    changes. docs/web-api.md has examples.

    Only this machine can reach the server unless --host says otherwise. With a
    token in TRADEEXECUTOR_READ_TOKEN, clients have to send it.

    The server runs until it is stopped (Ctrl-C or SIGTERM).
    """
    require_web()
    log = make_log_settings(log_format, log_file, log_size, log_count)
    report = RunReport(is_printed=not log.is_for_programs)
    with write_log(log):
        settings = make_settings(host, allow_host or (), rate, operate=operate)
        # Slow to import.
        from tradeexecutor.web.app import make_app
        from tradeexecutor.web.dashboard import ADDRESS
        from tradeexecutor.web.endpoints import Site
        from tradeexecutor.web.server import WebServer, open_socket
        from tradeexecutor.web.sources import read_catalogue

        site = Site(read_catalogue(places), descriptions=read_descriptions(about))
        read_strategy_files(site, strategy or ())
        listening = open_socket(host, port)
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        count = len(site.catalogue.list())
        report.tell(f"Serving {count:,} {'strategy' if count == 1 else 'strategies'} at {address} (Ctrl-C stops it)")
        report.tell(f"Dashboard: {address}{ADDRESS}    Description: {address}/v1/openapi.json")
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # the server handles it, and then sends it again
        try:
            WebServer(make_app(site, settings)).run(sockets=[listening])
        except KeyboardInterrupt:
            pass  # uvicorn raises the signal again when everything has ended
        finally:
            listening.close()


def read_descriptions(path: Path | None) -> "dict[str, Description]":
    """Return the contents of the file of ``--about``, by id of the strategy; raises `CommandFailed`."""
    import msgspec

    from tradeexecutor.web.summary import Description

    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Description])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path}: {error}") from None


def read_strategy_files(site: "Site", assignments: "list[str] | tuple[str, ...]") -> None:
    """Read the files of ``--strategy``; raises `CommandFailed` for a wrong option."""
    from tradeexecutor.web.drawings import read_author_charts

    for assignment in assignments:
        name, equals, path = assignment.partition("=")
        if not equals:
            raise typer.BadParameter(f"{assignment!r} is not ID=FILE", param_hint="--strategy")
        if site.catalogue.find(name) is None:
            known = ", ".join(strategy.id for strategy in site.catalogue.list()) or "none"
            raise CommandFailed(f"there is no strategy {name} to serve", f"There are: {known}.")
        site.charts[name] = read_author_charts(Path(path))
        site.sources[name] = Path(path).read_text(encoding="utf-8")
