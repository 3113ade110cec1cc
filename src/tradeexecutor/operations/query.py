"""SQL over states: positions, trades, samples and results of any number of files, folders and databases.

The tables are those of :mod:`tradeexecutor.analysis.frames`, with the columns ``state`` (where it is) and ``strategy``
(its name) before the others:

- ``positions`` and ``trades``, see `positions_to_frame` and `trades_to_frame`;
- ``samples``, the recorded history of the portfolio, see `portfolio_to_frame`;
- ``results``, the runs of `tradeexecutor optimize`, see :mod:`tradeexecutor.research.results`; its column ``state`` has
  the path of the file.

Token amounts are floating-point numbers here, because the exact ones have more digits than DuckDB computes with.

Only the tables that a query names are made. The query runs in memory without access to files, so that it can change
nothing.
"""

# duckdb and pyarrow have no complete type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUnknownLambdaType=false

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeexecutor.analysis.frames import portfolio_to_frame, positions_to_frame, trades_to_frame
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import list_strategies
from tradeexecutor.operations.error_text import shorten_path
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.research.results import PARQUET_NAME
from tradeexecutor.state.errors import OperationRefused, StateFileError
from tradeexecutor.state.state import State

__all__ = ["TABLES", "QueryNotValid", "QueryResult", "run_query"]


class QueryNotValid(OperationRefused):
    """The query is not SQL, or names something that does not exist."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of a query.

    Attributes
    ----------
    table
        The rows, as an Arrow table.
    skipped
        Files of folders that were left out, with the reason.
    """

    table: Any
    skipped: tuple[str, ...]


_FRAMES: dict[str, Callable[[State], Any]] = {
    "positions": lambda state: positions_to_frame(state, as_arrow=True),
    "trades": lambda state: trades_to_frame(state, as_arrow=True),
    "samples": lambda state: portfolio_to_frame(state, as_arrow=True),
}

#: Names of the tables, and what a row is.
TABLES = {
    "positions": "a position, whatever its status",
    "trades": "a trade, whatever its status",
    "samples": "a recorded sample of the portfolio",
    "results": "a run of a search for parameters",
}


def run_query(sql: str, places: Sequence[StateLocation]) -> QueryResult:
    """Return the rows of a query.

    Parameters
    ----------
    sql
        One ``select`` of DuckDB.
    places
        State files, databases, strategies in databases, files of results, and folders with any of these files.

    Raises
    ------
    QueryNotValid
        The query cannot be run; the message says where.
    OperationRefused, StateFileError, OSError
        DuckDB is not installed, or a place cannot be read.
    """
    try:
        import duckdb
    except ImportError:
        raise OperationRefused(
            "DuckDB is not installed, and queries need it", "To install it: pip install 'tradeexecutor[query]'"
        ) from None
    connection: Any = duckdb.connect(":memory:")
    try:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        wanted = _find_tables(duckdb, connection, sql)
        skipped: list[str] = []
        for name, table in _collect(wanted, places, skipped).items():
            connection.register(name, table)
        try:
            return QueryResult(connection.sql(sql).to_arrow_table(), tuple(skipped))
        except duckdb.Error as error:
            raise QueryNotValid(_describe(error)) from None
    finally:
        connection.close()


def _find_tables(duckdb: Any, connection: Any, sql: str) -> list[str]:
    """Return the tables of `TABLES` that a query names; raises `QueryNotValid`."""
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise QueryNotValid(f"one query at a time, there are {len(statements)}")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise QueryNotValid("only a select is possible: nothing can be changed here")
        names = {name.lower() for name in connection.get_table_names(sql)}
    except duckdb.Error as error:
        raise QueryNotValid(_describe(error)) from None
    return [name for name in TABLES if name in names]


def _describe(error: Exception) -> str:
    """Return the error of DuckDB in a line, without the picture of where it is."""
    text = str(error).split("\n\nLINE ")[0]
    text = " ".join(text.split())
    if "Catalog Error" in text and "Table" in text:
        return f"{text.split('!')[0]}. The tables are {', '.join(TABLES)}."
    return text


# --- Tables


def _collect(wanted: Sequence[str], places: Sequence[StateLocation], skipped: list[str]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    frames = [name for name in wanted if name in _FRAMES]
    for place in _expand(places):
        if isinstance(place, Path) and place.suffix == ".parquet":
            if "results" in found:
                found["results"].append(_label(pq.read_table(place), shorten_path(place), None))
            continue
        if not frames:
            continue
        try:
            state = load_state(place)
        except StateFileError as error:
            if place in places:
                raise
            skipped.append(f"{place}: {error}")
            continue
        where = shorten_path(place) if isinstance(place, Path) else str(place)
        for name in frames:
            found[name].append(_label(_FRAMES[name](state), where, state.name))
    return {name: _join(name, tables) for name, tables in found.items()}


def _expand(places: Sequence[StateLocation]) -> Iterator[StateLocation]:
    """Iterate over files and strategies; those of a folder in alphabetical order."""
    for place in places:
        if isinstance(place, DatabaseAddress):
            yield from _list_database(place)
        elif place.is_dir():
            files = [item for item in place.rglob("*") if item.suffix == ".json" or item.name == PARQUET_NAME]
            yield from sorted(item for item in files if not _is_hidden(item.relative_to(place)))
        else:
            yield place


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part.endswith(".backups") for part in path.parts)


def _list_database(address: DatabaseAddress) -> list[DatabaseAddress]:
    if address.strategy is not None:
        return [address]
    with Database(address).reading() as connection:
        return [address.with_strategy(item.name) for item in list_strategies(connection, address)]


def _label(table: Any, where: str, strategy: str | None) -> Any:
    """Return a table with the columns that tell states apart, and with token amounts as floating-point numbers."""
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.float64()))
    count = table.num_rows
    if strategy is not None:
        table = table.add_column(0, "strategy", pa.array([strategy] * count, pa.string()))
    return table.add_column(0, "state", pa.array([where] * count, pa.string()))


def _join(name: str, tables: Sequence[Any]) -> Any:
    """Return the rows of several tables; a column that one of them lacks is missing there."""
    if tables:
        return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(None)
    if name == "results":
        raise OperationRefused(
            "there are no results of an optimisation in these places",
            "Name the folder of a search for parameters, or its results.parquet.",
        )
    return _label(_FRAMES[name](State()), "", "")
