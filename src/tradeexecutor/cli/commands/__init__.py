"""One small module for each command: reads arguments, asks, calls an operation, prints.

`tradeexecutor.cli.command_table` lists them, and a module is imported only for its own command. Modules that load
pandas, numpy, plotly or SQLAlchemy are imported inside the function, because they are slow to import: ``--help`` and
shell completion answer at once. ``tests/cli/test_main.py`` checks it.
"""
