"""Every command: its name and the line that ``--help`` shows, below the heading it stands under.

A new command gets a line here, and a module of its name in :mod:`tradeexecutor.cli.commands`, those of the group
``store`` in the folder of that name. What one needs first stands first.
"""

from tradeexecutor.cli.lazy_commands import CommandEntry

__all__ = ["COMMANDS", "KEEP", "STORE_COMMANDS"]

_PACKAGE = "tradeexecutor.cli.commands"

#: Heading under which the group ``store`` stands, too.
KEEP = "Keep"

_COMMANDS = {
    "Run": {
        "demo": "Run the example strategies.",
        "backtest": "Run a strategy over history.",
        "init": "Make the state file of a new strategy.",
        "start": "Run a strategy live, with real money.",
    },
    "Look": {
        "show-statistics": "Show how a strategy did: return, risk, positions, costs.",
        "show-positions": "Show positions, their trades and transactions.",
        "show-trades": "List trades, oldest decision first.",
        "show-valuation": "Show what positions are worth, at which price, and how old that price is.",
        "chart": "Draw a chart of a state file.",
        "report": "Make one page with everything about a state.",
        "compare": "Compare two state files, and find where they part.",
        "export": "Write a state as tables for other programs: CSV, Parquet or Arrow files.",
        "console": "Look into a state with Python.",
    },
    "Check": {
        "validate": "Check state files for damage.",
        "check-trades": "List the trades and positions that somebody has to look at.",
        "check-accounts": "Compare what a state says is held with balances that were read outside.",
        "lookahead": "Find where a backtest knew what came later.",
        "audit": "Prove that every balance is the sum of its recorded movements.",
    },
    "Change a state (shows what changes, asks, and keeps a backup)": {
        "repair": "Make good what went wrong with trades. The strategy must not run.",
        "retry": "Try failed trades again, in a simulation at the prices of candles.",
        "close-position": "Close positions: sell them in a simulation, or take them out of the books.",
        "sync-treasury": "Book deposits, redemptions and flows from a file of events.",
        "correct-accounts": "Make the books match balances that were read outside.",
        "correct-history": "Remove wrong samples from the statistics, or early history.",
        "blacklist": "List the tokens that the strategy must not trade, add one or remove one.",
        "reset-state": "Start a strategy again: an empty state with the same name and reserve currency.",
    },
    KEEP: {
        "prune-state": "Make a state file smaller: move detail of closed positions into an archive.",
        "unprune-state": "Put back what prune-state moved into archives.",
    },
    "This program": {
        "version": "Print the version, and which state files it reads.",
    },
}

_STORE_COMMANDS = {
    "verify": "Tell whether a file or a database is what was saved, bit for bit.",
    "generations": "List the saves that there are, and which of them are intact.",
    "recover": "Replace a damaged or missing state by its newest intact save.",
    "list": "List the strategies in a database.",
    "history": "List the saves of a strategy, oldest first, and what happened in each.",
    "show": "Show a strategy as it was when it was saved.",
    "diff": "Tell what is different between two saves.",
    "convert": "Copy a strategy from a file to a database, or back, or between databases.",
    "compact": "Remove old saves of a strategy, and give their space back.",
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
