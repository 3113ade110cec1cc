"""A strategy runs live on a chain, by a clock, through failures and restarts; and the command that starts it."""

import dataclasses
import datetime
import json
import secrets
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.ethereum.live_strategy import HOUR, Live
from tests.ethereum.trader import Trader
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.chain_file import ChainFileNotValid, read_chain_file
from tradeexecutor.ethereum.connection import ChainConnection, RetryPolicy, open_provider
from tradeexecutor.ethereum.errors import TransactionsUnconfirmed
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.operations.decision_schedule import CycleTrigger
from tradeexecutor.operations.live_loop import LiveStartRefused
from tradeexecutor.operations.operator_commands import change_running, is_paused, pause
from tradeexecutor.state.codec import kept_groups
from tradeexecutor.state.codec.packed_entries import Packed
from tradeexecutor.state.codec.packed_tables import get_entries
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.state.uptime import load_latest_live_cycle_end

pytestmark = pytest.mark.slow


def test_a_strategy_trades_at_every_tick(trader: Trader, make_live: Callable[..., Live]):
    live = make_live().prepare()
    state = live.loop.run()
    assert live.jobs == [("decision", None)] * 4
    trades = list(state.portfolio.get_all_trades())
    assert [trade.is_buy() for trade in trades] == [True, False, True, False]
    assert all(trade.is_success() for trade in trades)
    assert len(state.portfolio.closed_positions) == 2
    trader.assert_books_equal_chain(state)
    assert state.cycle == 5
    assert live.store.load().to_json() == state.to_json()
    assert [entry.calculated_at for entry in state.stats.portfolio] == sorted(
        entry.calculated_at for entry in state.stats.portfolio
    )


def test_closed_positions_of_a_long_run_are_packed_and_nothing_is_lost(
    trader: Trader, make_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kept_groups, "GROUP_SIZE", 2)
    first = make_live(in_database=True, max_cycles=16).prepare()
    state = first.loop.run()
    assert first.jobs == [("decision", None)] * 16
    closed = state.portfolio.closed_positions
    assert len(closed) == 8
    assert [type(entry) is Packed for entry in get_entries(closed)].count(True) >= 4
    assert Packed in map(type, get_entries(state.stats.portfolio))
    assert first.store.load().to_json() == state.to_json()
    trader.assert_books_equal_chain(state)
    first.store.close()
    again = make_live(in_database=True, max_cycles=4)
    again.now = first.now + HOUR
    later = again.loop.run()
    assert [*later.portfolio.closed_positions] == [*range(1, 11)]
    trader.assert_books_equal_chain(later)
    assert all(trade.is_success() for trade in later.portfolio.get_all_trades())
    assert again.store.load().to_json() == later.to_json()


def test_deposits_on_the_way_are_booked(trader: Trader, make_live: Callable[..., Live]):
    live = make_live(max_cycles=1).prepare()
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(500))
    state = live.loop.run()
    flows = [u.quantity for r in state.portfolio.reserves.values() for u in r.balance_updates.values()]
    assert flows == [10_000, 500]
    trader.assert_books_equal_chain(state)


def test_a_restart_goes_on_with_the_next_cycle_and_does_not_repeat_a_tick(
    trader: Trader, make_live: Callable[..., Live]
):
    first = make_live(max_cycles=1).prepare()
    first.loop.run()
    first.store.close()
    second = make_live(max_cycles=1)
    second.now = first.now
    state = second.loop.run()
    assert second.now - first.now == HOUR
    assert state.cycle == 3
    assert len(state.portfolio.closed_positions) == 1
    trader.assert_books_equal_chain(state)


def test_a_tick_that_was_decided_is_not_decided_at_once_again(make_live: Callable[..., Live]):
    first = make_live(max_cycles=1, decide_at_once=True).prepare()
    first.loop.run()
    first.store.close()
    second = make_live(max_cycles=1, decide_at_once=True)
    second.now = first.now + datetime.timedelta(minutes=5)
    second.loop.run()
    assert second.now == first.now + HOUR


