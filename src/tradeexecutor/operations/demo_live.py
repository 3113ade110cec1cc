"""Live trading from beginning to end, on a chain of this machine.

A pool on the chain is moved along recorded prices while a strategy trades with it, in a process of its own. In the
middle money arrives and leaves, a reorganisation of the chain removes a deposit that was already booked, and the
process is killed while its transaction waits for a block. Afterwards a backtest of the same prices, deposits and
redemptions shows what the strategy should have done.
"""

import datetime
import json
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO

from tradeexecutor.backtest.backtest_runner import BacktestOptions, load_market_data, run_backtest
from tradeexecutor.ethereum.chain_file import read_chain_file
from tradeexecutor.ethereum.connection import Receipt
from tradeexecutor.ethereum.devchain.chain import DevChain, UniswapV2
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.operations.demo_live_program import DECIDE, TRIGGERS, Report
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.strategy_module import read_strategy_module

__all__ = ["DemoFailed", "LiveDemo", "open_live_demo"]

_DATASET = "goog-daily"

#: Decisions are made on the days of this period; earlier candles are there for the indicators.
_START, _END = datetime.datetime(2006, 4, 3), datetime.datetime(2006, 10, 7)

#: Days from which an event may happen. The deposit and the redemption wait for a day without a position, because the
#: strategy invests a share of its cash; the crash waits for a day with a transaction.
_DEPOSIT_FROM = datetime.datetime(2006, 5, 22)
_CRASH_FROM = datetime.datetime(2006, 7, 3)
_REDEMPTION_FROM = datetime.datetime(2006, 8, 14)

_OPENING_BALANCE, _DEPOSIT, _REDEMPTION = Decimal(10_000), Decimal(2_500), Decimal(1_000)

#: Base tokens in the pool: so many that the trades of the strategy hardly move the price.
_LIQUIDITY = Decimal(1_000_000)

_CONFIRMATIONS = 3

#: Native tokens of the wallet, wei.
_GAS = 10**20

#: How far below the level of a stop loss the price is when the stop loss is noticed, a fraction.
_JUST_BELOW = 0.0001

_HOUR = datetime.timedelta(hours=1)
_EPOCH = datetime.datetime(1970, 1, 1)

#: Pause after which the chain makes a block that the program waits for, seconds.
_BLOCK_TIME = 0.03


class DemoFailed(TradeExecutorError, RuntimeError):
    """The demo did not go as expected; the message says where."""


