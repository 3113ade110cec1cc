"""The file of a fleet::

    # fleet.toml
    [strategies.trend]
    strategy = "trend.py"
    state_file = "trend.json"
    paper = true
    new = true
    feed = "exchange.toml"

    [strategies.live]
    folder = "live"
    config = "live.toml"
    environment = { KEYSTORE_PASSWORD_FILE = "/etc/tradeexecutor/live.password" }

    [fleet]
    longest_pause = 300

Each table contains options of ``start``, and the folder in which the program runs, relative to the file; the folder of
the file by default.
"""

import dataclasses
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tradeexecutor.cli.command_table import COMMANDS
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.lazy_commands import LazyCommand
from tradeexecutor.operations.fleet import FleetSettings, Member
from tradeexecutor.operations.state_location import StateLocation, parse_state_location
from tradeexecutor.state.errors import InvalidValue

__all__ = ["FleetFile", "read_fleet_file"]

_PROGRAM = (sys.executable, "-m", "tradeexecutor.cli.main", "start")

#: Entries of a strategy that are no options of `start`.
_OWN = frozenset({"folder", "environment"})

#: Longest time that can be set, seconds: a year.
_LONGEST = 365 * 86_400

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FleetFile:
    """The content of a file: the strategies, and the times of the fleet."""

    members: tuple[Member, ...]
    settings: FleetSettings


def read_fleet_file(path: Path, more_options: tuple[str, ...] = ()) -> FleetFile:
    """Return the content of a file.

    Parameters
    ----------
    more_options
        Options that every strategy gets in addition to its own.

    Raises
    ------
    CommandFailed
        The file is not valid; the message names the entry.
    """
    content = _read_toml(path)
    unknown = sorted(content.keys() - {"strategies", "fleet"})
    if unknown:
        raise CommandFailed(f"{path}: there is no table {unknown[0]}", "There are [strategies.NAME] and [fleet].")
    tables = content.get("strategies")
    if not isinstance(tables, dict) or not tables:
        raise CommandFailed(f"{path} names no strategy", "Each needs a table: [strategies.NAME]")
    members = [
        _make_member(f"{path}: {name}", name, table, path.absolute().parent, more_options)
        for name, table in cast(Table, tables).items()
    ]
    _require_own_states(path, members)
    return FleetFile(tuple(members), _make_settings(path, content.get("fleet", {})))


def _read_toml(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # wrong TOML, or not UTF-8
        raise CommandFailed(f"{path} is no TOML: {error}") from None


def _make_settings(path: Path, table: object) -> FleetSettings:
    names = {item.name for item in dataclasses.fields(FleetSettings)}
    if not isinstance(table, dict):
        raise CommandFailed(f"{path}: fleet must be a table")
    settings = cast(Table, table)
    for name, value in settings.items():
        if name not in names:
            raise CommandFailed(f"{path}: fleet has no setting {name}", f"It has {', '.join(sorted(names))}.")
        if type(value) not in (int, float) or not 0 < value <= _LONGEST:
            raise CommandFailed(f"{path}: {name} must be a positive number of seconds, at most {_LONGEST:,}")
    return FleetSettings(**settings)


def _make_member(where: str, name: str, table: object, folder: Path, more_options: tuple[str, ...]) -> Member:
    if not isinstance(table, dict):
        raise CommandFailed(f"{where} must be a table of options")
    options = {key.replace("-", "_"): value for key, value in cast(Table, table).items()}
    own = {key: options.pop(key) for key in _OWN if key in options}
    folder = folder / _require(where, "folder", own.get("folder", "."), str)
    if not folder.is_dir():
        raise CommandFailed(f"{where}: there is no folder {folder}")
    variables = cast(Table, _require(where, "environment", own.get("environment", {}), dict))
    is_new = options.pop("new", False)
    place = _find_place(where, folder, options)
    if is_new and not isinstance(place, Path):
        raise CommandFailed(f"{where}: new works with state files", "Make the strategy in the database once, by hand.")
    return Member(
        name,
        (*_PROGRAM, *more_options, *_list_words(where, options)),
        folder,
        place,
        ("--new",) if is_new else (),
        {key: str(value) for key, value in variables.items()},
    )


def _require(where: str, name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise CommandFailed(f"{where}: {name} must be {'a text' if kind is str else 'a table'}")
    return value


def _list_words(where: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of the command line of ``start``; raises `CommandFailed` for an entry that is no option."""
    (entry,) = (entry for entry in COMMANDS if entry.name == "start")
    known = {str(parameter.name).rstrip("_"): parameter for parameter in LazyCommand(entry).load().params}
    arguments: dict[str, str] = {}
    for key, value in options.items():
        parameter: Any = known.get(key)
        if parameter is None:
            raise CommandFailed(f"{where}: there is no option {key}")
        for item in cast(list[Any], value) if isinstance(value, list) else [value]:
            if parameter.param_type_name == "argument":
                arguments[key] = str(item)
            elif not getattr(parameter, "is_flag", False):
                yield from (parameter.opts[0], str(item))
            elif item is True:
                yield parameter.opts[0]
            elif item is not False:
                raise CommandFailed(f"{where}: {key} must be true or false")
    if "state_file" in arguments and "strategy" not in arguments:
        raise CommandFailed(f"{where}: state_file stands here, and strategy does not")
    for key in ("strategy", "state_file"):
        if key in arguments:  # a path that looks like an option becomes one that does not
            yield f"./{arguments[key]}" if arguments[key].startswith("-") else arguments[key]


def _find_place(where: str, folder: Path, options: Mapping[str, Any]) -> StateLocation | None:
    """Return where the state is; None if an environment variable names it."""
    text = options.get("state_file")
    if text is None and isinstance(options.get("config"), str):
        content = _read_toml(folder / options["config"])
        text = content.get("state_file", content.get("state-file"))
    if not isinstance(text, str):
        return None
    try:
        return parse_state_location(text)
    except InvalidValue as error:
        raise CommandFailed(f"{where}: {error}") from None


def _require_own_states(path: Path, members: list[Member]) -> None:
    """Refuse two strategies with one state: the second would never start, because the first one is its writer."""
    seen: dict[str, str] = {}
    for member in members:
        if member.place is None:
            continue
        place = member.place
        key = str((member.folder / place).resolve() if isinstance(place, Path) else place)
        if key in seen:
            raise CommandFailed(f"{path}: {seen[key]} and {member.name} have the same state, {place}")
        seen[key] = member.name
