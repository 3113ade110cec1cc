"""Environments in which a strategy runs."""

from tradeexecutor.state.types import StateEnum


class ExecutionMode(StateEnum):
    """Environment of a run. A strategy sees no other difference between environments."""

    #: Live trading with real money.
    real_trading = "real_trading"
    #: Live prices with simulated money.
    paper_trading = "paper_trading"
    backtesting = "backtesting"
    #: A notebook reads data and trades nothing.
    data_research = "data_research"
    #: Data is downloaded before a run.
    data_preload = "data_preload"
    #: A unit test of a backtest. The spelling of the value is that of existing files.
    unit_testing = "unit_Testing"
    #: A unit test of live trading.
    unit_testing_trading = "unit_testing_trading"
    #: Live trading on a test chain.
    simulated_trading = "simulated_trading"
    #: Checks before live trading starts.
    preflight_check = "preflight_check"
    #: A single command of the command line.
    one_off = "one_off"
    #: The web server renders charts.
    web = "web"

    def is_live_trading(self) -> bool:
        """Return True if time is that of the clock, and market data is live."""
        return self in _LIVE

    def is_backtesting(self) -> bool:
        """Return True if time and market data are recorded ones."""
        return self is ExecutionMode.backtesting or self is ExecutionMode.unit_testing

    def is_unit_testing(self) -> bool:
        """Return True if safety limits for real money are relaxed."""
        return self in _TESTS

    def is_fresh_data_always_needed(self) -> bool:
        """Return True if cached market data must not be used."""
        return self in _FRESH


_LIVE = frozenset(
    {
        ExecutionMode.real_trading,
        ExecutionMode.paper_trading,
        ExecutionMode.unit_testing_trading,
        ExecutionMode.simulated_trading,
        ExecutionMode.preflight_check,
        ExecutionMode.one_off,
        ExecutionMode.web,
    }
)
_TESTS = frozenset({ExecutionMode.unit_testing_trading, ExecutionMode.simulated_trading, ExecutionMode.unit_testing})
_FRESH = frozenset({ExecutionMode.real_trading, ExecutionMode.paper_trading, ExecutionMode.simulated_trading})
