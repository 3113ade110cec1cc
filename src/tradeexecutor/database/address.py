"""The address of a strategy in a database: ``sqlite:///trading.db#my-strategy``.

Before the ``#`` stands the URL of the database as SQLAlchemy reads it, after it the id of the executor.  SQLite paths
are relative with three slashes and absolute with four.  PostgreSQL has
``postgresql://user:password@host/database#my-strategy``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tradeexecutor.state.errors import InvalidValue

__all__ = ["Address", "is_address"]

#: Executor ids are parts of file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

#: Driver for each kind of database.
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def is_address(text: str) -> bool:
    """Tell whether a text names a database, and not a file."""
    return "://" in text


@dataclass(frozen=True, slots=True)
class Address:
    """Where a strategy is kept.

    Attributes
    ----------
    url
        Of the database, for SQLAlchemy.
    strategy
        Executor id; None when the address names the database only.
    """

    url: URL
    strategy: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address.

        Raises
        ------
        InvalidValue
            It is none, or names a kind of database that is not supported.
        """
        text, mark, name = text.partition("#")
        try:
            url = make_url(text)
        except ArgumentError:
            raise InvalidValue(f"{text!r} is no database URL; it looks like sqlite:///trading.db#my-strategy") from None
        if url.drivername not in (*_DRIVERS, *_DRIVERS.values()):
            raise InvalidValue(f"a database is sqlite:///... or postgresql://..., not {url.drivername}://...")
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if url.drivername == "sqlite" and (url.host or not url.database or url.database == ":memory:"):
            raise InvalidValue(
                f"{text!r} names no file: three slashes and a path, as in sqlite:///trading.db, or four and an absolute"
                " path, as in sqlite:////var/trading.db"
            )
        return cls(url, check_name(unquote(name)) if mark else None)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database, without symbolic links; None for a server."""
        return Path(self.url.database or "").resolve() if self.url.drivername == "sqlite" else None

    def with_strategy(self, name: str) -> "Address":
        """Return the address of a strategy in the same database."""
        return Address(self.url, check_name(name))

    @property
    def database(self) -> str:
        """The database alone, without a password."""
        url = self.url.set(drivername=self.url.get_backend_name())
        return url.render_as_string(hide_password=True)

    def __str__(self) -> str:
        """Return the address for people, without a password."""
        return self.database if self.strategy is None else f"{self.database}#{self.strategy}"


def check_name(name: str) -> str:
    """Return an executor id.

    Raises
    ------
    InvalidValue
        It has characters that do not belong into the name of a file.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"the id of an executor has letters, digits, dots, hyphens and underscores, at most 200, got {name!r}"
        )
    return name
