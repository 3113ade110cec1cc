"""Names that existing strategies and notebooks import: each stays importable from the path they use."""

import importlib

import pytest

#: Path below `tradeexecutor` to the names that are imported from it.
CONTRACT = {
    "analysis.trade_analyser": "TradeAnalysis TradeSummary build_trade_analysis",
    "backtest.backtest_execution": "BacktestExecution",
    "backtest.backtest_sync": "BacktestSyncModel",
    "backtest.simulated_wallet": "SimulatedWallet",
    "state.balance_update": "BalanceUpdate BalanceUpdateCause BalanceUpdatePositionType",
    "state.blockchain_transaction": "BlockchainTransaction BlockchainTransactionType JSONAssetDelta",
    "state.blockhain_transaction": "BlockchainTransaction BlockchainTransactionType JSONAssetDelta",
    "state.correct_history": "",
    "state.deployment_info": "DeploymentInfo DeploymentInfoChange",
    "state.freeze": "freeze_position_on_failed_trade",
    "state.generic_position": "GenericPosition",
    "state.identifier": "AssetIdentifier AssetType AssetWithTrackedValue TradingPairIdentifier TradingPairKind",
    "state.interest": "Interest",
    "state.interest_distribution": "AssetInterestData InterestDistributionEntry InterestDistributionOperation",
    "state.loan": "Loan LoanSide",
    "state.metadata": "Metadata",
    "state.other_data": "OtherData",
    "state.pickle_over_json": "",
    "state.portfolio": "Portfolio",
    "state.position": "CLOSED_POSITION_DUST_EPSILON TradingPosition TriggerPriceUpdate",
    "state.position_internal_share_price": "PositionInternalSharePriceState",
    "state.prune": "prune_closed_positions",
    "state.repair": "find_trades_to_be_repaired repair_trade repair_trades",
    "state.reserve": "ReservePosition",
    "state.retry": "",
    "state.revaluation": "",
    "state.size_risk": "SizeRisk SizingType",
    "state.state": "BacktestData State TradeType",
    "state.statistics": "FinalPositionStatistics PortfolioStatistics PositionStatistics Statistics",
    "state.store": "JSONFileStore NoneStore SimulateStore StateStore",
    "state.sync": "Accounting BalanceEventRef Deployment InterestSync Sync Treasury",
    "state.trade": "TradeExecution TradeFlag TradeStatus TradeType",
    "state.trigger": "Trigger TriggerCondition TriggerType",
    "state.types": "BPS LeverageMultiplier Percent USDollarAmount USDollarPrice",
    "state.uptime": "Uptime",
    "state.validator": "",
    "state.valuation": "ValuationUpdate",
    "state.visualisation": "Plot PlotKind PlotLabel PlotShape RecordingTime Visualisation",
    "statistics.core": "calculate_statistics update_statistics",
    "statistics.key_metric": "calculate_key_metrics",
    "statistics.summary": "calculate_summary_statistics",
    "strategy.account_correction": "calculate_account_corrections check_accounts correct_accounts",
    "strategy.cycle": "CycleDuration",
    "strategy.dust": "",
    "strategy.execution_context": "ExecutionContext ExecutionMode",
    "strategy.interest": "accrue_interest distribute_interest_for_assets estimate_interest update_interest",
    "strategy.pandas_trader.position_manager": "PositionManager",
    "strategy.pandas_trader.strategy_input": "StrategyInput",
    "strategy.parameters": "StrategyParameters",
    "strategy.pnl": "",
    "strategy.pricing_model": "PricingModel",
    "strategy.runner": "StrategyRunner prepare_sorted_trades",
    "strategy.summary": "",
    "strategy.sync_model": "SyncModel",
    "strategy.trade_pricing": "TradePricing",
    "strategy.trading_strategy_universe": "TradingStrategyUniverse",
    "strategy.valuation": "ValuationModel",
    "testing.unit_test_trader": "UnitTestTrader",
    "utils.accuracy": "",
    "utils.leverage_calculations": "LeverageEstimate",
    "visual.benchmark": "visualise_equity_curve_benchmark visualise_equity_curves",
    "visual.equity_curve": "calculate_equity_curve calculate_returns visualise_equity_curve",
    "visual.image_output": "render_plotly_figure_as_image_file",
    "visual.single_pair": "visualise_single_pair",
}


@pytest.mark.parametrize("path", CONTRACT)
def test_names_import_from_the_path_that_existing_code_uses(path: str):
    module = importlib.import_module(f"tradeexecutor.{path}")
    assert [name for name in CONTRACT[path].split() if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", [path for path in CONTRACT if path.startswith("state.")])
def test_a_door_lists_what_it_offers(path: str):
    module = importlib.import_module(f"tradeexecutor.{path}")
    offered = getattr(module, "__all__", None)
    if offered is not None:
        assert [name for name in CONTRACT[path].split() if name not in offered] == []