def test_triggers_and_valuations_happen_in_between(trader: Trader, make_live: Callable[..., Live]):
    live = make_live(
        max_cycles=2,
        trigger_check=datetime.timedelta(minutes=20),
        valuation=datetime.timedelta(minutes=30),
    ).prepare()
    state = live.loop.run()
    assert [name for name, _ in live.jobs].count("triggers") == 2
    assert [name for name, _ in live.jobs].count("valuation") == 1
    assert state.uptime.stats_refresh_completed == 1
    assert all(error is None for _, error in live.jobs)


def test_a_stop_loss_is_executed_between_decisions(trader: Trader, make_live: Callable[..., Live]):
    live = make_live(stop_loss_pct=0.95, max_cycles=2, trigger_check=datetime.timedelta(minutes=20)).prepare()
    dropped = False

    def drop(seconds: float) -> None:
        nonlocal dropped
        if live.jobs and not dropped:
            dropped = True
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(1_800))
        Live.wait(live, seconds)

    live.loop.wait = drop
    state = live.loop.run()
    first = next(iter(state.portfolio.closed_positions.values()))
    assert [trade.is_stop_loss() for trade in first.trades.values()] == [False, True]
    trader.assert_books_equal_chain(state)


def test_old_candles_are_not_decided_by(make_live: Callable[..., Live], folder: Path):
    lines = (folder / "candles.csv").read_text().splitlines()
    (folder / "candles.csv").write_text("\n".join(lines[:6]))
    live = make_live(max_cycles=1, max_data_delay=2 * HOUR).prepare()
    state = live.loop.run()
    assert live.jobs == [("decision", "StaleMarketData")]
    assert not list(state.portfolio.get_all_trades())


#: A job takes more requests than this.
_REQUESTS_OF_A_JOB = 20


class Flaky:
    """A node that is away while the test says so."""

    endpoint_uri = "http://flaky"
    away = False
    fails_after: int | None = None

    def __init__(self, url: str):
        self._inner = open_provider(url)

    def make_request(self, method: str, params: Any) -> Any:
        if self.fails_after is not None:
            self.fails_after -= 1
            self.away = self.fails_after < 0
        if self.away:
            raise ConnectionError
        return self._inner.make_request(method, params)


@pytest.mark.parametrize("fails_after", range(24))
def test_a_node_that_is_away_for_a_while_costs_a_cycle_and_nothing_else(
    trader: Trader, make_live: Callable[..., Live], fails_after: int
):
    node = Flaky(trader.chain.anvil.url)
    connection = ChainConnection([node], 31337, confirmations=1, retry=RetryPolicy(rounds=1))
    live = make_live(connection).prepare()

    def leave_in_the_first_job() -> bool:
        if not live.jobs:
            node.fails_after = fails_after
        return False

    def come_back(name: str, error: Exception | None) -> None:
        live.jobs.append((name, error and type(error).__name__))
        node.away, node.fails_after = False, None

    live.loop.should_stop, live.loop.on_job = leave_in_the_first_job, come_back
    state = live.loop.run()
    state.check_if_clean()
    trader.assert_books_equal_chain(state)
    sent = [tx for trade in state.portfolio.get_all_trades() for tx in trade.blockchain_transactions]
    assert len(sent) == trader.connection.get_transaction_count(trader.wallet.address)
    if fails_after < _REQUESTS_OF_A_JOB:
        assert live.jobs[0][1] is not None
    assert [error for _, error in live.jobs[1:]] == [None] * 3


def test_an_open_outcome_ends_the_program_and_the_next_start_resolves_it(
    trader: Trader, make_live: Callable[..., Live]
):
    live = make_live(max_cycles=1).prepare()
    trader.chain.anvil.set_automine(on=False)
    with pytest.raises(TransactionsUnconfirmed):
        live.loop.run()
    live.store.close()
    trader.chain.anvil.mine()
    trader.chain.anvil.set_automine(on=True)
    again = make_live(max_cycles=1)
    again.now = live.now + HOUR
    state = again.loop.run()
    trader.assert_books_equal_chain(state)
    assert len(list(state.portfolio.get_all_trades())) == 2


