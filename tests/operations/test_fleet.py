"""Several programs are kept running: started again with growing pauses, stopped together, and reported."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tradeexecutor.operations.fleet import Fleet, FleetSettings, Member, MemberReport, MemberStatus

FAST = FleetSettings(first_pause=0.05, longest_pause=0.4, stable_after=100.0, stop_timeout=5.0)

#: A program that ends its job when it is asked to stop, and writes that down.
ORDERLY = """
import pathlib, signal, sys, time
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
print("ready", flush=True)
while not stopping:
    time.sleep(0.01)
pathlib.Path("saved").write_text("all")
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def make_member(name: str, folder: Path, code: str) -> Member:
    place = folder / name
    place.mkdir()
    return Member(name, (sys.executable, "-c", code), place)


class Watch:
    """What a fleet tells."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.reports: list[list[MemberReport]] = []

    def note_line(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def run(
        self, members: list[Member], settings: FleetSettings = FAST, when: "Callable[[Fleet], None] | None" = None
    ) -> dict[str, MemberReport]:
        """Run a fleet, with `when` in another thread."""
        fleet = Fleet(members, settings, on_line=self.note_line, on_report=self.reports.append)
        if when is not None:
            threading.Thread(target=when, args=(fleet,), daemon=True).start()
        return {report.name: report for report in fleet.run()}

    def wait_for_lines(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.lines) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_program_that_ends_well_or_whose_command_is_wrong_is_not_started_again(tmp_path: Path):
    watch = Watch()
    members = [
        make_member("good", tmp_path, "print('done')"),
        make_member("wrong", tmp_path, "import sys; print('no such option', file=sys.stderr); sys.exit(2)"),
    ]
    found = watch.run(members)
    assert [found[name].status for name in ("good", "wrong")] == [MemberStatus.finished, MemberStatus.failed]
    assert [found[name].restarts for name in ("good", "wrong")] == [0, 0]
    assert (found["wrong"].exit_code, found["wrong"].last_line) == (2, "no such option")
    assert sorted(watch.lines) == [("good", "done"), ("wrong", "no such option")]


#: Fails the first four times.
SHAKY = """
import pathlib, sys
starts = pathlib.Path("starts")
count = int(starts.read_text()) if starts.exists() else 0
starts.write_text(str(count + 1))
sys.exit(0 if count == 4 else 1)
"""


class Clock:
    """A clock that shows only the time for which the fleet has slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stable_after", "expected"),
    [(1_000.0, [2, 4, 8, 8]), (0.0, [2, 2, 2, 2])],
    ids=["pauses grow", "a program that has run well starts soon"],
)
def test_a_program_that_fails_is_started_again_after_a_pause(tmp_path: Path, stable_after: float, expected: list[int]):
    clock = Clock()
    ended = 0.0
    pauses: list[float] = []

    def note(reports: list[MemberReport]) -> None:
        nonlocal ended
        if reports[0].status is MemberStatus.waiting and not ended and reports[0].exit_code is not None:
            ended = clock.now
        elif reports[0].status is not MemberStatus.waiting and ended:
            pauses.append(clock.now - ended)
            ended = 0.0

    settings = FleetSettings(2.0, 8.0, stable_after)
    member = make_member("shaky", tmp_path, SHAKY)
    (found,) = Fleet([member], settings, on_report=note, clock=clock, sleep=clock.sleep).run()
    assert (found.status, found.restarts) == (MemberStatus.finished, 4)
    assert pauses == pytest.approx(expected, abs=0.5)


@pytest.mark.slow
def test_a_program_that_does_not_exist_waits(tmp_path: Path):
    watch = Watch()
    missing = Member("missing", (str(tmp_path / "nothing"),), tmp_path)
    found = watch.run([missing], when=lambda fleet: (time.sleep(1.0), fleet.stop())[1])
    assert found["missing"].status is MemberStatus.stopped
    assert "cannot be started: No such file" in found["missing"].last_line
    assert found["missing"].restarts >= 1


@pytest.mark.slow
def test_every_program_finishes_its_job_when_the_fleet_is_stopped(tmp_path: Path):
    watch = Watch()
    members = [make_member(f"s{number}", tmp_path, ORDERLY) for number in range(4)]

    def stop(fleet: Fleet) -> None:
        watch.wait_for_lines(4)
        fleet.stop()

    found = watch.run(members, when=stop)
    assert {report.status for report in found.values()} == {MemberStatus.stopped}
    assert {report.exit_code for report in found.values()} == {0}
    assert [(tmp_path / member.name / "saved").read_text() for member in members] == ["all"] * 4
    running = next(report for report in watch.reports if {item.status for item in report} == {MemberStatus.running})
    assert len({item.pid for item in running}) == 4


@pytest.mark.slow
def test_a_program_that_does_not_stop_in_time_is_killed(tmp_path: Path):
    watch = Watch()

    def stop(fleet: Fleet) -> None:
        watch.wait_for_lines(1)
        fleet.stop()

    found = watch.run([make_member("stubborn", tmp_path, STUBBORN)], FleetSettings(stop_timeout=0.5), stop)
    assert (found["stubborn"].status, found["stubborn"].exit_code) == (MemberStatus.failed, -signal.SIGKILL)


def test_nothing_is_left_running_after_an_error_of_the_fleet(tmp_path: Path):
    def fail(reports: list[MemberReport]) -> None:
        if reports[0].status is MemberStatus.running:
            pids.append(reports[0].pid or 0)
            raise OSError("the report cannot be written")

    pids: list[int] = []
    with pytest.raises(OSError, match="cannot be written"):
        Fleet([make_member("stubborn", tmp_path, STUBBORN)], FleetSettings(stop_timeout=0.5), on_report=fail).run()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_state_is_created_only_once(tmp_path: Path):
    member = Member("new", ("start",), tmp_path, Path("state.json"), ("--new",))
    assert member.make_command() == ["start", "--new"]
    (tmp_path / "state.json").touch()
    assert member.make_command() == ["start"]


def test_variables_reach_the_program(tmp_path: Path):
    watch = Watch()
    code = "import os; print(os.environ['SECRET_OF_TEST'])"
    watch.run([Member("env", (sys.executable, "-c", code), tmp_path, environment={"SECRET_OF_TEST": "known"})])
    assert watch.lines == [("env", "known")]
