"""What `tradeexecutor start` offers besides trading: databases, checks at the start, settings in a file."""

import contextlib
import datetime
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from tests.database.server import start_server
from tests.ethereum.test_chain_commands import write_chain_file
from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.abi import ERC20_APPROVE, ERC4626_DEPOSIT
from tradeexecutor.ethereum.devchain.chain import FOREVER
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.operator_commands import list_actions
from tradeexecutor.operations.state_location import load_state, parse_state_location
from tradeexecutor.state.state import State

HOUR = datetime.timedelta(hours=1)

STRATEGY = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h


def decide_trades(input):
    manager = input.get_position_manager()
    return [] if manager.is_any_open() else manager.open_spot(input.strategy_universe.get_single_pair(), 1_000)
"""


class Machine:
    """A folder with all that a live strategy needs, and its wallet in the environment."""

    def __init__(self, trader: Trader, folder: Path):
        self.trader, self.folder = trader, folder
        write_chain_file(trader, folder)
        (folder / "strategy.py").write_text(STRATEGY)
        start = trader.chain.now.replace(minute=0, second=0, microsecond=0) - 10 * HOUR
        rows = [f"{(start + hour * HOUR).isoformat()},2000,2010,1990,2000,5" for hour in range(40)]
        (folder / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))

    def start(self, place: str, *options: str) -> Result:
        rpc = ["--rpc", self.trader.chain.anvil.url, "--chain", str(self.folder / "chain.json")]
        once = ["--decide-at-once", "--max-cycles", "1", "--offset", "0"]
        return CliRunner().invoke(app, ["start", str(self.folder / "strategy.py"), place, *rpc, *once, *options])

    def take_out(self, amount: Decimal) -> None:
        wallet = self.trader.wallet.address
        self.trader.chain.impersonate(wallet)
        self.trader.chain.transfer(self.trader.market.weth, self.trader.chain.owner, amount, sender=wallet)


@pytest.fixture
def machine(trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    key = secrets.token_hex(32)
    monkeypatch.setenv("PRIVATE_KEY", key)
    trader.wallet = HotWallet.from_key(key)
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**20)
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
    return Machine(trader, tmp_path)


def test_a_strategy_lives_in_a_database(machine: Machine):
    place = f"sqlite:///{machine.folder}/trading.db#mine"
    assert machine.start(place).exit_code == 1, "it does not exist yet"
    done = machine.start(place, "--new")
    assert done.exit_code == 0, done.output
    state = load_state(parse_state_location(place))
    assert [trade.is_success() for trade in state.portfolio.get_all_trades()] == [True]
    machine.trader.assert_books_equal_chain(state)
    again = machine.start(place, "--new")
    assert again.exit_code == 1
    assert "exists already" in again.output


@pytest.mark.slow
def test_a_strategy_lives_on_a_database_server(machine: Machine):
    with start_server() as url:
        place = f"{url}#mine"
        done = machine.start(place, "--new", "--check-accounts")
        assert done.exit_code == 0, done.output
        trader = machine.trader
        trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(500))
        # The decision of this tick is made; another process goes on with the state of the server.
        commands = [["sync-treasury", place, "--yes"], ["close-all", place, "--yes"], ["check-accounts", place]]
        chain = ["--chain", str(machine.folder / "chain.json"), "--rpc", trader.chain.anvil.url]
        for command in commands:
            done = CliRunner().invoke(app, [*command, *chain])
            assert done.exit_code == 0, done.output
        state = load_state(parse_state_location(place))
        assert [trade.is_success() for trade in state.portfolio.get_all_trades()] == [True, True]
        trader.assert_books_equal_chain(state)


def test_a_clock_of_the_chain_that_is_behind_is_no_difference_between_books_and_wallet(machine: Machine):
    """Balances are those of a block, whose time is then before the start of the trade that it contains."""
    place, anvil = str(machine.folder / "state.json"), machine.trader.chain.anvil
    chain = ["--chain", str(machine.folder / "chain.json"), "--rpc", anvil.url]
    anvil.rpc("anvil_setBlockTimestampInterval", 0)
    try:
        time.sleep(1.1)
        assert machine.start(place, "--new").exit_code == 0
        for command in (["check-accounts", place], ["close-all", place, "--yes"], ["check-accounts", place]):
            done = CliRunner().invoke(app, [*command, *chain])
            assert done.exit_code == 0, done.output
    finally:
        anvil.rpc("anvil_removeBlockTimestampInterval")
    state = State.read_json_file(Path(place))
    bought, sold = state.portfolio.get_all_trades()
    assert bought.is_success()
    assert sold.is_success()
    assert sold.executed_at is not None
    assert sold.started_at is not None
    assert sold.executed_at < sold.started_at


def test_a_start_is_refused_when_the_books_do_not_agree_with_the_wallet(machine: Machine):
    place = str(machine.folder / "state.json")
    assert machine.start(place, "--new", "--check-accounts").exit_code == 0
    machine.take_out(Decimal("0.1"))
    before = State.read_json_file(Path(place)).cycle
    refused = machine.start(place, "--check-accounts")
    assert refused.exit_code == 1
    assert "do not agree with the wallet" in refused.output
    assert State.read_json_file(Path(place)).cycle == before


def test_deposits_are_booked_before_the_accounts_are_checked(machine: Machine):
    place, trader = str(machine.folder / "state.json"), machine.trader
    assert machine.start(place, "--new").exit_code == 0
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(500))
    assert "do not agree" in machine.start(place, "--check-accounts").output
    # The decision of this tick is made, so the program would wait for the next one. Candles that cannot be read end it.
    (machine.folder / "candles.csv").write_text("nothing")
    ended = machine.start(place, "--check-accounts", "--sync-treasury-on-startup")
    assert ended.exit_code == 1
    assert "do not agree" not in ended.output
    assert "candles.csv" in ended.output.replace("\n", "")  # the path may be broken into lines


def test_the_money_of_a_vault_is_traded(machine: Machine):
    place, chain, wallet = machine.folder / "state.json", machine.trader.chain, machine.trader.wallet.address
    vault = chain.deploy_managed_vault(machine.trader.usdc, "FUND", wallet)
    investor = chain.anvil.accounts[3]
    chain.mint(machine.trader.usdc, investor, Decimal(4_000))
    chain.send(machine.trader.usdc.address, ERC20_APPROVE, vault, FOREVER, sender=investor)
    chain.send(vault, ERC4626_DEPOSIT, 4_000 * 10**6, investor, sender=investor)
    done = machine.start(str(place), "--new", "--vault", vault)
    assert done.exit_code == 0, done.output
    treasury = State.read_json_file(place).sync.treasury
    assert treasury.share_count == 4_000
    assert [known.address for known in treasury.managed_vaults] == [vault]
    refused = machine.start(str(place), "--vault", machine.trader.usdc.checksum_address)
    assert refused.exit_code == 1
    assert "the share holders of the vault" in " ".join(refused.output.split())


def test_options_are_in_one_file(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(machine.folder)
    config = machine.folder / "live.toml"
    config.write_text(
        f"""
