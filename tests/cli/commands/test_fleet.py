"""fleet: its file, its table, and real paper strategies that are started, refused, restarted and stopped together."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_runner import Run
from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import DAY, HOUR
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.fleet_file import read_fleet_file
from tradeexecutor.cli.fleet_status import hold_fleet, write_reports
from tradeexecutor.operations.fleet import FleetSettings, MemberReport, MemberStatus
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import StoreLocked
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

FILE = """
[strategies.trend]
strategy = "trend.py"
state_file = "trend.json"
paper = true
new = true
data = ["a.csv", "b.csv"]
max-cycles = 3
http_enabled = false

[strategies.live]
folder = "live"
config = "live.toml"
environment = { KEYSTORE_PASSWORD_FILE = "/etc/password" }

[fleet]
longest_pause = 60
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "live.toml").write_text('strategy = "live.py"\nstate-file = "live.json"\n')
    (tmp_path / "fleet.toml").write_text(FILE)
    return tmp_path


# --- The file


def test_a_strategy_is_the_command_line_of_start(folder: Path):
    content = read_fleet_file(folder / "fleet.toml", ("--log-format", "json"))
    trend, live = content.members
    assert trend.command[:6] == (
        *(sys.executable, "-m", "tradeexecutor.cli.main", "start"),
        *("--log-format", "json"),
    )
    assert trend.command[6:] == (
        *("--paper", "--data", "a.csv", "--data", "b.csv", "--max-cycles", "3"),
        *("trend.py", "trend.json"),
    )
    assert (trend.place, trend.creates_state) == (Path("trend.json"), ("--new",))
    assert trend.folder == folder
    assert live.command[6:] == ("--config", "live.toml")
    assert (live.folder, live.place) == (folder / "live", Path("live.json"))
    assert live.environment == {"KEYSTORE_PASSWORD_FILE": "/etc/password"}
    assert content.settings == FleetSettings(longest_pause=60)


def test_a_path_that_looks_like_an_option_is_none(tmp_path: Path):
    (tmp_path / "fleet.toml").write_text('[strategies.a]\nstrategy = "-a.py"\nstate_file = "a.json"')
    (member,) = read_fleet_file(tmp_path / "fleet.toml").members
    assert member.command[4:] == ("./-a.py", "a.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no strategy"),
        ("x", "no TOML"),
        ("[strategy.a]", "no table strategy"),
        ("[strategies]\na = 1", "a must be a table"),
        ("[strategies.a]\nnonsense = 1", "a: there is no option nonsense"),
        ('[strategies.a]\nfolder = "none"', "there is no folder"),
        ("[strategies.a]\nfolder = 1", "folder must be a text"),
        ("[strategies.a]\npaper = 3", "paper must be true or false"),
        ('[strategies.a]\nstate_file = "a.json"', "strategy does not"),
        ('[strategies.a]\nconfig = "none.toml"', "cannot be read"),
        (
            '[strategies.a]\nnew = true\nstrategy = "a.py"\nstate_file = "sqlite:///a.db#a"',
            "new works with state files",
        ),
        (
            '[strategies.a]\nstrategy = "a.py"\nstate_file = "a.json"\n'
            '[strategies.b]\nstrategy = "b.py"\nstate_file = "./a.json"',
            "a and b have the same state",
        ),
        ("[strategies.a]\n[fleet]\nspeed = 1", "no setting speed"),
        ("[strategies.a]\n[fleet]\nfirst_pause = -1", "positive number"),
        ("[strategies.a]\n[fleet]\nfirst_pause = nan", "positive number"),
        ("[strategies.a]\n[fleet]\nlongest_pause = inf", "at most 31,536,000"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "fleet.toml").write_text(text)
    with pytest.raises(CommandFailed, match=message):
        read_fleet_file(tmp_path / "fleet.toml")


# --- The table


