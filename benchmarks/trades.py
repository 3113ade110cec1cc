"""Spot trades per second from plan to success: create, start, broadcast, succeed.

Every second trade sells what the one before bought, so half as many positions are opened and closed.  The history
grows, and a trade should cost what the first one did.

The collector makes no full collections meanwhile, as in a backtest; see `tradeexecutor.state.codec.gc_pause`.
"""

import datetime
from decimal import Decimal
from functools import partial

from benchmarks.measure import best_times, timed
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State, TradeType

USDC = AssetIdentifier(1, "0x" + "1" * 40, "USDC", 6)
WETH = AssetIdentifier(1, "0x" + "2" * 40, "WETH", 18)
PAIR = TradingPairIdentifier(WETH, USDC, "0x" + "3" * 40, "0x" + "4" * 40, internal_id=1, fee=0.003)

#: Trades of a whole run, and how often it is made; the best run counts.
RUNS = {1_000: 20, 10_000: 5, 100_000: 3}

#: After so many trades the next `SAMPLE` are timed, in turn with the first ones of an empty state; the best of
#: `REPEATS` counts.
HISTORIES = (1_000, 10_000, 100_000, 1_000_000)
SAMPLE, REPEATS = 1_000, 20


def trade(count: int, transactions: bool = False, state: State | None = None) -> State:
    """Make `count` trades, buy and sell in turn, on a new state or on one of earlier trades.

    With `transactions` each trade has one, and its nonce is checked.
    """
    if state is None:
        state = State()
        state.portfolio.initialise_reserves(USDC, 1.0).quantity = Decimal(1_000_000)
    first = state.portfolio.next_trade_id
    at = datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=first)
    quantities = (Decimal("-0.25"), Decimal("0.25"))
    for number in range(first, first + count):
        at += datetime.timedelta(seconds=1)
        _, planned, _ = state.create_trade(
            at,
            PAIR,
            quantities[number % 2],
            None,
            2400.0,
            TradeType.rebalance,
            USDC,
            1.0,
            pair_fee=0.003,
            planned_mid_price=2400.0,
            slippage_tolerance=0.02,
        )
        if transactions:
            state.start_execution(at, planned, nonce=number)
            planned.set_blockchain_transactions([BlockchainTransaction(nonce=number, tx_hash=hex(number))])
        else:
            state.start_execution(at, planned)
        state.mark_broadcasted(at, planned)
        state.mark_trade_success(at, planned, 2400.0, planned.planned_quantity, planned.planned_reserve, 1.8, 1.0)
    return state


def run(largest: int = 100_000) -> None:
    """Print the rate of whole runs, and what a trade costs after up to `largest` others as a ratio."""
    trade(1_000)
    with pause_full_collections():
        for size, repeats in RUNS.items():
            seconds = min(timed(partial(trade, size))[0] for _ in range(repeats))
            print(f"{size:>9,} trades from an empty state {size / seconds:>10,.0f} trades/s")
        for transactions in (False, True):
            print("the next trades, each with a checked nonce:" if transactions else "the next trades:")
            _print_growth([size for size in HISTORIES if size <= largest], transactions)


def _print_growth(sizes: list[int], transactions: bool) -> None:
    state = trade(0)
    kept: list[State] = []  # taking the small states apart is not part of the figure

    def make_first_ones() -> None:
        kept.append(trade(SAMPLE, transactions))

    for size in sizes:
        trade(size - state.portfolio.next_trade_id + 1, transactions, state)
        next_ones = partial(trade, SAMPLE, transactions, state)
        first, later = best_times([make_first_ones, next_ones], turns=1, rounds=REPEATS)
        kept.clear()
        print(f"{size:>9,} trades before {SAMPLE / later:>10,.0f} trades/s, {later / first:.2f}x the time of the first")
