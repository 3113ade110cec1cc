"""One small module for each command: reads arguments, asks, calls an operation, prints.

`tradeexecutor.cli.command_table` lists them, and a module is imported only for its own command. What takes long to
import, through pandas, numpy, plotly or SQLAlchemy, is imported inside the function, so that its ``--help`` and shell
completion answer at once; ``tests/cli/test_main.py`` proves it.
"""