def test_the_status_of_a_fleet_that_does_not_run_has_what_the_states_say(run: Run, folder: Path):
    with JSONFileStore(folder / "trend.json") as store:
        state = store.create("Trend")
        state.cycle = 8
        store.sync(state)
    (folder / "live" / "live.json").write_text("{")
    result = run("fleet", folder / "fleet.toml", "--status")
    assert result.exit_code == 0, result.output
    assert "The fleet does not run." in result.stdout
    found = json.loads(run("fleet", folder / "fleet.toml", "--status", "--json").stdout)
    assert found["is_running"] is False
    trend, live = found["strategies"]
    assert (trend["name"], trend["status"], trend["cycle"], trend["net_asset_value"]) == ("trend", None, 8, 0.0)
    assert "live.json" in live["problem"]


def test_the_status_of_a_fleet_that_runs(run: Run, folder: Path):
    file, now = folder / "fleet.toml", utc_now()
    report = MemberReport("trend", MemberStatus.running, 4711, now, 2, 1, None, 250_000_000, "decision done")
    with hold_fleet(file):
        write_reports(file, [report])
        found = json.loads(run("fleet", file, "--status", "--json").stdout)
        table = run("fleet", file, "--status").stdout
        again = run("fleet", file)
    assert found["is_running"] is True
    trend, live = found["strategies"]
    assert (trend["status"], trend["pid"], trend["restarts"], trend["memory"]) == ("running", 4711, 2, 250_000_000)
    assert live["status"] is None
    assert "4711" in table
    assert "decision done" in table
    assert again.exit_code == 1
    assert "runs already: process" in again.stderr


def test_after_the_end_of_a_fleet_its_last_words_are_still_there(run: Run, folder: Path):
    file, now = folder / "fleet.toml", utc_now()
    ended = MemberReport("trend", MemberStatus.failed, None, now, 0, 2, None, None, "no such option")
    killed = MemberReport("live", MemberStatus.running, 4711, now, 0, None, None, None, "")
    write_reports(file, [ended, killed])
    found = json.loads(run("fleet", file, "--status", "--json").stdout)
    assert found["is_running"] is False
    assert [item["status"] for item in found["strategies"]] == ["failed", None]
    assert "no such option" in run("fleet", file, "--status").stdout


def test_json_is_for_the_status(run: Run, folder: Path):
    assert run("fleet", folder / "fleet.toml", "--json").exit_code == 2


# --- Real strategies

STRATEGY = """
trading_strategy_engine_version = "0.5"
from tradeexecutor.state.cycle_duration import CycleDuration


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    initial_cash = 5_000


def decide_trades(input):
    manager = input.get_position_manager()
    return [] if manager.is_any_open() else manager.open_spot(input.get_default_pair(), 1_000.0)
"""


@pytest.fixture
def papers(tmp_path: Path) -> Iterator[Path]:
    """A fleet of two paper strategies, and one whose command line is wrong."""
    start = utc_now().replace(minute=0, second=0, microsecond=0) - DAY
    (tmp_path / "hourly.py").write_text(STRATEGY)
    with serve(Exchange({"BTCUSDT": make_rows(start, 40, HOUR)})) as exchange:
        (tmp_path / "exchange.toml").write_text(
            f'url = "{exchange.template}"\ninterval = "1h"\ntime_frame = "1h"\npause = 0\n'
            '[pairs]\n"BTC-USD" = "BTCUSDT"\n'
        )
        tables = [
            f'[strategies.{name}]\nstrategy = "hourly.py"\nstate_file = "{name}.json"\npaper = true\nnew = true\n'
            f'feed = "exchange.toml"\nfrom = "{(start + 20 * HOUR).isoformat()}"\n'
            for name in ("first", "second")
        ]
        wrong = '[strategies.wrong]\nstrategy = "hourly.py"\nstate_file = "wrong.json"\npaper = true\n'
        text = "\n".join([*tables, wrong]).replace("\nfrom =", "\nstart_from =")
        (tmp_path / "fleet.toml").write_text(f"{text}\n[fleet]\nfirst_pause = 0.2\nlongest_pause = 0.5\n")
        yield tmp_path


