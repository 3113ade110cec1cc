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
    Chart("equity", "Equity", "What the portfolio was worth, and how it grew without deposits.", draw_equity),
    Chart(
        "benchmark",
        "Strategy and benchmark",
        "Whether the strategy did better than simply holding what it trades.",
        draw_benchmark,
    ),
    Chart(
        "drawdown",
        "Drawdown",
        "How far the portfolio was below its highest value, and for how long.",
        draw_drawdown,
    ),
    Chart(
        "monthly-returns",
        "Monthly returns",
        "Which months and years made money, and which lost it.",
        draw_monthly_returns,
    ),
    Chart(
        "returns-distribution",
        "Spread of returns",
        "How often small and large gains and losses happened.",
        draw_returns_distribution,
    ),
    Chart(
        "rolling-sharpe",
        "Rolling Sharpe ratio",
        "Whether return for the risk taken got better or worse over time.",
        draw_rolling_sharpe,
    ),
    Chart(
        "price",
        "Price and trades",
        "At which prices the strategy entered and left the market, and what its indicators said.",
        draw_price,
    ),
    Chart("positions", "Positions", "When which position was held, and how it ended.", draw_position_timeline),
    Chart("exposure", "Exposure by asset", "In what the money was, and how much of it was idle.", draw_exposure),
    Chart(
        "profits",
        "Profit by position",
        "Whether the profit comes from many positions or from a few.",
        draw_position_profits,
    ),
    Chart(
        "profit-and-time",
        "Profit and time held",
        "Whether positions that are held longer do better.",
        draw_position_scatter,
    ),
    Chart(
        "excursions",
        "Excursions",
        "How far positions went against and for the strategy before they ended: where stops and targets might stand.",
        draw_excursions,
    ),
    Chart(
        "long-short",
        "Long and short positions",
        "Which side of the market the profit comes from.",
        draw_long_short,
    ),
    Chart(
        "position",
        "One position",
        "What one position was worth over time, and when it was traded.",
        draw_position,
    ),
    Chart("interest", "Interest earned", "What lending the cash brought.", draw_interest),
    Chart(
        "deposits",
        "Deposits and redemptions",
        "When money came in and went out, and how much is in.",
        draw_deposits,
    ),
)

#: All charts by name, in the order of display.
CHARTS: dict[str, Chart] = {chart.name: chart for chart in _ALL}
