"""Equity curve, share price and return series and their figures, under the name strategies import them by.

The series live in :mod:`tradeexecutor.analysis.recorded.equity_series` and
:mod:`tradeexecutor.analysis.recorded.position_returns`, because statistics need them too.
"""

from tradeexecutor.analysis.adjusted.periods import calculate_time_weighted_returns
from tradeexecutor.analysis.recorded.equity_series import (
    calculate_aggregate_returns,
    calculate_daily_returns,
    calculate_deposit_adjusted_returns,
    calculate_equity_curve,
    calculate_investment_flow,
    calculate_returns,
    calculate_rolling_returns,
    calculate_rolling_sharpe,
    calculate_share_price,
    generate_buy_and_hold_returns,
    resample_returns,
)
from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_realised_trading_profitability,
    calculate_compounding_unrealised_trading_profitability,
    calculate_cumulative_daily_returns,
    calculate_long_compounding_realised_trading_profitability,
    calculate_non_cumulative_daily_returns,
    calculate_realised_profitability,
    calculate_short_compounding_realised_trading_profitability,
    calculate_size_relative_realised_trading_returns,
    extract_compounding_unrealised_trading_profitability_portfolio_statistics,
)
from tradeexecutor.visual.notebook.return_figures import (
    visualise_equity_curve,
    visualise_returns_distribution,
    visualise_returns_over_time,
)

__all__ = [
    "calculate_aggregate_returns",
    "calculate_compounding_realised_trading_profitability",
    "calculate_compounding_unrealised_trading_profitability",
    "calculate_cumulative_daily_returns",
    "calculate_daily_returns",
    "calculate_deposit_adjusted_returns",
    "calculate_equity_curve",
    "calculate_investment_flow",
    "calculate_long_compounding_realised_trading_profitability",
    "calculate_non_cumulative_daily_returns",
    "calculate_realised_profitability",
    "calculate_returns",
    "calculate_rolling_returns",
    "calculate_rolling_sharpe",
    "calculate_share_price",
    "calculate_short_compounding_realised_trading_profitability",
    "calculate_size_relative_realised_trading_returns",
    "calculate_time_weighted_returns",
    "extract_compounding_unrealised_trading_profitability_portfolio_statistics",
    "generate_buy_and_hold_returns",
    "resample_returns",
    "visualise_equity_curve",
    "visualise_returns_distribution",
    "visualise_returns_over_time",
]
