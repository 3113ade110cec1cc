"""The `tradeexecutor` command, one small module for each subcommand."""
