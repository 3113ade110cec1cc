"""Backtests of leveraged positions on hand-made daily candles, with 10,000 USD and a threshold of 80 %."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.kit.markets import DAY, Bar, at_cycle, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

#: A pool without interest; a long of 1000 at 2x from 2000 is liquidated at 1250.
FREE = LendingPool(supply_rate=0.0, borrow_rate=0.0, liquidation_threshold=0.8, liquidation_penalty=0.05)

Plan = Callable[[StrategyInput], list[TradeExecution]]


def run_leverage(
    bars: list[Bar], plans: dict[int, Plan], fee: float = 0.0, lending: LendingPool = FREE, **options: Any
) -> BacktestResult:
    """Run a strategy; the ledger proves every balance, and the state survives its JSON."""
    result = run_backtest_inline(
        decide_trades=at_cycle(plans),
        parameters={"lending": lending, **options.pop("parameters", {})},
        candles={"ETH-USD": make_candles(bars, bucket=DAY)},
        fee=fee,
        initial_deposit=10_000,
        **options,
    )
    proof = prove(result.state)
    assert proof.is_balanced, proof
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def open_long(value: float = 1000.0, leverage: float = 2.0, **levels: Any) -> Plan:
    """Open a leveraged long, by default of 1000 at 2x."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_long(input.get_default_pair(), value, leverage=leverage, **levels)

    return plan


def open_short(value: float = 1000.0, leverage: float = 2.0, **levels: Any) -> Plan:
    """Open a short, by default of 1000 at 2x."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_short(input.get_default_pair(), value, leverage=leverage, **levels)

    return plan


def close(input: StrategyInput) -> list[TradeExecution]:
    """Close everything."""
    return input.get_position_manager().close_all()


def call(name: str, *args: Any, **terms: Any) -> Plan:
    """Call a method of the manager with the only open position."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        return getattr(manager, name)(manager.get_current_position(), *args, **terms)

    return plan


def both(*plans: Plan) -> Plan:
    """Make several plans in one decision."""
    return lambda input: [trade for plan in plans for trade in plan(input)]


def only_position(result: BacktestResult) -> TradingPosition:
    """Return the only position of a run."""
    (position,) = result.state.portfolio.get_all_positions(pending=True)
    return position


def loan_of(position: TradingPosition) -> Loan:
    """Return the loan of a position."""
    assert position.loan is not None
    return position.loan


def sides_of(position: TradingPosition) -> tuple[Decimal, Decimal]:
    """Return the balances of collateral and debt, token units."""
    loan = loan_of(position)
    return loan.get_collateral_quantity(), loan.get_borrowed_quantity()


def cash_of(result: BacktestResult) -> float:
    """Return the cash at the end of a run, USD."""
    return result.state.portfolio.get_cash()
