"""Environment variables of options: those that deployments of the reference set, by the names that they have there.

A value on the command line wins over the variable. Options that the reference does not have get no variable, because
short upper-case names such as ``DATA`` or ``OUTPUT`` are taken by other programs.
"""

from typing import Any

__all__ = ["add_environment_variables"]

#: Variables of arguments and options by the name of their parameter, for every command.
_EVERYWHERE = {
    "state_file": "STATE_FILE",
    "dry_run": "DRY_RUN",
    "position_type": "POSITION_TYPE",
    "trade_type": "TRADE_TYPE",
    "tx_type": "TX_TYPE",
    "http_enabled": "HTTP_ENABLED",
    "http_host": "HTTP_HOST",
    "http_port": "HTTP_PORT",
}

_HISTORY = (
    *("cutoff_date", "remove_share_price_outliers", "remove_nav_sync_outliers", "remove_duplicate_timestamp_stats"),
    *("outlier_window_size", "outlier_threshold"),
    *("nav_sync_window_size", "nav_sync_threshold", "nav_sync_min_component_change"),
)

#: Variables of single commands, where other commands have an option of the same name and another meaning.
_OF_COMMANDS = {
    "backtest": {"strategy": "STRATEGY_FILE"},
    "blacklist": {"add_token": "ADD_TOKEN", "remove_token": "REMOVE_TOKEN"},
    "close-position": {
        name: name.upper() for name in ("position_id", "all_test_trades", "slippage", "blacklist", "close_dust")
    },
    "console": {"code": "CODE"},
    "correct-history": {name: name.upper() for name in _HISTORY},
    "perform-test-trade": {"pair": "PAIR", "amount": "AMOUNT"},
    "repair": {"yes": "AUTO_APPROVE", "merge": "MERGE_DUSTLESS_DUPLICATES"},
    "start": {"strategy": "STRATEGY_FILE"},
    "webapi": {"host": "HTTP_HOST", "port": "HTTP_PORT"},
}


def add_environment_variables(name: str, params: list[Any]) -> None:
    """Let the parameters of the command `name` be given by their environment variables."""
    variables = _EVERYWHERE | _OF_COMMANDS.get(name, {})
    for param in params:
        if param.envvar is None and param.name in variables:
            param.envvar = variables[param.name]
            param.show_envvar = True