def start_fleet(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-u", "-m", "tradeexecutor.cli.main", "fleet", "fleet.toml", *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 180
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_strategies_are_kept_running_and_stopped_together(papers: Path, run: Run):
    def read_status() -> dict[str, Any]:
        found = json.loads(run("fleet", papers / "fleet.toml", "--status", "--json").stdout)
        return {item["name"]: item for item in found["strategies"]}

    def have_decided() -> dict[str, Any] | None:
        found = read_status()
        return found if all((found[name]["cycle"] or 0) > 4 for name in ("first", "second")) else None

    with start_fleet(papers) as process:
        try:
            found = wait_for(have_decided)
            assert [found[name]["status"] for name in ("first", "second")] == ["running", "running"]
            assert found["first"]["pid"] != found["second"]["pid"]
            assert found["first"]["memory"] > 10_000_000
            assert wait_for(lambda: read_status()["wrong"]["status"] == "failed")

            # Another process of the same strategy is refused.
            words = (
                "start",
                papers / "hourly.py",
                papers / "first.json",
                "--paper",
                "--feed",
                papers / "exchange.toml",
            )
            refused = run(*words, "--max-cycles", 1)
            assert refused.exit_code == 1
            assert f"is being written by process {found['first']['pid']}" in " ".join(refused.stderr.split())

            # One that is killed comes back; the other does not notice.
            subprocess.run(["kill", "-KILL", str(found["first"]["pid"])], check=True)
            restarted = wait_for(lambda: (again := read_status())["first"]["restarts"] == 1 and again)
            assert restarted["first"]["exit_code"] == -signal.SIGKILL
            assert restarted["second"]["pid"] == found["second"]["pid"]
            wait_for(lambda: read_status()["first"]["status"] == "running")
        finally:
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1  # because of the wrong command line
    assert "first | " in stdout
    assert "decision done" in stdout
    assert "Failed: " in stdout
    assert "Traceback" not in stdout + stderr
    for name in ("first", "second"):
        state = State.read_json_file(papers / f"{name}.json")
        assert sorted(state.uptime.cycles_completed_at) == list(range(1, state.cycle))
        assert len(state.portfolio.open_positions) == 1
        state.perform_integrity_check()


@pytest.mark.slow
def test_a_strategy_whose_state_is_in_use_waits_until_it_is_free(papers: Path):
    text = (papers / "fleet.toml").read_text()
    (papers / "fleet.toml").write_text(text[: text.index("[strategies.second]")] + text[text.index("[fleet]") :])
    with JSONFileStore(papers / "first.json") as store:
        store.sync(store.create("first"))
        with start_fleet(papers) as process:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "being written" in line)
            assert line.startswith("first | Error: ")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--log-format", "json")])
def test_strategies_stop_when_their_fleet_is_killed(papers: Path, run: Run, options: tuple[str, ...]):
    def is_free() -> bool:
        with JSONFileStore(papers / "first.json") as store:
            try:
                store.acquire_writer_lock()
            except StoreLocked:
                return False
            return True

    with start_fleet(papers, *options) as process:
        wait_for(lambda: (papers / "first.json").exists() and State.read_json_file(papers / "first.json").cycle > 4)
        assert not is_free()
        process.kill()
        process.communicate(timeout=60)
    wait_for(is_free)
    State.read_json_file(papers / "first.json").perform_integrity_check()


@pytest.mark.slow
def test_logs_for_programs_are_json_and_nothing_else(papers: Path):
    with start_fleet(papers, "--log-format", "json") as process:
        assert process.stderr is not None
        lines = [next(line for line in process.stderr if '"decision done"' in line)]
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=120)
    assert stdout == ""
    entries = [json.loads(line) for line in [*lines, *stderr.splitlines()]]
    assert entries[0]["strategy"] in ("first", "second")
    assert entries[-1]["message"].startswith("Failed: ")
