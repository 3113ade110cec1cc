"""``tradeexecutor check-trades``."""

import shlex
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_time,
    print_json,
    print_line,
    print_next_steps,
    print_table,
)
from tradeexecutor.cli.state_file import StateFiles
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.state.repair.issues import FILE, Issue, find_issues

EXAMPLES = (
    "tradeexecutor check-trades state.json",
    "tradeexecutor check-trades state/*.json",
    "tradeexecutor check-trades state.json --json | jq '.[].issues[] | select(.blocking)'",
)


#: Number of trades or positions that are listed by id; of more only the count is shown.
_MAX_NAMED = 8


def check_trades(
    state_files: StateFiles,
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the trades and positions that need attention.

    These are trades that were planned and never sent, were sent and never
    confirmed, have failed, or have stuck capital; and positions that are frozen,
    open and empty, or left with only dust. Each is listed with the reason, since
    when, and the remedy.

    A strategy does not start while the outcome of a trade is unknown (marked
    with !).

    Nothing is changed. The exit code is 1 when something needs attention.
    """
    found = {path: find_issues(load_state(path)) for path in state_files}
    if json_:
        print_json(
            [{"path": str(path), "issues": [_describe(item, path) for item in items]} for path, items in found.items()]
        )
    else:
        for number, (path, items) in enumerate(found.items()):
            if number:
                print_line()
            _print(path, items)
    if any(found.values()):
        raise typer.Exit(EXIT_FAILURE)


def _describe(item: Issue, path: StateLocation) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "blocking": item.is_blocking,
        "position_id": item.position_id,
        "trade_id": item.trade_id,
        "ticker": item.ticker,
        "since": item.since,
        "allocated": item.allocated,
        "symbol": item.symbol,
        "reason": item.reason,
        "advice": _fill_in(item.advice, path),
        "command": _fill_in(item.command, path),
    }


def _fill_in(text: str, path: StateLocation) -> str:
    return text.replace(FILE, shlex.quote(str(path)))


def _print(path: StateLocation, items: Sequence[Issue]) -> None:
    print_line(str(path), "bold")
    if not items:
        print_line("Nothing needs attention.", "green")
        return
    columns = (
        Column("Found"),
        Column("Position"),
        Column("Trade", right=True),
        Column("Since (UTC)", priority=2),
        Column("Set aside", right=True, priority=1),
        Column("Why", is_text=True),
    )
    rows = [
        (
            f"{'! ' if item.is_blocking else ''}{item.kind.value}",
            f"{item.ticker} cash" if item.position_id is None else f"#{item.position_id} {item.ticker}",
            "" if item.trade_id is None else f"#{item.trade_id}",
            format_time(item.since),
            "" if item.allocated is None else f"{format_quantity(item.allocated)} {item.symbol}",
            item.reason,
        )
        for item in items
    ]
    print_table(columns, rows, ["red" if item.is_blocking else "" for item in items])
    for text in dict.fromkeys(_fill_in(item.advice, path) for item in items if item.advice):
        print_line()
        print_line(f"{text[0].upper()}{text[1:]}.")
    commands: dict[str, list[Issue]] = {}
    for item in items:
        if item.command:
            commands.setdefault(_fill_in(item.command, path), []).append(item)
    if commands:
        print_next_steps({f"Put right {_name(found)}": command for command, found in commands.items()})


def _name(items: Sequence[Issue]) -> str:
    """Return e.g. ``trades #3, #4``."""
    trades = [item.trade_id for item in items if item.trade_id is not None]
    numbers = sorted(trades or [item.position_id for item in items if item.position_id is not None])
    noun = "trade" if trades else "position"
    if len(numbers) > _MAX_NAMED:
        return f"{len(numbers)} {noun}s"
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(f'#{number}' for number in numbers)}"