def test_a_state_of_another_wallet_is_refused(trader: Trader, make_live: Callable[..., Live]):
    live = make_live().prepare()
    live.store.close()
    trader.wallet = trader.chain.create_wallet()
    with pytest.raises(LiveStartRefused, match="this wallet"):
        make_live().loop.start()


@pytest.mark.parametrize("hours", [1, 3, 30])
def test_no_tick_is_decided_twice_when_the_clock_goes_back(trader: Trader, make_live: Callable[..., Live], hours: int):
    live = make_live(max_cycles=2).prepare()
    ticks: list[datetime.datetime] = []
    live.loop.module = dataclasses.replace(
        live.loop.module, decide_trades=lambda input: ticks.append(input.timestamp) or []
    )

    def set_back(name: str, error: Exception | None) -> None:
        assert error is None
        if len(ticks) == 1:
            live.now -= hours * HOUR

    live.loop.on_job = set_back
    state = live.loop.run()
    assert ticks[1] == ticks[0] + HOUR
    assert state.cycle == 3


# --- What starts a decision


def test_a_decision_starts_one_cycle_after_the_end_of_the_latest(trader: Trader, make_live: Callable[..., Live]):
    live = make_live(max_cycles=3, trigger=CycleTrigger.since_last_cycle_end).prepare()
    live.now += datetime.timedelta(minutes=17, seconds=5)
    first, took = live.now, datetime.timedelta(minutes=3)
    ticks: list[datetime.datetime] = []

    def decide(strategy_input: Any) -> list[Any]:
        ticks.append(strategy_input.timestamp)
        live.now += took
        return []

    live.loop.module = dataclasses.replace(live.loop.module, decide_trades=decide)
    live.loop.run()
    assert ticks == [first, first + HOUR + took, first + 2 * (HOUR + took)]


def test_a_restart_goes_on_one_cycle_after_the_end_of_the_latest_decision(make_live: Callable[..., Live]):
    first = make_live(max_cycles=1, trigger=CycleTrigger.since_last_cycle_end).prepare()
    state = first.loop.run()
    first.store.close()
    ended = load_latest_live_cycle_end(state)
    assert ended is not None
    second = make_live(max_cycles=1, trigger=CycleTrigger.since_last_cycle_end)
    second.now = ended + datetime.timedelta(minutes=5)
    state = second.loop.run()
    assert state.last_cycle_at == (ended + HOUR).replace(microsecond=0)
    assert second.now >= ended + HOUR


def cut_candles(folder: Path, until: datetime.datetime) -> str:
    """Leave only the candles that have ended at a time; returns the whole text."""
    path = folder / "candles.csv"
    whole = path.read_text()
    heading, *rows = whole.splitlines()
    kept = [row for row in rows if datetime.datetime.fromisoformat(row.split(",")[0]) + HOUR <= until]
    path.write_text("\n".join([heading, *kept]))
    return whole


def test_a_decision_starts_when_the_candles_are_there(make_live: Callable[..., Live], folder: Path):
    trigger = CycleTrigger.trading_pair_data_availability
    live = make_live(
        max_cycles=1, trigger=trigger, offset=HOUR / 2, trigger_check=datetime.timedelta(minutes=2)
    ).prepare()
    tick = live.now
    whole = cut_candles(folder, tick - HOUR)

    def arrive(name: str, error: Exception | None) -> None:
        live.jobs.append((name, None))
        if len(live.jobs) == 3:
            (folder / "candles.csv").write_text(whole)

    live.loop.on_job = arrive
    state = live.loop.run()
    assert [name for name, _ in live.jobs] == ["triggers"] * 3 + ["decision"], "other jobs go on meanwhile"
    assert state.last_cycle_at == tick
    assert datetime.timedelta(minutes=6) <= live.now - tick < datetime.timedelta(minutes=7)


