"""What `deploy/` contains starts a strategy, and a stop ends it in order."""

import datetime
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account import Account

from tests.ethereum.test_chain_commands import write_chain_file
from tests.ethereum.trader import Trader
from tests.support import REPOSITORY
from tradeexecutor.state.state import State

DEPLOY = REPOSITORY / "deploy"
PASSWORD = "not a good one"

STRATEGY = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h


def decide_trades(input):
    return []
"""


@pytest.mark.slow
def test_the_script_starts_a_strategy_with_a_keystore_and_sigterm_ends_it(trader: Trader, tmp_path: Path):
    account = Account.create()
    trader.chain.mint(trader.usdc, account.address, Decimal(100))
    trader.chain.anvil.set_native_balance(account.address, 10**18)
    secrets, folder = tmp_path / "secrets", tmp_path / "strategy"
    for path in (secrets, folder):
        path.mkdir()
    (secrets / "keystore").write_text(json.dumps(Account.encrypt(account.key, PASSWORD, iterations=1000, kdf="pbkdf2")))
    (secrets / "password").write_text(PASSWORD + "\n")
    write_chain_file(trader, folder)
    (folder / "strategy.py").write_text(STRATEGY)
    hour = trader.chain.now.replace(minute=0, second=0, microsecond=0)
    rows = [f"{(hour - hours * datetime.timedelta(hours=1)).isoformat()},1,1,1,1" for hours in (3, 2, 1)]
    (folder / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close", *rows]))
    options = {"strategy": "strategy.py", "state_file": "state.json", "chain": "chain.json"}
    lines = [f'{name} = "{value}"' for name, value in options.items()]
    (folder / "live.toml").write_text("\n".join([*lines, f'rpc = ["{trader.chain.anvil.url}"]']))
    with subprocess.Popen(
        [DEPLOY / "start.sh", "--new", "--valuation", "0.01"],
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "SECRETS": str(secrets), "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as program:
        try:
            printed = _read_until(program, b"valuation done")
            program.send_signal(signal.SIGTERM)
            rest = program.communicate(timeout=60)[0]
        finally:
            program.kill()
    assert b"valuation done" in printed, printed + rest
    assert program.returncode == 0, rest
    assert b"Stopped" in rest
    saved = (folder / "state.json").read_text()
    assert State.from_json(saved).portfolio.get_cash() == 100
    for secret in (PASSWORD, account.key.hex().removeprefix("0x")):
        assert secret not in saved + (printed + rest).decode()


def _read_until(program: "subprocess.Popen[bytes]", text: bytes) -> bytes:
    assert program.stdout is not None
    printed, deadline = b"", time.monotonic() + 120
    while text not in printed and time.monotonic() < deadline:
        if select.select([program.stdout], [], [], 1)[0]:
            piece = os.read(program.stdout.fileno(), 65536)
            if not piece:
                break
            printed += piece
    return printed


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path):
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("there is no systemd-analyze")
    program = tmp_path / "start.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = (DEPLOY / "tradeexecutor@.service").read_text()
    path = tmp_path / "tradeexecutor@demo.service"
    path.write_text(unit.replace("/opt/tradeexecutor/start.sh", str(program)))
    done = subprocess.run([systemd, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
