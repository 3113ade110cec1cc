"""What a long history costs: the same question asked of a short and of a long one, as a ratio.

Each line is one question.  1.0 means that it costs the same, however much has happened.
"""

import copy
import datetime
import gc
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from benchmarks.measure import best_times
from benchmarks.trades import PAIR, USDC, WETH, trade
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType

AT = datetime.datetime(2024, 1, 1)

#: Closed positions of the long history.
CLOSED = 100_000

FIGURES = (
    "get_quantity", "get_average_price", "get_value", "get_equity", "get_unrealised_profit_usd",
    "get_realised_profit_usd", "get_total_profit_usd", "get_total_profit_percent", "get_available_trading_quantity",
    "can_be_closed",
)  # fmt: skip

Question = Callable[[], object]


def compare(what: str, short: Question, long: Question) -> None:
    """Print how long both questions take, and their ratio."""
    a, b = best_times((short, long), turns=300)
    print(f"{what:66} {a * 1e6:>8.2f} us {b * 1e6:>8.2f} us {b / a:>8.2f}x")


# --- One position


def make_position(trades: int) -> TradingPosition:
    """Return an open position with `trades` executed trades."""
    position = TradingPosition(1, PAIR, AT, AT, 2400.0, 1.0, USDC)
    for trade_id in range(1, trades + 1):
        quantity = Decimal("0.25") if trade_id % 2 else Decimal("-0.125")
        done = TradeExecution(trade_id, 1, TradeType.rebalance, PAIR, AT, quantity, abs(quantity) * 2400, 2400.0, USDC)
        done.started_at = done.broadcasted_at = AT
        done.mark_success(AT, 2400.0, quantity, abs(quantity) * 2400, 0.0, 1.0)
        position.trades[trade_id] = done
    return position


def make_events(count: int) -> TradingPosition:
    """Return a position with `count` interest events."""
    position = make_position(2)
    for event_id in range(1, count + 1):
        position.add_balance_update_event(
            BalanceUpdate(
                balance_update_id=event_id,
                cause=BalanceUpdateCause.interest,
                position_type=BalanceUpdatePositionType.open_position,
                asset=copy.copy(WETH),
                block_mined_at=AT,
                strategy_cycle_included_at=None,
                chain_id=1,
                quantity=Decimal("0.000001"),
                old_balance=Decimal(1),
                usd_value=0.0,
                position_id=1,
            )
        )
    return position


# --- Many positions


def make_open_positions(count: int) -> Portfolio:
    """Return a portfolio with open positions, each in a pair of its own."""
    portfolio = Portfolio()
    for number in range(1, count + 1):
        base = AssetIdentifier(1, f"0x{number:040x}", "T", 18)
        pair = TradingPairIdentifier(base, USDC, f"0x{number:040x}", PAIR.exchange_address, fee=0.003)
        portfolio.open_positions[number] = TradingPosition(number, pair, AT, AT, 1.0, 1.0, USDC)
    return portfolio


def run() -> None:
    """Print all ratios."""
    print(f"{'':66} {'short':>11} {'long':>11} {'ratio':>9}")
    few, many = make_position(10), make_position(10_000)
    for name in FIGURES:
        compare(f"{name}, 10 and 10,000 trades", getattr(few, name), getattr(many, name))
    few, many = make_events(10), make_events(10_000)
    name = "get_quantity"
    compare("get_quantity, 10 and 10,000 interest events", getattr(few, name), getattr(many, name))

    few, many = make_open_positions(10), make_open_positions(10_000)
    wanted = [portfolio.open_positions[len(portfolio.open_positions)].pair for portfolio in (few, many)]
    finders: dict[str, Callable[[Portfolio, TradingPairIdentifier], Any]] = {
        "get_open_position_for_pair": Portfolio.get_open_position_for_pair,
        "get_position_by_trading_pair": Portfolio.get_position_by_trading_pair,
        "get_open_position_for_asset": lambda portfolio, pair: portfolio.get_open_position_for_asset(pair.base),
        "get_bridge_position_for_chain": lambda portfolio, pair: portfolio.get_bridge_position_for_chain(1),
    }
    for name, find in finders.items():
        compare(
            f"{name}, 10 and 10,000 open positions",
            lambda find=find: find(few, wanted[0]),
            lambda find=find: find(many, wanted[1]),
        )

    with pause_full_collections():
        gc.collect()
        tracemalloc.start()
        short = trade(2_000).portfolio
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0] / 1_000
        tracemalloc.stop()
        short = trade(20, transactions=True).portfolio
        long = trade(2 * CLOSED, transactions=True).portfolio
    sizes = f"10 and {CLOSED:,} closed positions"
    questions: dict[str, Callable[[Portfolio, int], Any]] = {
        "total equity": lambda portfolio, last: portfolio.calculate_total_equity(),
        "get_trade_by_id, found": lambda portfolio, last: portfolio.get_trade_by_id(last),
        "get_trade_by_id, missing": lambda portfolio, last: portfolio.get_trade_by_id(last + 1),
        "get_trade_by_tx_hash, found": lambda portfolio, last: portfolio.get_trade_by_tx_hash(hex(last)),
        "get_trade_by_tx_hash, missing": lambda portfolio, last: portfolio.get_trade_by_tx_hash(hex(last + 1)),
        "check_for_nonce_reuse, unused": lambda portfolio, last: portfolio.check_for_nonce_reuse(last + 1),
        "get_frozen_position, missing": lambda portfolio, last: portfolio.get_frozen_position(PAIR),
    }
    for name, ask in questions.items():
        compare(f"{name}, {sizes}", lambda ask=ask: ask(short, 20), lambda ask=ask: ask(long, 2 * CLOSED))
    print(f"memory of a closed round trip, a position and two trades without transactions: {memory:,.0f} bytes")
