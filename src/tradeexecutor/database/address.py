"""The address of a strategy in a database: ``sqlite:///trading.db#my-strategy``.

The URL of the database comes before the ``#`` and the executor id after it. An ``@`` with an earlier save may follow
(`parse_as_of`)::

    sqlite:///trading.db#demo                         a file in the working folder; an absolute path has four slashes
    sqlite:////var/lib/trading.db#demo@120            as of save 120
    postgresql://user@host:5432/trading#demo          a server; parameters of libpq may follow, as ?sslmode=require

An address may contain a password. `str` never contains it; `repr`, error messages, log messages and commands that are
shown to users all use `str`. The printed form is an address, too: it works when libpq gets the password from
``PGPASSWORD`` or from ``~/.pgpass``.
"""

import contextlib
import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.files.links import resolve_links

__all__ = ["AsOf", "DatabaseAddress", "check_name", "is_address", "is_connection_string", "parse_as_of"]

#: Number of a save, or a time (naive UTC), which means the newest save at or before that time.
AsOf = int | datetime.datetime

#: Executor ids are parts of file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

_URL = re.compile(
    r"""(?P<scheme>\w+)(?:\+\w+)?://
        (?:(?P<user>[^:/@?]*(?:@[^:/@?]*)?)(?::(?P<password>[^@]*))?@)?
        (?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:/?]*))
        (?::(?P<port>[^/?]*))?
        (?:/(?P<database>[^?]*))?
        (?:\?(?P<query>.*))?""",
    re.VERBOSE,
)

#: Misspelt addresses of databases.
_MALFORMED = re.compile(r"(sqlite|postgres|postgresql)(\+\w+)?:(?!//)", re.IGNORECASE)
_CONNECTION_STRING = re.compile(r"(^|\s)(password|passwd|sslpassword|dbname|host|hostaddr)\s*=", re.IGNORECASE)

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")

_SERVERS = frozenset({"postgresql", "postgres"})

#: Parameters of libpq that may be shown. Only parameters known to be harmless are listed, so that a parameter of a
#: later version of libpq is not shown by mistake.
_PRINTABLE = frozenset(
    """application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssencmode host
    hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts passfile port
    require_auth requirepeer service servicefile sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslmode
    sslnegotiation sslrootcert sslsni target_session_attrs tcp_user_timeout user""".split()
)

_EXAMPLES = "an address looks like sqlite:///trading.db#my-strategy or postgresql://user@host/database#my-strategy"

_ENCODING_ADVICE = (
    "characters of a password such as @ : / ? # % have to be percent-encoded (@ as %40, # as %23), or leave the"
    " password out of the address and set PGPASSWORD"
)


def is_address(text: str) -> bool:
    """Return whether a text is an address of a database (perhaps a misspelt one), and not the path of a file."""
    return "://" in text or _MALFORMED.match(text) is not None


def is_connection_string(text: str) -> bool:
    """Return whether a text looks like ``host=... password=...``: not an address, and it must not be shown."""
    return _CONNECTION_STRING.search(text) is not None


class _Server:
    """How to reach a database on a server.

    Attributes
    ----------
    shown
        Parameters of libpq that may be shown.
    hidden
        The other parameters, such as the password.
    """

    __slots__ = ("hidden", "shown")

    def __init__(self, parameters: Mapping[str, str]):
        self.shown = {key: value for key, value in parameters.items() if key in _PRINTABLE}
        self.hidden = {key: value for key, value in parameters.items() if key not in _PRINTABLE}


