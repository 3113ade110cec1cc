"""Several strategies on one machine: each in a process of its own, started again when it ends with an error.

A process that ends with 0 has done what it was asked to and is not started again; nor is one whose command line is
wrong. All others are, after a pause that doubles with each failure and is short again once a process has run for a
while. A process that is asked to stop finishes its job and saves.
"""

import contextlib
import datetime
import enum
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.clock import utc_now

__all__ = ["ACTIVE", "FLEET_VARIABLE", "Fleet", "FleetSettings", "Member", "MemberReport", "MemberStatus"]

logger = logging.getLogger(__name__)

#: Time between two looks at the processes, seconds.
_LOOK = 0.2

#: Longest time between two reports, seconds.
_REPORT_EVERY = 5.0

#: Environment variable with the process id of the fleet, so that a program can stop when its fleet was killed.
FLEET_VARIABLE = "TRADEEXECUTOR_FLEET_PROCESS"

#: What stands around an error message of the command line.
_FRAME = " \t│"

#: Exit code of a wrong command line, which is wrong at every start.
_WRONG_USE = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A strategy of a fleet.

    Attributes
    ----------
    name
        Its name in the fleet.
    command
        Program and arguments.
    folder
        Working folder.
    place
        Where its state is; None if that is not known.
    creates_state
        What is added to the command while there is no state file yet.
    environment
        Environment variables in addition to those of this process.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    place: StateLocation | None = None
    creates_state: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def make_command(self) -> list[str]:
        """Return the command of the next start."""
        is_missing = isinstance(self.place, Path) and not (self.folder / self.place).exists()
        return [*self.command, *(self.creates_state if is_missing else ())]


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Times of a fleet, in seconds.

    Attributes
    ----------
    first_pause, longest_pause
        Pause before the first start after an error, and the longest one: the pause doubles with each further error.
    stable_after
        Time after which a process counts as well again, so that the next pause is the first one.
    stop_timeout
        Time that processes have to end when the fleet is stopped; then they are killed.
    """

    first_pause: float = 1.0
    longest_pause: float = 300.0
    stable_after: float = 600.0
    stop_timeout: float = 1_200.0


class MemberStatus(enum.StrEnum):
    """What a strategy does."""

    running = "running"
    #: It has ended with an error and is going to be started again.
    waiting = "waiting"
    #: It has ended by itself, without an error.
    finished = "finished"
    #: Its command line is wrong, or it had to be killed.
    failed = "failed"
    #: It was asked to stop, and has.
    stopped = "stopped"


#: What a strategy does that has not ended.
ACTIVE = frozenset({MemberStatus.running, MemberStatus.waiting})


@dataclass(frozen=True, slots=True)
class MemberReport:
    """State of a process.

    Attributes
    ----------
    name, status
        The strategy, and what it does.
    pid
        Process id; None if it does not run.
    since
        Time of the start or end of the process, naive UTC.
    restarts
        Number of starts after the first one.
    exit_code
        Exit code of the process that has ended last, negative for a signal; None before.
    next_start_at
        Time of the next start, naive UTC; None unless it is waiting.
    memory
        Memory of the process, bytes; None where that is not known.
    last_line
        The last line that it has printed.
    """

    name: str
    status: MemberStatus
    pid: int | None
    since: datetime.datetime
    restarts: int
    exit_code: int | None
    next_start_at: datetime.datetime | None
    memory: int | None
    last_line: str


class _Process:
    """The process of one strategy, from start to start."""

    def __init__(self, member: Member, settings: FleetSettings, on_line: Callable[[str, str], None]):
        self.member = member
        self.status = MemberStatus.waiting
        self._settings = settings
        self._on_line = on_line
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._started = self._due = 0.0
        self._pause = settings.first_pause
        self._starts = 0
        self._exit_code: int | None = None
        self._since = utc_now()
        self._last_line = ""

    def look(self, now: float, *, is_stopping: bool) -> bool:
        """Start the process when it is time, and notice its end; return True if its status has changed."""
        if self._process is None:
            if self.status is not MemberStatus.waiting:
                return False
            if is_stopping:
                self.status = MemberStatus.stopped
            elif now >= self._due:
                self._start(now)
            else:
                return False
            return True
        code = self._process.poll()
        if code is None:
            return False
        self._note_end(code, now, is_stopping=is_stopping)
        return True

    def _start(self, now: float) -> None:
        member = self.member
        self._starts += 1
        self._started, self._since = now, utc_now()
        try:
            # A session of its own: Ctrl-C on the terminal reaches only the fleet, which then stops each process once.
            self._process = subprocess.Popen(
                member.make_command(),
                cwd=member.folder,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    FLEET_VARIABLE: str(os.getpid()),
                    **member.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._last_line = f"it cannot be started: {error.strerror or error}"
            self._wait(now)
            return
        self.status = MemberStatus.running
        self._reader = threading.Thread(target=self._read, args=(self._process,), name=member.name, daemon=True)
        self._reader.start()
        logger.info("%s runs as process %d", member.name, self._process.pid)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                text = line.rstrip("\n")
                if text.strip():
                    self._on_line(self.member.name, text)
                if any(map(str.isalnum, text)):  # and not the frame around a message
                    self._last_line = text.strip(_FRAME)

    def _note_end(self, code: int, now: float, *, is_stopping: bool) -> None:
        if self._reader is not None:
            self._reader.join(5.0)  # its last words
        self._process, self._exit_code, self._since = None, code, utc_now()
        name = self.member.name
        if is_stopping and code in (0, -signal.SIGTERM):
            self.status = MemberStatus.stopped
        elif code == 0:
            self.status = MemberStatus.finished
        elif code == _WRONG_USE or is_stopping:
            self.status = MemberStatus.failed
        else:
            if now - self._started >= self._settings.stable_after:
                self._pause = self._settings.first_pause
            logger.warning("%s ended with %d, it starts again in %g seconds", name, code, self._pause)
            self._wait(now)
            return
        logger.info("%s has ended with %d: %s", name, code, self.status.value)

    def _wait(self, now: float) -> None:
        self.status = MemberStatus.waiting
        self._due = now + self._pause
        self._pause = min(2 * self._pause, self._settings.longest_pause)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process if it runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def end(self, until: float) -> None:
        """Wait for the end of the process; kill it at a time of the monotonic clock."""
        if self._process is None:
            return
        try:
            self._process.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def report(self, now: float) -> MemberReport:
        """Return the present state."""
        process = self._process
        is_waiting = self.status is MemberStatus.waiting
        left = datetime.timedelta(seconds=max(self._due - now, 0.0))
        return MemberReport(
            name=self.member.name,
            status=self.status,
            pid=None if process is None else process.pid,
            since=self._since,
            restarts=max(self._starts - 1, 0),
            exit_code=self._exit_code,
            next_start_at=utc_now() + left if is_waiting else None,
            memory=None if process is None else _read_memory(process.pid),
            last_line=self._last_line,
        )


class Fleet:
    """Runs strategies until all have ended, or it is stopped.

    Parameters
    ----------
    members
        The strategies.
    settings
        Times.
    on_line
        Called with the name of a strategy and each line that it prints, from a thread of its own.
    on_report
        Called with the state of all processes after each change, and every few seconds.
    clock, sleep
        `clock` returns a number of seconds that never goes back; `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: FleetSettings | None = None,
        *,
        on_line: Callable[[str, str], None] = lambda name, line: None,
        on_report: Callable[[list[MemberReport]], None] = lambda reports: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._settings = settings or FleetSettings()
        self._processes = [_Process(member, self._settings, on_line) for member in members]
        self._on_report = on_report
        self._clock = clock
        self._sleep = sleep
        self._signals = 0

    def stop(self) -> None:
        """Ask all processes to finish their job and end; asked again, they end at once. For signal handlers."""
        self._signals += 1

    def run(self) -> list[MemberReport]:
        """Run until every strategy has ended; return how. All processes have ended when an error is raised, too."""
        try:
            self._run()
        except BaseException:
            for process in self._processes:
                process.send(signal.SIGTERM)
            until = time.monotonic() + self._settings.stop_timeout
            for process in self._processes:
                process.end(until)
            raise
        return self._report()

    def _run(self) -> None:
        told = 0
        reported_at = kill_at = -float("inf")
        while True:
            now = self._clock()
            if told < self._signals:
                kill_at = now + self._settings.stop_timeout if not told else kill_at
                told += 1
                for process in self._processes:
                    process.send(signal.SIGTERM)
            if told and now >= kill_at:
                for process in self._processes:
                    process.send(signal.SIGKILL)
            changes = [process.look(now, is_stopping=told > 0) for process in self._processes]
            if any(changes) or now - reported_at >= _REPORT_EVERY:
                self._on_report(self._report())
                reported_at = now
            if all(process.status not in ACTIVE for process in self._processes):
                return
            self._sleep(_LOOK)

    def _report(self) -> list[MemberReport]:
        now = self._clock()
        return [process.report(now) for process in self._processes]


def _read_memory(pid: int) -> int | None:
    """Return the resident memory of a process, bytes; None where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return None
