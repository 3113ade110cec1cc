"""Every command: its name and its line in ``--help``, grouped by heading.

A new command gets a line here, and a module of its name in :mod:`tradeexecutor.cli.commands`; modules of the group
``store`` are in the folder of that name. Commands that a user needs first come first.
"""

from tradeexecutor.cli.lazy_commands import CommandEntry

__all__ = ["COMMANDS", "KEEP", "STORE_COMMANDS"]

_PACKAGE = "tradeexecutor.cli.commands"

#: Heading that also lists the group ``store``.
KEEP = "Keep"

_COMMANDS = {
    "Run": {
        "demo": "Run the example strategies.",
        "demo-live": "Trade live on a chain of this machine, through a crash and a reorganisation.",
        "backtest": "Run a strategy over history.",
        "optimize": "Search for the parameters of a strategy: many backtests, ranked.",
        "download": "Download candles into Parquet files, with a record of where they come from.",
        "init": "Make the state file of a new strategy.",
        "start": "Run a strategy live, with real money or on paper.",
        "fleet": "Run several strategies on this machine, each in a process of its own.",
        "perform-test-trade": "Buy a little of a pair and sell it again, with real money.",
        "check-position-triggers": "Check stop losses, take profits and waiting orders once, with real money.",
        "close-all": "Sell all open positions on the chain, with real money.",
    },
    "Look": {
        "show-statistics": "Show the performance of a strategy: return, risk, positions, costs.",
        "show-positions": "Show positions, their trades and transactions.",
        "show-trades": "List trades, oldest decision first.",
        "show-valuation": "Show what positions are worth, at which price, and how old that price is.",
        "chart": "Draw a chart of a state file.",
        "report": "Make one page with everything about a state.",
        "compare": "Compare two state files, and explain the difference of their equity.",
        "export": "Write a state as tables for other programs: CSV, Parquet or Arrow files.",
        "query": "Ask questions of states in SQL.",
        "console": "Examine a state with Python.",
        "dashboard": "Show strategies in the browser, and keep the page up to date.",
        "webapi": "Serve states over HTTP, for browsers and other programs.",
    },
    "Check": {
        "validate": "Check state files for damage.",
        "check-trades": "List the trades and positions that need attention.",
        "check-accounts": "Compare the balances of a state with those of its wallet, or of a file.",
        "lookahead": "Find where a backtest uses data from the future.",
        "audit": "Prove that every balance is the sum of its recorded movements.",
    },
    "Change a state (shows what changes, asks, and keeps a backup)": {
        "repair": "Repair failed and unfinished trades. The strategy must not be running.",
        "retry": "Try failed trades again, on the chain or in a simulation.",
        "close-position": "Close positions: sell them on the chain or in a simulation, or write them off.",
        "sync-treasury": "Book deposits, redemptions and flows from a chain, or from a file of events.",
        "correct-accounts": "Correct the state so that it matches balances of its wallet, or of a file.",
        "correct-history": "Remove wrong samples from the statistics, or early history.",
        "blacklist": "List the tokens that the strategy must not trade, add one or remove one.",
        "reset-state": "Start a strategy again: an empty state with the same name and reserve currency.",
    },
    KEEP: {
        "prune-state": "Make a state file smaller: move details of closed positions into an archive.",
        "unprune-state": "Put back what prune-state moved into archives.",
    },
    "This program": {
        "version": "Print the version, and which state files it reads.",
        "schema": "Print the JSON Schema of state files, for programs in other languages.",
    },
}

_STORE_COMMANDS = {
    "verify": "Check whether a file or a database is what was saved, bit for bit.",
    "generations": "List the existing saves of a file, and whether each is intact.",
    "recover": "Replace a damaged or missing state by its newest intact save.",
    "list": "List the strategies in a database.",
    "history": "List the saves of a strategy, oldest first, and what changed in each.",
    "show": "Show a strategy as it was when it was saved.",
    "diff": "Show the differences between two saves.",
    "convert": "Copy a strategy from a file to a database, or back, or between databases.",
    "compact": "Remove old saves of a strategy, and free their space.",
}

COMMANDS = tuple(
    CommandEntry(name, text, f"{_PACKAGE}.{name.replace('-', '_')}", panel)
    for panel, commands in _COMMANDS.items()
    for name, text in commands.items()
)

#: The commands of ``tradeexecutor store``.
STORE_COMMANDS = tuple(
    CommandEntry(name, text, f"{_PACKAGE}.store.{name}", function="list_" if name == "list" else "")
    for name, text in _STORE_COMMANDS.items()
)