class DatabaseAddress:
    """Address of a database, and of one strategy and perhaps one save in it.

    This is not a data class: otherwise libraries would print its fields, or convert them to JSON, with the password.

    Attributes
    ----------
    file
        File of an SQLite database: an absolute path whose symbolic links are not resolved; None for a server.
    strategy
        Executor id; None when the address contains only the database.
    at, cycle
        The requested save: its number or time (naive UTC), or its cycle; both None for the newest one.
    """

    __slots__ = ("_relative", "_server", "at", "cycle", "file", "strategy")

    def __init__(
        self,
        file: Path | None = None,
        strategy: str | None = None,
        *,
        at: AsOf | None = None,
        cycle: int | None = None,
        server: _Server | None = None,
        relative: Path | None = None,
    ):
        self.file = file
        self.strategy = strategy
        self.at = at
        self.cycle = cycle
        self._server = server
        #: The path as the user wrote it if it was relative, for printing.
        self._relative = relative

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatabaseAddress) and self._get_key() == other._get_key()

    def __hash__(self) -> int:
        return hash((self.file, self.strategy, self.at, self.cycle))

    def _get_key(self) -> tuple[object, ...]:
        return self.file, self.strategy, self.at, self.cycle, self.get_connection_parameters()

    def _with(self, strategy: str | None, at: AsOf | None, cycle: int | None) -> "DatabaseAddress":
        return DatabaseAddress(self.file, strategy, at=at, cycle=cycle, server=self._server, relative=self._relative)

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Parse an address. A relative path is resolved against the present working folder.

        Raises
        ------
        InvalidValue
            The text is not an address, or the kind of database is not supported. The message does not repeat the text,
            because the text may contain a password.
        """
        if _CONTROL_CHARACTERS.search(text):
            raise InvalidValue(f"an address has no control characters; {_EXAMPLES}")
        place, mark, name = text.partition("#")
        found = _URL.fullmatch(place)
        if found is None:
            raise InvalidValue(f"this is not an address of a database; {_EXAMPLES}; {_ENCODING_ADVICE}")
        parts = found.groupdict()
        if parts["scheme"].lower() == "sqlite":
            address = _parse_file(parts)
        elif parts["scheme"].lower() in _SERVERS:
            address = _parse_server(parts)
        else:
            raise InvalidValue(f"{parts['scheme']}:// is not supported; {_EXAMPLES}")
        if not mark:
            return address
        strategy, _, as_of = unquote(name).partition("@")
        try:
            at, cycle = parse_as_of(as_of) if as_of else (None, None)
            return address._with(check_name(strategy) if strategy or not as_of else None, at, cycle)
        except InvalidValue:
            if address.file is not None:
                raise
            # The # may be part of a password, so the text after it must not be shown.
            raise InvalidValue(f"what stands after the # is not an executor id; {_ENCODING_ADVICE}") from None

    @classmethod
    def of_file(cls, path: Path, strategy: str | None = None) -> "DatabaseAddress":
        """Return the address of an SQLite database, or of a strategy in it."""
        return cls(Path.cwd() / path, None if strategy is None else check_name(strategy))

    def with_strategy(self, name: str) -> "DatabaseAddress":
        """Return the address of a strategy in the same database."""
        return self._with(check_name(name), self.at, self.cycle)

    @property
    def newest(self) -> "DatabaseAddress":
        """The same address without a save, which means the newest save."""
        return self._with(self.strategy, None, None)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database, with symbolic links resolved at the time of the call; None for a server."""
        return None if self.file is None else resolve_links(self.file)

    @property
    def files_path(self) -> Path | None:
        """The path beside which other files of the strategy are stored, as beside a state file; None for a server."""
        path = self.path
        return None if path is None else path.with_name(f"{path.name}.{self.strategy}")

    @property
    def is_hiding(self) -> bool:
        """Whether the printed form leaves out a password or another secret parameter."""
        return self._server is not None and bool(self._server.hidden)

    def get_connection_parameters(self) -> dict[str, str]:
        """Return the parameters for libpq, including the password; empty for SQLite."""
        return {} if self._server is None else self._server.shown | self._server.hidden

    @property
    def database(self) -> str:
        """The address of the database alone, without a password."""
        if self.file is not None:
            return f"sqlite:///{_quote(str(self._shown_file))}"
        assert self._server is not None
        return _format_server(self._server)

    @property
    def _shown_file(self) -> Path | None:
        """The path as the user wrote it, as long as it leads to the file from the present working folder."""
        with contextlib.suppress(OSError):  # the working folder may have been removed
            if self._relative is not None and Path.cwd() / self._relative == self.file:
                return self._relative
        return self.file

    @property
    def name(self) -> str:
        """A short name for messages: ``trading.db#demo``."""
        if self.file is not None:
            place = self.file.name
        else:
            place = self.get_connection_parameters().get("dbname") or "postgresql"
        return place if self.strategy is None else f"{place}#{self.strategy}"

    def __str__(self) -> str:
        """Return the address without a password; see the top of the module."""
        text = self.database
        if self.strategy is not None:
            text += f"#{self.strategy}"
        if self.at is not None or self.cycle is not None:
            as_of = self.at.isoformat() if isinstance(self.at, datetime.datetime) else self.at
            text += f"{'#' if self.strategy is None else ''}@{f'cycle:{self.cycle}' if as_of is None else as_of}"
        return text

    def __repr__(self) -> str:
        return f"<{self}>"


