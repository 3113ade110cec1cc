"""A table of figures: a few daily prices, what is done, and what must be shown; each value is derived beside its case.

Every run begins with 1,000 USD and no fee unless it says otherwise.  Price `n` is the price at midnight of day `n`: the
open of candle `n` and the close of the one before, so that nothing happens in between.  `plans` say what is done at the
open of a day.  The last price is the close of the last candle, at which nothing can be done any more.
"""

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, START, make_candles
from tradeexecutor.analysis.adjusted.periods import group_by_calendar, read_observations
from tradeexecutor.analysis.adjusted.positions import get_exit_reason
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

Plan = Callable[[PositionManager, TradingPairIdentifier], Any]

_BACKTEST = ExecutionMode.backtesting


@dataclass(frozen=True)
class Case:
    """`figures` are names of `read_figures` and what they must be; `start` is day 0."""

    name: str
    prices: Sequence[float]
    plans: dict[int, Plan]
    figures: dict[str, Any]
    fee: float = 0.0
    start: datetime.datetime = START
    funding: Sequence[tuple[int, float]] = ()
    options: dict[str, Any] = field(default_factory=dict)


def buy(value: float = 1_000, **levels: Any) -> Plan:
    return lambda manager, pair: manager.open_spot(pair, value, **levels)


def more(value: float) -> Plan:
    return lambda manager, pair: manager.adjust_position(pair, value, None, 0.5)


def less(units: float) -> Plan:
    return lambda manager, pair: manager.adjust_position(pair, -1, -Decimal(str(units)), 0.5)


def sell(manager: PositionManager, pair: TradingPairIdentifier) -> Any:
    return manager.close_all()


def limit(price: float, value: float = 1_000, **settings: Any) -> Plan:
    return lambda manager, pair: manager.limit_buy(pair, value, price, **settings)


def buy_for_a_day(manager: PositionManager, pair: TradingPairIdentifier) -> Any:
    trades = manager.open_spot(pair, 1_000)
    position = manager.get_current_position_for_pair(pair)
    assert position is not None
    return trades + manager.close_after_bars(position, 1)


