"""The registry of charts: every chart that can be drawn from a state, by name.

>>> from tradeexecutor.visual.charts import CHARTS
>>> CHARTS["drawdown"].title
'Drawdown'

``CHARTS[name].draw(state, ChartOptions(theme="dark"))`` returns a plotly figure for every state.
"""

from tradeexecutor.visual.charts.comparison import draw_benchmark, draw_interest, draw_long_short
from tradeexecutor.visual.charts.excursions import draw_excursions
from tradeexecutor.visual.charts.growth import draw_drawdown, draw_equity, draw_rolling_sharpe
from tradeexecutor.visual.charts.money import draw_deposits, draw_exposure
from tradeexecutor.visual.charts.one_position import draw_position
from tradeexecutor.visual.charts.position_timeline import draw_position_timeline
from tradeexecutor.visual.charts.price import draw_price
from tradeexecutor.visual.charts.results import draw_position_profits, draw_position_scatter
from tradeexecutor.visual.charts.returns import draw_monthly_returns, draw_returns_distribution
from tradeexecutor.visual.parts.chart import Chart, ChartOptions, get_explanation

__all__ = ["CHARTS", "Chart", "ChartOptions", "get_explanation"]

_ALL = (
    Chart("equity", "Equity", "Value of the portfolio, and its growth without deposits.", draw_equity),
    Chart(
        "benchmark",
        "Strategy and benchmark",
        "The strategy compared with buying and holding what it trades.",
        draw_benchmark,
    ),
    Chart(
        "drawdown",
        "Drawdown",
        "Depth and length of the losses from the highest value of the portfolio.",
        draw_drawdown,
    ),
    Chart(
        "monthly-returns",
        "Monthly returns",
        "Returns of months and years.",
        draw_monthly_returns,
    ),
    Chart(
        "returns-distribution",
        "Distribution of returns",
        "Frequency of small and large gains and losses.",
        draw_returns_distribution,
    ),
    Chart(
        "rolling-sharpe",
        "Rolling Sharpe ratio",
        "Return relative to risk over time.",
        draw_rolling_sharpe,
    ),
    Chart(
        "price",
        "Price and trades",
        "Prices at which the strategy entered and left the market, with its indicators.",
        draw_price,
    ),
    Chart("positions", "Positions", "Times at which positions were held, and their results.", draw_position_timeline),
    Chart("exposure", "Exposure by asset", "Share of each asset and of cash in the portfolio.", draw_exposure),
    Chart(
        "profits",
        "Profit by position",
        "Profit of each closed position, and the cumulative profit.",
        draw_position_profits,
    ),
    Chart(
        "profit-and-time",
        "Profit and time held",
        "Profit of positions by the time they were held.",
        draw_position_scatter,
    ),
    Chart(
        "excursions",
        "Excursions",
        "How far positions went against and for the strategy while they were open.",
        draw_excursions,
    ),
    Chart(
        "long-short",
        "Long and short positions",
        "Profit of long and of short positions.",
        draw_long_short,
    ),
    Chart(
        "position",
        "One position",
        "Value of one position over time, and its trades.",
        draw_position,
    ),
    Chart("interest", "Interest earned", "Profit of lending cash.", draw_interest),
    Chart(
        "deposits",
        "Deposits and redemptions",
        "Deposits and redemptions over time, and the net deposits.",
        draw_deposits,
    ),
)

#: All charts by name, in the order of display.
CHARTS: dict[str, Chart] = {chart.name: chart for chart in _ALL}
