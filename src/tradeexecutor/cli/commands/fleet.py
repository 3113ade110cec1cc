"""``tradeexecutor fleet``."""

import json
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, cast

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.fleet_file import read_fleet_file
from tradeexecutor.cli.fleet_status import hold_fleet, read_fleet_status, write_reports
from tradeexecutor.cli.logs import (
    LogCountOption,
    LogFileOption,
    LogFormatOption,
    LogSizeOption,
    make_log_settings,
    write_log,
)
from tradeexecutor.cli.output import print_json, print_line
from tradeexecutor.cli.printers.fleet import print_fleet, status_to_json
from tradeexecutor.cli.run_report import RunReport
from tradeexecutor.operations.fleet import Fleet, MemberStatus
from tradeexecutor.state.display.visible import escape_json

EXAMPLES = (
    "tradeexecutor fleet fleet.toml",
    "tradeexecutor fleet fleet.toml --status",
    "tradeexecutor fleet fleet.toml --status --json | jq '.strategies[] | select(.status != \"running\")'",
    "tradeexecutor fleet fleet.toml --log-file fleet.log --log-format json",
)

logger = logging.getLogger(__name__)


def fleet(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="TOML file with the strategies of the fleet.", show_default=False)
    ],
    *,
    status: Annotated[
        bool, typer.Option("--status", help="Show what the strategies of a running fleet do, and end.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="With --status: print JSON.")] = False,
    log_format: LogFormatOption = "text",
    log_file: LogFileOption = None,
    log_size: LogSizeOption = 10.0,
    log_count: LogCountOption = 5,
) -> None:
    """Run several strategies on this machine, each in a process of its own.

    The file has a table of options of `start` for each strategy; docs/services.md
    has examples. A process that ends with an error is started again, after a pause
    that doubles with each failure. What the strategies print is shown with their
    names.

    Ctrl-C or SIGTERM stops all of them after their current job; each saves its
    state. A second signal stops them at once.

    The exit code is 1 when a strategy has failed for good.
    """
    if json_ and not status:
        raise typer.BadParameter("is for --status", param_hint="--json")
    log = make_log_settings(log_format, log_file, log_size, log_count)
    if status:
        found = read_fleet_status(file, read_fleet_file(file).members)
        if json_:
            print_json(status_to_json(found))
        else:
            print_fleet(found)
        return
    content = read_fleet_file(file, ("--log-format", "json") if log.is_for_programs else ())
    report = RunReport(is_printed=not log.is_for_programs)
    with hold_fleet(file), write_log(log):
        report.tell(f"{len(content.members)} strategies: {', '.join(member.name for member in content.members)}")
        running = Fleet(
            content.members,
            content.settings,
            on_line=_pass_on if log.is_for_programs else _show,
            on_report=lambda reports: write_reports(file, reports),
        )
        before = {number: _stop_at(number, running) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            reports = running.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        write_reports(file, reports)
        failed = [item.name for item in reports if item.status is MemberStatus.failed]
        report.tell("All strategies have ended." if not failed else f"Failed: {', '.join(failed)}")
    if failed:
        raise typer.Exit(EXIT_FAILURE)


def _stop_at(number: signal.Signals, running: Fleet) -> "signal._HANDLER":
    def stop(number: int, frame: FrameType | None) -> None:
        running.stop()

    return signal.signal(number, stop)


def _show(name: str, line: str) -> None:
    print_line(f"{name} | {line}")


def _pass_on(name: str, line: str) -> None:
    """Pass a JSON object of a strategy on, with its name in the fleet; anything else becomes a message."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if isinstance(found, dict):
        sys.stderr.write(escape_json(json.dumps({**cast(dict[str, object], found), "strategy": name})) + "\n")
        sys.stderr.flush()
    else:
        logger.info(line, extra={"strategy": name})
