"""Recording samples of the portfolio and its positions in `State.stats`.

A sample is taken only after revaluation and execution of a cycle, never during them.
"""

import datetime
import math
from dataclasses import dataclass, field

from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import AccountingError, InvalidValue, LegacyDataException
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.pnl import calculate_share_price_profit
from tradeexecutor.state.statistics import (
    FinalPositionStatistics,
    PortfolioStatistics,
    PositionStatistics,
    Statistics,
)
from tradeexecutor.state.sync import Treasury
from tradeexecutor.state.trade.amounts import TRANSFER_DUE_KEY
from tradeexecutor.state.trade.totals import TradesById
from tradeexecutor.state.types import JSONObject, Percent, USDollarAmount

_SPOT = TradingPairKind.spot_market_hold

_get_return = TradingPosition.get_size_relative_unrealised_or_realised_profit_percent

#: Live modes without the long/short table.
_MODES_WITHOUT_TABLE = (ExecutionMode.unit_testing_trading, ExecutionMode.one_off)


@dataclass(slots=True)
class TimestampedStatistics:
    """One sample: the portfolio and every open or frozen position."""

    portfolio: PortfolioStatistics
    #: Position id -> sample.
    positions: dict[int, PositionStatistics] = field(default_factory=dict[int, PositionStatistics])
    strategy_cycle_at: datetime.datetime | None = None


def calculate_position_statistics(clock: datetime.datetime, position: TradingPosition) -> PositionStatistics:
    """Return a sample of a position at `clock`.

    `profitability` is the total profit divided by the amount bought (longs) or sold (shorts); for credit positions it
    is the estimated interest. The `internal_*` figures are those of the internal share price, for spot, vault and
    exchange account positions.
    """
    pair_kind = position.pair.kind
    value = position.get_equity() if pair_kind.is_cctp_bridge() else position.get_value()
    profit_usd, profitability = position.get_total_profit()
    if pair_kind.is_credit_supply():
        profitability = position.estimate_gained_interest(end_at=clock)
    sample = PositionStatistics(
        calculated_at=clock,
        last_valuation_at=position.last_pricing_at,
        profitability=profitability,
        profit_usd=profit_usd,
        quantity=float(position.get_quantity()),
        value=value,
        underlying_price=position.last_token_price,
    )
    if position.is_spot() or pair_kind.is_exchange_account():
        try:
            state = position.share_price_state
            if state is None:
                shares = position.get_share_price_profit(end_at=clock, mark_price=position.last_token_price)
            else:  # nearly always; a sample does not contain how long the position was open
                shares = calculate_share_price_profit(position, state, position.last_token_price, None)
        except (AccountingError, InvalidValue):
            return sample  # nothing executed yet, or no time has passed: there is no share price
        sample.internal_share_price = shares.current_share_price
        sample.internal_total_supply = shares.total_supply
        sample.internal_profit_pct = shares.profit_pct
        sample.internal_profit_usd = shares.profit_usd
    return sample


def calculate_closed_position_statistics(
    clock: datetime.datetime, position: TradingPosition, position_stats: list[PositionStatistics]
) -> FinalPositionStatistics:
    """Return the final figures of a closed position from its recorded samples (oldest first, at least one)."""
    return _make_final_statistics(clock, position, [sample.value for sample in position_stats])


def _make_final_statistics(
    clock: datetime.datetime, position: TradingPosition, values: list[USDollarAmount]
) -> FinalPositionStatistics:
    """Return the final figures from values in the samples, oldest first, with the first one and the highest one."""
    return FinalPositionStatistics(
        calculated_at=clock,
        trade_count=position.get_trade_count(),
        value_at_open=values[0],
        # Nearly always all are known; a generator over the samples of many bars takes several times as long.
        value_at_max=max(values) if None not in values else max(value or 0 for value in values),
    )


def calculate_statistics(
    clock: datetime.datetime,
    portfolio: Portfolio,
    execution_mode: ExecutionMode,
    strategy_cycle_at: datetime.datetime | None = None,
    treasury: Treasury | None = None,
) -> TimestampedStatistics:
    """Return a sample of the portfolio and its open and frozen positions, without recording it.

    In backtests only equity, net asset value, cash and share price are set; in other modes also counts, profits and
    the trade summary.
    """
    positions = {
        position.position_id: calculate_position_statistics(clock, position)
        for position in portfolio.get_open_and_frozen_positions()
    }
    open_position_equity, pending = _sum_open_positions(portfolio, positions)
    free_cash = portfolio.get_cash()
    frozen_equity = portfolio.get_frozen_position_equity() if portfolio.frozen_positions else 0
    net_asset_value = open_position_equity + frozen_equity + free_cash + pending
    share_count = treasury.share_count if treasury is not None else None
    sample = PortfolioStatistics(
        calculated_at=clock,
        total_equity=open_position_equity + free_cash + pending,
        net_asset_value=net_asset_value,
        share_count=share_count,
        share_price_usd=net_asset_value / float(share_count) if share_count else None,
        free_cash=free_cash,
        open_position_equity=open_position_equity,
    )
    if execution_mode is not ExecutionMode.backtesting:
        _add_profit_and_counts(sample, portfolio, frozen_equity)
    return TimestampedStatistics(sample, positions, strategy_cycle_at)


