"""A state with a recorded share price."""

import datetime

from tests.kit.trader import T0
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics

HOUR = datetime.timedelta(hours=1)


def make_state(*prices: float | None, cash: list[float] | None = None, equity: list[float] | None = None) -> State:
    """A sample an hour; a hundred shares."""
    state = State(created_at=T0)
    for number, price in enumerate(prices):
        value = 100 * (price or 1.0)
        state.stats.portfolio.append(
            PortfolioStatistics(
                calculated_at=T0 + number * HOUR,
                total_equity=value,
                net_asset_value=value,
                share_price_usd=price,
                free_cash=cash[number] if cash else value,
                open_position_equity=equity[number] if equity else 0.0,
            )
        )
    return state
