"""Lending positions for tests of interest: a credit supply and a short that share aUSDC."""

import datetime
from decimal import Decimal
from typing import Any

from tests.kit.samples import AUSDC, SHORT, USDC
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.strategy.pricing_model import PricingModel

D = Decimal
START = datetime.datetime(2024, 1, 1)
DAY = datetime.timedelta(days=1)

CREDIT = TradingPairIdentifier(AUSDC, USDC, "0x" + "5" * 40, "0x" + "4" * 40, kind=TradingPairKind.credit_supply)


class FixedPricing(PricingModel):
    """One price for everything, remembering what was asked for."""

    def __init__(self, price: float = 2000.0):
        self.price = price
        self.asked: list[tuple[TradingPairIdentifier, Decimal | None]] = []

    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        return self.price

    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        raise AssertionError("interest buys nothing")

    def get_sell_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        self.asked.append((pair, quantity))
        return TradePricing(self.price, self.price, side=False)

    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        return None


class FixedRates:
    """Yearly rates by token, paid as exact fractions of a year of 365 days."""

    def __init__(self, rates: dict[AssetIdentifier, str]):
        self.rates = {asset: Decimal(rate) for asset, rate in rates.items()}
        self.asked: list[tuple[str, datetime.datetime, datetime.datetime]] = []

    def get_yearly_rate(self, asset: AssetIdentifier, at: datetime.datetime) -> float:
        return float(self.rates[asset])

    def get_accrual_multiplier(
        self, asset: AssetIdentifier, start: datetime.datetime, end: datetime.datetime
    ) -> Decimal:
        self.asked.append((asset.token_symbol, start, end))
        return 1 + self.rates[asset] * Decimal((end - start).total_seconds()) / (365 * 86_400)


def new_state(cash: int = 10_000) -> State:
    state = State(created_at=START, name="lender")
    reserve = ReservePosition(USDC, Decimal(cash), START, 1.0, START)
    state.portfolio.reserves[reserve.get_identifier()] = reserve
    return state


def execute(state: State, at: datetime.datetime, trade: TradeExecution) -> None:
    """Fill a planned trade as planned."""
    state.start_execution(at, trade)
    state.mark_broadcasted(at, trade)
    state.mark_trade_success(
        at,
        trade,
        executed_price=float(trade.planned_price),
        executed_amount=trade.planned_quantity,
        executed_reserve=trade.planned_reserve,
        lp_fees=0.0,
        native_token_price=1.0,
        executed_collateral_consumption=trade.planned_collateral_consumption,
        executed_collateral_allocation=trade.planned_collateral_allocation,
    )


def supply(
    state: State, amount: str, at: datetime.datetime = START, position: TradingPosition | None = None, **more: Any
) -> tuple[TradingPosition, TradeExecution]:
    """Supply credit, or recall it with a negative amount."""
    flags = None if position is not None or more.get("closing") else {TradeFlag.ignore_open}
    position, trade, _ = state.supply_credit(
        at, CREDIT, TradeType.rebalance, USDC, 1.0, Decimal(amount), position=position, flags=flags, **more
    )
    execute(state, at, trade)
    return position, trade


def short(
    state: State,
    quantity: str,
    reserve: str,
    consumption: str,
    at: datetime.datetime = START,
    price: float = 2000.0,
    allocation: str | None = None,
    **more: Any,
) -> tuple[TradingPosition, TradeExecution]:
    """Open or change a short: quantity - borrowed, + bought back."""
    position, trade, _ = state.trade_short(
        at,
        SHORT,
        price,
        TradeType.rebalance,
        USDC,
        1.0,
        Decimal(quantity),
        Decimal(reserve),
        planned_mid_price=price,
        planned_collateral_consumption=Decimal(consumption),
        planned_collateral_allocation=None if allocation is None else Decimal(allocation),
        **more,
    )
    execute(state, at, trade)
    return position, trade


def get_balances(position: TradingPosition) -> tuple[Decimal, ...]:
    """Expected token balances: of the aToken, and of the vToken if there is one."""
    loan = position.loan
    assert loan is not None
    return (loan.get_collateral_quantity(), *([loan.get_borrowed_quantity()] if loan.borrowed else []))


def check_balances_add_up(state: State) -> None:
    """Every token balance is principal and interest less what was paid out."""
    for position in state.portfolio.get_all_positions():
        loan = position.loan
        if loan is not None:
            sides = [(loan.collateral, loan.collateral_interest)]
            if loan.borrowed is not None and loan.borrowed_interest is not None:
                sides.append((loan.borrowed, loan.borrowed_interest))
            for tracker, interest in sides:
                assert interest.last_token_amount == tracker.quantity + interest.get_remaining_interest()
