"""``tradeexecutor query``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_problem
from tradeexecutor.cli.state_file import StatePlace, parse_place

EXAMPLES = (
    'tradeexecutor query "select pair, count(*), sum(profit) from positions group by pair" state.json',
    "tradeexecutor query \"select strategy, max(net_asset_value) from samples group by all\" 'sqlite:///trading.db'",
    'tradeexecutor query "select * from results where trades > 30 order by sharpe desc limit 5" optimisations',
    'tradeexecutor query "select * from trades where failed_at is not null" backtests --format csv > failed.csv',
    'tradeexecutor query "describe trades" state.json',
)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One select, in the SQL of DuckDB.", show_default=False)],
    places: Annotated[
        list[StatePlace],
        typer.Argument(
            metavar="STATES...",
            help="State files, folders with them, databases such as sqlite:///trading.db, strategies in databases, "
            "and results of optimisations.",
            show_default=False,
            parser=parse_place,
        ),
    ],
    *,
    file_format: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", "-f", help="How to write the rows.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default="the terminal")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Ask questions of states in SQL.

    The tables are positions, trades, samples (the recorded history of the
    portfolio) and results (the runs of optimize). The first columns are state,
    where it is, and strategy, its name, so that one query compares many.
    "describe trades" lists the columns of a table; they are the same for every
    state, and those of `tradeexecutor export --columns`.

    Amounts in USD and of tokens are floating-point numbers; `tradeexecutor
    export` has the exact ones. Times are naive UTC. Nothing is changed: the query
    runs in memory, without access to files.
    """
    if json_:
        file_format = "json"
    if file_format == "parquet" and output is None:
        raise typer.BadParameter("missing: --output FILE", param_hint="--output")
    if file_format == "table" and output is not None:
        raise typer.BadParameter("is for the formats csv, json and parquet", param_hint="--output")
    if output is not None and not output.absolute().parent.is_dir():
        raise CommandFailed(f"there is no folder {output.parent}")
    from tradeexecutor.cli.printers.query import print_rows, write_rows
    from tradeexecutor.operations.query import run_query

    result = run_query(sql, places)
    for reason in result.skipped:
        print_problem(f"Left out: {reason}", "yellow")
    if output is None:
        print_rows(result.table, file_format)
    else:
        write_rows(result.table, file_format, output)
        print_problem(f"{result.table.num_rows:,} rows in {output}", "")
