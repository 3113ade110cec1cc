"""Commands that ask the chain, on a state that traded there."""

import datetime
import json
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import read_chain_file
from tradeexecutor.ethereum.errors import TransactionsUnconfirmed
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.live import make_live_models
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.live_trading import LiveBooks
from tradeexecutor.operations.operator_commands import CommandQueue, list_actions
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.operating import CommandAnswer, CommandRequest, carry_out
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.sources import Strategy


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
def owned(trader: Trader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """The same for a wallet whose key is in the environment, as an operator has it."""
    key = secrets.token_hex(32)
    monkeypatch.setenv("PRIVATE_KEY", key)
    trader.wallet = HotWallet.from_key(key)
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**20)
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
    return Files(trader, tmp_path)


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


# --- Trades


def count_sent(files: Files) -> int:
    return files.trader.connection.get_transaction_count(files.trader.wallet.address)


def test_a_position_is_sold_on_the_chain(owned: Files):
    done = owned.run("close-position", "--position-id", "1", "--yes")
    assert done.exit_code == 0, done.output
    state = owned.load()
    assert state.portfolio.closed_positions[1].is_closed()
    assert owned.trader.chain.get_balance(owned.trader.market.weth, owned.trader.wallet.address) == 0
    owned.trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced


def test_a_dry_run_and_a_no_send_nothing(owned: Files):
    before, sent = owned.path.read_bytes(), count_sent(owned)
    shown = owned.run("close-all", "--dry-run")
    assert shown.exit_code == 0
    assert "#1 WETH-USDC" in shown.output
    refused = owned.run("close-all")  # nobody is there to say yes
    assert refused.exit_code == 1
    assert "Nothing was sent" in refused.output
    assert (owned.path.read_bytes(), count_sent(owned)) == (before, sent)


def test_all_positions_are_sold(owned: Files):
    done = owned.run("close-all", "--yes", "--json")
    assert done.exit_code == 0, done.output
    (trade,) = json.loads(done.stdout)["trades"]
    assert trade["status"] == "success"
    owned.trader.assert_books_equal_chain(owned.load())
    assert "no position" in owned.run("close-all", "--yes").output


def test_a_running_strategy_and_the_key_of_somebody_else_are_refused(owned: Files, monkeypatch: pytest.MonkeyPatch):
    sent = count_sent(owned)
    with JSONFileStore(owned.path) as store:
        store.acquire_writer_lock()
        assert owned.run("close-all", "--yes").exit_code == 1
    monkeypatch.setenv("PRIVATE_KEY", secrets.token_hex(32))
    refused = owned.run("close-all", "--yes")
    assert refused.exit_code == 1
    assert "belongs to the wallet" in refused.output
    assert count_sent(owned) == sent


@pytest.mark.parametrize("is_holding", [False, True])
def test_a_test_trade_buys_and_sells(owned: Files, is_holding: bool):
    if not is_holding:
        owned.run("close-all", "--yes")
    before = owned.load()
    done = owned.run("perform-test-trade", "--amount", "5", "--yes")
    assert done.exit_code == 0, done.output
    state = owned.load()
    trades = list(state.portfolio.get_all_trades())
    assert [trade.is_buy() for trade in trades[-2:]] == [True, False]
    assert len(trades) == len(list(before.portfolio.get_all_trades())) + 2
    assert all(trade.is_test() for trade in sorted(trades, key=lambda t: t.trade_id)[-2:])
    assert len(list(state.portfolio.get_open_positions())) == is_holding
    owned.trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced


def test_a_test_trade_of_more_than_there_is_or_of_another_pair_is_refused(owned: Files):
    before, sent = owned.path.read_bytes(), count_sent(owned)
    assert owned.run("perform-test-trade", "--amount", "1000000", "--yes").exit_code == 1
    assert "It has: WETH-USDC" in owned.run("perform-test-trade", "--pair", "DOGE-USDC", "--yes").output
    assert (owned.path.read_bytes(), count_sent(owned)) == (before, sent)


def test_a_trade_that_is_too_expensive_to_send_leaves_no_plan_behind(owned: Files):
    sent = count_sent(owned)
    refused = owned.run("close-all", "--yes", "--max-gas-price", "0.000001")
    assert refused.exit_code == 1
    assert count_sent(owned) == sent
    assert owned.run("close-all", "--yes").exit_code == 0


def test_a_failed_trade_is_sent_again(owned: Files):
    trader = owned.trader
    trade = trader.plan_sell(trader.state.portfolio.open_positions[1].get_quantity())
    trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(1_000))
    trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_failed()
    owned.save()
    assert owned.run("retry", "--trade", "77", "--yes").exit_code == 1
    again = owned.run("retry", "--yes")
    assert again.exit_code == 1, "the price is still outside the tolerance"
    trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_000))
    done = owned.run("retry", "--yes")
    assert done.exit_code == 0, done.output
    state = owned.load()
    assert not state.portfolio.frozen_positions
    trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced


# --- Commands to the thread of a running strategy


class Running:
    """A strategy that runs with an open store, and serves its state."""

    def __init__(self, files: Files, store: JSONFileStore):
        trader = files.trader
        settings = read_chain_file(files.chain)
        models = make_live_models(settings, trader.connection, trader.wallet, store.sync)
        self.state = store.load()
        self.queue = CommandQueue()
        self.served = Strategy("live", store.path, store, is_live=True)
        self.books = LiveBooks(self.state, models, store.sync)

    def tell(self, name: str, **fields: Any) -> CommandAnswer:
        """Ask in another thread, while this one is the loop of the strategy."""
        with ThreadPoolExecutor(1) as web:
            request = CommandRequest(by="Alice", **fields)
            answer = web.submit(carry_out, self.served, self.queue, name, request)
            while not answer.done():
                self.queue.run_all(self.books)
                time.sleep(0.005)
            return answer.result()


