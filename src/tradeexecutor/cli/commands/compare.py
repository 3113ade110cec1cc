"""``tradeexecutor compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import parse_duration, parse_fraction, read_option
from tradeexecutor.cli.output import print_json, print_line
from tradeexecutor.cli.page_target import check_targets
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.operations.state_location import load_state
from tradeexecutor.state.files.durable_file import write_atomically

if TYPE_CHECKING:
    from tradeexecutor.analysis.compare.attribution import Attribution
    from tradeexecutor.analysis.compare.states import Comparison

EXAMPLES = (
    "tradeexecutor compare monday.json tuesday.json",
    "tradeexecutor compare backtest.json live.json --time-tolerance 10m --price-tolerance 0.5% --relative",
    "tradeexecutor compare backtest.json live.json --time-tolerance 10m --output compare.html",
    "tradeexecutor compare before.json after.json --all --limit 100",
    "tradeexecutor compare a.json b.json --json | jq .divergence",
)


def compare(
    a: Annotated[
        StatePlace,
        typer.Argument(
            metavar="STATE_A",
            help="State file, e.g. of the backtest.",
            show_default=False,
            parser=parse_place,
        ),
    ],
    b: Annotated[
        StatePlace,
        typer.Argument(
            metavar="STATE_B",
            help="State file to compare with it, e.g. of the live strategy.",
            show_default=False,
            parser=parse_place,
        ),
    ],
    *,
    time_tolerance: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Largest time between trades of the same decision, e.g. 30s, 5m, 1h.",
            show_default=True,
        ),
    ] = "0",
    price_tolerance: Annotated[
        str, typer.Option(metavar="FRACTION", help="Largest difference of prices that count as equal: 0.001 or 0.1%.")
    ] = "0",
    amount_tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="FRACTION",
            help="The same for quantities, values, fees, profits and equity.",
            show_default="--price-tolerance",
        ),
    ] = None,
    relative: Annotated[
        bool,
        typer.Option("--relative", help="Compare amounts as fractions of the equity, for runs with different capital."),
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="Also list trades and positions that are the same.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write a page with charts. An existing file is replaced.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="List at most N trades, and N positions.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    # Longer than 70 lines: many of them declare the options and their help.
    """Compare two state files, and explain the difference of their equity.

    It shows trades, fills, positions, fees, timing and equity side by side, and
    the first difference. The difference of the equity is split into causes, such
    as missed cycles, failed trades, prices, slippage and fees, which add up to it.

    Trades belong to the same decision when pair and side are the same and the
    times of decision differ by at most the time tolerance. GOOG-USD and GOOG-USDC
    are the same pair. Without tolerances, values must be exactly equal.

    The exit code is 0 when nothing differs, and 1 when something does.
    """
    times = read_option("--time-tolerance", parse_duration, time_tolerance)
    prices = read_option("--price-tolerance", parse_fraction, price_tolerance)
    amounts = (
        prices if amount_tolerance is None else read_option("--amount-tolerance", parse_fraction, amount_tolerance)
    )
    if output is not None:
        check_targets((a, b), [output])
    states = load_state(a), load_state(b)
    from tradeexecutor.analysis.compare.attribution import attribute_difference
    from tradeexecutor.analysis.compare.states import Tolerances, compare_states

    result = compare_states(*states, Tolerances(times, prices, amounts), relative_to_equity=relative)
    attribution = attribute_difference(*states, times)
    if output is not None:
        from tradeexecutor.report.comparison_page import make_comparison_page

        page = make_comparison_page(states, (str(a), str(b)), result, attribution)
        write_atomically(output, page.encode())
    _show(result, attribution, a, b, all_=all_, limit=limit, json_=json_)
    if output is not None and not json_:
        print_line(f"Wrote {output}")
    if not result.is_equal:
        raise typer.Exit(EXIT_FAILURE)


def _show(
    result: "Comparison",
    attribution: "Attribution",
    a: StatePlace,
    b: StatePlace,
    *,
    all_: bool,
    limit: int,
    json_: bool,
) -> None:
    from tradeexecutor.cli.printers.comparison import comparison_to_json, print_comparison

    if json_:
        print_json(comparison_to_json(result, attribution, a, b))
    else:
        print_comparison(result, attribution, a, b, all_=all_, limit=limit)
