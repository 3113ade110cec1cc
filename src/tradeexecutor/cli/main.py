"""The ``tradeexecutor`` command: global options, and the list of subcommands.

Each subcommand is a function in a module of its name.  Such modules import only what the command line itself needs;
what costs time to import (pandas, the backtest) is imported when the command runs, so that help appears at once.
"""

from typing import Annotated

import typer

from tradeexecutor.cli.commands import (
    audit,
    backtest,
    blacklist,
    chart,
    check_accounts,
    check_trades,
    close_position,
    compare,
    console,
    correct_accounts,
    correct_history,
    demo,
    export,
    init,
    prune_state,
    repair,
    report,
    reset_state,
    retry,
    show_positions,
    show_statistics,
    show_trades,
    show_valuation,
    sync_treasury,
    unprune_state,
    validate,
    version,
)
from tradeexecutor.cli.commands.store import saves as store
from tradeexecutor.cli.failure import DEBUG_VARIABLE, report_failures, set_debug

__all__ = ["app"]

app = typer.Typer(
    name="tradeexecutor",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="New here? Start with:\n\n$ tradeexecutor demo",
)


@app.callback()
def set_global_options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show tracebacks and log messages.")
    ] = False,
) -> None:
    """Backtest trading strategies, and look into the state files that backtests and live strategies leave."""
    set_debug(debug)


def _make_epilog(examples: tuple[str, ...]) -> str:
    lines = "\n\n".join(f"$ {example}".replace("[", r"\[") for example in examples)
    return f"Examples:\n\n{lines}"


#: The commands as ``--help`` lists them: what one needs first stands first.
_PANELS = {
    "Run": (
        ("demo", demo, demo.demo),
        ("backtest", backtest, backtest.backtest),
        ("init", init, init.init),
    ),
    "Look": (
        ("show-statistics", show_statistics, show_statistics.show_statistics),
        ("show-positions", show_positions, show_positions.show_positions),
        ("show-trades", show_trades, show_trades.show_trades),
        ("show-valuation", show_valuation, show_valuation.show_valuation),
        ("chart", chart, chart.chart),
        ("report", report, report.report),
        ("compare", compare, compare.compare),
        ("export", export, export.export),
        ("console", console, console.console),
    ),
    "Check": (
        ("validate", validate, validate.validate),
        ("check-trades", check_trades, check_trades.check_trades),
        ("check-accounts", check_accounts, check_accounts.check_accounts),
        ("audit", audit, audit.audit),
    ),
    "Mend (shows what changes, asks, and keeps a backup)": (
        ("repair", repair, repair.repair),
        ("retry", retry, retry.retry),
        ("close-position", close_position, close_position.close_position),
        ("sync-treasury", sync_treasury, sync_treasury.sync_treasury),
        ("correct-accounts", correct_accounts, correct_accounts.correct_accounts),
        ("correct-history", correct_history, correct_history.correct_history),
        ("blacklist", blacklist, blacklist.blacklist),
        ("reset-state", reset_state, reset_state.reset_state),
    ),
    "Keep": (
        ("prune-state", prune_state, prune_state.prune_state),
        ("unprune-state", unprune_state, unprune_state.unprune_state),
    ),
    "This program": (("version", version, version.version),),
}

for _panel, _commands in _PANELS.items():
    for _name, _module, _function in _commands:
        app.command(_name, epilog=_make_epilog(_module.EXAMPLES), rich_help_panel=_panel)(report_failures(_function))

app.add_typer(store.app, name="store", rich_help_panel="Keep")


if __name__ == "__main__":
    app()