def run_case(case: Case) -> State:
    bars = [(o, max(o, c), min(o, c), c) for o, c in zip(case.prices[:-1], case.prices[1:], strict=True)]

    def decide(input: Any) -> Any:
        plan = case.plans.get((input.timestamp - case.start) // DAY)
        return plan(input.get_position_manager(), input.get_default_pair()) if plan else []

    return run_backtest_inline(
        decide_trades=decide,
        universe=create_universe({"BTC-USD": make_candles(bars, case.start, DAY)}, fee=case.fee),
        initial_deposit=1_000,
        funding=[(case.start + day * DAY, amount) for day, amount in case.funding],
        progress=False,
        **case.options,
    ).state


def read_figures(state: State) -> dict[str, Any]:
    """Figures of the summary under their names, and others."""
    summary = summarise_performance(state)
    seen = read_observations(state)
    positions = list(state.portfolio.get_all_positions())
    profits = [position.get_average_cost_profit_usd() for position in positions]
    months = group_by_calendar(seen.start, seen.ends, seen.returns, "M")
    years = group_by_calendar(seen.start, seen.ends, seen.returns, "Y")
    return {
        **{name: getattr(summary.risk, name) for name in summary.risk.__slots__},
        **{name: getattr(summary, name) for name in summary.__slots__},
        "entry": seen.entry,
        "returns": seen.returns.tolist(),
        "periods_per_year": seen.periods_per_year,
        "realised": sum(realised for realised, _ in profits),
        "unrealised": sum(unrealised for _, unrealised in profits),
        "held": [
            (position.get_duration(partial=True, execution_mode=_BACKTEST, end_at=summary.end_at) or DAY * 0) / DAY
            for position in positions
        ],
        "exits": [reason.value for position in positions if (reason := get_exit_reason(position))],
        "best": summary.best_position and summary.best_position.profit_usd,
        "worst": summary.worst_position and summary.worst_position.profit_usd,
        "months": {f"{day:%Y-%m}": value for day, value in months.items()},
        "years": {f"{day:%Y}": value for day, value in years.items()},
        "cash": state.portfolio.get_cash(),
    }


RETURNS = [
    # 10 units: 1000, 1100, 990.  Up to 1100 is a run-up of 10 %, from there a tenth is lost.
    Case(
        "held all the time",
        [100, 110, 99],
        {0: buy()},
        {
            "returns": [0.1, -0.1],
            "total_return": -0.01,
            "max_drawdown": -0.1,
            "max_runup": 0.1,
            "exposure": 1.0,
            "final_equity": 990,
        },
    ),
    # 500 in cash, 5 units: 1000, 1050, 995.
    Case("half in cash", [100, 110, 99], {0: buy(500)}, {"returns": [0.05, 995 / 1050 - 1], "total_return": -0.005}),
    # Nothing happens: returns of zero do not vary, so there are no ratios.
    Case(
        "never traded",
        [100, 110, 99],
        {},
        {
            "returns": [0, 0],
            "total_return": 0,
            "max_drawdown": 0,
            "sharpe": None,
            "sortino": None,
            "exposure": 0,
            "trades": 0,
            "win_rate": None,
            "profit_factor": None,
        },
    ),
    Case("a single return", [100, 110], {0: buy()}, {"returns": [0.1], "sharpe": None, "sortino": None}),
    # The same every day: no deviation, no Sharpe, no loss, no Sortino.
    Case(
        "constant returns",
        [100, 110, 121, 133.1],
        {0: buy()},
        {"returns": [0.1, 0.1, 0.1], "sharpe": None, "sortino": None, "volatility": 0, "max_drawdown": 0},
    ),
    # 0.1, -0.05, 0.1: mean 0.05; squared distances 0.0025 + 0.01 + 0.0025, by two: deviation sqrt(0.0075).  The first
    # sample is no return: with a zero in front the mean would be 0.0375.  Loss: sqrt(0.0025 / 3).
    Case(
        "Sharpe and Sortino without the first sample",
        [100, 110, 104.5, 114.95],
        {0: buy()},
        {
            "sharpe": 0.05 / math.sqrt(0.0075) * math.sqrt(365),
            "sortino": 0.05 / math.sqrt(0.0025 / 3) * math.sqrt(365),
            "volatility": math.sqrt(0.0075 * 365),
            "periods_per_year": 365,
            "omega": 0.2 / 0.05,
        },
    ),
    # 100 - 80 loses 20 %; 120 - 90 loses 25 %; 80 - 120 wins a half.
    Case("the deeper of two drawdowns", [100, 80, 120, 90], {0: buy()}, {"max_drawdown": -0.25, "max_runup": 0.5}),
    # Under water from day 1 to day 4.
    Case(
        "the longest drawdown",
        [100, 110, 105, 100, 112, 111],
        {0: buy()},
        {"longest_drawdown": 3 * DAY, "max_drawdown": 100 / 110 - 1},
    ),
    # 21 % in two days: 1.21 to the power of 365 / 2.
    Case("per year", [100, 110, 121], {0: buy()}, {"cagr": 1.21 ** (365 / 2) - 1}),
    # 1 % above 100 are paid for 9.9009..., which bring 99 each: 980.198.
    Case(
        "the fee of the entry",
        [100, 100, 100],
        {0: buy()},
        {"entry": 0.99 / 1.01 - 1, "returns": [0, 0], "total_return": 0.99 / 1.01 - 1, "max_drawdown": 0.99 / 1.01 - 1},
        fee=0.01,
    ),
    # 1 % of slippage: 9.9 units for 1000.
    Case(
        "the slippage of the entry",
        [100, 100, 110],
        {0: buy()},
        {"entry": -0.01, "returns": [0, 0.1], "total_return": 0.089},
        options={"slippage": 0.01},
    ),
    # Twelve days of 10 % and -5 %: mean 0.025; each is 0.075 away, by eleven.  A week is no different from a day.
    *(
        Case(
            f"decided each {cycle.value}",
            [100 * 1.045 ** (n // 2) * (1.1 if n % 2 else 1) for n in range(13)],
            {0: buy()},
            {
                "sharpe": 0.025 / math.sqrt(12 * 0.075**2 / 11) * math.sqrt(365),
                "max_drawdown": -0.05,
                "total_return": 1.045**6 - 1,
                "is_daily": True,
            },
            options={"cycle_duration": cycle},
        )
        for cycle in (CycleDuration.cycle_1d, CycleDuration.cycle_7d, CycleDuration.cycle_30d)
    ),
]

FLOWS = [
    # 1100, then 1000 in cash: 2100, 2210.
    Case(
        "a deposit that stays in cash",
        [100, 110, 121],
        {0: buy()},
        {
            "returns": [0.1, 110 / 2100],
            "total_return": 1.1 * 2210 / 2100 - 1,
            "net_deposits": 1_000,
            # 1000 g + 1000 sqrt(g) = 2210, so sqrt(g) = (-1 + sqrt(1 + 8.84)) / 2.
            "money_weighted_return": ((-1 + math.sqrt(9.84)) / 2) ** 2 - 1,
        },
        funding=[(1, 1_000)],
    ),
    # The same formula for a hundred times what is there: 101100, 101210.
    Case(
        "a deposit larger than the portfolio",
        [100, 110, 121],
        {0: buy()},
        {"returns": [0.1, 110 / 101_100], "max_drawdown": 0},
        funding=[(1, 100_000)],
    ),
    # 1100 + 1000, all of it invested at 110: another 10 %.
    Case(
        "a deposit that is invested",
        [100, 110, 121],
        {0: buy(), 1: more(1_000)},
        {"returns": [0.1, 0.1], "total_return": 0.21, "final_equity": 2310},
        funding=[(1, 1_000)],
    ),
    # 550 + 500 - 300 = 750, 605 + 200 = 805.
    Case(
        "a redemption",
        [100, 110, 121],
        {0: buy(500)},
        {"returns": [0.05, 55 / 750], "net_deposits": -300, "max_drawdown": 0},
        funding=[(1, -300)],
    ),
    Case("a redemption is no loss", [100, 100, 100], {}, {"returns": [0, 0], "max_drawdown": 0}, funding=[(1, -900)]),
    Case(
        "a deposit is no profit",
        [100, 100, 100],
        {},
        {"returns": [0, 0], "total_return": 0, "money_weighted_return": 0, "final_equity": 6_000},
        funding=[(1, 5_000)],
    ),
    # 550 + 500 - 50 = 1000; 5 at 99 and 450 are 945.
    Case(
        "a redemption before a loss",
        [100, 110, 99],
        {0: buy(500)},
        {"returns": [0.05, 945 / 1_000 - 1], "max_drawdown": -0.055},
        funding=[(1, -50)],
    ),
]

PROFITS = [
    Case(
        "a later buy does not change what a sale earned",
        [50, 80, 200, 200],
        {0: buy(100), 1: less(1), 2: more(200)},
        {"realised": 30, "unrealised": 150},
    ),
    # 2 for 300: 150 each.
    Case(
        "average cost",
        [100, 200, 180, 180],
        {0: buy(100), 1: more(200), 2: less(1)},
        {"realised": 30, "unrealised": 30},
    ),
    # -10, +10; two left, 20 above their cost.
    Case("two sales", [100, 90, 110, 120], {0: buy(400), 1: less(1), 2: less(1)}, {"realised": 0, "unrealised": 40}),
    # 20 of the first; the second has lost 5 and is open.
    Case(
        "closed and opened again",
        [100, 120, 130, 125],
        {0: buy(100), 1: sell, 2: buy(130)},
        {"realised": 20, "unrealised": -5, "won": 1, "lost": 0, "positions_open": 1, "positions_closed": 1},
    ),
    # 1 unit for 101, sold for 108.9.
    Case(
        "net of fees",
        [100, 110, 110],
        {0: buy(101), 1: sell},
        {"realised": 7.9, "best": 7.9, "won": 1, "fees": 1 + 1.1, "volume": 101 + 108.9, "cash": 1_007.9},
        fee=0.01,
    ),
    # 1 unit for 101, sold at 101 for 99.99.
    Case(
        "a win before fees is a loss",
        [100, 101, 101],
        {0: buy(101), 1: sell},
        {"won": 0, "lost": 1, "worst": -1.01, "win_rate": 0, "profit_factor": 0},
        fee=0.01,
    ),
    # +20, -10, +5: 25 won for 10 lost.
    Case(
        "won and lost",
        [100, 120, 110, 110, 115, 115],
        {0: buy(100), 1: sell, 2: buy(110), 3: sell, 4: buy(115)},
        {"won": 1, "lost": 0, "realised": 20},
    ),
    Case(
        "profit factor and expectancy",
        [100, 120, 110, 110, 115, 120],
        {
            0: buy(100),
            1: lambda manager, pair: sell(manager, pair) + manager.open_spot(pair, 120),
            2: lambda manager, pair: sell(manager, pair) + manager.open_spot(pair, 110),
            4: sell,
        },
        # 100 - 120, 120 - 110, 110 - 115.
        {
            "won": 2,
            "lost": 1,
            "win_rate": 2 / 3,
            "profit_factor": 2.5,
            "expectancy": 5,
            "best": 20,
            "worst": -10,
            "realised": 15,
        },
    ),
    Case("nothing lost", [100, 120, 120], {0: buy(100), 1: sell}, {"profit_factor": None, "win_rate": 1.0}),
    Case("neither won nor lost", [100, 100, 100], {0: buy(100), 1: sell}, {"won": 0, "lost": 0, "win_rate": 0}),
    # 2 for 200: one brings 50 more than it cost, the other 50 less.
    Case("in two steps", [100, 150, 50, 50], {0: buy(200), 1: less(1), 2: sell}, {"realised": 0, "won": 0, "lost": 0}),
]

TIMES = [
    Case("one of four days", [100] * 5, {1: buy(), 2: sell}, {"exposure": 0.25, "held": [1]}),
    Case(
        "two of four days",
        [100] * 5,
        {0: buy(), 1: sell, 3: buy()},
        {"exposure": 0.5, "held": [1, 1], "positions_open": 1},
    ),
    # The price falls to 90 during day 1, which is booked at its end: held on the last of three days.
    Case("a limit order", [100, 95, 90, 99], {0: limit(90)}, {"exposure": 1 / 3, "held": [1], "returns": [0, 0, 0.1]}),
    Case(
        "a limit order that is never met",
        [100, 95, 92, 99],
        {0: limit(90, good_till_time=2 * DAY)},
        {"exposure": 0, "trades": 0, "expired_trades": 1, "volume": 0, "positions_open": 0},
    ),
    # Open 100, low 80: the stop of 90 is hit on the way.
    Case(
        "a stop loss",
        [100, 80, 80],
        {0: buy(stop_loss_usd=90.0)},
        {"exits": ["stop loss"], "stop_losses": 1, "take_profits": 0, "worst": -100, "exposure": 0.5},
    ),
    Case(
        "a take profit",
        [100, 130, 80],
        {0: buy(take_profit_usd=120.0)},
        {"exits": ["take profit"], "stop_losses": 0, "take_profits": 1, "best": 200, "total_return": 0.2},
    ),
    # High first: the level follows 130 to 117, and the low of 100 is below it.  The other way ends higher, so it does
    # not count.
    Case(
        "a trailing stop loss at a profit",
        [100, 130, 100, 100],
        {0: buy(trailing_stop_loss_pct=0.9)},
        {"exits": ["trailing stop loss"], "stop_losses": 1, "best": 170, "held": [1]},
    ),
    # At the open of day 1, at 95: a time is no take profit.
    Case(
        "an exit at a time",
        [100, 95, 90],
        {0: buy_for_a_day},
        {"exits": ["time"], "take_profits": 0, "stop_losses": 0, "worst": -50, "held": [1]},
    ),
    Case(
        "a trade that fails",
        [100, 110, 120],
        {0: buy()},
        {"trades": 1, "failed_trades": 1, "volume": 0, "fees": 0, "exposure": 0, "returns": [0, 0]},
        options={"failures": lambda trade: True},
    ),
]

PERIODS = [
    # 30 January and the 31st, which ends at midnight of the 1st; then 1 February.
    Case(
        "months",
        [100, 110, 121, 60.5],
        {0: buy()},
        {"months": {"2024-01": 0.21, "2024-02": -0.5}},
        start=datetime.datetime(2024, 1, 30),
    ),
    Case(
        "the last day of a year",
        [100, 110, 99],
        {0: buy()},
        {"years": {"2023": 0.1, "2024": -0.1}, "months": {"2023-12": 0.1, "2024-01": -0.1}},
        start=datetime.datetime(2023, 12, 31),
    ),
    # What is deposited in March earns nothing in February.
    Case(
        "months with a deposit",
        [100, 120, 120],
        {0: buy()},
        {"months": {"2024-02": 0.2, "2024-03": 0.0}},
        start=datetime.datetime(2024, 2, 29),
        funding=[(1, 10_000)],
    ),
]

CASES = [*RETURNS, *FLOWS, *PROFITS, *TIMES, *PERIODS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_figures(case: Case):
    figures = read_figures(run_case(case))
    shown = {name: figures[name] for name in case.figures}
    assert shown == {name: _about(value) for name, value in case.figures.items()}


def _about(value: Any) -> Any:
    if (
        value is None
        or isinstance(value, (datetime.timedelta, bool))
        or (value and isinstance(value, list) and isinstance(value[0], str))
    ):
        return value
    return pytest.approx(value, rel=1e-6, abs=1e-7)


def test_there_are_enough_cases():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40
