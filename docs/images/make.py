"""Remake the pictures of the README, which show backtests of the examples: `python docs/images/make.py`.

The picture of the report needs a Chromium on the machine, as those of the charts do.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.dataset import load_dataset
from tradeexecutor.visual.charts import CHARTS, ChartOptions
from tradeexecutor.visual.image_output import render_plotly_figure_as_image_file

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
EXAMPLES = REPOSITORY / "examples"
COMMAND = Path(sys.executable).parent / "tradeexecutor"

#: Size of the pictures, pixels, and columns of the terminal.
WIDTH, HEIGHT, COLUMNS = 900, 480, 92

#: Name of the picture -> strategy, chart.
PICTURES = {
    "price": ("trend_following", "price"),
    "exposure": ("rebalancing", "exposure"),
}

#: The commands in the picture of the terminal, and how many lines of each are shown.
SHOWN = ((("backtest", "examples/trend_following.py"), 24), (("audit", "backtests/trend_following/state.json"), 9))

#: The form of `Console.export_svg` without the fonts of other servers that its own form names.
_TERMINAL = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
line-height: {line_height}px }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}</g></g></svg>
"""


def draw_charts() -> None:
    """Write the pictures of charts beside this file."""
    candles = {pair: data.to_dataframe() for pair, data in load_dataset("goog-daily").items()}
    for picture, (strategy, chart) in PICTURES.items():
        state = run_backtest_for_module(EXAMPLES / f"{strategy}.py", progress=False).state
        options = ChartOptions(candles=candles if strategy == "trend_following" else None, height=HEIGHT)
        figure = CHARTS[chart].draw(state, options)
        (HERE / f"{picture}.png").write_bytes(render_plotly_figure_as_image_file(figure, "png", WIDTH, HEIGHT))


def run(folder: Path, *arguments: str) -> str:
    """Run a command in a folder, and return what it prints, with its colours."""
    settings = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    done = subprocess.run([COMMAND, *arguments], cwd=folder, env=settings, capture_output=True, text=True, check=True)
    return done.stdout


def draw_terminal(folder: Path) -> None:
    """Write a picture of commands and what they print."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    for arguments, count in SHOWN:
        console.print(f"[bold]$ tradeexecutor {' '.join(arguments)}")
        console.print(Text.from_ansi("\n".join(run(folder, *arguments).splitlines()[:count])))
        console.print()
    picture = console.export_svg(title="tradeexecutor", code_format=_TERMINAL, theme=SVG_EXPORT_THEME, unique_id="t")
    (HERE / "terminal.svg").write_text(picture, encoding="utf-8")


def draw_report(folder: Path) -> None:
    """Write a picture of the first screen of a report."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        raise SystemExit("no Chromium was found for the picture of the report")
    run(folder, "report", "backtests/trend_following/state.json", "-o", "report.html")
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=0.62"]
    options += ["--window-size=1250,770", "--virtual-time-budget=8000", f"--screenshot={HERE / 'report.png'}"]
    subprocess.run([browser, *options, f"file://{folder / 'report.html'}"], capture_output=True, check=True)


def main() -> None:
    """Write all pictures."""
    draw_charts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "examples").symlink_to(EXAMPLES)
        draw_terminal(folder)
        draw_report(folder)


if __name__ == "__main__":
    main()
