"""What tests of the store commands do to files and databases."""

import contextlib
import sqlite3
from pathlib import Path


def snapshot(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file below a folder."""
    return {item: item.read_bytes() for item in sorted(folder.rglob("*")) if item.is_file()}


def damage_database(path: str = "trading.db", revision: int = 4) -> None:
    """Change a digit in the parts that a save has added."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE state_parts SET body = replace(CAST(body AS TEXT), '2', '3') WHERE added_in = ?", (revision,)
        )
        connection.commit()
