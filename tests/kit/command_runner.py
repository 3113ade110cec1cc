"""What the fixtures of the command line give: functions that run a command, and a strategy to run."""

import subprocess
from collections.abc import Callable

from typer.testing import Result

#: Runs a command in this process.
Run = Callable[..., Result]

#: Runs a command in a process of its own, with its output in a pipe; keywords are environment variables.
Spawn = Callable[..., "subprocess.CompletedProcess[str]"]

STRATEGY = '''
"""Buys once, sells at the tenth decision."""

trading_strategy_engine_version = "0.5"
name = "Ten days"

class Parameters:
    cycle_duration = "1d"
    initial_cash = 1000
    share = 0.5

def decide_trades(input):
    manager = input.get_position_manager()
    if input.cycle == 1:
        cash = manager.get_current_cash() * input.parameters.share
        return manager.open_spot(input.get_default_pair(), cash)
    if input.cycle == 10:
        return manager.close_all()
    return []
'''
