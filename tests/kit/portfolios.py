"""Small portfolios whose figures can be worked out by hand: 1000 USD of cash, one token, one unit per position."""

import datetime
from collections.abc import Mapping
from decimal import Decimal

from tradeexecutor.state.balance_update import BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.sync import BalanceEventRef
from tradeexecutor.state.trade import TradeExecution, TradeType

START = datetime.datetime(2024, 1, 1)
DAY = datetime.timedelta(days=1)

USD = AssetIdentifier(-1, f"0x{1:040x}", "USD", 6)
COIN = AssetIdentifier(-1, f"0x{2:040x}", "COIN", 18)
PAIR = TradingPairIdentifier(COIN, USD, f"0x{3:040x}", f"0x{4:040x}", internal_id=7, fee=0.0)


def make_state(cash: int = 1000) -> State:
    state = State(created_at=START, name="by hand")
    reserve = state.portfolio.initialise_reserves(USD, 1.0)
    reserve.quantity = reserve.initial_deposit = Decimal(cash)
    reserve.reserve_token_price = reserve.initial_deposit_reserve_token_price = 1.0
    return state


def execute(state: State, trade: TradeExecution, price: float, when: datetime.datetime) -> None:
    state.start_execution(when, trade)
    trade.mark_broadcasted(when)
    quantity = trade.planned_quantity
    state.mark_trade_success(when, trade, price, quantity, abs(quantity) * Decimal(str(price)), 0.0, 1.0)


def trade(state: State, quantity: int, price: float, when: datetime.datetime) -> TradingPosition:
    position, planned, _ = state.create_trade(when, PAIR, Decimal(quantity), None, price, TradeType.rebalance, USD, 1.0)
    execute(state, planned, price, when)
    return position


def add_closed(
    state: State, bought_at: float, sold_at: float, opened_at: datetime.datetime, days: float
) -> TradingPosition:
    trade(state, 1, bought_at, opened_at)
    return trade(state, -1, sold_at, opened_at + days * DAY)


def add_open(
    state: State, bought_at: float, opened_at: datetime.datetime, price_now: float | None = None
) -> TradingPosition:
    position = trade(state, 1, bought_at, opened_at)
    position.revalue_base_asset(opened_at, bought_at if price_now is None else price_now)
    return position


def record_equity(state: State, values: Mapping[float, float]) -> None:
    """Record samples by days after the start."""
    for day, value in values.items():
        state.stats.portfolio.append(PortfolioStatistics(START + day * DAY, total_equity=value))


def record_flow(state: State, day: float, usd: float) -> None:
    cause = BalanceUpdateCause.deposit if usd > 0 else BalanceUpdateCause.redemption
    state.sync.treasury.balance_update_refs.append(
        BalanceEventRef(1, START + day * DAY, cause, BalanceUpdatePositionType.reserve, None, usd)
    )
