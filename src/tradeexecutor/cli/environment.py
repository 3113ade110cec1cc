"""Environment variables of options.

Every option and every argument that takes one value can be in an environment variable. Those of existing deployments
have their own names, such as ``STATE_FILE``; all others are named after the option: ``--max-gas-price`` is
``TRADEEXECUTOR_MAX_GAS_PRICE``. The prefix keeps variables of other programs, such as ``NAME``, from changing what a
command does. The command line is stronger than the environment.

>>> find_variable("state_file"), find_variable("--max-gas-price"), find_variable("--yes", "repair")
('STATE_FILE', 'TRADEEXECUTOR_MAX_GAS_PRICE', 'AUTO_APPROVE')
"""

__all__ = ["find_variable", "is_of_deployments"]

_PREFIX = "TRADEEXECUTOR_"

#: Variables that do not follow the rule, by the name of the option or argument.
_NAMED = {
    "strategy": "STRATEGY_FILE",
    "state-file": "STATE_FILE",
    "rpc": "JSON_RPC",
    "offset": "CYCLE_OFFSET_MINUTES",
    "trigger-check": "POSITION_TRIGGER_CHECK_MINUTES",
    "valuation": "STATS_REFRESH_MINUTES",
    "max-data-delay": "MAX_DATA_DELAY_MINUTES",
    "decide-at-once": "TRADE_IMMEDIATELY",
    "operate": "TRADEEXECUTOR_OPERATE",
    "host": "HTTP_HOST",
    "port": "HTTP_PORT",
    "confirmations": "CONFIRMATION_BLOCK_COUNT",
    "password-file": "KEYSTORE_PASSWORD_FILE",
}

#: Options whose variables are their names in capitals.
_PLAIN = frozenset(
    {
        "check-accounts",
        "confirmation-timeout",
        "cycle-duration",
        "dry-run",
        "http-enabled",
        "http-host",
        "http-port",
        "keystore",
        "max-cycles",
        "max-slippage",
        "min-gas-balance",
        "position-type",
        "run-single-cycle",
        "sync-treasury-on-startup",
        "trade-type",
        "tx-type",
    }
)

_OUTLIERS = (
    *("cutoff-date", "remove-share-price-outliers", "remove-nav-sync-outliers", "remove-duplicate-timestamp-stats"),
    *("outlier-window-size", "outlier-threshold"),
    *("nav-sync-window-size", "nav-sync-threshold", "nav-sync-min-component-change"),
)

#: The same of single commands, where other commands have an option of this name with another meaning.
_PLAIN_OF_COMMANDS = {
    "blacklist": ("add-token", "remove-token"),
    "close-position": ("position-id", "all-test-trades", "slippage", "blacklist", "close-dust"),
    "console": ("code",),
    "correct-history": _OUTLIERS,
    "perform-test-trade": ("pair", "amount"),
}

_NAMED_OF_COMMANDS = {"repair": {"yes": "AUTO_APPROVE", "merge": "MERGE_DUSTLESS_DUPLICATES"}}


def find_variable(name: str, command: str = "") -> str:
    """Return the environment variable of an option, given as typed, or of an argument, given by its name.

    With the name of a command it is the variable that this command reads, which may have a name of its own.
    """
    name = name.lstrip("-").rstrip("_").replace("_", "-")
    named = _NAMED | _NAMED_OF_COMMANDS.get(command, {})
    if name in named:
        return named[name]
    variable = name.upper().replace("-", "_")
    return variable if name in _PLAIN or name in _PLAIN_OF_COMMANDS.get(command, ()) else _PREFIX + variable


def is_of_deployments(variable: str) -> bool:
    """Return True if existing deployments set the variable, so that the help of a command names it."""
    return not variable.startswith(_PREFIX)