@dataclass(slots=True)
class _Program:
    """The process that trades.

    Attributes
    ----------
    arguments
        Its command line, behind the interpreter.
    key
        Private key of its wallet.
    log
        File for what it writes to standard error.
    on_idle
        Called while the program works.
    """

    arguments: list[str]
    key: str
    log: Path
    on_idle: Callable[[], None]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> Report:
        """Start it and return its report, after it has found out the outcomes of the process before."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tradeexecutor.operations.demo_live_program", *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PRIVATE_KEY": self.key},
            )
        return self._read()

    def ask(self, job: str) -> Report:
        """Have a job done and return the report about it."""
        self._write(job)
        return self._read()

    def ask_and_kill_if(self, job: str, is_time: Callable[[], bool]) -> Report | None:
        """Have a job done, and kill the process when `is_time` returns True; return None if it was killed."""
        self._write(job)
        while not self._has_answer():
            if is_time():
                self.kill()
                return None
        return self._read()

    def kill(self) -> None:
        """End the process as a power failure does, and wait for it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _write(self, job: str) -> None:
        pipe = self._require().stdin
        assert pipe is not None, "opened by start()"
        pipe.write(f"{job}\n".encode())
        pipe.flush()

    def _read(self) -> Report:
        while not self._has_answer():
            self.on_idle()
        line = self._get_output().readline()
        if not line:
            raise DemoFailed(f"the live program ended early; {self.log} says why")
        return Report(**json.loads(line))

    def _has_answer(self) -> bool:
        return bool(select.select([self._get_output()], [], [], _BLOCK_TIME)[0])

    def _get_output(self) -> IO[bytes]:
        pipe = self._require().stdout
        assert pipe is not None, "opened by start()"
        return pipe

    def _require(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "start() comes first"
        return self._process


@dataclass(slots=True)
class LiveDemo:
    """The demo while its chain runs; made by `open_live_demo`.

    Attributes
    ----------
    strategy
        Python file of the strategy.
    folder
        Folder of all files.
    chain
        The chain.
    tell
        Called with each sentence about what happens.
    pair, exchange
        What is traded, and where.
    candles
        The recorded prices.
    wallet, investor
        Addresses of the strategy and of the account that deposits and receives money.
    flows
        Deposits and redemptions that the program booked, for the backtest.
    """

    strategy: Path
    folder: Path
    chain: DevChain
    tell: Callable[[str], None]
    pair: TradingPairIdentifier
    exchange: UniswapV2
    candles: Candles
    wallet: str
    investor: str
    flows: list[tuple[datetime.datetime, float]] = field(default_factory=list[tuple[datetime.datetime, float]])
    _program: _Program = field(init=False)
    _report: Report = field(init=False)
    _receipt: Receipt | None = field(default=None, init=False)
    _signed: str = field(default="", init=False)
    _opening: float = field(default=0.0, init=False)
    _highest: float = field(default=0.0, init=False)
    _was_killed: bool = field(default=False, init=False)

    @property
    def state_file(self) -> Path:
        """State of the live strategy."""
        return self.folder / "live.json"

    @property
    def chain_file(self) -> Path:
        """Settings of the chain: pairs and exchanges."""
        return self.folder / "chain.json"

    @property
    def backtest_file(self) -> Path:
        """State of the backtest."""
        return self.folder / "backtest.json"

    @property
    def usdc(self) -> AssetIdentifier:
        """The reserve currency."""
        return self.pair.quote

    # --- Set-up

    def prepare(self, key: str) -> None:
        """Write the settings and the candles up to the first day."""
        token = self.pair.base
        content = {
            "chain_id": self.usdc.chain_id,
            "confirmations": _CONFIRMATIONS,
            "reserve": {"symbol": "USDC", "address": self.usdc.address, "decimals": self.usdc.decimals},
            "venues": [{"kind": "uniswap_v2", "factory": self.exchange.factory, "router": self.exchange.router}],
            "pairs": [
                {
                    "symbol": token.token_symbol,
                    "address": token.address,
                    "decimals": token.decimals,
                    "pool": self.pair.pool_address,
                    "factory": self.exchange.factory,
                    "fee": self.exchange.fee,
                    "candles": "candles.csv",
                }
            ],
        }
        self.chain_file.write_text(json.dumps(content, indent=2))
        self._write_candles(_START)
        paths = [str(path) for path in (self.strategy, self.state_file, self.chain_file)]
        self._program = _Program(
            [*paths, self.chain.anvil.url], key, self.folder / "program.log", on_idle=self._confirm
        )

    def start(self) -> None:
        """Start the program, which makes a state."""
        self._report = self._program.start()

    def close(self) -> None:
        """End the program."""
        self._program.kill()

    def _confirm(self) -> None:
        """Make a block if the program waits for one, so that the chain is as long on slow machines as on fast ones."""
        ask, head = self.chain.anvil.rpc, self.chain.connection.get_head().number
        newest = range(max(head - _CONFIRMATIONS + 2, 0), head + 1)
        is_fresh = any(int(ask("eth_getBlockTransactionCountByNumber", hex(number)), 16) for number in newest)
        if is_fresh or self._has_waiting_transaction():
            self.chain.anvil.mine()

    def _write_candles(self, until: datetime.datetime) -> None:
        """Write the candles that have ended at a time, as a program that downloads them would."""
        known = self.candles.between(None, until)
        columns = (known.open, known.high, known.low, known.close)
        starts: list[datetime.datetime] = known.get_index().to_pydatetime().tolist()
        rows = [
            ",".join([start.isoformat(), *map(repr, prices)])
            for start, *prices in zip(starts, *(column.tolist() for column in columns), strict=True)
        ]
        text = "\n".join(["timestamp,open,high,low,close", *rows])
        path = self.folder / "candles.csv"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)

    # --- The replay

    def replay(self) -> None:
        """Live through the period day by day, with its events.

        Raises
        ------
        DemoFailed
            The program did not do what it should.
        """
        events = self._list_events()
        days = self.candles.between(_START, _END)
        starts: list[datetime.datetime] = days.get_index().to_pydatetime().tolist()
        prices = (days.open.tolist(), days.high.tolist(), days.low.tolist())
        for day, opening, high, low in zip(starts, *prices, strict=True):
            self._begin_day(day, opening)
            if events and day >= events[0].earliest and not self._report.is_holding:
                self._have_event(events.pop(0))
            elif day >= _CRASH_FROM and not self._was_killed:
                self._decide_and_crash()
            else:
                self._ask(DECIDE)
            if self._report.is_holding:
                self._live_through_day(high, low)
            else:
                self._highest = 0.0
        if events or not self._was_killed:
            raise DemoFailed("the strategy traded so that there was no day for all events")

    def _begin_day(self, day: datetime.datetime, opening: float) -> None:
        self._opening = opening
        self._write_candles(day)
        self._move_price(day, opening)
        stop = self._report.stop_loss
        if self._report.is_holding and stop is not None and opening <= stop:
            self._ask(TRIGGERS)

    def _live_through_day(self, high: float, low: float) -> None:
        """Move the price to the high and then to the low of a day, with a check of triggers where one may be reached.

        A price reaches every level on its way. So the pool stops at the level of the stop loss, not far below it.
        """
        noon = self.chain.now.replace(hour=12, minute=0, second=0)
        if high > self._highest:
            self._highest = high  # only then a stop loss that trails the price moves
            self._move_price(noon, high)
            self._ask(TRIGGERS)
        stop = self._report.stop_loss
        if stop is not None and low <= stop:
            self._move_price(noon + _HOUR, stop * (1 - _JUST_BELOW))
            self._ask(TRIGGERS)

    def _move_price(self, time: datetime.datetime, price: float) -> None:
        self.chain.anvil.rpc("evm_setNextBlockTimestamp", int((time - _EPOCH).total_seconds()) + 1)
        self.chain.anvil.mine()  # the time of the chain is that of its newest block
        self.chain.set_v2_price(self.exchange, self.pair, Decimal(str(price)))

    def _ask(self, job: str) -> None:
        before, self._report = self._report, self._program.ask(job)
        for _ in range(self._report.trades - before.trades):
            what = "bought" if self._report.is_holding else "sold"
            why = " at the stop loss" if job == TRIGGERS else ""
            self._tell(f"{what} {self.pair.base.token_symbol}{why}")

    def _tell(self, text: str) -> None:
        self.tell(f"{self.chain.now:%Y-%m-%d}  {text}")

    # --- Events

    def _list_events(self) -> "list[_Event]":
        return [
            _Event(_DEPOSIT_FROM, self._deposit, _DEPOSIT, "the deposit is booked"),
            _Event(
                _DEPOSIT_FROM, self._reorganise, -_DEPOSIT, "the program undoes the deposit with an entry of its own"
            ),
            _Event(_DEPOSIT_FROM, self._repeat_deposit, _DEPOSIT, "the deposit is booked again"),
            _Event(_REDEMPTION_FROM, self._redeem, -_REDEMPTION, "the redemption is booked"),
        ]

    def _have_event(self, event: "_Event") -> None:
        count = len(self._report.flows)
        event.act()
        self.flows.append((_start_of_day(self.chain.now), float(event.flow)))
        self.chain.anvil.mine(_CONFIRMATIONS)
        self._ask(DECIDE)
        if self._report.flows[count:] != [float(event.flow)]:
            raise DemoFailed(f"{event.flow} should have been booked, not {self._report.flows[count:]}")
        self._tell(event.outcome)

    def _deposit(self) -> None:
        self._tell(f"an investor sends {_DEPOSIT:,} USDC to the wallet")
        self._receipt = self.chain.transfer(self.usdc, self.wallet, _DEPOSIT, sender=self.investor)
        self._signed = self.chain.anvil.rpc("eth_getRawTransactionByHash", self._receipt.tx_hash)

    def _reorganise(self) -> None:
        assert self._receipt is not None, "the deposit comes first"
        depth = self.chain.connection.get_head().number - self._receipt.block_number + 1
        self._tell(f"a reorganisation replaces the last {depth} blocks, and the deposit is gone")
        now = self.chain.now
        self.chain.anvil.reorganise(depth)
        self._move_price(now, self._opening)  # the new blocks are older, and without the moves of the old ones

    def _repeat_deposit(self) -> None:
        self._tell("the transaction of the investor is mined again")
        self.chain.anvil.rpc("eth_sendRawTransaction", self._signed)

    def _redeem(self) -> None:
        self._tell(f"the owner takes {_REDEMPTION:,} USDC out of the wallet")
        self.chain.impersonate(self.wallet)
        self.chain.transfer(self.usdc, self.investor, _REDEMPTION, sender=self.wallet)

    def _decide_and_crash(self) -> None:
        """Have a decision made; if it sends a transaction, kill the program before a block contains it."""
        anvil, trades = self.chain.anvil, self._report.trades
        anvil.set_automine(on=False)
        answer = self._program.ask_and_kill_if(DECIDE, self._has_waiting_transaction)
        if answer is not None:
            anvil.set_automine(on=True)
            self._report = answer
            return
        self._was_killed = True
        self._tell("SIGKILL: the program is dead, and its transaction waits for a block")
        anvil.mine()
        anvil.set_automine(on=True)
        self._report = self._program.start()
        if self._report.trades != trades + 1:
            raise DemoFailed("the trade that was under way when the program was killed is not in its books")
        self._tell("the program is back; it has asked the chain, and its trade is in the books, once")

    def _has_waiting_transaction(self) -> bool:
        return int(self.chain.anvil.rpc("txpool_status")["pending"], 16) > 0

    # --- Afterwards

    def run_backtest(self) -> None:
        """Run the same strategy over the same prices, deposits and redemptions, and save the result."""
        universe = read_chain_file(self.chain_file).load_universe()
        options = BacktestOptions(
            start_at=_START,
            end_at=_END,
            initial_deposit=_OPENING_BALANCE,
            funding=self.flows,
            progress=False,
        )
        result = run_backtest(read_strategy_module(self.strategy), universe, options)
        with JSONFileStore(self.backtest_file) as store:
            store.sync(result.state)


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happens to the wallet.

    Attributes
    ----------
    earliest
        First day on which it may happen.
    act
        Makes it happen.
    flow
        Deposit or, negative, redemption that the program has to book then.
    outcome
        What the program did, for the reader.
    """

    earliest: datetime.datetime
    act: Callable[[], None]
    flow: Decimal
    outcome: str


def _start_of_day(time: datetime.datetime) -> datetime.datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


@contextmanager
def open_live_demo(strategy: Path, folder: Path, tell: Callable[[str], None]) -> Generator[LiveDemo]:
    """Start a chain and the live program on it; both end with the context.

    Parameters
    ----------
    strategy
        Python file of a strategy that trades one pair.
    folder
        Empty or new folder for the files.
    tell
        Called with a sentence about each event.

    Raises
    ------
    DevChainUnavailable
        The chain cannot be installed or started on this machine.
    """
    universe = load_market_data(_DATASET)
    candles = universe.get_candles(universe.get_single_pair())
    with DevChain(start_at=_START - _HOUR) as chain:
        usdc, token = chain.deploy_token("USDC", 6), chain.deploy_token("GOOG", 18)
        exchange = chain.deploy_uniswap_v2()
        opening = Decimal(str(candles.between(_START, _END).open[0]))
        pair = chain.create_v2_pool(exchange, token, usdc, _LIQUIDITY, price=opening)
        key = secrets.token_hex(32)
        wallet = HotWallet.from_key(key).address
        chain.anvil.set_native_balance(wallet, _GAS)
        investor = chain.anvil.accounts[1]
        chain.mint(usdc, wallet, _OPENING_BALANCE)
        chain.mint(usdc, investor, _DEPOSIT)
        chain.anvil.mine(_CONFIRMATIONS)
        tell(f"A chain runs at {chain.anvil.url}, with a pool GOOG-USDC at {opening} and a wallet with 10,000 USDC.")
        demo = LiveDemo(strategy, folder, chain, tell, pair, exchange, candles, wallet, investor)
        demo.prepare(key)
        try:
            demo.start()
            yield demo
        finally:
            demo.close()
