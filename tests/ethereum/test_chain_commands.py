"""Commands that ask the chain, on a state that traded there."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


def write_chain_file(trader: Trader, folder: Path) -> Path:
    """Write what `start` needs to know about the market of a trader."""
    market, pair = trader.market, trader.market.pair
    content = {
        "chain_id": 31337,
        "confirmations": 1,
        "reserve": {"symbol": "USDC", "address": market.usdc.address, "decimals": 6},
        "venues": [{"kind": "uniswap_v2", "factory": market.exchange.factory, "router": market.exchange.router}],
        "pairs": [
            {
                "symbol": "WETH",
                "address": market.weth.address,
                "decimals": 18,
                "pool": pair.pool_address,
                "factory": market.exchange.factory,
                "fee": 0.003,
                "candles": "candles.csv",
            }
        ],
    }
    path = folder / "chain.json"
    path.write_text(json.dumps(content))
    return path


class Files:
    """A state with an open position on file, and commands on it."""

    def __init__(self, trader: Trader, folder: Path):
        self.trader = trader
        self.chain = write_chain_file(trader, folder)
        self.path = folder / "state.json"
        trader.state = State(created_at=trader.chain.now, name="live")
        EthereumSync(trader.connection, trader.wallet).sync_initial(trader.state, reserve_assets=[trader.usdc])
        trader.make_execution().execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(1_000))])
        self.save()

    def save(self) -> None:
        with JSONFileStore(self.path) as store:
            store.sync(self.trader.state)

    def run(self, command: str, *options: str) -> Result:
        chain = ["--chain", str(self.chain), "--rpc", self.trader.chain.anvil.url]
        return CliRunner().invoke(app, [command, str(self.path), *chain, *options])

    def load(self) -> State:
        return State.read_json_file(self.path)


@pytest.fixture
def files(trader: Trader, tmp_path: Path) -> Files:
    return Files(trader, tmp_path)


# --- Balances


def test_the_accounts_of_a_state_are_those_of_its_wallet(files: Files):
    before = files.path.read_bytes()
    done = files.run("check-accounts", "--json")
    assert done.exit_code == 0, done.output
    checks = {check["symbol"]: check for check in json.loads(done.stdout)["checks"]}
    for asset in (files.trader.usdc, files.trader.market.weth):
        on_chain = files.trader.chain.get_balance(asset, files.trader.wallet.address)
        assert Decimal(checks[asset.token_symbol]["actual"]) == on_chain
    assert files.path.read_bytes() == before


def test_tokens_that_left_the_wallet_are_missed_and_can_be_booked(files: Files):
    trader = files.trader
    trader.chain.impersonate(trader.wallet.address)
    trader.chain.transfer(trader.market.weth, trader.chain.owner, Decimal("0.1"), sender=trader.wallet.address)
    found = files.run("check-accounts")
    assert found.exit_code == 1
    assert "correct-accounts" in found.output
    corrected = files.run("correct-accounts", "--yes")
    assert corrected.exit_code == 0, corrected.output
    state = files.load()
    trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced
    assert files.run("check-accounts").exit_code == 0


def test_a_state_without_a_wallet_is_refused(files: Files):
    files.trader.state = State(name="paper")
    files.save()
    refused = files.run("check-accounts")
    assert refused.exit_code == 1
    assert "no wallet on chain 31337" in refused.output


def test_one_source_of_balances_is_needed(files: Files):
    assert CliRunner().invoke(app, ["check-accounts", str(files.path)]).exit_code == 2
    assert files.run("check-accounts", "--balances", "balances.csv").exit_code == 2
    alone = CliRunner().invoke(app, ["check-accounts", str(files.path), "--chain", str(files.chain)])
    assert alone.exit_code == 2
    assert "JSON_RPC" in alone.output


# --- Deposits and redemptions


def test_deposits_are_read_from_the_chain_without_the_key(files: Files, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PRIVATE_KEY", raising=False)
    trader = files.trader
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(500))
    before = files.path.read_bytes()
    preview = files.run("sync-treasury", "--dry-run")
    assert preview.exit_code == 0, preview.output
    assert "1 new events" in preview.output
    assert files.path.read_bytes() == before
    assert files.run("sync-treasury", "--yes").exit_code == 0
    state = files.load()
    trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced
    again = files.run("sync-treasury", "--yes")
    assert "0 new events" in again.output
    trader.assert_books_equal_chain(files.load())


def test_one_source_of_deposits_is_needed(files: Files):
    assert CliRunner().invoke(app, ["sync-treasury", str(files.path)]).exit_code == 2
    assert files.run("sync-treasury", "--events", "events.csv").exit_code == 2
