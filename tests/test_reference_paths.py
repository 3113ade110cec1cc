"""Every import path that code written for the framework uses works, or says what to use instead."""

import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

import tradeexecutor
from tests.kit.trader import WETH_USDC, Trader, new_state
from tests.support import NO_SHARED, find_shared_dir
from tradeexecutor.cli.command_table import COMMANDS
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.errors import NotInThisLibrary
from tradeexecutor.strategy.approval import UncheckedApprovalModel
from tradeexecutor.strategy.dummy import DummyExecutionModel
from tradeexecutor.strategy.sync_model import BalanceNotReadable, DummySyncModel
from tradeexecutor.utils.reference_paths import MODULES, NAMES

#: Module -> names; what works. The others are in `MODULES` and `NAMES`.
WORKING: dict[str, str] = {
    "backtest.backtest_module": "run_backtest_for_module",
    "backtest.backtest_routing": "BacktestRoutingModel BacktestRoutingState BacktestRoutingIgnoredModel",
    "cli.commands": "console start",
    "cli.log": "setup_pytest_logging setup_custom_log_levels setup_logging setup_file_logging",
    "ethereum.balance_update": "apply_reserve_update_events",
    "ethereum.execution": "EthereumExecution",
    "strategy.alpha_model": "AlphaModel TradingPairSignalFlags TradingPairSignal format_signals",
    "strategy.approval": "UncheckedApprovalModel",
    "strategy.chart.definition": "ChartInput ChartRegistry ChartKind ChartParameters",
    "strategy.default_routing_options": "TradeRouting",
    "strategy.dex_data_translation": "translate_trading_pair",
    "strategy.dummy": "DummyExecutionModel",
    "strategy.execution_context": "unit_test_execution_context unit_test_trading_execution_context "
    "notebook_execution_context",
    "strategy.execution_model": "AssetManagementMode ExecutionHaltableIssue ExecutionModel AutoClosingOrderUnsupported",
    "strategy.fixed_size_risk": "FixedSizeRiskModel",
    "strategy.pandas_trader.indicator": "IndicatorDependencyResolver IndicatorFunctionSignatureMismatch",
    "strategy.pandas_trader.indicator_decorator": "IndicatorRegistry",
    "strategy.pandas_trader.trading_universe_input": "CreateTradingUniverseInput",
    "strategy.parameters": "RollingParameter RollingParameterValueNotAvailable display_parameters",
    "strategy.pricing_model": "FixedPricing",
    "strategy.qstrader": "HAS_QSTRADER",
    "strategy.reserve_currency": "ReserveCurrency",
    "strategy.routing": "RoutingModel RoutingState",
    "strategy.strategy_type": "StrategyType",
    "strategy.sync_model": "DummySyncModel",
    "strategy.tag": "StrategyTag",
    "strategy.trading_strategy_universe": "create_pair_universe_from_code translate_trading_pair translate_token",
    "strategy.universe_model": "UniverseOptions default_universe_options DataTooOld StaticUniverseModel",
    "strategy.weighting": "weight_passthrouh BadWeightsException clip_to_normalised",
    "testing.synthetic_ethereum_data": "generate_random_ethereum_address",
    "testing.synthetic_exchange_data": "generate_exchange generate_simple_routing_model generate_vault_routing_model",
    "testing.synthetic_lending_data": "generate_lending_reserve generate_lending_universe",
    "testing.synthetic_price_data": "generate_ohlcv_candles generate_fixed_price_candles generate_tvl_candles "
    "generate_multi_pair_candles",
    "testing.synthetic_universe_data": "create_synthetic_single_pair_universe",
    "utils.dedent": "dedent_any",
    "utils.hex": "hexbytes_to_hex_str",
    "utils.notebook": "setup_charting_and_output",
    "utils.timer": "timed_task",
    "visual.image_output": "open_plotly_figure_in_browser",
}

#: Modules that code imports from, which are explained; those not listed in full in `MODULES`.
EXPLAINED = """
cli.commands.app cli.commands.lagoon_deploy_vault ethereum.cctp.bridge_universe
ethereum.cctp.planner ethereum.cctp.routing ethereum.ethereum_protocol_adapters ethereum.hot_wallet_sync_model
ethereum.lagoon.execution ethereum.lagoon.tx ethereum.lagoon.vault ethereum.tvl ethereum.tx
ethereum.uniswap_v2.uniswap_v2_execution ethereum.uniswap_v2.uniswap_v2_execution_v0
ethereum.uniswap_v2.uniswap_v2_live_pricing ethereum.uniswap_v2.uniswap_v2_routing
ethereum.uniswap_v2.uniswap_v2_valuation ethereum.uniswap_v3.uniswap_v3_execution
ethereum.uniswap_v3.uniswap_v3_live_pricing ethereum.uniswap_v3.uniswap_v3_routing ethereum.universe
ethereum.vault.checks ethereum.vault.hypercore_routing ethereum.vault.hypercore_valuation
ethereum.vault.hypercore_vault ethereum.vault.settlement_retry ethereum.vault.vault_live_pricing
ethereum.vault.vault_routing ethereum.vault.vault_utils ethereum.vault.vault_valuation ethereum.velvet.vault
ethereum.wallet ethereum.web3config exchange_account.allocation exchange_account.ccxt_exchange
exchange_account.derive exchange_account.gmx exchange_account.pricing exchange_account.state
exchange_account.sync_model exchange_account.utils exchange_account.valuation monkeypatch.dataclasses_json
monkeypatch.web3 strategy.chart.standard.vault strategy.chart.standard.weight strategy.freqtrade.config
strategy.freqtrade.freqtrade_pricing strategy.freqtrade.freqtrade_routing strategy.freqtrade.freqtrade_valuation
strategy.freqtrade.universe strategy.generic.default_protocols strategy.generic.generic_pricing_model
strategy.generic.generic_router strategy.generic.generic_valuation strategy.generic.pair_configurator
""".split()


