"""Remake the pictures of the documentation, which show backtests of the examples: `python docs/images/make.py`."""

from pathlib import Path

from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.dataset import load_dataset
from tradeexecutor.visual.charts import CHARTS, ChartOptions
from tradeexecutor.visual.image_output import render_plotly_figure_as_image_file

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
WIDTH, HEIGHT = 1200, 600

#: Name of the picture -> strategy, chart.
PICTURES = {
    "equity": ("trend_following", "equity"),
    "price": ("trend_following", "price"),
    "exposure": ("rebalancing", "exposure"),
}


def main() -> None:
    """Run the backtests and write the pictures beside this file."""
    candles = {pair: data.to_dataframe() for pair, data in load_dataset("goog-daily").items()}
    states = {}
    for picture, (strategy, chart) in PICTURES.items():
        if strategy not in states:
            states[strategy] = run_backtest_for_module(EXAMPLES / f"{strategy}.py").state
        options = ChartOptions(candles=candles if strategy == "trend_following" else None, height=HEIGHT)
        figure = CHARTS[chart].draw(states[strategy], options)
        (HERE / f"{picture}.png").write_bytes(render_plotly_figure_as_image_file(figure, "png", WIDTH, HEIGHT))


if __name__ == "__main__":
    main()
