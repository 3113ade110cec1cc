"""The figures of plain positions, read in one pass, are those of the methods of the position, digit for digit."""

import datetime
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.edits import make_closed_state
from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.analysis import position_figures
from tradeexecutor.analysis.adjusted.breakdown import BREAKDOWNS, break_down
from tradeexecutor.analysis.adjusted.positions import get_net_profit, get_net_result
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.exit_reason import get_exit_reason
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.analysis.position_figures import PositionFigures, measure_plain, measure_position
from tradeexecutor.report.table_data import make_closed_positions
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType
from tradeexecutor.statistics.statistics_table import serialise_live_long_short_stats

NOW = datetime.datetime(2031, 1, 1)

#: Share of the planned amount that moves; a token with a tax on transfers moves less.
SHARES = ("1", "0.99", "1.003", "0.5")


def trade(seed: int) -> State:
    """Open and close positions in two pairs, each with some trades of random amounts."""
    dice = random.Random(seed)
    trader = Trader(new_state(10**12))
    for _ in range(4):
        pair = dice.choice([WETH_USDC, LINK_USDC])
        position = None
        for _ in range(dice.randint(1, 3)):
            quantity = Decimal(dice.randint(1, 10**6)) / dice.choice([1000, 1024, 7])
            position, order = trader.plan(
                pair, quantity, dice.choice([0.1, 1.37, 2000.0]), notes=dice.choice([None, " a\n b "])
            )
            run(trader, order, dice)
        assert position is not None
        held = position.get_quantity()
        parts = [held / 3, held - held / 3] if dice.random() < 0.4 else [held]
        for part in parts:
            kind = dice.choice([TradeType.rebalance, TradeType.rebalance, TradeType.stop_loss, TradeType.take_profit])
            _, order = trader.plan(pair, -part, dice.choice([0.1, 1.37, 2100.0]), trade_type=kind)
            run(trader, order, dice)
        position.portfolio_value_at_open = dice.choice([None, 0.0, 12_345.6])
        position.stop_loss = dice.choice([None, 0.09])
        position.notes = dice.choice([None, "of the position"])
    return trader.state


def run(trader: Trader, order: Any, dice: random.Random) -> None:
    """Execute a trade at about its price, for about its amount of money."""
    trader.lp_fees = dice.choice([0.0, 1.8, 0.1])
    price = float(order.planned_price) * dice.choice([1.0, 1.001])
    trader.run(order, executed_price=price, executed_reserve=order.planned_reserve * Decimal(dice.choice(SHARES)))


def ask_return(position: TradingPosition, method: str) -> float | None:
    try:
        return getattr(position, method)()
    except LegacyDataException:
        return None


def check(position: TradingPosition, figures: PositionFigures) -> None:
    """Compare all figures with those of the methods; the types of numbers count, too."""
    asked = position_figures._measure_any(position)._replace(  # pyright: ignore[reportPrivateUsage]
        exit_reason=get_exit_reason(position),
        bought_usd=position.get_total_bought_usd(),
        net_profit=position.get_net_profit_usd(),
        net_result=position.get_net_result(),
        realised_return=ask_return(position, "get_size_relative_realised_profit_percent"),
        total_return=ask_return(position, "get_size_relative_unrealised_or_realised_profit_percent"),
    )
    for name, found, expected in zip(figures._fields, figures, asked, strict=True):
        assert repr(found) == repr(expected), name


@given(st.integers(0, 10**9))
def test_plain_positions_have_the_figures_of_their_methods(seed: int):
    state = trade(seed)
    closed = [*state.portfolio.closed_positions.values()]
    assert closed
    with share_results():
        for position in closed:
            figures = measure_plain(position)
            assert figures is not None
            check(position, figures)
            assert measure_position(position) == figures
            assert get_net_profit(position) == position.get_net_profit_usd()
            assert get_net_result(position) == position.get_net_result()
    assert measure_plain(closed[0]) is None  # where one figure is asked for, the others are not worth their time


def test_positions_that_are_not_plain_are_asked():
    state = make_closed_state()
    positions = [*state.portfolio.closed_positions.values()]
    with share_results():
        plain = [(position, figures) for position in positions if (figures := measure_plain(position))]
        assert len(plain) < len(positions)
        for position, figures in plain:
            check(position, figures)


def is_plain(position: TradingPosition) -> bool:
    with share_results():
        return measure_plain(position) is not None


@pytest.mark.parametrize("change", ["open", "frozen", "repaired", "failed", "one-sided", "kind"])
def test_what_makes_a_position_not_plain(change: str):
    trader = Trader(new_state(10_000))
    position, bought = trader.buy(WETH_USDC, "1", 2000.0)
    trader.sell(WETH_USDC, "1", 2100.0)
    assert is_plain(position)
    if change == "open":
        position.closed_at = None
    elif change == "frozen":
        position.frozen_at = trader.ts
    elif change == "repaired":
        bought.repaired_at = trader.ts
    elif change == "failed":
        bought.failed_at = trader.ts
    elif change == "one-sided":
        del position.trades[bought.trade_id]
    else:
        position.pair.kind = type(position.pair.kind).vault
    try:
        assert not is_plain(position)
    finally:
        if change == "kind":
            position.pair.kind = type(position.pair.kind).spot_market_hold


def describe(state: State) -> list[str]:
    """All that a report says about the positions, with every digit."""
    with share_results():
        return [
            repr(summarise_performance(state)),
            *(repr(break_down(state.portfolio, name)) for name in BREAKDOWNS),
            repr(serialise_live_long_short_stats(state, NOW).to_dict()),
            repr(make_closed_positions(state).to_dict()),
        ]


@settings(max_examples=20)
@given(st.integers(0, 10**9))
def test_the_parts_of_a_report_do_not_depend_on_which_positions_are_plain(seed: int):
    state = trade(seed)
    expected = describe(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(position_figures, "_is_plain", lambda position: False)
        assert describe(state) == expected
