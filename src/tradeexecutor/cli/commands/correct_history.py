"""``tradeexecutor correct-history``."""

import datetime
from typing import Annotated

import typer

from tradeexecutor.cli.printers.correct_history import history_to_json, print_history_correction
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.correct_history import HistoryRequest, NavSyncSearch, SharePriceSearch
from tradeexecutor.operations.correct_history import correct_history as correct_state_history

EXAMPLES = (
    "tradeexecutor correct-history state.json --remove-share-price-outliers --dry-run",
    "tradeexecutor correct-history state.json --remove-share-price-outliers --remove-nav-sync-outliers",
    "tradeexecutor correct-history state.json --remove-duplicate-timestamp-stats --yes",
    "tradeexecutor correct-history state.json --cutoff-date 2026-01-15",
)


_CutoffDateOption = Annotated[
    datetime.datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="Remove everything recorded before this day (UTC): samples, plots, messages, logs.",
        show_default=False,
    ),
]
_RemoveSharePriceOutliersOption = Annotated[
    bool, typer.Option("--remove-share-price-outliers", help="Remove share prices far from those of their neighbours.")
]
_RemoveNavSyncOutliersOption = Annotated[
    bool,
    typer.Option(
        "--remove-nav-sync-outliers",
        help="The same with a lower threshold, near a jump of the cash or the open positions.",
    ),
]
_RemoveDuplicateTimestampStatsOption = Annotated[
    bool,
    typer.Option(
        "--remove-duplicate-timestamp-stats", help="Remove all but the last of the samples with the same time."
    ),
]
_OutlierWindowSizeOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Number of neighbours of a share price, on each side.")
]
_OutlierThresholdOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="FRACTION", help="Largest distance of a share price from the median of its neighbours."
    ),
]
_NavSyncWindowSizeOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="The same for --remove-nav-sync-outliers.")
]
_NavSyncThresholdOption = Annotated[
    float, typer.Option(min=0, metavar="FRACTION", help="The same for --remove-nav-sync-outliers.")
]
_NavSyncMinComponentChangeOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="FRACTION", help="Smallest change that is a jump, as a fraction of the net asset value."
    ),
]


def correct_history(
    state_file: StateFile,
    *,
    cutoff_date: _CutoffDateOption = None,
    remove_share_price_outliers: _RemoveSharePriceOutliersOption = False,
    remove_nav_sync_outliers: _RemoveNavSyncOutliersOption = False,
    remove_duplicate_timestamp_stats: _RemoveDuplicateTimestampStatsOption = False,
    outlier_window_size: _OutlierWindowSizeOption = 5,
    outlier_threshold: _OutlierThresholdOption = 0.2,
    nav_sync_window_size: _NavSyncWindowSizeOption = 24,
    nav_sync_threshold: _NavSyncThresholdOption = 0.15,
    nav_sync_min_component_change: _NavSyncMinComponentChangeOption = 0.1,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Remove wrong samples from the statistics, or early history.

    A sample that was taken while a price, a balance or a transfer was read wrongly
    looks like a crash and a recovery. Each removed entry is listed with the
    reason. --cutoff-date is applied after the outliers are removed.

    Returns are then measured from the first remaining share price. Positions,
    trades and balances are not changed.
    """
    wanted = (remove_share_price_outliers, remove_nav_sync_outliers, remove_duplicate_timestamp_stats)
    if cutoff_date is None and not any(wanted):
        raise typer.BadParameter(
            "say what to remove: --cutoff-date, --remove-share-price-outliers, --remove-nav-sync-outliers "
            "or --remove-duplicate-timestamp-stats"
        )
    price = SharePriceSearch(outlier_window_size, outlier_threshold)
    nav = NavSyncSearch(nav_sync_window_size, nav_sync_threshold, nav_sync_min_component_change)
    request = HistoryRequest(
        share_price=price if remove_share_price_outliers else None,
        nav_sync=nav if remove_nav_sync_outliers else None,
        duplicates=remove_duplicate_timestamp_stats,
        cutoff_date=cutoff_date,
    )
    run_change(
        state_file,
        lambda state, now: correct_state_history(state, request),
        command="correct-history",
        print_result=print_history_correction,
        to_json=history_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="correct-history-backup",
    )
