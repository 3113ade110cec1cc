"""A program that trades until it is killed: what a live strategy is, without the strategy.

It reads a line for every life, "NUMBER PLACE", and forks; the place is the path of a state file or the address of a
strategy in a database. After every trade it says how many there are. What it needs to know of the chain is in the
environment variable KILLED_TRADER. One of its nodes fails at the rate that is given there. A job that this ends is
followed by the next one, as in `tradeexecutor start`; where that would end, the program waits for its death.
"""

import json
import os
import random
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.connection import ChainConnection, Provider, RetryPolicy, open_provider
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.errors import WrongChain
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.live import RETRYABLE
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.execution.interface import ExecutionHaltableIssue
from tradeexecutor.state.codec import kept_groups
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import repair_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.state.history import pack_history, prepare_packing
from tradeexecutor.state.store import JSONFileStore, StateStore
from tradeexecutor.state.trade import TradeExecution, TradeType

VARIABLE = "KILLED_TRADER"
LAUNCHER = "from tests.ethereum.killed_trader import main; main()"


def open_store(place: str) -> StateStore:
    return SQLStateStore(DatabaseAddress.parse(place)) if "://" in place else JSONFileStore(Path(place))


class FailingNode:
    """A node of which a share of the requests fails, in all the ways of real ones."""

    endpoint_uri = "http://failing"

    def __init__(self, inner: Provider, failures: float):
        self._inner = inner
        self._failures = failures

    def make_request(self, method: str, params: Any) -> Any:
        if random.random() >= self._failures:
            return self._inner.make_request(method, params)
        match random.choice(("reset", "time-out after it was accepted", "busy", "malformed", "behind", "other chain")):
            case "reset":
                raise ConnectionError
            case "busy":
                return {"error": {"code": 429, "message": "too many requests"}}
            case "malformed":
                return random.choice(({"result": "<html>"}, {"result": 7.5}, {}, {"result": {}}, None))
            case "behind" if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
                return {"result": None}
            case "behind" if method == "eth_getTransactionCount":
                answer = self._inner.make_request(method, params)
                return {"result": hex(max(int(answer["result"], 16) - random.randint(1, 3), 0))}
            case "other chain" if method == "eth_chainId":
                return {"result": "0x1"}
            case _:
                self._inner.make_request(method, params)
                raise TimeoutError


class LiveTrader:
    """The program in one life."""

    def __init__(self, place: str, settings: dict[str, Any]):
        self.pair = TradingPairIdentifier.from_dict(settings["pair"])
        self.store = open_store(place)
        self.state = self.store.load()
        if self.store.writes_changes:
            prepare_packing(self.state)
        retry = RetryPolicy(rounds=3, first_pause=0.01)
        nodes = [FailingNode(open_provider(settings["url"]), share) for share in (settings["failures"], 0.0)]
        self.connection = ChainConnection(nodes, CHAIN_ID, confirmations=settings["confirmations"], retry=retry)
        venue = UniswapV2Venue(self.connection, settings["router"], settings["factory"])
        self.pricing = EthereumPricing([venue])
        self.execution = EthereumExecution(
            self.connection,
            HotWallet.from_key(settings["key"]),
            [venue],
            self.store.sync,
            wait_rules=WaitRules(timeout=60, poll=0.01, bump_after=0.2, max_bumps=3),
        )

    def start(self) -> State:
        """Resolve what an earlier life had under way."""
        self.execution.resolve_unconfirmed(self.connection.get_head().timestamp, self.state)
        self.state.check_if_clean()
        self.store.sync(self.state)
        return self.state

    def trade(self) -> int:
        """Buy or sell something, at random; returns the number of executed trades."""
        now = self.connection.get_head().timestamp
        self.execution.execute_trades(now, self.state, [self._decide()])
        self.store.sync(self.state)
        pack_history(self.state)
        return count_trades(self.state)

    def _decide(self) -> TradeExecution:
        now = self.connection.get_head().timestamp
        position = next(iter(self.state.portfolio.get_open_positions()), None)
        frozen = next(iter(self.state.portfolio.frozen_positions.values()), None)
        if position is None and frozen is not None:
            # Its trade was replaced by a transaction of somebody else; what an operator does then.
            repair_trades(self.state)
            position = next(iter(self.state.portfolio.get_open_positions()), None)
        quantity = reserve = None
        if position is None or random.random() < 0.5:
            reserve = Decimal(random.randint(10, 300))
            price = self.pricing.get_buy_price(now, self.pair, reserve)
        else:
            # Everything, now and then: positions close and open.
            quantity = position.get_quantity() / random.choice((1, 2, 3))
            price = self.pricing.get_sell_price(now, self.pair, quantity)
            quantity = -quantity
        _, trade, _ = self.state.create_trade(
            strategy_cycle_at=now,
            pair=self.pair,
            quantity=quantity,
            reserve=reserve,
            assumed_price=price.price,
            trade_type=TradeType.rebalance,
            reserve_currency=self.pair.quote,
            reserve_currency_price=1.0,
            pair_fee=0.003,
            price_structure=price,
            slippage_tolerance=0.05,
        )
        return trade


def count_trades(state: State) -> int:
    portfolio = state.portfolio  # what is packed stays packed
    closed = portfolio.add_up_closed(_count_trades_of, list[int], "trades")
    return sum(closed) + sum(map(_count_trades_of, portfolio.get_open_and_frozen_positions()))


def _count_trades_of(position: TradingPosition) -> int:
    return sum(trade.is_success() for trade in position.trades.values())


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())  # in one piece, whatever happens


def live(place: str) -> None:
    say(f"pid {os.getpid()}")
    try:
        trader = LiveTrader(place, json.loads(os.environ[VARIABLE]))
        while True:
            try:
                say(count_trades(trader.start()))
                while True:
                    say(trader.trade())
            except RETRYABLE as error:
                print(f"The next job goes on after {type(error).__name__}: {error}", file=sys.stderr)
    except (WrongChain, ExecutionHaltableIssue) as error:
        print(f"Ended, until it is started again: {type(error).__name__}: {error}", file=sys.stderr)
        time.sleep(3_600)
    except BaseException as error:
        say(f"failed: {type(error).__name__}: {error}")
        raise


def main() -> None:
    kept_groups.GROUP_SIZE, kept_groups.UNKEPT_SAVES = 2, 0  # pack closed positions as soon as there are some
    open_provider("http://127.0.0.1")  # imports web3 once, not in every life
    for line in sys.stdin:
        child = os.fork()
        if not child:
            random.seed()
            live(line.rstrip().partition(" ")[2])
        os.waitpid(child, 0)
        say("dead")
