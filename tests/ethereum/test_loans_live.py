"""Shorts, lending and vaults that settle later, live: from the settings file through `PositionManager` to the chain.

After each decision the books are those of the chain, also when the program is killed at any save in between.
"""

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ethereum.live_strategy import HOUR, Live
from tests.ethereum.trader import Trader
from tests.kit.soak import SOAK
from tradeexecutor.ethereum.abi import parse_fragment
from tradeexecutor.ethereum.chain_file import ChainFileNotValid, read_chain_file
from tradeexecutor.ethereum.devchain.aave import AaveMarket, AaveReserve, deploy_aave, provide_liquidity
from tradeexecutor.ethereum.errors import WrongChain
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.operations.chain_balances import fetch_state_balances
from tradeexecutor.operations.check_accounts import check_state_accounts
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus

D = Decimal
SETTLE = parse_fragment("settle(address)")

HEAD = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.02


def decide_trades(input):
    manager, universe = input.get_position_manager(), input.strategy_universe
    portfolio = input.state.portfolio
    position = next(iter(portfolio.get_open_positions()), None)
    trades = list(portfolio.get_all_trades())
    if any(trade.get_status().value == "vault_settlement_pending" for trade in trades):
        return []
    match sum(trade.is_success() for trade in trades):
"""

SHORT = """\
        case 0:
            return manager.open_short(universe.get_pair_by_ticker("WETH-USDC"), 1_000, leverage=1.5)
        case 1:
            return manager.adjust_short(position, 1_500)
        case 2:
            return manager.adjust_short(position, 700)
    return manager.close_short(position) if position else []
"""

COVER = """\
        case 0:
            trades = manager.open_short(universe.get_pair_by_ticker("WETH-USDC"), 1_000, leverage=1.0)
            short = portfolio.open_positions[trades[0].position_id]
            return [*trades, *manager.limit_cover(short, 1_900, abs(trades[0].planned_quantity) * 2 / 5)]
        case 1:
            return []
    return manager.close_short(position) if position else []
"""

CREDIT = """\
        case 0:
            return manager.open_credit_supply_position_for_reserves(4_000)
        case 1:
            return manager.adjust_credit_supply_position(position, delta=1_000)
        case 2:
            return manager.adjust_credit_supply_position(position, delta=-2_000)
    return manager.close_credit_supply_position(position) if position else []
"""

VAULT = """\
        case 0:
            return manager.open_spot(universe.get_pair_by_ticker("slowUSDC-USDC"), 2_000)
        case 1:
            return manager.adjust_position(position.pair, 1_000, None, 0.3)
        case 2:
            return manager.adjust_position(position.pair, -500, None, 0.1)
    return manager.close_position(position) if position else []
