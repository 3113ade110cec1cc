"""A trader that lends and shorts, for `test_lending.py` and `test_shorts.py`."""

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.lending_positions import check_balances_add_up
from tests.kit.trader import A_USDC, CREDIT, USDC, V_WETH, WETH, WETH_USDC, Trader, new_state, pair
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.strategy.interest import update_interest, update_leveraged_position_interest

D = Decimal

#: The same short on a market without fees, and one with another liquidation threshold.
FREE_SHORT = pair(
    V_WETH, A_USDC, 0.0, 123, kind=TradingPairKind.lending_protocol_short,
    underlying_spot_pair=pair(WETH, USDC, 0.0, 124),
)  # fmt: skip
TIGHT_SHORT = pair(
    V_WETH, dataclasses.replace(A_USDC, liquidation_threshold=0.8), 0.003, 125,
    kind=TradingPairKind.lending_protocol_short, underlying_spot_pair=WETH_USDC,
)  # fmt: skip


def approx(value: Any) -> Any:
    """Equal but for the order of float additions."""
    return pytest.approx(value, rel=1e-12, abs=1e-9)


class Lender(Trader):
    """Lends and shorts; checks the balances after every outcome."""

    def __init__(self, cash: int = 10_000):
        super().__init__(new_state(cash), lp_fees=0.0, price_impact=1.0)

    def complete(self, trade: TradeExecution, **changes: Any) -> None:
        super().complete(trade, **changes)
        check_balances_add_up(self.state)

    def set_perfectly_executed(self, trade: TradeExecution, triggered: bool = False) -> None:
        super().set_perfectly_executed(trade, triggered)
        check_balances_add_up(self.state)

    def supply(self, amount: str, **more: Any) -> tuple[TradingPosition, TradeExecution]:
        """Plan to supply credit, or to recall it with a negative amount; the clock stands still."""
        position, trade, _ = self.state.supply_credit(
            self.ts, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=D(amount), **more
        )
        return position, trade

    def short(
        self, quantity: str, reserve: str = "0", price: float = 2000.0, pair: Any = FREE_SHORT, **more: Any
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan to open or change a short; the clock stands still."""
        for name in ("consumption", "allocation"):
            if name in more:
                more[f"planned_collateral_{name}"] = D(more.pop(name))
        position, trade, _ = self.state.trade_short(
            self.ts, pair, price, TradeType.rebalance, USDC, 1.0, D(quantity), D(reserve), **more
        )
        return position, trade

    def is_refused(self, error: type[Exception], operation: Any) -> None:
        """The operation raises, and the state is the same byte for byte."""
        before = self.state.to_json()
        with pytest.raises(error):
            operation()
        assert self.state.to_json() == before


def loan_of(position: TradingPosition) -> Loan:
    assert position.loan is not None
    return position.loan


def debt_of(position: TradingPosition) -> Decimal:
    tracker = loan_of(position).borrowed
    assert tracker is not None
    return tracker.quantity


def balances_of(position: TradingPosition) -> tuple[Decimal, ...]:
    """Principal and balance of the collateral, then of the debt if there is one."""
    loan = loan_of(position)
    collateral = (loan.collateral.quantity, loan.get_collateral_quantity())
    return (*collateral, debt_of(position), loan.get_borrowed_quantity()) if loan.borrowed else collateral


def equity_of(state: State) -> tuple[float, float, float]:
    """Total equity, net asset value and net assets."""
    portfolio = state.portfolio
    return portfolio.calculate_total_equity(), portfolio.get_net_asset_value(), portfolio.calculate_net_assets()


def cash_and_equity(state: State) -> tuple[float, float]:
    return state.portfolio.get_cash(), state.portfolio.calculate_total_equity()


def earn(lender: Lender, position: TradingPosition, collateral: str, debt: str | None = None) -> None:
    """Book new balances of both sides of a loan."""
    if debt is None:
        update_interest(lender.state, position, loan_of(position).collateral.asset, D(collateral), lender.ts, 1.0)
    else:
        price = position.last_token_price
        update_leveraged_position_interest(lender.state, position, D(debt), D(collateral), lender.ts, price)


def supplied(amount: str = "4000", cash: int = 10_000) -> tuple[Lender, TradingPosition]:
    lender = Lender(cash)
    position, trade = lender.supply(amount)
    lender.run(trade)
    return lender, position


def shorted(
    quantity: str = "-0.5", reserve: str = "1000", pair: Any = FREE_SHORT, **more: Any
) -> tuple[Lender, TradingPosition]:
    """By default 1000 of collateral and 0.5 of debt at 2000: leverage 1."""
    lender = Lender()
    position, trade = lender.short(quantity, reserve, pair=pair, **more)
    lender.run(trade)
    return lender, position