def _sum_open_positions(
    portfolio: Portfolio, samples: dict[int, PositionStatistics]
) -> tuple[USDollarAmount, USDollarAmount]:
    """Return the equity of the open positions, and the money on its way to vaults and over simulated bridges, USD.

    The equity of a spot position is the value in its sample, which need not be calculated a second time.
    """
    equity: USDollarAmount = 0
    for position in portfolio.open_positions.values():
        if position.pair.kind is not _SPOT or position.loan is not None or position.closed_at is not None:
            break
        equity += samples[position.position_id].value
    else:
        if not portfolio.pending_positions:
            return equity, 0
    pending = portfolio.get_vault_settlement_pending_value() + _sum_transfers_with_end(portfolio)
    return portfolio.get_position_equity_and_loan_nav(), pending


def _sum_transfers_with_end(portfolio: Portfolio) -> USDollarAmount:
    """Return the money on its way over simulated bridges, USD.

    Transfers over real bridges do not count, as in recorded figures: nothing in the state says that they will arrive.
    """
    return sum(
        float(trade.planned_reserve)
        for position in portfolio.open_positions.values()
        if position.pair.is_cctp_bridge()
        for trade in position.get_unsettled_trades()
        if trade.cctp_in_transit_at is not None and TRANSFER_DUE_KEY in (trade.other_data or {})
    )


def _add_profit_and_counts(sample: PortfolioStatistics, portfolio: Portfolio, frozen_equity: float) -> None:
    sample.unrealised_profitability = calculate_compounded_profitability(portfolio)
    sample.open_position_count = len(portfolio.open_positions)
    sample.frozen_position_count = len(portfolio.frozen_positions)
    sample.closed_position_count = len(portfolio.closed_positions)
    sample.frozen_position_equity = frozen_equity
    sample.unrealised_profit_usd = portfolio.get_unrealised_profit_usd()
    sample.realised_profit_usd = portfolio.get_closed_profit_usd()
    sample.first_trade_at, sample.last_trade_at = portfolio.get_first_and_last_execution()
    sample.summary = build_trade_analysis(portfolio).calculate_summary_statistics()


def calculate_compounded_profitability(portfolio: Portfolio) -> Percent:
    """Return ``product(1 + r) - 1`` over all positions, r being profit relative to the portfolio at open.

    0 without positions, and for old data that did not record the portfolio value.
    """
    try:
        growth = [
            *map(_get_growth, portfolio.open_positions.values()),
            *portfolio.add_up_closed(_get_growth, list[float], "growth"),
            *map(_get_growth, portfolio.frozen_positions.values()),
        ]
    except LegacyDataException:
        return 0
    return math.prod(growth) - 1 if growth else 0


def _get_growth(position: TradingPosition) -> float:
    return 1 + _get_return(position)


def needs_long_short_table(execution_mode: ExecutionMode) -> bool:
    """Return True if `update_statistics` needs the table of long and short positions: in live trading only."""
    return execution_mode.is_live_trading() and execution_mode not in _MODES_WITHOUT_TABLE


@contract_signature
def update_statistics(
    clock: datetime.datetime,
    stats: Statistics,
    portfolio: Portfolio,
    execution_mode: ExecutionMode,
    strategy_cycle_or_wall_clock: datetime.datetime | None = None,
    long_short_metrics_latest: JSONObject | None = None,
    treasury: Treasury | None = None,
) -> None:
    """Record a sample, and the final figures of positions closed since the last one.

    Parameters
    ----------
    clock
        Time of the sample, naive UTC.
    stats
        Statistics to which the sample is added.
    portfolio
        The portfolio; it is not changed.
    execution_mode
        Mode of the run; backtests record fewer figures.
    strategy_cycle_or_wall_clock
        Cycle time of the sample; it is not recorded.
    long_short_metrics_latest
        See :py:func:`tradeexecutor.statistics.statistics_table.serialise_long_short_stats_as_json_table`; replaces the
        recorded table, even if it is None.
    treasury
        Treasury with the number of vault shares.

    Raises
    ------
    InvalidValue
        The mode needs the long/short table, which is None. Nothing is recorded.
    """
    portfolio.owner.claim()
    if long_short_metrics_latest is None and needs_long_short_table(execution_mode):
        raise InvalidValue(f"statistics in mode {execution_mode.value} need the long/short table")
    with comparing_closed_once(portfolio):
        sample = calculate_statistics(clock, portfolio, execution_mode, strategy_cycle_or_wall_clock, treasury)
    stats.long_short_metrics_latest = long_short_metrics_latest
    stats.add_portfolio_stats(sample.portfolio)
    for position_id, position_sample in sample.positions.items():
        stats.add_positions_stats(position_id, position_sample)
    record_newly_closed(clock, stats, portfolio)


def record_newly_closed(clock: datetime.datetime, stats: Statistics, portfolio: Portfolio) -> None:
    """Record the last sample and the final figures of positions closed since the sample before."""
    for position in _find_newly_closed(stats, portfolio):
        position_id, trades = position.position_id, position.trades
        if isinstance(trades, TradesById):
            trades.count_settled()  # once, for all figures that are asked for from now on
        stats.add_positions_stats(position_id, calculate_position_statistics(clock, position))
        values = stats.get_extreme_position_values(position_id)
        stats.closed_positions[position_id] = _make_final_statistics(clock, position, values)


def _find_newly_closed(stats: Statistics, portfolio: Portfolio) -> list[TradingPosition]:
    """Return the closed positions without final figures, oldest first.

    They are nearly always the last ones of the table, so the search stops when enough are found.
    """
    missing = len(portfolio.closed_positions) - len(stats.closed_positions)
    found: list[TradingPosition] = []
    for position_id, position in reversed(portfolio.closed_positions.items()):
        if position_id not in stats.closed_positions:
            found.append(position)
        elif len(found) >= missing:
            break
    found.reverse()
    return found