#: A row of the page: number, module, the name if it is a single one, number of files, and names.
_ROW = re.compile(r"^\| \d+ \| `([\w.]+)`(?:: `(\w+)`)? \| (\d+) \| (.*?) *\|$", re.MULTILINE)


def read_page(page: Path) -> dict[tuple[str, str], int]:
    """Return the paths of the page, module and name, with the number of files that import from there."""
    found: dict[tuple[str, str], int] = {}
    for module, name, files, names in _ROW.findall(page.read_text(encoding="utf-8")):
        for item in [name] if name else names.split(", "):
            found[module, item] = int(files)
    return found


def import_name(module: str, name: str) -> str:
    """Import a name as existing code does, and return what became of it."""
    try:
        exec(f"from tradeexecutor.{module} import {name}")
    except NotInThisLibrary as error:
        return "explained" if error.advice else "fails"
    except ImportError:
        return "fails"
    return "works"


def test_every_path_of_the_page(capsys: pytest.CaptureFixture[str]):
    """Each works or is explained; the lists of this file, for machines without the page, say the same."""
    shared = find_shared_dir()
    if shared is None:
        pytest.skip(NO_SHARED)
    paths = read_page(shared / "spec" / "compat-names.md")
    outcomes = {path: import_name(*path) for path in paths}
    counts = Counter(outcomes.values())
    with capsys.disabled():
        print(f"\nimport paths of existing code: {len(paths)}, {dict(counts)}")
    assert len(paths) > 300
    assert [path for path, outcome in outcomes.items() if outcome == "fails"] == []
    listed = {(module, name) for module, names in WORKING.items() for name in names.split()}
    assert {path for path, outcome in outcomes.items() if outcome == "works"} == listed & set(paths)
    assert listed <= set(paths)


@pytest.mark.parametrize("module", WORKING)
def test_names_that_work(module: str):
    for name in WORKING[module].split():
        assert import_name(module, name) == "works"
        value = getattr(importlib.import_module(f"tradeexecutor.{module}"), name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name} is not described"


def test_a_model_that_confirms_all_trades_and_one_that_executes_none():
    trader = Trader(new_state(10_000))
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    assert UncheckedApprovalModel()(trader.state, [trade]) == [trade]
    before = trader.state.to_json()
    dummy = DummyExecutionModel()
    assert dummy.execute_trades(trader.ts, trader.state, []).succeeded == []
    with pytest.raises(ExecutionError, match="nothing is traded here"):
        dummy.execute_trades(trader.ts, trader.state, [trade])
    sync = DummySyncModel()
    assert sync.sync_treasury(trader.ts, trader.state) == []
    with pytest.raises(BalanceNotReadable):
        sync.fetch_onchain_balances([])
    assert trader.state.to_json() == before


@pytest.mark.parametrize("module", sorted({*MODULES, *EXPLAINED} - {"cli.commands", "ethereum"}))
def test_modules_that_are_done_in_another_way(module: str):
    name = f"tradeexecutor.{module}"
    with pytest.raises(NotInThisLibrary, match=f"^{re.escape('tradeexecutor.' + module.split('.')[0])}") as caught:
        importlib.import_module(name)
    assert caught.value.advice
    package, _, last = name.rpartition(".")
    with pytest.raises(ImportError, match="is not part of this library: "):
        exec(f"from {package} import {last}")


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_names_that_are_done_in_another_way(module: str, name: str):
    with pytest.raises(NotInThisLibrary, match=re.escape(f"tradeexecutor.{module}.{name} is not part")) as caught:
        exec(f"from tradeexecutor.{module} import {name}")
    assert caught.value.advice == NAMES[module][name]


def test_a_misspelt_import_stays_an_ordinary_one():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tradeexecutor.strategy.postion_manager")
    with pytest.raises(ImportError, match="cannot import name 'load_al_data'"):
        exec("from tradeexecutor.strategy.trading_strategy_universe import load_al_data")


def test_nothing_that_exists_is_explained_away():
    root = Path(tradeexecutor.__file__).parent
    for module in (*MODULES, *EXPLAINED):
        path = root / module.replace(".", "/")
        if module not in ("cli.commands", "ethereum"):
            assert not path.with_suffix(".py").exists(), module
            assert not (path / "__init__.py").exists(), module


def test_advice_names_what_exists():
    """Modules, functions and pages that the advice mentions are there."""
    advice = " ".join([*MODULES.values(), *(text for names in NAMES.values() for text in names.values())])
    for name in set(re.findall(r"tradeexecutor(?:\.[a-z_0-9]+)+", advice)):
        importlib.import_module(name)
    root = Path(tradeexecutor.__file__).parents[2]
    for page in set(re.findall(r"docs/[a-z-]+\.md", advice)):
        assert (root / page).is_file(), page
    for command in set(re.findall(r"`tradeexecutor ([a-z-]+)", advice)):
        assert command in {entry.name for entry in COMMANDS}, command
