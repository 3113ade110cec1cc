"""Write the gallery of the example strategies: `make docs-gallery`.

It runs every strategy in `examples/` on its own data, and writes docs/examples.md with the text at the top of the file,
the figures, the code of the decision, and a picture in docs/images/examples. A new file in `examples/` needs nothing
else. A test compares the page with what this program would write.
"""

import ast
import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_for_module
from tradeexecutor.state.display.formatting import format_percent, format_ratio
from tradeexecutor.visual.parts.small_chart import draw_growth_svg

DOCS = Path(__file__).resolve().parent
STRATEGIES = DOCS.parent / "examples"
PICTURES = DOCS / "images" / "examples"

#: Colour of the dates in a picture that is a file of its own, and cannot take that of the page.
_DATES = "#808a96"

_HEAD = """\
# Example strategies

Complete strategies to run, read and copy. Each is one file in the folder `examples` that runs on data that come with
the program, and unchanged on paper and live (vaults: not on paper): no example knows where it runs. They teach how a
kind of strategy is written. None of them is advice, none was optimised, and some lose money.

"""


@dataclass(frozen=True)
class Entry:
    """What the gallery shows of a strategy."""

    path: Path
    title: str
    text: str
    code: str
    figures: PerformanceSummary
    market: str
    picture: str


def find_strategies() -> list[Path]:
    """Return the files of the examples, sorted by name."""
    return [path for path in sorted(STRATEGIES.glob("*.py")) if not path.name.startswith("_")]


def run(path: Path) -> BacktestResult:
    """Run a strategy on its own data."""
    with contextlib.redirect_stderr(io.StringIO()):  # The warnings of a run are for the person who runs it.
        return run_backtest_for_module(path, progress=False)


def make_entry(path: Path, result: BacktestResult) -> Entry:
    """Return what is shown of a strategy and its run."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    paragraphs = (ast.get_docstring(tree) or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if not paragraph.startswith("    "))
    (decide,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "decide_trades")
    state, universe, _ = result
    return Entry(
        path,
        state.name or path.stem,
        text,
        ast.get_source_segment(source, decide) or "",
        summarise_performance(state),
        ", ".join(pair.base.token_symbol for pair in universe.iterate_pairs()),
        draw_growth_svg(state).replace("currentColor", _DATES) + "\n",
    )


def write_section(entry: Entry) -> str:
    """Return the Markdown of one strategy."""
    return f"""\
## {entry.title}

{entry.text}

{entry.market}, {entry.figures.start_at:%Y-%m-%d} to {entry.figures.end_at:%Y-%m-%d}:

![Growth of the strategy and of buy and hold](images/examples/{entry.path.stem}.svg)

```console
$ tradeexecutor backtest examples/{entry.path.name}
```

```python
{entry.code}
```
"""


def write_table(entries: list[Entry]) -> str:
    """Return a table with the figures of all strategies."""
    lines = [
        "| Strategy | Return | Buy and hold | Deepest drawdown | Sharpe | Positions |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in entries:
        figures = entry.figures
        anchor = entry.title.lower().replace(" ", "-")
        cells = (
            f"[{entry.title}](#{anchor})",
            format_percent(figures.total_return),
            format_percent(figures.buy_and_hold),
            format_percent(figures.max_drawdown),
            format_ratio(figures.sharpe),
            str(figures.positions_closed + figures.positions_open),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\nFees are paid; a decision trades at the open of the candle at which it is made ([fills](fills.md)).\n"
    )


def render(run_strategy: Callable[[Path], BacktestResult] = run) -> dict[Path, str]:
    """Return the path and the content of each file of the gallery."""
    entries = [make_entry(path, run_strategy(path)) for path in find_strategies()]
    page = _HEAD + write_table(entries) + "".join(f"\n{write_section(entry)}" for entry in entries)
    files = {PICTURES / f"{entry.path.stem}.svg": entry.picture for entry in entries}
    return {DOCS / "examples.md": page, **files}


def main() -> None:
    """Write the page and the pictures, and remove pictures of strategies that are gone."""
    files = render()
    PICTURES.mkdir(exist_ok=True)
    for path in set(PICTURES.glob("*.svg")) - set(files):
        path.unlink()
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