strategy = "strategy.py"
state_file = "state.json"
chain = "chain.json"
rpc = ["{machine.trader.chain.anvil.url}"]
new = true
decide-at-once = true
max_cycles = 3
offset = 0
"""
    )
    done = CliRunner().invoke(app, ["start", "--config", "live.toml", "--max-cycles", "1"])
    assert done.exit_code == 0, done.output
    machine.trader.assert_books_equal_chain(State.read_json_file(machine.folder / "state.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("private_key = '0x12'", "no option private_key"),
        ("rpc = [", "is no TOML"),
        ("offset = 'soon'", "unable to parse string as a number"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live.toml").write_text(text)
    refused = CliRunner().invoke(app, ["start", "a.py", "b.json", "--chain", "c", "--config", "live.toml"])
    assert refused.exit_code == 2
    # The message stands in a box that is as wide as the terminal.
    assert message in " ".join(refused.output.replace("│", " ").split())


@contextlib.contextmanager
def run_served(machine: Machine, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A program that trades, after its first trade: the address of its API, and its process."""
    place, trader = machine.folder / "state.json", machine.trader
    words = ["start", str(machine.folder / "strategy.py"), str(place), "--new", "--decide-at-once", "--offset", "0"]
    words += ["--rpc", trader.chain.anvil.url, "--chain", str(machine.folder / "chain.json")]
    words += ["--http-enabled", "--http-port", "0", *options]
    program = [sys.executable, "-u", "-m", "tradeexecutor.cli.main", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(found[0] for line in process.stdout if (found := re.search(r"http://[\d.:]+", line)))
            # The end of the first decision, not its trade: a preview of a command is of the state of its moment.
            wait_for(lambda: read_json(f"{address}/v1/{read_id(address)}/state")["cycle"] > 1)
            yield address, process
        finally:
            process.kill()


def wait_for(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def read_id(address: str) -> str:
    (name,) = [item["id"] for item in read_json(f"{address}/v1/strategies")["strategies"]]
    return name


def stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.slow
def test_the_running_strategy_is_served(machine: Machine):
    with run_served(machine, "--min-gas-balance", "50") as (address, process):
        assert len(read_json(f"{address}/v1/{read_id(address)}/trades")["items"]) == 1
        status = read_json(f"{address}/status")
        assert status["executor_running"] is True
        assert 99 < status["hot_wallet_gas"] <= 100
        assert status["hot_wallet_gas_warning_level"] == 50
        assert status["hot_wallet_gas_warning_message"] is None
        stop(process)
    machine.trader.assert_books_equal_chain(State.read_json_file(machine.folder / "state.json"))


@pytest.mark.slow
def test_an_operator_sells_a_position_of_the_running_strategy(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    """The thread that trades does it, with its own wallet: no other one could send or save."""
    token = secrets.token_hex(16)
    monkeypatch.setenv("TRADEEXECUTOR_OPERATE_TOKEN", token)
    with run_served(machine, "--http-operate") as (address, process):
        url = f"{address}/v1/{read_id(address)}/operations"

        def tell(name: str, status: int = 200, **fields: Any) -> dict[str, Any]:
            head = {"Authorization": f"Bearer {token}"}
            answer = httpx.post(f"{url}/{name}", headers=head, json={"by": "Alice", **fields}, timeout=60)
            assert answer.status_code == status, answer.text
            return answer.json()

        assert httpx.post(f"{url}/close-position", json={"by": "Eve", "position_id": 1}).status_code == 401
        preview = tell("close-position", position_id=1, reason="the venue closes")
        (sale,) = preview["trades"]
        assert (sale["status"], sale["position_id"], preview["patch"]) == ("expected", 1, [])
        assert sale["price"] == pytest.approx(1980, rel=0.02)
        done = tell("close-position", position_id=1, reason="the venue closes", confirm=preview["confirm"])
        assert [trade["status"] for trade in done["trades"]] == ["success"]
        assert "/portfolio/closed_positions/1" in [item["path"] for item in done["patch"]]
        assert "closed already" in tell("close-position", 409, position_id=1)["detail"]
        assert tell("retry")["confirm"] is None, "nothing has failed"
        assert read_json(f"{address}/v1/{read_id(address)}/positions?status=closed")["total"] == 1
        stop(process)
    state = State.read_json_file(machine.folder / "state.json")
    (action,) = list_actions(state)
    assert (action["by"], action["action"]) == ("Alice", "close-position")
    assert action["details"] == {"reason": "the venue closes", "position_id": 1}
    assert not state.portfolio.open_positions
    machine.trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced


def read_json(url: str) -> Any:
    answer = httpx.get(url, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()