def test_a_running_strategy_retries_and_sells_by_command(owned: Files):
    trader = owned.trader
    trade = trader.plan_sell(trader.state.portfolio.open_positions[1].get_quantity())
    trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(1_000))
    trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_failed()
    owned.save()
    with JSONFileStore(owned.path) as store:
        running = Running(owned, store)
        sent = count_sent(owned)
        preview = running.tell("retry")
        assert [item.status for item in preview.trades] == ["failed"]
        assert count_sent(owned) == sent
        again = running.tell("retry", confirm=preview.confirm)
        assert again.is_done
        assert again.trades[0].failure, "the price is still outside the tolerance"
        with pytest.raises(ProblemRaised, match="changed since the preview"):
            running.tell("retry", confirm=preview.confirm)
        with pytest.raises(OperationRefused):
            running.tell("retry", trade_ids=[77])
        execution: Any = running.books.models.execution
        venues, execution.venues = execution.venues, []
        with pytest.raises(OperationRefused, match=r"no trade can be tried again: trade #\d+: "):
            running.tell("retry")
        execution.venues = venues
        trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_000))
        done = running.tell("retry", confirm=running.tell("retry").confirm)
        assert [item.status for item in done.trades] == ["success"]
        assert not running.state.portfolio.frozen_positions
    state = owned.load()
    assert [(action["by"], action["action"]) for action in list_actions(state)] == [("Alice", "retry")] * 2
    trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced


def test_a_write_off_by_command_sends_nothing(owned: Files):
    with JSONFileStore(owned.path) as store:
        running = Running(owned, store)
        sent = count_sent(owned)
        fields: dict[str, Any] = {"position_id": 1, "write_off": True}
        preview = running.tell("close-position", **fields)
        assert preview.patch
        assert running.tell("close-position", confirm=preview.confirm, **fields).is_done
        assert count_sent(owned) == sent
    assert owned.load().portfolio.closed_positions[1].is_closed()


# --- Triggers, repairs, and the first state


def test_a_stop_loss_is_checked_once_shown_and_saved(owned: Files):
    trader = owned.trader
    write_candles(owned)
    state = owned.load()
    (position,) = state.portfolio.get_open_positions()
    position.stop_loss = 1_900.0
    trader.state = state
    owned.save()
    assert "no trigger" in owned.run("check-position-triggers", "--yes").output
    trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(1_800))
    before = owned.path.read_bytes()
    shown = owned.run("check-position-triggers", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "stop_loss" in shown.output
    assert owned.path.read_bytes() == before
    done = owned.run("check-position-triggers", "--yes")
    assert done.exit_code == 0, done.output
    state = owned.load()
    (closed,) = state.portfolio.closed_positions.values()
    assert [trade.is_stop_loss() for trade in closed.trades.values()] == [False, True]
    trader.assert_books_equal_chain(state)


def write_candles(files: Files) -> None:
    start = files.trader.chain.now.replace(minute=0, second=0, microsecond=0) - datetime.timedelta(hours=10)
    rows = [f"{(start + datetime.timedelta(hours=hour)).isoformat()},2000,2010,1990,2000,5" for hour in range(9)]
    (files.path.parent / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))


@pytest.mark.parametrize("dropped", [False, True])
def test_a_repair_finds_the_outcome_of_a_trade_on_the_chain(owned: Files, dropped: bool):
    trader = owned.trader
    trade = trader.plan_buy(Decimal(500))
    trader.chain.anvil.set_automine(on=False)
    execution = trader.make_execution(wait_rules=WaitRules(timeout=0.1, poll=0.01))
    with pytest.raises(TransactionsUnconfirmed):
        execution.execute_trades(trader.chain.now, trader.state, [trade])
    owned.save()
    if dropped:
        trader.chain.anvil.rpc("anvil_dropAllTransactions")
    else:
        trader.chain.anvil.mine()
    trader.chain.anvil.set_automine(on=True)
    refused = owned.run("repair", "--dry-run")
    assert refused.exit_code == 2
    done = owned.run("repair", "--yes")
    assert done.exit_code == 0, done.output
    assert "success" in done.output
    state = owned.load()
    state.check_if_clean()
    trader.assert_books_equal_chain(state)
    assert len(list(state.portfolio.get_all_trades())) == 2
    assert "No trade was under way" in owned.run("repair", "--yes").output


def test_a_state_is_made_from_the_balance_of_a_wallet(files: Files):
    files.path.unlink()
    for save in files.path.parent.glob("state.json.*"):
        shutil.rmtree(save) if save.is_dir() else save.unlink()
    wallet = files.trader.wallet.address
    done = files.run("init", "--name", "Live", "--wallet", wallet)
    assert done.exit_code == 0, done.output
    state = files.load()
    assert state.sync.deployment.address == wallet
    on_chain = files.trader.chain.get_balance(files.trader.usdc, wallet)
    assert state.portfolio.get_default_reserve_position().quantity == on_chain
    assert prove(state).is_balanced
    assert files.run("init", "--name", "Live", "--wallet", wallet).exit_code == 1
    assert files.run("init", "--name", "Live", "--deposit", "5").exit_code == 2
