"""Checks of a stored state: it can be read, it is consistent, and saving it loses nothing."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.operations.round_trip import find_losses, find_unknown_keys
from tradeexecutor.operations.state_location import StateLocation, get_archives_path, read_state_text
from tradeexecutor.state.checks import Check, check_state
from tradeexecutor.state.codec.codec import dump, parse
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, SCHEMA_VERSION_KEY, require_state, upcast
from tradeexecutor.state.errors import OperationRefused, StateFileError, TradeExecutorError
from tradeexecutor.state.files.checksum_header import parse_verified
from tradeexecutor.state.state import State
from tradeexecutor.state.store.archive import find_archive_problems

__all__ = ["Validation", "validate_state", "validate_text"]

#: Number of examples of a problem that are shown.
_EXAMPLES = 3


@dataclass(slots=True)
class Validation:
    """Result for one stored state; `facts` and `schema_version` are empty when it cannot be read."""

    path: str
    passed: bool = True
    schema_version: int | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    checks: list[Check] = field(default_factory=list[Check])

    def add(self, name: str, detail: str, *, passed: bool) -> None:
        """Record a check."""
        self.checks.append(Check(name, passed, detail))
        self.passed = self.passed and passed


def validate_state(path: StateLocation) -> Validation:
    """Run all checks on a stored state; when it cannot be read, checks of its content are skipped."""
    try:
        text = _read_text(path)
    except (OperationRefused, OSError, StateFileError) as error:
        result = Validation(str(path))
        result.add("readable", describe_error(error), passed=False)
        return result
    return validate_text(text, path)[0]


def _read_text(path: StateLocation) -> bytes:
    """Return the text of a stored state.

    Raises
    ------
    OperationRefused
        There is a folder.
    """
    if isinstance(path, Path) and path.is_dir():
        raise OperationRefused("is a folder, not a state file")
    return read_state_text(path)


def validate_text(text: bytes, path: StateLocation) -> tuple[Validation, State | None]:
    """Run all checks on the text of a stored state; return the outcome and the state, None if it cannot be read.

    Parameters
    ----------
    text
        One save, with the checksum header of a file if it has one.
    path
        Where it is stored, which is where archives of pruned details are looked for.
    """
    result = Validation(str(path))
    state = _check_reading(text, result)
    if state is not None:
        result.facts = _count(state)
        for check in check_state(state):
            result.add(check.name, check.detail, passed=check.passed)
        _check_archives(path, state, result)
        _check_round_trip(text, state, result)
        _check_unknown_keys(state, result)
    return result, state


def _check_reading(text: bytes, result: Validation) -> State | None:
    try:
        tree = require_state(parse_verified(text))
        version = result.schema_version = _read_version(tree)
        state = State.from_dict(tree)
    except StateFileError as error:
        result.add("readable", describe_error(error), passed=False)
        return None
    age = "current" if version == SCHEMA_VERSION else f"old, this program writes {SCHEMA_VERSION}"
    result.add("readable", f"schema version {version} ({age})", passed=True)
    return state


def _read_version(tree: Any) -> int | None:
    """Return the schema version of a file, 0 if it has none; None if the value is not a version."""
    version: object = cast(dict[str, Any], tree).get(SCHEMA_VERSION_KEY, 0) if isinstance(tree, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None


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


def _check_archives(path: StateLocation, state: State, result: Validation) -> None:
    if not state.archives:
        return
    base = get_archives_path(path)
    if base is None:
        result.add(
            "archives",
            "archives of pruned details are stored beside a file, and a database server has none",
            passed=False,
        )
        return
    problems = [describe_error(error) for error in find_archive_problems(base, state.archives).values()]
    count = f"{len(state.archives):,} archive{'s' if len(state.archives) > 1 else ''} of pruned details"
    result.add("archives", _summarise(problems) or f"{count}, intact", passed=not problems)


def _check_round_trip(text: bytes, state: State, result: Validation) -> None:
    """Check that saving writes everything in the file, and that saving again writes the same."""
    try:
        original = parse(text)
        upcast(original, original.pop(SCHEMA_VERSION_KEY, 0))
        written = state.to_dict()
        content = {key: value for key, value in written.items() if key != SCHEMA_VERSION_KEY}
        if dump(original) == dump(content):  # as of every file of this program; then the second time is the same, too
            losses, again = [], written
        else:
            losses = list(find_losses(original, written))
            again = State.from_dict(written).to_dict()
    except TradeExecutorError as error:
        result.add("lossless", describe_error(error), passed=False)
        return
    if not losses and again != written:
        losses = list(find_losses(written, again)) or ["saving twice differs from saving once"]
    result.add("lossless", _summarise(losses) or "loading and saving keeps everything", passed=not losses)


def _check_unknown_keys(state: State, result: Validation) -> None:
    keys = Counter(key.rpartition(".")[2] for key in find_unknown_keys(state))
    names = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(keys.items()))
    # A newer program may have written them, so this is information and not a failure.
    result.add("unknown keys", f"kept, but not used: {names}" if keys else "none", passed=True)
    result.facts["unknown_keys"] = dict(keys)


def _summarise(problems: list[str]) -> str:
    text = "; ".join(problems[:_EXAMPLES])
    return f"{text}; and {len(problems) - _EXAMPLES} more" if len(problems) > _EXAMPLES else text