def _quote(text: str) -> str:
    """Percent-encode characters that have a meaning in an address; bytes that are not UTF-8 are kept."""
    return re.sub(r"%(?=[0-9A-Fa-f]{2})|[#?]", lambda found: quote(found[0]), text)


def _parse_file(parts: Mapping[str, str | None]) -> DatabaseAddress:
    path = unquote(parts["database"] or "", errors="surrogateescape")
    has_host = parts["host"] or parts["ipv6"] or parts["user"] is not None or parts["port"] is not None
    if has_host or path in ("", "/", ":memory:") or "\0" in path:
        raise InvalidValue(
            "the address names no file: three slashes and a path, as in sqlite:///trading.db, or four and an absolute"
            " path, as in sqlite:////var/trading.db"
        )
    if parts["query"]:
        raise InvalidValue("an SQLite database has no parameters: leave out what stands after the question mark")
    given = Path(path)
    return DatabaseAddress(Path.cwd() / given, relative=None if given.is_absolute() else given)


def _parse_server(parts: Mapping[str, str | None]) -> DatabaseAddress:
    host, database = parts["host"] or parts["ipv6"], parts["database"]
    query = parts["query"] or ""
    if "@" in f"{host}{query}" or (database and re.search(r"[/@:]", database)):
        raise InvalidValue(f"the address has an @, a colon or a slash too many; {_ENCODING_ADVICE}")
    if parts["port"] and not re.fullmatch(r"[0-9]{1,5}", parts["port"]):
        raise InvalidValue(f"the port in the address is not a number; {_ENCODING_ADVICE}")
    given = {"user": parts["user"], "password": parts["password"], "host": host, "port": parts["port"]}
    given["dbname"] = database
    found = {key: unquote(value) for key, value in given.items() if value}
    seen: dict[str, str] = {}
    if not all("=" in item for item in query.split("&") if query):
        raise InvalidValue(f"a parameter of the address has no value; {_ENCODING_ADVICE}")
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in seen and key not in ("host", "hostaddr", "port"):
            raise InvalidValue("the address gives a parameter twice")
        seen[key] = f"{seen[key]},{value}" if key in seen else value
    found |= seen
    if any("\0" in item for pair in found.items() for item in pair):
        raise InvalidValue(f"an address has no control characters; {_EXAMPLES}")
    return DatabaseAddress(server=_Server(found))


def _format_server(server: _Server) -> str:
    shown = dict(server.shown)
    host = shown.get("host", "")
    authority = ""
    if re.fullmatch(r"[A-Za-z0-9._-]+", host):
        authority = shown.pop("host")
    elif re.fullmatch(r"[0-9A-Fa-f:.]+", host):
        authority = f"[{shown.pop('host')}]"
    if re.fullmatch(r"[0-9]{1,5}", shown.get("port", "")) and authority:
        authority += f":{shown.pop('port')}"
    if "user" in shown:
        authority = f"{quote(shown.pop('user'), safe='')}@{authority}"
    database = quote(shown.pop("dbname", ""), safe="")
    query = f"?{urlencode(shown, quote_via=quote, safe='/,')}" if shown else ""
    return f"postgresql://{authority}/{database}{query}"


def parse_as_of(text: str) -> tuple[AsOf | None, int | None]:
    """Parse the text that selects a save: a number (120), a time (2026-03-01T12:30, UTC) or a cycle (cycle:15).

    Returns
    -------
    Number or time of the save, and the cycle; one of the two is None.

    Raises
    ------
    InvalidValue
        The text has none of these forms.
    """
    word, _, number = text.rpartition(":")
    if word == "cycle" and _is_number(number):
        return None, int(number)
    if _is_number(text.replace(",", "")):
        return int(text.replace(",", "")), None
    try:
        time = datetime.datetime.fromisoformat(text if "-" in text else "")  # a text of digits only is a number
        if time.tzinfo is not None:
            time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"{text[:40]!r} is neither a save, as 120, nor a time, as 2026-03-01T12:30, nor a cycle, as cycle:15"
        ) from None
    return time, None


def _is_number(text: str) -> bool:
    """Return whether a text is a number that fits into a column of the database."""
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def check_name(name: str) -> str:
    """Return `name` when it is a valid executor id.

    Raises
    ------
    InvalidValue
        It contains characters that are not allowed in file names, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            "the id of an executor has letters, digits, dots, hyphens and underscores, begins with a letter or a digit"
            f" and has at most 200 characters, got {name[:40]!r}"
        )
    return name
