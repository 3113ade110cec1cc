"""What other commands read of a running fleet: a lock, and the reports in a file beside the file of the fleet."""

import contextlib
import datetime
import logging
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.operations.fleet import ACTIVE, Member, MemberReport
from tradeexecutor.operations.state_location import load_state
from tradeexecutor.state.errors import StoreLocked, TradeExecutorError
from tradeexecutor.state.files.writer_lock import WriterLock

__all__ = ["FleetStatus", "StrategyStatus", "hold_fleet", "read_fleet_status", "write_reports"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StrategyStatus:
    """What is known about a strategy of a fleet.

    Attributes
    ----------
    name
        Its name in the fleet.
    report
        State of its process; None if that is not known.
    cycle, last_decision_at, net_asset_value
        From its saved state: number of the next decision, time of the last one (naive UTC), value in USD; None without
        a state.
    problem
        Why the state cannot be read; None otherwise.
    """

    name: str
    report: MemberReport | None
    cycle: int | None = None
    last_decision_at: datetime.datetime | None = None
    net_asset_value: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """What is known about a fleet: whether it runs, and its strategies in the order of the file."""

    is_running: bool
    strategies: tuple[StrategyStatus, ...]


def _get_reports_path(file: Path) -> Path:
    return file.with_name(f"{file.name}.status.json")


@contextlib.contextmanager
def hold_fleet(file: Path) -> Generator[None]:
    """Hold the lock of a fleet; raises `CommandFailed` if it runs already."""
    lock = WriterLock(file)
    try:
        lock.acquire()
    except StoreLocked as error:
        raise CommandFailed(f"{file} runs already: {error.holder}", "--status shows what it does.") from None
    try:
        yield
    finally:
        lock.release()


def write_reports(file: Path, reports: Sequence[MemberReport]) -> None:
    """Write the reports for `read_fleet_status`. A disk that is full must stop no strategy, so errors are logged."""
    path = _get_reports_path(file)
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(msgspec.json.encode(list(reports)))
        os.replace(new, path)
    except OSError as error:
        logger.warning("The status of the fleet cannot be written: %s", describe_error(error))


def read_fleet_status(file: Path, members: Sequence[Member]) -> FleetStatus:
    """Return what the strategies of a file do, from the reports of the fleet and from their saved states."""
    reports: dict[str, MemberReport] = {}
    is_running = _is_held(file)
    with contextlib.suppress(OSError, msgspec.DecodeError):
        found = msgspec.json.decode(_get_reports_path(file).read_bytes(), type=list[MemberReport])
        # A fleet that was killed has left reports of processes that it does not know any more.
        reports = {report.name: report for report in found if is_running or report.status not in ACTIVE}
    return FleetStatus(is_running, tuple(_read_strategy(member, reports.get(member.name)) for member in members))


def _is_held(file: Path) -> bool:
    lock = WriterLock(file)
    try:
        lock.acquire()
    except StoreLocked:
        return True
    lock.release()
    return False


def _read_strategy(member: Member, report: MemberReport | None) -> StrategyStatus:
    place = member.place
    if place is None or (isinstance(place, Path) and not (member.folder / place).exists()):
        return StrategyStatus(member.name, report)
    try:
        with contextlib.chdir(member.folder):  # paths of databases, too, are relative to it
            state = load_state(place)
            value = state.portfolio.get_net_asset_value()
    except (TradeExecutorError, OSError) as error:
        return StrategyStatus(member.name, report, problem=describe_error(error))
    return StrategyStatus(member.name, report, state.cycle, state.last_cycle_at, value)
