"""What `tradeexecutor start` does for the safety of key and money: keystores, questions, gas, watchdog, no leaks."""

import base64
import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.ethereum.live_strategy import write_live_folder
from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.hot_wallet import HotWallet, keep_recursion_limit
from tradeexecutor.state.state import State

with keep_recursion_limit():
    from eth_account import Account

PASSWORD = "correct horse 5taple"

ONCE = ("--decide-at-once", "--run-single-cycle", "--offset", "0", "--new")


class Machine:
    """A folder with a strategy and its encrypted key, and a wallet with money."""

    def __init__(self, trader: Trader, folder: Path, key: str):
        self.trader, self.key = trader, key
        self.folder = write_live_folder(trader, folder)
        self.place = folder / "state.json"
        trader.wallet = HotWallet.from_key(key)
        trader.chain.anvil.set_native_balance(trader.wallet.address, 10**20)
        trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
        self.keystore = folder / "wallet.json"
        self.keystore.write_text(json.dumps(Account.encrypt(bytes.fromhex(key), PASSWORD, kdf="pbkdf2", iterations=1)))
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)

    def words(self, *options: str) -> list[str]:
        return ["start", str(self.folder / "strategy.py"), str(self.place), "--chain", str(self.folder / "chain.json"),
                "--rpc", self.trader.chain.anvil.url, *options]  # fmt: skip

    def start(self, *options: str, **keywords: Any) -> Result:
        return CliRunner().invoke(app, self.words(*options), **keywords)

    def load(self) -> State:
        return State.read_json_file(self.place)

    def assert_traded(self, count: int = 1) -> None:
        state = self.load()
        assert [trade.is_success() for trade in state.portfolio.get_all_trades()] == [True] * count
        self.trader.assert_books_equal_chain(state)


