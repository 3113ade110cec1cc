"""A strategy file that trades the worked examples of loans, one step a candle; the example is a parameter."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.utils.leverage_calculations import LeverageEstimate

trading_strategy_engine_version = "0.5"

D = Decimal
Step = Callable[[StrategyInput], list[TradeExecution]]


class Parameters:
    """The example, and the terms of the pool: in ten days 0.1 % for the collateral, 0.2 % for the debt."""

    initial_cash = 10_000
    example = "life of a short"
    lending = LendingPool(supply_rate=0.0365, borrow_rate=0.073)


def create_indicators(
    timestamp: object, parameters: object, strategy_universe: object, execution_context: object
) -> IndicatorSet:
    """Calculate nothing."""
    return IndicatorSet()


def trade_short(input: StrategyInput, price: float, **terms: Any) -> list[TradeExecution]:
    """Plan a trade of the short at exactly this price, which the manager would take from the market."""
    manager = input.get_position_manager()
    _, trade, _ = input.state.trade_short(
        strategy_cycle_at=input.timestamp,
        pair=manager.get_shorting_pair(input.get_default_pair()),
        borrowed_asset_price=price,
        trade_type=TradeType.rebalance,
        reserve_currency=manager.reserve_currency,
        collateral_asset_price=1.0,
        planned_mid_price=price,
        **terms,
    )
    return [trade]


def open_with_fee(input: StrategyInput) -> list[TradeExecution]:
    """Short 1 ETH at 2000 with 1000 of collateral; the fee is 0.3 % of the proceeds, and not part of the price."""
    pair = input.get_position_manager().get_shorting_pair(input.get_default_pair())
    estimate = LeverageEstimate.open_short(D(1000), 2, 2000.0, pair, 0.003)
    return trade_short(
        input,
        2000.0,
        borrowed_quantity=-estimate.borrowed_quantity,
        collateral_quantity=D(1000),
        planned_collateral_consumption=estimate.additional_collateral_quantity,
        lp_fees_estimated=estimate.lp_fees,
        pair_fee=0.003,
        flags={TradeFlag.open},
    )


def close_with_fee(input: StrategyInput) -> list[TradeExecution]:
    """Buy everything back at 1800 and a fee of 0.3 %."""
    return trade_short(input, 1800.0, position=get_position(input), closing=True)


def get_position(input: StrategyInput) -> TradingPosition:
    """Return the only position."""
    return input.get_position_manager().get_current_position()


def short(leverage: float) -> Step:
    """Open a short of 1000 through the manager."""
    return lambda input: input.get_position_manager().open_short(input.get_default_pair(), 1000.0, leverage=leverage)


def change(quantity: str = "0", reserve: str = "0", consumption: str = "0", allocation: str = "0") -> Step:
    """Change debt and collateral of the short by exact amounts at 2000."""

    def step(input: StrategyInput) -> list[TradeExecution]:
        return trade_short(
            input,
            2000.0,
            position=get_position(input),
            borrowed_quantity=D(quantity),
            collateral_quantity=D(reserve),
            planned_collateral_consumption=D(consumption),
            planned_collateral_allocation=D(allocation),
            flags={TradeFlag.reduce},
        )

    return step


def lend(amount: float) -> Step:
    """Lend cash, more if some is lent already."""
    return lambda input: input.get_position_manager().add_cash_to_credit_supply(amount)


def recall(amount: float) -> Step:
    """Recall a part of what is lent."""

    def step(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().adjust_credit_supply_position(get_position(input), delta=-amount)

    return step


def short_and_lend(input: StrategyInput) -> list[TradeExecution]:
    """Short 1000 at 2x, and lend 5000."""
    return short(2.0)(input) + lend(5000.0)(input)


def close_all(input: StrategyInput) -> list[TradeExecution]:
    """Close everything through the manager."""
    return input.get_position_manager().close_all()


def buy(input: StrategyInput) -> list[TradeExecution]:
    """Buy for 1000."""
    return input.get_position_manager().open_spot(input.get_default_pair(), 1000.0)


EXAMPLES: dict[str, dict[int, Step]] = {
    "life of a short": {1: open_with_fee, 2: close_with_fee},
    "collateral only": {1: short(1.0), 2: change(allocation="250"), 3: change(reserve="250")},
    "half a close": {
        1: short(1.0),
        2: change("0.25", consumption="-500", allocation="-500"),
        3: close_all,
    },
    "credit": {1: lend(4000.0), 2: lend(1000.0), 3: recall(2000.0), 4: close_all},
    "short and credit": {1: short_and_lend, 3: close_all},
    "spot": {1: buy},
}


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Record the figures of the first loan as they are before the step of this candle, and make the step."""
    position = input.state.portfolio.open_positions.get(1)
    if position is not None and position.loan is not None:
        loan = position.loan
        figures = {
            "cash": input.state.portfolio.get_cash(),
            "equity": input.state.portfolio.calculate_total_equity(),
            "nav": loan.get_net_asset_value(),
            "nav without interest": loan.get_net_asset_value(include_interest=False),
            "leverage": loan.get_leverage(),
            "health": loan.get_health_factor(),
            "unrealised": position.get_unrealised_profit_usd(),
            "interest": position.get_accrued_interest(),
            "quantity": float(position.get_quantity()),
            "collateral": float(loan.collateral.quantity),
            "tokens": float(loan.get_collateral_quantity()),
            "debt": 0.0 if loan.borrowed is None else float(loan.borrowed.quantity),
            "debt tokens": float(loan.get_borrowed_quantity()),
        }
        input.state.visualisation.add_calculations(input.timestamp, figures)
    step = EXAMPLES[input.parameters.example].get(input.cycle)
    return step(input) if step else []
