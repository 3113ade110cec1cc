"""``tradeexecutor dashboard``."""

import signal
import threading
import webbrowser
from typing import Annotated

import typer

from tradeexecutor.cli.commands.webapi import StatePlaces, read_strategy_files
from tradeexecutor.cli.output import print_line
from tradeexecutor.cli.web_options import (
    HostOption,
    OperateOption,
    PortOption,
    StrategyOption,
    make_settings,
    require_web,
)

EXAMPLES = (
    "tradeexecutor dashboard state.json",
    "tradeexecutor dashboard backtests/ sqlite:///trading.db",
    "tradeexecutor dashboard live.json --strategy live=my_strategy.py",
    "tradeexecutor dashboard live.json --no-browser --port 8000",
)

_NoBrowserOption = Annotated[
    bool, typer.Option("--no-browser", help="Do not open the browser, only print the address.")
]


def dashboard(
    places: StatePlaces,
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 0,
    strategy: StrategyOption = None,
    operate: OperateOption = False,
    no_browser: _NoBrowserOption = False,
) -> None:
    """Show strategies in the browser, and keep the page up to date.

    The page shows value, positions, trades, figures, charts, the proof of the
    ledger, and what needs attention. The states are read, never locked: a
    strategy that writes them is not disturbed, and its trades appear at once.

    It is the page that webapi serves, for this machine. It runs until it is
    stopped (Ctrl-C or SIGTERM).
    """
    require_web()
    # Slow to import.
    from tradeexecutor.web.app import make_app
    from tradeexecutor.web.dashboard import ADDRESS
    from tradeexecutor.web.endpoints import Site
    from tradeexecutor.web.server import WebServer, open_socket
    from tradeexecutor.web.sources import read_catalogue

    settings = make_settings(host, (), 0.0, operate=operate)
    site = Site(read_catalogue(places))
    read_strategy_files(site, strategy or ())
    listening = open_socket(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}{ADDRESS}"
    print_line(f"The dashboard is at {address} (Ctrl-C stops it)")
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # the server handles it, and then sends it again
    if not no_browser:
        # The socket listens already, so the browser waits for the server, not the server for the browser.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        WebServer(make_app(site, settings)).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn raises the signal again when everything has ended
    finally:
        listening.close()
