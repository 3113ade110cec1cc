"""Verification of a whole database: every save of every strategy, in one pass over its rows."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import Strategy, finding_damage, list_strategies, read_revision, read_text
from tradeexecutor.database.revisions import Revision
from tradeexecutor.database.row_index import SUM_MODULUS, get_digest
from tradeexecutor.database.schema import parts
from tradeexecutor.state.errors import NewerStateFile, StateFileError, StoreUnavailable
from tradeexecutor.state.state import State

__all__ = ["Progress", "StrategyCheck", "check_strategy", "verify_database"]

#: Called with the amount of work done and the total amount.
Progress = Callable[[int, int], None]

#: Answer of SQLite for an intact file.
_INTACT = "ok"


@dataclass(frozen=True, slots=True)
class StrategyCheck:
    """Result of the verification for one strategy.

    Attributes
    ----------
    strategy
        Executor id.
    intact, damaged
        Numbers of intact saves, and of damaged saves, ascending.
    newest
        Record of the newest save; None when it is damaged.
    problem
        Why the newest save cannot be used; empty when it can be.
    is_newer_schema
        Whether only a newer program can read the newest save.
    """

    strategy: Strategy
    intact: list[int] = field(default_factory=list[int])
    damaged: list[int] = field(default_factory=list[int])
    newest: Revision | None = None
    problem: str = ""
    is_newer_schema: bool = False

    @property
    def is_good(self) -> bool:
        """Whether every save is intact and the newest one can be used."""
        return not self.problem and not self.damaged


def verify_database(address: DatabaseAddress, progress: Progress | None = None) -> list[StrategyCheck]:
    """Check all saves of the strategy of an address, or of all strategies when it contains none. Nothing is changed.

    Raises
    ------
    FileNotFoundError
        There is no database, or no such strategy in it.
    DamagedStateFile
        The database cannot be read at all, or SQLite reports that its file is damaged.
    StoreUnavailable
        It cannot be reached or opened.
    NewerStateFile
        A newer program has created its tables.
    """
    database = Database(address)
    with database.reading() as connection:
        if database.is_sqlite:
            check_file(connection, address)
        found = list_strategies(connection, address)
        if address.strategy is not None:
            found = [item for item in found if item.name == address.strategy]
        if not found:
            raise FileNotFoundError(2, "nothing was ever saved there", str(address))
        return [check_strategy(connection, address.with_strategy(item.name), item, progress) for item in found]


def check_file(connection: Connection, address: DatabaseAddress) -> None:
    """Let SQLite check its file; raises `DamagedStateFile`."""
    with finding_damage(address):
        problems = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(3)")]
        if problems != [_INTACT]:
            raise ValueError(f"the database file is damaged: {'; '.join(problems)}")


def check_strategy(
    connection: Connection, address: DatabaseAddress, strategy: Strategy, progress: Progress | None = None
) -> StrategyCheck:
    """Check the saves of one strategy."""
    damaged: set[int] = set()
    records: dict[int, Revision] = {}
    for number in range(strategy.oldest, strategy.newest + 1):
        try:
            records[number] = read_revision(connection, address, strategy, number)
        except StoreUnavailable:
            raise
        except StateFileError:
            damaged.add(number)
    sums = _add_up(connection, strategy, progress)
    damaged |= {number for number, record in records.items() if f"{sums[number]:032x}" != record.parts_sum}
    intact = [number for number in records if number not in damaged]
    newest = records.get(strategy.newest)
    problem, is_newer = "", False
    try:
        record = read_revision(connection, address, strategy)
        State.read_json_blob(read_text(connection, address, strategy, record))
    except NewerStateFile as error:
        problem, is_newer = str(error), True
    except StateFileError as error:
        problem = getattr(error, "reason", "") or str(error)
        damaged.add(strategy.newest)
        intact = [number for number in intact if number != strategy.newest]
    return StrategyCheck(strategy, intact, sorted(damaged), newest, problem, is_newer)


def _add_up(connection: Connection, strategy: Strategy, progress: Progress | None) -> dict[int, int]:
    """Return the sum of the checksums of the rows of each revision."""
    changes: defaultdict[int, int] = defaultdict(int)
    own = parts.c.strategy_id == strategy.id
    total = connection.execute(select(func.count()).select_from(parts).where(own)).scalar() or 0
    columns = (
        parts.c.added_in,
        parts.c.removed_in,
        parts.c.path,
        parts.c.key,
        parts.c.ordinal,
        parts.c.behind,
        parts.c.body,
    )
    query = select(*columns).where(own).execution_options(yield_per=500)
    for done, (added_in, removed_in, *row) in enumerate(connection.execute(query), start=1):
        if progress is not None and done % 500 == 0:
            progress(done, total)
        try:
            digest = get_digest(*row)
            changes[max(added_in, strategy.oldest)] += digest
            changes[removed_in] -= digest
        except TypeError:  # the row is damaged, so the sum will not match
            continue
    if progress is not None:
        progress(total, total)
    total_sum = 0
    sums: dict[int, int] = {}
    for number in range(strategy.oldest, strategy.newest + 1):
        total_sum = (total_sum + changes[number]) % SUM_MODULUS
        sums[number] = total_sum
    return sums
