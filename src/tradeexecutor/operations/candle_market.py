"""A simulated market with the prices of candles, for operations that trade with a state."""

import datetime
from collections.abc import Sequence
from typing import Any

from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.execution.current_price import CurrentPriceSlippage
from tradeexecutor.execution.interface import ExecutionReport
from tradeexecutor.execution.simulated import SimulatedExecution
from tradeexecutor.operations.backtest_run import load_universe
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.attempts import find_real_transaction, get_failed_attempts
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.pricing_model import PriceUnavailable
from tradeexecutor.strategy.trading_strategy_universe import PairNotFound

__all__ = ["CandleExecution", "CandleMarket", "choose_time", "find_next_nonce", "is_sellable", "require_simulated"]


#: Largest age of a price that still counts as current; longer than the longest closure of a market.
_LONGEST_HOLIDAY = datetime.timedelta(days=7)


class CandleMarket:
    """Prices of candles.

    The pairs of a state are found by their ticker, because candle files have no addresses.

    Parameters
    ----------
    data
        Candle files and names of data sets.
    pairs
        Pairs to use of them; empty for all.
    fee
        Trading fee of pairs without a declared one, a fraction.
    form
        Format of the files.
    """

    def __init__(self, data: Sequence[str], pairs: Sequence[str], fee: float, form: DataForm = TOLD_FROM_FILES):
        self.universe = load_universe(data, pairs, fee, form)
        self.pricing = BacktestPricing(self.universe, max(_LONGEST_HOLIDAY, 3 * self.universe.time_bucket))
        self.fee = fee

    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the price without fees in USD; None when the data has no price at this time."""
        try:
            own = self.universe.get_pair_by_ticker(pair.get_ticker())
            return self.pricing.get_mid_price(ts, own)
        except (PairNotFound, PriceUnavailable):
            return None

    def get_fee(self, pair: TradingPairIdentifier) -> float:
        """Return the trading fee as a fraction."""
        return self.fee if pair.fee is None else pair.fee

    def get_price(self, ts: datetime.datetime, pair: TradingPairIdentifier, *, is_buy: bool) -> float | None:
        """Return the USD price of buying or selling a token, fee included; None when the data has no price."""
        mid = self.get_mid_price(ts, pair)
        if mid is None:
            return None
        fee = self.get_fee(pair)
        return mid * (1 + fee) if is_buy else mid * (1 - fee)

    def describe_missing(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> str:
        """Return a text that explains why there is no price."""
        names = ", ".join(own.get_ticker() for own in self.universe.iterate_pairs())
        start, end = self.universe.get_time_range()
        return (
            f"the market data has no price of {pair.get_ticker()} at {ts:%Y-%m-%d %H:%M}; "
            f"it has {names} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        )


class CandleExecution(SimulatedExecution):
    """Simulated execution at the prices of candles, for the trades of one state.

    Parameters
    ----------
    market
        Source of prices.
    state
        State of the trades; new transactions get nonces that it does not use.
    ts
        Time of the trades.
    slippage
        How much worse than the market price trades fill, a fraction.
    tolerance
        How much worse than planned they may fill, a fraction; None uses the tolerance of each trade.
    """

    def __init__(
        self,
        market: CandleMarket,
        state: State,
        ts: datetime.datetime,
        slippage: float,
        tolerance: float | None = None,
    ):
        super().__init__(CurrentPriceSlippage(market.get_price, slippage))
        self.market = market
        self.ts = ts
        self.tolerance = tolerance
        self.next_nonce = find_next_nonce(state)

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be retried; None if it can."""
        obstacle = super().find_rebroadcast_obstacle(state, trade)
        if obstacle is None and self.market.get_mid_price(self.ts, trade.pair) is None:
            return self.market.describe_missing(self.ts, trade.pair)
        return obstacle

    @contract_signature
    def execute_trades(
        self,
        ts: datetime.datetime,
        state: State,
        trades: list[TradeExecution],
        routing_model: Any = None,
        routing_state: Any = None,
        check_balances: bool = False,
        triggered: bool = False,
        rebroadcast: bool = False,
    ) -> ExecutionReport:
        """Execute at the market price; see `SimulatedExecution.execute_trades`."""
        if self.tolerance is not None:
            for trade in trades:
                trade.slippage_tolerance = self.tolerance
        return super().execute_trades(
            ts, state, trades, routing_model, routing_state, check_balances, triggered, rebroadcast
        )


def find_next_nonce(state: State) -> int:
    """Return the first number after those of all transactions of a state, failed attempts included."""
    nonces = [-1]
    for trade in state.portfolio.get_all_trades():
        nonces += [tx.nonce for tx in trade.blockchain_transactions if tx.nonce is not None]
        for attempt in get_failed_attempts(trade):
            nonces += [tx["nonce"] for tx in attempt["transactions"] if tx.get("nonce") is not None]
    return max(nonces) + 1


def require_simulated(state: State, what: str) -> None:
    """Refuse a state with real transactions; raises `OperationRefused`.

    Parameters
    ----------
    what
        Start of the message, e.g. ``trades cannot be tried again``.
    """
    for trade in state.portfolio.get_all_trades():
        transaction = find_real_transaction(trade)
        if transaction is not None:
            raise OperationRefused(
                f"{what} in a simulation: trade #{trade.trade_id} of this state has the real blockchain transaction "
                f"{transaction.tx_hash}, and simulated trades would not exist on its chain",
                remedy=Remedy.repair_or_write_off,
            )


def choose_time(state: State, at: datetime.datetime | None) -> datetime.datetime:
    """Return the time of the trades: the requested one, otherwise the last decision of the strategy.

    Raises
    ------
    OperationRefused
        The time is before the latest trade of the state, or the state has neither decisions nor trades.
    """
    latest = max(
        (
            time
            for trade in state.portfolio.get_all_trades()
            if not trade.is_repair_trade()  # repairs have real times, long after the simulated ones
            for time in (trade.opened_at, trade.started_at, trade.failed_at or trade.executed_at)
            if time is not None
        ),
        default=None,
    )
    if at is not None:
        if latest is not None and at < latest:
            raise OperationRefused(
                f"{at} is before the latest trade of the state, {latest}", remedy=Remedy.choose_later_time
            )
        return at
    times = [time for time in (state.last_cycle_at, latest) if time is not None]
    if not times:
        raise OperationRefused("the state has neither decisions nor trades", remedy=Remedy.choose_time)
    return max(times)


def is_sellable(position: TradingPosition) -> bool:
    """Return True if a simulation can sell the position."""
    return position.is_spot() and not position.is_vault() and position.get_quantity() > 0
