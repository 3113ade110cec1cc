"""The checks of ``tradeexecutor validate``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.cli.failure import CommandFailed, describe_error
from tradeexecutor.cli.output import Column, format_usd, print_facts, print_line, print_table
from tradeexecutor.cli.state_file import DatabaseAddress, read_state_text
from tradeexecutor.operations.round_trip import find_losses, find_unknown_keys
from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, SCHEMA_VERSION_KEY, require_state, upcast
from tradeexecutor.state.errors import IntegrityError, StateFileError, TradeExecutorError, UncleanState
from tradeexecutor.state.files.checksum_header import parse_sealed
from tradeexecutor.state.state import State
from tradeexecutor.state.store.archive import find_archive_problems

#: So many examples of a problem are shown.
_EXAMPLES = 3

#: Longer explanations of what failed stand below the table, too.
_MAX_DETAIL_WIDTH = 55


@dataclass(frozen=True, slots=True)
class Check:
    """Outcome of one check; `detail` says what was found, good or bad."""

    name: str
    passed: bool
    detail: str


@dataclass(slots=True)
class Validation:
    """What was found about one file; `facts` and `schema_version` are empty when it cannot be read."""

    path: str
    passed: bool = True
    schema_version: int | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    checks: list[Check] = field(default_factory=list[Check])

    def add(self, name: str, passed: bool, detail: str) -> None:
        """Record a check."""
        self.checks.append(Check(name, passed, detail))
        self.passed = self.passed and passed


def validate_file(path: Path) -> Validation:
    """Run all checks on a file; checks that need the state are left out when it cannot be read."""
    result = Validation(str(path))
    state = _check_reading(path, result)
    if state is not None:
        result.facts = _count(state)
        _check_ids(state, result)
        _check_clean(state, result)
        _check_archives(path, state, result)
        _check_round_trip(path, state, result)
        _check_unknown_keys(state, result)
    return result


def _check_reading(path: Path, result: Validation) -> State | None:
    try:
        if not isinstance(path, DatabaseAddress) and path.is_dir():
            raise CommandFailed("is a folder, not a state file")
        tree = require_state(parse_sealed(read_state_text(path)))
        version = tree.get(SCHEMA_VERSION_KEY, 0) if isinstance(tree, dict) else None
        if type(version) is int:
            result.schema_version = version
        state = State.from_dict(tree)
    except (CommandFailed, OSError, StateFileError) as error:
        result.add("readable", False, describe_error(error))
        return None
    age = "current" if version == SCHEMA_VERSION else f"old, this program writes {SCHEMA_VERSION}"
    result.add("readable", True, f"schema version {version} ({age})")
    return state


def _count(state: State) -> dict[str, Any]:
    portfolio = state.portfolio
    return {
        "name": state.name,
        "open_positions": len(portfolio.open_positions),
        "frozen_positions": len(portfolio.frozen_positions),
        "closed_positions": len(portfolio.closed_positions),
        "pending_positions": len(portfolio.pending_positions),
        "trades": sum(1 for _ in portfolio.get_all_trades()),
        "transactions": sum(len(trade.blockchain_transactions) for trade in portfolio.get_all_trades()),
        "portfolio_samples": len(state.stats.portfolio),
        "net_asset_value_usd": portfolio.get_net_asset_value(),
    }


def _check_ids(state: State, result: Validation) -> None:
    try:
        state.perform_integrity_check()
    except IntegrityError as error:
        result.add("consistent ids", False, describe_error(error))
    else:
        result.add("consistent ids", True, "positions, trades and statistics refer to each other correctly")


def _check_clean(state: State, result: Validation) -> None:
    try:
        state.check_if_clean()
    except UncleanState as error:
        result.add("clean", False, describe_error(error))
    else:
        result.add("clean", True, "no trade was left between broadcast and confirmation")


def _check_archives(path: Path, state: State, result: Validation) -> None:
    if not state.archives:
        return
    problems = [describe_error(error) for error in find_archive_problems(path, state.archives).values()]
    count = f"{len(state.archives):,} archive{'s' if len(state.archives) > 1 else ''} of pruned detail"
    result.add("archives", not problems, _summarise(problems) or f"{count}, intact")


def _check_round_trip(path: Path, state: State, result: Validation) -> None:
    """Compare the file with what saving it would write, and that with what saving once more would write."""
    try:
        original = parse(read_state_text(path))
        upcast(original, original.pop(SCHEMA_VERSION_KEY, 0))
        written = state.to_dict()
        losses = list(find_losses(original, written))
        again = State.from_dict(written).to_dict()
    except TradeExecutorError as error:
        result.add("lossless", False, describe_error(error))
        return
    if not losses and again != written:
        losses = list(find_losses(written, again)) or ["saving twice differs from saving once"]
    result.add("lossless", not losses, _summarise(losses) or "loading and saving keeps everything")


def _check_unknown_keys(state: State, result: Validation) -> None:
    keys = Counter(key.rpartition(".")[2] for key in find_unknown_keys(state))
    names = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(keys.items()))
    # A newer program may have written them: worth knowing, nothing wrong.
    result.add("unknown keys", True, f"kept, but not used: {names}" if keys else "none")
    result.facts["unknown_keys"] = dict(keys)


def _summarise(problems: list[str]) -> str:
    text = "; ".join(problems[:_EXAMPLES])
    return f"{text}; and {len(problems) - _EXAMPLES} more" if len(problems) > _EXAMPLES else text


def print_validation(result: Validation) -> None:
    """Print what was found about one file."""
    print_line(result.path, "bold")
    if result.facts:
        facts = result.facts
        print_facts(
            {
                "Strategy": facts["name"] or "(no name)",
                "Positions": (
                    f"{facts['open_positions']} open, {facts['frozen_positions']} frozen, "
                    f"{facts['pending_positions']} pending, {facts['closed_positions']} closed"
                ),
                "Trades": f"{facts['trades']:,} with {facts['transactions']:,} blockchain transactions",
                "Net asset value": f"{facts['net_asset_value_usd']:,.2f} USD",
            }
        )
    columns = (Column("Check"), Column("Result"), Column("Detail", is_text=True))
    rows = [(check.name, "ok" if check.passed else "FAILED", check.detail) for check in result.checks]
    print_table(columns, rows, ["" if check.passed else "red" for check in result.checks])
    for check in result.checks:
        if not check.passed and len(check.detail) > _MAX_DETAIL_WIDTH:  # the table may have cut it off
            print_line()
            print_line(f"{check.name}: {check.detail}", "red")


_OVERVIEW = (
    Column("File", is_text=True),
    Column("Result"),
    Column("Schema", right=True, priority=2),
    Column("Positions", right=True, priority=3),
    Column("Trades", right=True, priority=4),
    Column("NAV USD", right=True, priority=1),
    Column("Failed checks", priority=5, is_text=True),
)


def print_validations(results: Sequence[Validation]) -> None:
    """Print an overview of several files, and the details of those with problems."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        facts = result.facts
        positions = sum(value for name, value in facts.items() if name.endswith("_positions"))
        rows.append(
            (
                result.path,
                "ok" if result.passed else "FAILED",
                "" if result.schema_version is None else str(result.schema_version),
                str(positions) if facts else "",
                str(facts["trades"]) if facts else "",
                format_usd(facts["net_asset_value_usd"]) if facts else "",
                ", ".join(check.name for check in result.checks if not check.passed),
            )
        )
    print_table(_OVERVIEW, rows, ["" if result.passed else "red" for result in results])
    failed = [result for result in results if not result.passed]
    for result in failed:
        print_line()
        print_validation(result)
    print_line()
    print_line(f"{len(results)} files, {len(failed)} with problems", "bold")
