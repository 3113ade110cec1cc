"""What ``tradeexecutor correct-history`` prints."""

from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_price,
    format_time,
    format_usd,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.operations.correct_history import HistoryCorrection

__all__ = ["history_to_json", "print_history_correction"]

#: Number of entries that are listed; ``--json`` has all of them.
_MAX_ROWS = 200


def history_to_json(result: HistoryCorrection) -> dict[str, Any]:
    """Return the removed samples as plain data."""
    return {
        "samples_before": result.samples_before,
        "samples_after": result.samples_after,
        "removed": result.removed,
        "cut_off": result.cut_off,
    }


def print_history_correction(result: HistoryCorrection) -> None:
    """Print the removed entries."""
    print_heading(f"Removed samples of the portfolio: {len(result.removed):,} of {result.samples_before:,}")
    if result.removed:
        columns = (
            Column("Time (UTC)"),
            Column("Share price", right=True),
            Column("NAV USD", right=True),
            Column("Source", priority=1),
            Column("Why", is_text=True),
        )
        rows = [
            (
                format_time(item.time, seconds=True),
                format_price(item.share_price),
                format_usd(item.net_asset_value),
                ", ".join(item.sources),
                item.reason,
            )
            for item in result.removed[:_MAX_ROWS]
        ]
        print_table(columns, rows)
        if len(result.removed) > _MAX_ROWS:
            print_line(f"... and {len(result.removed) - _MAX_ROWS:,} more; --dry-run --json has all of them", "dim")
    else:
        print_line("None.")
    if result.cut_off is not None:
        print_heading("Removed early history")
        columns = (Column("What", is_text=True), Column("Entries", right=True))
        rows = [
            (name.removesuffix("_removed").replace("_", " "), f"{count:,}")
            for name, count in result.cut_off.items()
            if count
        ]
        if rows:
            print_table(columns, rows)
        else:
            print_line("None.")