def test_a_decision_is_given_up_when_the_candles_do_not_come(make_live: Callable[..., Live], folder: Path):
    live = make_live(max_cycles=2, trigger=CycleTrigger.trading_pair_data_availability).prepare()
    tick = live.now
    whole = cut_candles(folder, tick - HOUR)

    def arrive(name: str, error: Exception | None) -> None:
        live.jobs.append((name, error and str(error)))
        assert len(live.jobs) > 1 or live.now - tick == datetime.timedelta(minutes=30)
        (folder / "candles.csv").write_text(whole)

    live.loop.on_job = arrive
    state = live.loop.run()
    assert live.jobs == [("decision", f"WETH-USDC has no candles up to {tick} after 0:30:00"), ("decision", None)]
    assert state.last_cycle_at == tick + HOUR


def test_a_decision_of_a_tick_that_is_made_does_nothing(make_live: Callable[..., Live]):
    live = make_live().prepare()
    state = live.loop.start()
    live.loop.decide()
    before = state.to_json()
    live.now -= 5 * HOUR
    live.loop.decide()
    assert state.to_json() == before


def test_stop_losses_are_checked_while_the_clock_is_behind(trader: Trader, make_live: Callable[..., Live]):
    live = make_live(stop_loss_pct=0.95, max_cycles=2, trigger_check=datetime.timedelta(minutes=20)).prepare()
    since = live.now

    def set_back(name: str, error: Exception | None) -> None:
        live.jobs.append((name, None))
        if len(live.jobs) == 1:
            live.now -= 5 * HOUR
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(1_800))
        elif len(live.jobs) == 2:
            assert name == "triggers"
            assert live.now < since, "the clock has not caught up"

    live.loop.on_job = set_back
    state = live.loop.run()
    first = next(iter(state.portfolio.closed_positions.values()))
    assert [trade.is_stop_loss() for trade in first.trades.values()] == [False, True]
    trader.assert_books_equal_chain(state)


# --- The command


def test_the_command_makes_a_state_trades_and_stops(trader: Trader, folder: Path, monkeypatch: pytest.MonkeyPatch):
    key = secrets.token_hex(32)
    trader.wallet = HotWallet.from_key(key)
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**20)
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
    monkeypatch.setenv("PRIVATE_KEY", key)
    monkeypatch.setenv("JSON_RPC", trader.chain.anvil.url)
    command = ["start", str(folder / "strategy.py"), str(folder / "live.json"), "--chain", str(folder / "chain.json")]
    once = ["--decide-at-once", "--max-cycles", "1", "--offset", "0"]
    refused = CliRunner().invoke(app, [*command, *once])
    assert refused.exit_code == 1
    assert "--new" in refused.output
    done = CliRunner().invoke(app, [*command, *once, "--new"])
    assert done.exit_code == 0, done.output
    assert "decision done" in done.output
    state = State.read_json_file(folder / "live.json")
    assert [trade.is_success() for trade in state.portfolio.get_all_trades()] == [True]
    trader.assert_books_equal_chain(state)
    assert key not in done.output + (folder / "live.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chain_id": "one"}, "chain_id must be of type int"),
        ({"reserve": {"symbol": "USDC", "address": "0x12", "decimals": 6}}, "is no address"),
        ({"pairs": []}, "pairs is empty"),
        ({"venues": [{"kind": "sushi"}]}, "venues[0]: kind must be one of"),
        ({"confirmations": 0}, "at least 1"),
    ],
)
def test_a_file_that_cannot_be_understood_says_where(folder: Path, change: dict[str, Any], message: str):
    path = folder / "chain.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ChainFileNotValid) as raised:
        read_chain_file(path)
    assert message in str(raised.value)


def test_a_paused_strategy_makes_no_decision(make_live: Callable[..., Live]):
    live = make_live(max_cycles=2).prepare()
    commands = live.loop.commands
    shown = commands.submit(change_running(lambda state, now: pause(state, now, "Alice"), preview=True))
    done = commands.submit(change_running(lambda state, now: pause(state, now, "Alice"), preview=False))
    refused = commands.submit(change_running(lambda state, now: pause(state, now, "Bob"), preview=False))
    state = live.loop.run()
    assert [op["path"] for op in shown.result(0).patch] == [op["path"] for op in done.result(0).patch]
    assert isinstance(refused.exception(0), OperationRefused)
    assert [name for name, _ in live.jobs] == ["decision", "decision"]
    assert list(state.portfolio.get_all_trades()) == []
    assert is_paused(live.store.load())
