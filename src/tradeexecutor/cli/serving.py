"""A strategy that serves its own state over HTTP while it runs. Importing this module is slow, and needs Starlette."""

import contextlib
from collections.abc import Callable, Generator
from decimal import Decimal

from tradeexecutor.cli.web_options import ServingOptions, make_settings
from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.operations.operator_commands import CommandQueue
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.store import StateStore
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.web.app import make_app
from tradeexecutor.web.dashboard import ADDRESS
from tradeexecutor.web.drawings import read_author_charts
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.server import BackgroundServer, LogRing, open_socket
from tradeexecutor.web.sources import Catalogue, Strategy, make_id
from tradeexecutor.web.summary import Description, ProcessStatus

__all__ = ["serve_state", "watch_jobs"]


@contextlib.contextmanager
def serve_state(
    module: StrategyModule,
    place: StateLocation,
    store: StateStore,
    commands: CommandQueue,
    web: ServingOptions,
    *,
    tell: Callable[[str], None],
) -> Generator[ProcessStatus]:
    """Serve the state over HTTP, in a thread, while the strategy runs; yields what it tells about this process.

    Parameters
    ----------
    tell
        Called with a sentence that has the address of the server.
    """
    name = make_id(place)
    status = ProcessStatus()
    status.gas_warning_level = web.min_gas or status.gas_warning_level
    about = Description(
        name=module.name, short_description=module.short_description, long_description=module.long_description
    )
    site = Site(
        Catalogue([Strategy(name, place, store, is_live=True)]),
        descriptions={name: about},
        statuses={name: status},
        sources={name: web.file.read_text(encoding="utf-8")},
        charts={name: read_author_charts(web.file)},
    )
    if web.operate:
        site.queues[name] = commands
    LogRing(site.logs).attach()
    settings = make_settings(web.host, (), 100.0, operate=web.operate)
    with open_socket(web.host, web.port) as listening, BackgroundServer(make_app(site, settings), listening):
        tell(f"The dashboard is at http://{web.host}:{listening.getsockname()[1]}{ADDRESS}")
        try:
            yield status
        except Exception as error:
            status.is_running, status.crashed_at, status.error = False, utc_now(), describe_error(error)
            raise


def watch_jobs(status: ProcessStatus, get_gas: Callable[[], Decimal]) -> Callable[[str, Exception | None], None]:
    """Return a function that updates after each job what is served about this process."""

    def look() -> None:
        with contextlib.suppress(TradeExecutorError):  # the next job looks again
            status.wallet_gas = float(get_gas())

    def watch(job: str, error: Exception | None) -> None:
        status.trigger_checks += job == "triggers"
        look()

    look()
    return watch
