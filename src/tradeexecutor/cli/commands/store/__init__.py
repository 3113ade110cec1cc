"""The commands of ``tradeexecutor store``."""
