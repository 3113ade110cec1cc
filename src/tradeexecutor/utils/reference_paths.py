"""Names of the framework that defined the state which this library does not have, and what to use instead.

Code written for that framework imports them. An import of one fails with a sentence that says where the same is done
here, never with a bare `ImportError`: modules are found by the finder of `tradeexecutor/__init__.py`, names of existing
modules by `refuse_names`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from tradeexecutor.state.errors import NotInThisLibrary

__all__ = ["MODULES", "NAMES", "explain_module", "refuse_names"]

_LIVE = "live trading is tradeexecutor.ethereum with a chain file; see docs/live.md and `tradeexecutor start`"
_VENUES = "venues of live trading are described in the chain file, see docs/live.md"
_VAULTS = "vaults are traded in backtests: create_universe(..., vaults=[...]), see docs/positions.md"
_BRIDGES = "bridges are simulated in backtests, see docs/positions.md; no live bridge is part of this library"
_ACCOUNTS = "exchange accounts are kept in the state and audited; no connection to an exchange is part of this library"
_MANAGED = "wallets that this library trades with are hot wallets, see docs/live.md"
_COMMANDS = "commands are run as `tradeexecutor COMMAND`; what they do is in tradeexecutor.operations"
_SEARCH = "searches over parameters are tradeexecutor.research, see docs/optimisation.md"
_CHARTS = "charts are tradeexecutor.visual.charts and `tradeexecutor chart`, see docs/commands.md"
_FIGURES = (
    "figures are tradeexecutor.analysis.adjusted.summary and `tradeexecutor show-statistics`, see docs/figures.md"
)
_DATA = "market data comes from files: load_market_data or create_universe, see docs/market-data.md"
_RUNS = (
    "a backtest is run with run_backtest_inline or run_backtest_for_module of tradeexecutor.backtest.backtest_runner"
)
_MEMORY = "indicators are calculated in memory at each run; leave the storage out"

#: Module, and all modules inside it -> what to use instead. The longest name that fits counts.
MODULES: Mapping[str, str] = {
    "analysis.advanced_metrics": _FIGURES,
    "analysis.cctp": _BRIDGES,
    "analysis.credit": _FIGURES,
    "analysis.grid_search": _SEARCH,
    "analysis.hypercore_rebalance_cost": _FIGURES,
    "analysis.multi_asset_benchmark": _CHARTS,
    "analysis.multipair": _FIGURES,
    "analysis.stop_loss": _FIGURES,
    "analysis.vault": _VAULTS,
    "analysis.weights": _CHARTS,
    "backtest.data_preload": _DATA,
    "backtest.grid_search": _SEARCH,
    "backtest.legacy_backtest_sync": "deposits of a backtest are initial_deposit and funding of run_backtest_inline",
    "backtest.tearsheet": "a tear sheet is `tradeexecutor report --tearsheet`, or tradeexecutor.report.tearsheet",
    "backtest.vault_windows": _VAULTS,
    "cli.bootstrap": _LIVE,
    "cli.close_position": _COMMANDS,
    "cli.commands": _COMMANDS,
    "cli.double_position": "`tradeexecutor validate` and tradeexecutor.state.repair.hypercore find them",
    "cli.loop": "the loop is tradeexecutor.operations, started with `tradeexecutor start`, see docs/live.md",
    "cli.testtrade": "`tradeexecutor perform-test-trade` makes a test trade",
    "cli.trade_ui_tui": _COMMANDS,
    "ethereum": _LIVE,
    "ethereum.cctp": _BRIDGES,
    "ethereum.enzyme": _MANAGED,
    "ethereum.lagoon": _MANAGED,
    "ethereum.routing_data": _VENUES,
    "ethereum.uniswap_v2": _VENUES,
    "ethereum.uniswap_v3": _VENUES,
    "ethereum.vault": _VAULTS,
    "ethereum.velvet": _MANAGED,
    "exchange_account": _ACCOUNTS,
    "monkeypatch": "nothing has to be patched here, leave the import and the call out",
    "strategy.bootstrap": "strategy files are read by read_strategy_module of tradeexecutor.strategy.strategy_module",
    "strategy.chart.renderer": _CHARTS,
    "strategy.chart.standard": _CHARTS,
    "strategy.chart.vault_legend": _CHARTS,
    "strategy.description": "a strategy file is read by read_strategy_module of tradeexecutor.strategy.strategy_module",
    "strategy.freqtrade": "Freqtrade positions are kept in the state and audited; there is no connection to Freqtrade",
    "strategy.generic": _VENUES,
    "strategy.pandas_trader.rebalance": "AlphaModel of tradeexecutor.strategy.alpha_model rebalances to weights",
    "strategy.pandas_trader.yield_manager": "manage_credit_flow of the PositionManager lends idle cash",
    "strategy.phase_aware": _VAULTS,
    "strategy.redemption": _VAULTS,
    "strategy.reverse_universe": "`tradeexecutor` commands read pairs from the state itself and need no universe",
    "strategy.run_state": "the status of a running strategy is tradeexecutor.web, see docs/web-api.md",
    "strategy.tvl_size_risk": "market data has no value of pools; tradeexecutor.strategy.fixed_size_risk has caps",
    "testing.backtest_trader": "UnitTestTrader of tradeexecutor.testing.unit_test_trader trades a state in tests",
    "testing.pairuniversetrader": "UnitTestTrader of tradeexecutor.testing.unit_test_trader trades a state in tests",
    "testing.simulated_execution_loop": "tests of live trading use tradeexecutor.testing.chain_fixtures",
    "testing.webhook": "servers in tests are started with tradeexecutor.web.server, see docs/web-api.md",
    "utils.binance": _DATA,
    "utils.blockchain": _LIVE,
    "visual.grid_search": _SEARCH,
    "visual.grid_search_advanced": _SEARCH,
    "visual.utils": "tables of trades are tradeexecutor.analysis.frames, or `tradeexecutor export`",
}

#: Module that exists -> names that it does not have, and what to use instead.
NAMES: Mapping[str, Mapping[str, str]] = {
    "analysis.trade_analyser": dict.fromkeys(
        ("expand_timeline", "expand_timeline_raw", "TimelineRowStylingMode"),
        "the timeline of positions is create_timeline of TradeAnalysis and positions_to_frame of analysis.frames",
    ),
    "backtest.backtest_runner": dict.fromkeys(
        ("setup_backtest", "setup_backtest_for_universe", "guess_data_delay_tolerance"), _RUNS
    ),
    "ethereum.execution": {"get_held_assets": "balances are read by tradeexecutor.ethereum.balances"},
    "strategy.account_correction": {"_build_hypercore_vault_account_checks": _VAULTS},
    "strategy.pandas_trader.indicator": dict.fromkeys(
        (
            "DiskIndicatorStorage",
            "IndicatorKey",
            "MemoryIndicatorStorage",
            "calculate_and_load_indicators",
            "calculate_and_load_indicators_inline",
            "load_indicators",
            "prepare_indicators",
        ),
        _MEMORY,
    ),
    "strategy.pandas_trader.indicator_decorator": {"flatten_dict_permutations": _SEARCH},
    "strategy.pandas_trader.strategy_input": {"IndicatorWithVariations": _SEARCH},
    "strategy.runner": {"post_process_trade_decision": "the runner checks the trades of a decision itself"},
    "strategy.trading_strategy_universe": dict.fromkeys(
        (
            "TradingStrategyUniverseModel",
            "load_all_data",
            "load_pair_data_for_single_exchange",
            "load_partial_data",
            "load_vault_universe_with_metadata",
        ),
        _DATA,
    ),
}

_PACKAGE = "tradeexecutor."


def explain_module(name: str) -> None:
    """Raise `NotInThisLibrary` for the full name of a module that is known but not part of this library."""
    path = name.removeprefix(_PACKAGE)
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        advice = MODULES.get(".".join(parts[:length]))
        if advice is not None:
            raise NotInThisLibrary(name, advice)


def refuse_names(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module for its names in `NAMES`.

    Parameters
    ----------
    module
        Full name of the module.
    """
    known = NAMES[module.removeprefix(_PACKAGE)]

    def get_missing(name: str) -> NoReturn:
        if name in known:
            raise NotInThisLibrary(f"{module}.{name}", known[name])
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get_missing
