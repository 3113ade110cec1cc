"""The rows of a search as a table: Arrow, Parquet, and a table of an SQL database.

A row of the table is a run. Its columns are ``run``, the parameters by their names, ``rank`` (1 is the best; missing
for a run that failed or does not meet the requirements), ``on_front``, the objectives that are functions, the figures
of :mod:`tradeexecutor.research.run_figures`, ``start_at``, ``end_at``, ``warnings``, ``error``, and ``seconds``. A
parameter that is called like another column has ``param_`` before its name.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation
from tradeexecutor.research.run_figures import FIGURES

__all__ = [
    "PARQUET_NAME",
    "SQL_NAME",
    "TABLE_NAME",
    "describe_parameters",
    "describe_value",
    "make_results_table",
    "name_columns",
    "save_results",
]

PARQUET_NAME = "results.parquet"
SQL_NAME = "results.db"
TABLE_NAME = "results"

_OWN = ("run", "rank", "on_front", "start_at", "end_at", "warnings", "error", "seconds")

#: Number of rows of one INSERT.
_BATCH = 500


def name_columns(parameters: Sequence[str]) -> dict[str, str]:
    """Return the name of the column of each parameter."""
    taken = {*_OWN, *FIGURES}
    return {name: f"param_{name}" if name in taken else name for name in parameters}


def make_results_table(result: Optimisation) -> pa.Table:
    """Return the rows of a search as an Arrow table, by number of the run."""
    rows = result.rows
    ranks = {row.number: place for place, row in enumerate(result.ranked, 1)}
    front = {row.number for row in result.front}
    columns: dict[str, Any] = {"run": pa.array([row.number for row in rows], pa.int64())}
    for name, column in name_columns(result.space.names).items():
        columns[column] = _to_array([row.parameters[name] for row in rows])
    columns["rank"] = pa.array([ranks.get(row.number) for row in rows], pa.int64())
    columns["on_front"] = pa.array([row.number in front for row in rows], pa.bool_())
    for place, objective in enumerate(result.objectives):
        if objective.function is not None and objective.name not in columns and objective.name not in FIGURES:
            values = [row.objectives[place] if row.objectives else None for row in rows]
            columns[objective.name] = pa.array(values, pa.float64())
    for name, figure in FIGURES.items():
        kind = pa.int64() if figure.kind == "count" else pa.float64()
        columns[name] = pa.array([row.figures.get(name) for row in rows], kind)
    columns |= {
        "start_at": pa.array([row.start_at for row in rows], pa.timestamp("us")),
        "end_at": pa.array([row.end_at for row in rows], pa.timestamp("us")),
        "warnings": pa.array(["\n".join(row.warnings) or None for row in rows], pa.string()),
        "error": pa.array([row.error or None for row in rows], pa.string()),
        "seconds": pa.array([row.seconds for row in rows], pa.float64()),
    }
    return pa.table(columns)


def _to_array(values: list[Any]) -> Any:
    """Return the values of a parameter: flags, whole numbers, numbers, otherwise texts."""
    known = [value for value in values if value is not None]
    for kinds, arrow in ((bool, pa.bool_()), (int, pa.int64()), ((int, float), pa.float64())):
        if known and all(isinstance(value, kinds) and (kinds is bool) == isinstance(value, bool) for value in known):
            return pa.array(values, arrow)
    return pa.array([value if value is None else describe_value(value) for value in values], pa.string())


def describe_value(value: object) -> str:
    """Return the value of a parameter as text."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except TypeError:
        return str(getattr(value, "value", value))


def save_results(result: Optimisation, folder: Path) -> tuple[Path, Path]:
    """Write the rows of a search as Parquet and as the table ``results`` of an SQLite database; return both paths.

    Those of an earlier search in the folder are replaced.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    table = make_results_table(result)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{PARQUET_NAME}.partial"
    try:
        pq.write_table(table, partial, compression="zstd")
        partial.replace(folder / PARQUET_NAME)
    finally:
        partial.unlink(missing_ok=True)
    engine = sa.create_engine(f"sqlite:///{folder / SQL_NAME}")
    try:
        write_sql(table, engine)
    finally:
        engine.dispose()
    return folder / PARQUET_NAME, folder / SQL_NAME


def write_sql(table: pa.Table, engine: sa.Engine, name: str = TABLE_NAME) -> None:
    """Replace a table of a database in one transaction."""
    kinds: dict[str, Any] = {
        "int64": sa.BigInteger(),
        "double": sa.Float(53),
        "bool": sa.Boolean(),
        "string": sa.Text(),
        "timestamp[us]": sa.DateTime(),
    }
    metadata = sa.MetaData()
    columns = [sa.Column(field.name, kinds[str(field.type)], nullable=True) for field in table.schema]
    target = sa.Table(name, metadata, *columns)
    with engine.begin() as connection:
        target.drop(connection, checkfirst=True)
        target.create(connection)
        rows = table.to_pylist()
        for first in range(0, len(rows), _BATCH):
            connection.execute(sa.insert(target), rows[first : first + _BATCH])


def describe_parameters(row: RunResult) -> str:
    """Return the parameters of a run as text, e.g. ``fast 10, slow 50``."""
    return ", ".join(f"{name} {describe_value(value)}" for name, value in row.parameters.items())