"""


class Book:
    """A folder with settings, candles and a strategy, and what the chain has."""

    def __init__(self, trader: Trader, folder: Path, make_live: Callable[..., Live]):
        self.trader, self.folder, self.make_live = trader, folder, make_live
        self.chain = trader.chain
        self.tokens: list[AssetIdentifier] = []
        self.settle: Callable[[], None] = lambda: None
        self.now: datetime.datetime | None = None

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / "chain.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def write(self, strategy: str) -> None:
        (self.folder / "strategy.py").write_text(HEAD + strategy)

    def start(self) -> Live:
        live = self.make_live(max_cycles=10)
        if self.now is None:
            live.prepare()
        else:
            live.now = self.now
        return live

    def assert_books_equal_chain(self, state: State) -> None:
        wallet, usdc = self.trader.wallet.address, self.trader.usdc
        assert state.portfolio.get_reserve_position(usdc).quantity == self.chain.get_balance(usdc, wallet)
        assert self.chain.get_balance(self.trader.market.weth, wallet) == 0
        positions = state.portfolio.get_open_and_frozen_positions()
        held = {asset: amount for position in positions for asset, amount in position.get_held_assets()}
        for token in self.tokens:
            # Balances of the pool grow with every block.
            balance = self.chain.get_balance(token, wallet)
            assert held.get(token, D(0)) == pytest.approx(balance, rel=D("1e-6"), abs=D("1e-9"))
        assert not prove(state).get_findings(Verdict.mismatch)
        live = read_chain_file(self.folder / "chain.json")
        balances = fetch_state_balances(state, live, self.trader.connection)
        assert check_state_accounts(state, balances).is_clean

    def run(self, live: Live) -> State:
        """Run until the strategy has closed its position; the books are checked after each decision."""

        def check(name: str, error: Exception | None) -> None:
            live.jobs.append((name, error and str(error)))
            assert error is None, error
            self.assert_books_equal_chain(self.load())
            self.settle()

        live.loop.on_job = check
        return live.loop.run()

    def load(self) -> State:
        return State.read_json_file(self.folder / "state.json")


@pytest.fixture
def book(trader: Trader, folder: Path, make_live: Callable[..., Live]) -> Book:
    return Book(trader, folder, make_live)


@pytest.fixture
def pool(book: Book) -> AaveMarket:
    usdc, weth = book.trader.usdc, book.trader.market.weth
    market = deploy_aave(book.chain, [AaveReserve(usdc, 1), AaveReserve(weth, 2_000)])
    provide_liquidity(book.chain, market, weth, 100, 0)
    provide_liquidity(book.chain, market, usdc, 100_000, 60_000)
    a_token, v_token = market.a_tokens["USDC"], market.v_tokens["WETH"]
    book.tokens = [a_token, v_token]

    def describe(token: AssetIdentifier) -> dict[str, Any]:
        return {"symbol": token.token_symbol, "address": token.address, "decimals": token.decimals}

    def add(content: dict[str, Any]) -> None:
        content["lending"] = {
            "kind": "aave_v3",
            "pool": market.pool,
            "liquidation_threshold": a_token.liquidation_threshold,
            "collateral": describe(a_token),
        }
        content["pairs"][0]["debt"] = describe(v_token)

    book.edit(add)
    return market


@pytest.fixture
def vault(book: Book) -> AssetIdentifier:
    pair = book.chain.deploy_vault(book.trader.usdc, "slowUSDC", is_async=True)
    share = pair.base
    book.tokens = [share]

    def add(content: dict[str, Any]) -> None:
        entry = {"kind": "async_vault", "symbol": "slowUSDC", "address": share.address, "decimals": share.decimals}
        content["pairs"].append({**entry, "candles": "vault.csv"})

    book.edit(add)
    rows = (book.folder / "candles.csv").read_text().replace("2000,2010,1990,2000", "1,1,1,1")
    (book.folder / "vault.csv").write_text(rows)
    decisions = 0

    def settle() -> None:
        """After every second decision, so that there are decisions while a request waits."""
        nonlocal decisions
        decisions += 1
        if not decisions % 2:
            book.chain.send(share.address, SETTLE, book.trader.wallet.address)

    book.settle = settle
    return share


def assert_closed(state: State, trades: int) -> None:
    assert not list(state.portfolio.get_open_and_frozen_positions())
    assert [trade.get_status() for trade in state.portfolio.get_all_trades()] == [TradeStatus.success] * trades


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [SHORT, CREDIT], ids=["short", "credit"])
def test_loans_are_opened_changed_and_closed(book: Book, pool: AaveMarket, strategy: str):
    book.write(strategy)
    state = book.run(book.start())
    assert_closed(state, 4)
    assert state.portfolio.get_cash() == pytest.approx(10_000, rel=0.005)
    book.assert_books_equal_chain(state)
    for token in book.tokens:
        assert book.chain.get_balance(token, book.trader.wallet.address) == 0


@pytest.mark.slow
def test_an_order_closes_a_part_of_a_short_when_its_price_comes(book: Book, pool: AaveMarket):
    book.write(COVER)
    live = book.make_live(max_cycles=4, trigger_check=datetime.timedelta(minutes=20)).prepare()
    owed: list[Decimal] = []

    def look_and_fall() -> None:
        owed.extend(-position.get_quantity() for position in book.load().portfolio.get_open_positions())
        if len(live.jobs) == 2:
            book.chain.set_v2_price(book.trader.market.exchange, book.trader.market.pair, D(1_850))

    book.settle = look_and_fall
    state = book.run(live)
    assert_closed(state, 3)
    opened, covered, _ = state.portfolio.get_all_trades()
    whole, part = abs(opened.executed_quantity or 0), covered.executed_quantity or D(0)
    assert float(part / whole) == pytest.approx(0.4, rel=1e-6)
    assert covered.is_take_profit()
    assert covered.activated_trigger is not None
    assert 1_850 < (covered.executed_price or 0) < 1_900
    # Two fifths of what the short was worth by then come back: 1000, and 150 for each of 0.5 ETH.
    assert float(covered.executed_collateral_allocation or 0) == pytest.approx(-430, rel=0.01)
    # It waits while its price has not come, and leaves the rest to the last decision.
    shares = [float(quantity / whole) for quantity in owed]
    assert sorted({round(share, 2) for share in shares}) == [0.6, 1.0]
    assert state.portfolio.get_cash() == pytest.approx(10_000 + 0.5 * 150, rel=0.002)


@pytest.mark.slow
def test_a_vault_that_settles_later_is_entered_changed_and_left(book: Book, vault: AssetIdentifier):
    book.write(VAULT)
    state = book.run(book.start())
    assert_closed(state, 4)
    book.assert_books_equal_chain(state)
    assert book.chain.get_balance(vault, book.trader.wallet.address) == 0


# --- Killed in between


class Killed(BaseException):
    """The process ends here."""


def run_killed(book: Book, kill_at: int) -> State:
    """Run with the process killed at a save, and started again on what is on file; the books are checked after that."""
    first = book.start()
    sync, left = first.store.sync, kill_at

    def save(state: State, validate: bool = True) -> None:
        nonlocal left
        sync(state, validate)
        left -= 1
        if left == -1:
            raise Killed

    # The store of the loop and the one that execution saves with are the same object.
    first.store.sync = save
    first.execution.broadcaster.save = save
    try:
        state = book.run(first)
    except Killed:
        first.store.close()
        book.now = first.now + HOUR
        state = book.run(book.start())
    return state


#: Saves at which a loan is killed. An ordinary run tries some of each kind.
LOAN_KILLS = [
    *[pytest.param(SHORT, kill_at, id=f"short-{kill_at}") for kill_at in range(2, 34, 16 if SOAK == 1 else 1)],
    *[
        pytest.param(CREDIT, kill_at, id=f"credit-{kill_at}")
        for kill_at in range(10 if SOAK == 1 else 2, 34, 16 if SOAK == 1 else 1)
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "kill_at"), LOAN_KILLS)
def test_a_loan_survives_a_kill_at_any_save(book: Book, pool: AaveMarket, strategy: str, kill_at: int):
    book.write(strategy)
    assert_nothing_is_lost(book, run_killed(book, kill_at))


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", range(2, 40, 11 if SOAK == 1 else 1))
def test_requests_survive_a_kill_at_any_save(book: Book, vault: AssetIdentifier, kill_at: int):
    book.write(VAULT)
    assert_nothing_is_lost(book, run_killed(book, kill_at))


def assert_nothing_is_lost(book: Book, state: State) -> None:
    book.assert_books_equal_chain(state)
    assert not list(state.portfolio.get_open_and_frozen_positions())
    assert all(
        trade.get_status() in (TradeStatus.success, TradeStatus.expired) for trade in state.portfolio.get_all_trades()
    )
    sent = [tx for trade in state.portfolio.get_all_trades() for tx in trade.blockchain_transactions]
    assert len(sent) == book.trader.connection.get_transaction_count(book.trader.wallet.address)


# --- The settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "compound"}, "kind must be aave_v3"),
        ({"liquidation_threshold": 85.0}, "between 0 and 1"),
        ({"pool": "0x12"}, "is no address"),
        ({"collateral": 7}, "collateral must be of type dict"),
    ],
)
def test_lending_that_cannot_be_understood_says_where(
    book: Book, pool: AaveMarket, change: dict[str, Any], message: str
):
    book.edit(lambda content: content["lending"].update(change))
    with pytest.raises(ChainFileNotValid, match=message):
        read_chain_file(book.folder / "chain.json")


def test_lending_that_is_not_that_of_the_chain_is_refused(book: Book, pool: AaveMarket):
    debt = json.loads((book.folder / "chain.json").read_text())["pairs"][0]["debt"]
    book.edit(lambda content: content["lending"].update(liquidation_threshold=0.99))
    with pytest.raises(WrongChain, match=r"liquidates .* at 0\.\d+, the settings say 0\.99"):
        book.make_live()
    book.edit(lambda content: content["lending"].update(liquidation_threshold=0.5))
    book.edit(lambda content: content["pairs"][0].update(debt={**debt, "address": pool.a_tokens["WETH"].address}))
    with pytest.raises(WrongChain, match=r"has .* for"):
        book.make_live()
