"""Retrying failed trades, in a simulation at the prices of candles."""

import datetime
from dataclasses import dataclass

from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm
from tradeexecutor.operations.candle_market import CandleExecution, CandleMarket, choose_time, require_simulated
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired
from tradeexecutor.state.retry import retry_trades
from tradeexecutor.state.state import State

__all__ = ["RetryReport", "RetryRequest", "retry_failed_trades"]


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Request of an operator.

    Attributes
    ----------
    data, pairs
        Data set names and candle files; pairs to use of them, empty for all.
    trade_ids
        Trades to retry; empty for all failed ones.
    at
        Time of the trades; None for the last decision of the strategy.
    fee, slippage
        Fractions of the value of a trade.
    tolerance
        How much worse than planned trades may fill, a fraction; None uses the tolerance of each trade.
    form
        Format of the candle files.
    """

    data: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    trade_ids: frozenset[int] = frozenset()
    at: datetime.datetime | None = None
    fee: float = 0.001
    slippage: float = 0.0
    tolerance: float | None = None
    form: DataForm = TOLD_FROM_FILES


@dataclass(frozen=True, slots=True)
class RetryReport:
    """Time and result of a retry, and the prices of that time by trade id (USD, without fees)."""

    at: datetime.datetime | None
    result: RepairResult
    prices: dict[int, float | None]

    @property
    def is_all_well(self) -> bool:
        """Return True if every trade was retried and succeeded."""
        return not self.result.left_alone and all(not trade.is_failed() for trade in self.result.new_trades)


def retry_failed_trades(state: State, request: RetryRequest) -> RetryReport:
    """Retry failed trades of a state.

    Raises
    ------
    OperationRefused
        The state has real transactions, or a requested trade has not failed.
    """
    failed = {trade.trade_id for trade in find_trades_to_be_repaired(state)}
    if failed:
        require_simulated(state, "trades cannot be tried again")
    wrong = sorted(request.trade_ids - failed)
    if wrong:
        known = ", ".join(f"#{number}" for number in sorted(failed)) or "none"
        raise OperationRefused(
            f"trade #{wrong[0]} is not a failed trade of an open or frozen position", f"Failed: {known}."
        )
    if not failed:
        return RetryReport(request.at, RepairResult(), {})
    at = choose_time(state, request.at)
    market = CandleMarket(request.data, request.pairs, request.fee, request.form)
    model = CandleExecution(market, state, at, request.slippage, request.tolerance)
    result = retry_trades(state=state, execution_model=model, now=at, trade_ids=request.trade_ids or None)
    prices = {trade.trade_id: market.get_mid_price(at, trade.pair) for trade in result.new_trades}
    for trade in result.new_trades:
        position = state.portfolio.open_positions.get(trade.position_id)
        price = market.get_price(at, trade.pair, is_buy=False)
        if position is not None and price is not None and trade.is_success() and at >= position.last_pricing_at:
            position.revalue_base_asset(at, price)
    return RetryReport(at, result, prices)
