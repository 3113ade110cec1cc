"""Spread money over vaults, the more to the calmer ones, and leave those that lose.

Every two weeks the return and the volatility of each vault over the last quarter are measured. A vault that has lost is
redeemed; the others get shares of the portfolio in proportion to 1 / volatility. Redemptions of two of the vaults take
days, so what they bring is given to others at a later decision. The share prices are made up: two years of a steady
vault, a better one with setbacks, and one that fails in its second year.

    tradeexecutor backtest examples/vault_allocation.py
"""

import datetime

import numpy as np
import pandas as pd

from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.visualisation import PlotKind
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.data_client import read_candles
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.strategy.weighting import normalise_weights, weight_by_1_slash_signal

trading_strategy_engine_version = "0.5"

name = "Vault allocation"
short_description = "Money in vaults, weighted by the inverse of their volatility"

_DAY = datetime.timedelta(days=1)

#: Name -> return per year, volatility per year, both fractions, and terms.
_VAULTS = {
    "STEADY": (0.06, 0.01, VaultTerms()),
    "BASIS": (0.14, 0.06, VaultTerms(deposit_delay=_DAY, redemption_delay=3 * _DAY)),
    "CARRY": (0.20, 0.08, VaultTerms(settlement_interval=7 * _DAY, lock_up=30 * _DAY)),
}
#: In the second year this vault loses instead, per year.
_FAILING, _LOSS = "CARRY", -0.35


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_14d
    initial_cash = 100_000

    #: Days over which return and volatility are measured.
    window = 90
    #: Share of the portfolio in vaults.
    allocation = 0.95
    #: Smaller changes of a position are left alone, as a share of the portfolio.
    smallest_change = 0.01


def make_share_price(name: str, days: int = 730) -> pd.DataFrame:
    """Daily candles of a share price: a random walk, the same in every run."""
    yearly, volatility, _ = _VAULTS[name]
    random = np.random.default_rng(sum(name.encode()))
    drift = np.full(days, yearly)
    if name == _FAILING:
        drift[days // 2 :] = _LOSS
    steps = drift / 365 + random.normal(0, volatility / 365**0.5, days)
    close = np.cumprod(1 + steps)
    opens = np.r_[1.0, close[:-1]]
    columns = {"open": opens, "high": np.maximum(opens, close), "low": np.minimum(opens, close), "close": close}
    return pd.DataFrame(columns, index=pd.date_range("2023-01-01", periods=days, freq="D"))


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Make up the vaults; called only when no market data is given on the command line."""
    dollar = AssetIdentifier(1, f"0x{1:040x}", "USD", 6)
    candles = {}
    for number, (vault, (_, _, terms)) in enumerate(_VAULTS.items(), 1):
        share = AssetIdentifier(1, f"0x{100 + number:040x}", vault, 18)
        pair = TradingPairIdentifier(
            share,
            dollar,
            f"0x{200 + number:040x}",
            f"0x{300:040x}",
            internal_id=number,
            fee=0.0,
            kind=TradingPairKind.vault,
            exchange_name="vaults",
            other_data={"vault_name": vault, **terms.to_pair_data()},
        )
        candles[pair] = read_candles(make_share_price(vault), vault)
    return TradingStrategyUniverse(candles, dollar)


def change(close: pd.Series, window: int) -> pd.Series:
    """Return over the window, a fraction."""
    return close.pct_change(window)


def volatility(close: pd.Series, window: int) -> pd.Series:
    """Deviation of the daily returns in the window."""
    return close.pct_change().rolling(window).std()


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicators; they are calculated for every vault."""
    indicators = IndicatorSet()
    for function in (change, volatility):
        own = {"window": parameters.window}
        indicators.add(function.__name__, function, own, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Redeem what is too much, and deposit the cash that is there."""
    parameters = input.parameters
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    signals: dict[int, float] = {}
    for pair in input.strategy_universe.iterate_pairs():
        gained = input.indicators.get_indicator_value("change", pair=pair)
        moved = input.indicators.get_indicator_value("volatility", pair=pair)
        if gained is not None and moved and gained > 0:
            signals[pair.internal_id or 0] = moved
    weights = normalise_weights(weight_by_1_slash_signal(signals))

    trades: list[TradeExecution] = []
    cash = manager.get_current_cash() - equity * (1 - parameters.allocation)
    for pair in input.strategy_universe.iterate_pairs():
        position = manager.get_current_position_for_pair(pair)
        if position is not None and position.has_pending_vault_settlement():
            continue  # until it has settled, nobody knows what there is
        weight = weights.get(pair.internal_id or 0, 0.0)
        delta = equity * parameters.allocation * weight - (position.get_value() if position else 0.0)
        if abs(delta) < equity * parameters.smallest_change:
            continue
        if delta < 0 and position is not None and not manager.is_locked(position):
            trades += (
                manager.adjust_position(pair, delta, None, weight)
                if weight
                else manager.close_position(position, notes="has lost")
            )
        elif delta > 0 and cash > equity * parameters.smallest_change:
            trades += manager.adjust_position(pair, min(delta, cash), None, weight)
            cash -= min(delta, cash)

    if input.is_visualisation_enabled():
        for pair in input.strategy_universe.iterate_pairs():
            weight = weights.get(pair.internal_id or 0, 0.0)
            title = f"Weight of {pair.base.token_symbol}"
            plots = input.state.visualisation
            plots.plot_indicator(input.timestamp, title, PlotKind.technical_indicator_detached, weight, pair=pair)
    return trades