@pytest.fixture
def machine(trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.delenv("PRIVATE_KEY", raising=False)
    return Machine(trader, tmp_path, secrets.token_hex(32))


# --- The key


def test_a_keystore_is_opened_with_a_password_file(machine: Machine):
    done = machine.start(*ONCE, "--keystore", str(machine.keystore), "--password-file", str(machine.password_file))
    assert done.exit_code == 0, done.output
    assert "can be read" not in done.output
    machine.assert_traded()


def test_a_password_file_that_others_can_read_is_pointed_out(machine: Machine):
    machine.password_file.chmod(0o644)
    done = machine.start(*ONCE, "--keystore", str(machine.keystore), "--password-file", str(machine.password_file))
    assert "can be read by other users" in done.output.replace("\n", " ")


def test_a_password_without_keystore_or_terminal_is_refused(machine: Machine):
    assert "no --keystore" in machine.start(*ONCE, "--password-file", str(machine.password_file)).output
    refused = machine.start(*ONCE, "--keystore", str(machine.keystore))
    assert refused.exit_code == 1
    assert "no terminal to ask for it" in refused.output.replace("\n", " ")
    assert not machine.place.exists()


# --- A person at a terminal


def talk(machine: Machine, answers: dict[str, str], *options: str) -> tuple[int, str]:
    """Run the program in a terminal of its own; give each answer when its question appears."""
    master, slave = pty.openpty()
    program = [sys.executable, "-m", "tradeexecutor.cli.main", *machine.words(*options)]
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(
        program, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
    ) as process:
        os.close(slave)
        killer = threading.Timer(120, process.kill)
        killer.start()
        heard = ""
        try:
            while True:
                try:
                    piece = os.read(master, 4096)
                except OSError:  # the program has ended
                    break
                heard += piece.decode()
                for question in [question for question in answers if question in heard]:
                    time.sleep(0.2)  # getpass discards what was typed before it asked
                    os.write(master, (answers.pop(question) + "\n").encode())
            return process.wait(), heard
        finally:
            killer.cancel()
            os.close(master)


@pytest.mark.slow
def test_the_terminal_asks_for_the_password_and_for_each_decision(machine: Machine):
    keystore = ("--keystore", str(machine.keystore))
    code, heard = talk(machine, {"Password of": PASSWORD, "Execute these": "n"}, *ONCE, *keystore, "--approve")
    assert code == 0, heard
    assert "WETH-USDC" in heard
    assert PASSWORD not in heard
    assert not list(machine.load().portfolio.get_all_trades())
    (refused,) = machine.load().portfolio.expired_positions.values()
    assert not refused.trades
    machine.place.unlink()
    code, heard = talk(machine, {"Password of": PASSWORD, "Execute these": "y"}, *ONCE, *keystore, "--approve")
    assert code == 0, heard
    machine.assert_traded()


def test_questions_need_a_terminal(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRIVATE_KEY", machine.key)
    refused = machine.start(*ONCE, "--approve", input="y\n")
    assert refused.exit_code == 1
    assert "there is no terminal" in refused.output
    assert not machine.place.exists()


# --- Gas and slippage


def test_too_little_gas_is_refused_at_the_start(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRIVATE_KEY", machine.key)
    monkeypatch.setenv("MIN_GAS_BALANCE", "101")
    refused = machine.start(*ONCE)
    assert refused.exit_code == 1
    assert "101" in refused.output
    assert not list(machine.load().portfolio.get_all_trades())
    monkeypatch.setenv("MIN_GAS_BALANCE", "99")
    assert machine.start(*ONCE[:-1]).exit_code == 0
    machine.assert_traded()


# --- A job that hangs

HANGING = """
import time
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.01


def decide_trades(input):
    manager = input.get_position_manager()
    manager.open_spot(input.strategy_universe.get_single_pair(), 1_000)
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass
"""


@pytest.mark.slow
def test_a_decision_that_hangs_ends_the_program_and_the_next_start_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PRIVATE_KEY", machine.key)
    strategy = machine.folder / "strategy.py"
    fine = strategy.read_text()
    strategy.write_text(HANGING)
    machine.trader.chain.mint(machine.trader.usdc, machine.trader.wallet.address, Decimal(500))
    ended = machine.start(*ONCE, "--watchdog", "0.05")  # minutes
    assert ended.exit_code == 3, ended.output
    assert "strategy.py" in ended.output.replace("\n", "")
    assert "time.sleep(60)" in ended.output
    state = machine.load()
    assert state.portfolio.get_cash() == 10_500
    assert [trade.is_planned() for trade in state.portfolio.get_all_trades()] == [True], "what could be saved was saved"
    strategy.write_text(fine)
    assert machine.start(*ONCE[:-1]).exit_code == 0
    state = machine.load()
    assert [trade.is_success() for trade in state.portfolio.get_all_trades()] == [True]
    machine.trader.assert_books_equal_chain(state)


# --- No leaks

TALKATIVE = """
import logging, sys
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.01


def decide_trades(input):
    manager = input.get_position_manager()
    logging.getLogger("tradeexecutor.mine").warning("%r %r %r", input, manager, dir(manager.pricing_model))
    return manager.open_spot(input.strategy_universe.get_single_pair(), 1_000)
"""


def list_forms(secret: bytes) -> list[bytes]:
    """How a secret could be written."""
    text = secret.hex()
    return [
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        str(int.from_bytes(secret)).encode(),
        base64.b64encode(secret).rstrip(b"="),
        base64.b64encode(text.encode()).rstrip(b"="),
        repr(secret).encode()[2:-1],
        text.encode().hex().encode(),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "store"), [("environment", "sqlite"), ("keystore", "state.json")])
def test_the_key_is_in_nothing_that_the_program_writes(machine: Machine, source: str, store: str):
    """State, backups, history, logs with --debug, errors with tracebacks, output, and the list of processes."""
    (machine.folder / "strategy.py").write_text(TALKATIVE)
    place = str(machine.place) if store == "state.json" else f"sqlite:///{machine.folder / 'trading.db'}#mine"
    home = machine.folder / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "TRADEEXECUTOR_DEVCHAIN": str(Path.home() / ".cache")}
    options = ["--decide-at-once", "--offset", "0", "--debug"]
    if source == "environment":
        environment["PRIVATE_KEY"] = machine.key
    else:
        options += ["--keystore", str(machine.keystore), "--password-file", str(machine.password_file)]
    written: list[bytes] = []
    for number, more in enumerate((["--new", "--run-single-cycle"], [], ["--new"])):
        words = machine.words(*options, *more)
        words[2] = place
        if number == 2:
            words[2] = f"{machine.folder / 'failing.json'}"
            (machine.folder / "strategy.py").write_text(TALKATIVE.replace("return", "raise ValueError(input.state) #"))
        if number == 1:
            # The decision of this tick is made: it waits, so that its list of processes can be read.
            words.remove("--decide-at-once")
        program = [sys.executable, "-u", "-m", "tradeexecutor.cli.main", *words]
        with subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=machine.folder
        ) as process:
            if number == 1:
                assert process.stdout is not None
                written.append(next(line for line in process.stdout if b"Decides" in line))
                time.sleep(1)  # the handler of the signal is next
                written.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
                process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=120)
            written += [out, errors]
            assert process.returncode == (0, 0, 1)[number], errors.decode()
    inputs = {machine.keystore, machine.password_file}
    written += [path.read_bytes() for path in machine.folder.rglob("*") if path.is_file() and path not in inputs]
    assert any(machine.trader.wallet.address.encode() in text for text in written), "the search finds what is there"
    for secret in [*list_forms(bytes.fromhex(machine.key)), PASSWORD.encode(), base64.b64encode(PASSWORD.encode())]:
        assert not [text[:200] for text in written if secret in text]
