"""start --paper --http-enabled: a program of its own that is watched and operated over HTTP while it trades."""

import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import DAY, HOUR
from tradeexecutor.operations.operator_commands import is_paused, list_actions
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

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

TOKEN = secrets.token_hex(16)


class Program:
    """A running program, and its interface."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, path: Path):
        self.process, self.address, self.path = process, address, path

    def read(self, path: str) -> Any:
        answer = httpx.get(self.address + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def tell(self, name: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.address}/v1/paper/operations/{name}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"by": "Alice", **fields},
            timeout=60,
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    def wait_for(self, look: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 120
        while not look():
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv("TRADEEXECUTOR_OPERATE_TOKEN", TOKEN)
    start = utc_now().replace(minute=0, second=0, microsecond=0) - DAY
    (tmp_path / "hourly.py").write_text(STRATEGY)
    with serve(Exchange({"BTCUSDT": make_rows(start, 30, HOUR)})) as exchange:
        (tmp_path / "exchange.toml").write_text(
            f'url = "{exchange.template}"\ninterval = "1h"\ntime_frame = "1h"\npause = 0\n'
            '[pairs]\n"BTC-USD" = "BTCUSDT"\n'
        )
        words = ["start", "hourly.py", "paper.json", "--paper", "--new", "--feed", "exchange.toml"]
        words += ["--from", (start + 20 * HOUR).isoformat(), "--http-enabled", "--http-port", "0", "--http-operate"]
        command = [sys.executable, "-u", "-m", "tradeexecutor.cli.main", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
            try:
                assert process.stdout is not None
                address = next(found[0] for line in process.stdout if (found := re.search(r"http://[\d.:]+", line)))
                yield Program(process, address, tmp_path / "paper.json")
            finally:
                process.kill()


def test_a_paper_strategy_is_watched_and_operated_over_http(program: Program):
    program.wait_for(lambda: program.read("/v1/paper/state")["cycle"] > 4)
    status = program.read("/status")
    assert status["executor_running"] is True
    assert status["hot_wallet_gas"] is None  # nothing is sent
    assert status["cycles"] >= 4
    assert program.read("/metadata")["name"] == "hourly"
    assert "decide_trades" in httpx.get(f"{program.address}/source").text
    assert "decision done" in [entry["message"] for entry in program.read("/logs")]
    assert program.read("/v1/paper/positions?status=open")["total"] == 1

    preview = program.tell("close-position", position_id=1)
    (sale,) = preview["trades"]
    done = program.tell("close-position", position_id=1, confirm=preview["confirm"])
    (sold,) = done["trades"]
    assert (sale["status"], sold["status"]) == ("expected", "success")
    assert "closed already" in program.tell("close-position", 409, position_id=1)["detail"]
    assert program.tell("retry")["note"]
    assert program.tell("pause", confirm=program.tell("pause")["confirm"])["is_done"]
    assert "paused already" in program.tell("pause", 409)["detail"]

    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(60) == 0
    state = State.read_json_file(program.path)
    assert is_paused(state)
    assert [(action["by"], action["action"]) for action in list_actions(state)] == [
        ("Alice", "close-position"),
        ("Alice", "pause"),
    ]
    assert not state.portfolio.open_positions
    state.perform_integrity_check()
