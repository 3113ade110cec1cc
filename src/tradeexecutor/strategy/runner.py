"""The trading cycle: what happens at one decision, and at one check of triggers between decisions.

The steps of a decision, in order:

1. deposits and redemptions are booked;
2. positions are revalued;
3. without trading capital the cycle ends here;
4. ``decide_trades`` plans trades, the list it returns is checked;
5. approval, execution order, (live: save), execution;
6. positions are revalued again if anything was traded, statistics are recorded;
7. the end of the cycle is recorded and the state saved.

Backtests and live trading use the same class, with different models, and with or without a store.
"""

import contextlib
import datetime
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.execution.interface import ExecutionModel
from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.errors import UncleanState
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.portfolio.ids import get_next_trade_id
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.repair import close_hypercore_dust_positions
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.statistics.core import needs_long_short_table, update_statistics
from tradeexecutor.statistics.sample_recorder import SampleRecorder
from tradeexecutor.statistics.statistics_table import serialise_long_short_stats_as_json_table
from tradeexecutor.strategy.decision import DecisionFailed, InvalidDecision, call_strategy, check_decision, limit_impact
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.execution_order import prepare_sorted_trades
from tradeexecutor.strategy.market_queue import ClosedMarket, MarketQueue, can_be_late
from tradeexecutor.strategy.moved_levels import hold_back_moves, remember_levels
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.position_rules import has_no_market
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput, StrategyInputIndicators
from tradeexecutor.strategy.parameters import ParametersNotValid, StrategyParameters
from tradeexecutor.strategy.post_execution import record_post_execution
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.stop_loss import PriceRangeSource, fill_triggers
from tradeexecutor.strategy.sync_model import SyncModel, UnconfirmedTreasurySync
from tradeexecutor.strategy.tick_hook import Store, TickHookInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.strategy.valuation import Valuate, has_loan, revalue_positions
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = ["DecisionFailed", "InvalidDecision", "Models", "StrategyRunner", "TickHookInput", "prepare_sorted_trades"]

__getattr__ = refuse_names(__name__)

logger = logging.getLogger(__name__)

#: Total equity below which a strategy does not trade, USD.
TRADING_CAPITAL_THRESHOLD_USD = 0.15

_MAX_PRICE_IMPACT = 0.1

#: The function ``decide_trades`` of a strategy module.
DecideTrades = Callable[[StrategyInput], list[TradeExecution]]
#: Returns the trades that may be executed.
Approval = Callable[[State, list[TradeExecution]], list[TradeExecution]]


@dataclass(frozen=True, slots=True)
class Models:
    """Everything between the strategy and the outside world.

    Attributes
    ----------
    pricing, valuation, sync, execution
        Prices, values of positions, deposits, trades.
    approval
        Called before trades are executed; None executes all.
    routing_model, routing_state
        Passed to execution and to the strategy.
    """

    pricing: PricingModel
    valuation: Valuate
    sync: SyncModel
    execution: ExecutionModel
    approval: Approval | None = None
    routing_model: Any = None
    routing_state: Any = None


@dataclass(slots=True)
class StrategyRunner:
    """Runner of a strategy, decision by decision.

    The state is checked at the start: issues are logged, and a trade of unknown outcome is an error.

    Attributes
    ----------
    state
        State of the strategy, changed by every step.
    strategy_universe, indicators, parameters, execution_context
        Passed to the strategy.
    decide_trades
        Decision function of the strategy.
    models
        Models of prices, deposits and execution.
    store
        Where the state is saved before and after trading in live modes; None if the caller saves.
    before_tick, after_tick
        Hooks of the strategy module.
    backtested_state
        State of a backtest of the same strategy, for comparison with live statistics; None without one.
    closed_market
        What happens to an order while its market has no price.
    queue
        Orders that are pending until their market opens.

    Raises
    ------
    UncleanState
        The outcome of a trade is unknown; the message explains how to resolve it.
    ParametersNotValid
        The limit of the price impact is invalid.
    """

    state: State
    strategy_universe: TradingStrategyUniverse
    decide_trades: DecideTrades
    parameters: StrategyParameters
    indicators: StrategyInputIndicators
    execution_context: ExecutionContext
    models: Models
    store: Store | None = None
    before_tick: Callable[[TickHookInput], None] | None = None
    after_tick: Callable[[TickHookInput], None] | None = None
    backtested_state: State | None = None
    closed_market: ClosedMarket = ClosedMarket.wait
    queue: MarketQueue = field(init=False, repr=False)
    _input: StrategyInput = field(init=False, repr=False)
    _reserve_assets: list[AssetIdentifier] = field(init=False, repr=False)
    _is_live: bool = field(init=False, repr=False)
    _save_often: bool = field(init=False, repr=False)
    _max_price_impact: float | None = field(init=False, repr=False)
    _recorder: SampleRecorder = field(init=False, repr=False)
    _needs_table: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check_state()
        self.queue = MarketQueue()
        self._is_live = self.execution_context.live_trading
        self._save_often = self.store is not None and self._is_live
        self._max_price_impact = self.parameters.get("max_price_impact")
        if self._max_price_impact is not None and not 0 < self._max_price_impact < _MAX_PRICE_IMPACT:
            raise ParametersNotValid(
                f"max_price_impact must be between 0 and {_MAX_PRICE_IMPACT}, not {self._max_price_impact}"
            )
        self._input = self._make_input()
        self._recorder = SampleRecorder(self.state, self.execution_context.mode)
        self._needs_table = needs_long_short_table(self.execution_context.mode)

    def _make_input(self) -> StrategyInput:
        self._reserve_assets = self.strategy_universe.reserve_assets
        return StrategyInput(
            cycle=self.state.cycle,
            timestamp=self.state.created_at,
            state=self.state,
            strategy_universe=self.strategy_universe,
            parameters=self.parameters,
            indicators=self.indicators,
            pricing_model=self.models.pricing,
            execution_context=self.execution_context,
            routing_model=self.models.routing_model,
            routing_state=self.models.routing_state,
        )

    def update_market(self, strategy_universe: TradingStrategyUniverse, indicators: StrategyInputIndicators) -> None:
        """Replace the market data for later decisions; a live strategy loads new candles for each decision."""
        self.strategy_universe = strategy_universe
        self.indicators = indicators
        self._input = self._make_input()

    def _check_state(self) -> None:
        found = find_issues(self.state)
        blocking = [item for item in found if item.is_blocking]
        for item in found:
            logger.log(logging.ERROR if item.is_blocking else logging.WARNING, "%s", item)
        if blocking:
            texts = "; ".join(map(str, blocking))
            raise UncleanState(
                f"the strategy cannot start, the outcome of trades is not known: {texts}",
                [item.trade_id for item in blocking if item.trade_id is not None],
            )

    # --- The decision ----------------------------------------------------------------------------

    def tick(self, cycle: int, ts: datetime.datetime) -> list[TradeExecution]:
        """Make one decision and execute it.

        Parameters
        ----------
        cycle
            Number of the decision, counted from 1.
        ts
            Time of the decision, naive UTC.

        Returns
        -------
        list
            Executed trades, failed ones included, in the order of execution.

        Raises
        ------
        DecisionFailed
            The strategy or one of its hooks raised an error, or returned an invalid result.
        """
        portfolio = self.state.portfolio
        portfolio.owner.claim()  # for the whole cycle
        if self.before_tick is not None:
            call_strategy("before_strategy_tick", self.before_tick, self._make_hook_input(cycle, ts))
        trades: list[TradeExecution] = []
        # Cash alone is usually enough, so that positions need not be added up.
        least = TRADING_CAPITAL_THRESHOLD_USD
        if self._sync_and_revalue(ts) and (self._recorder.get_cash() >= least or portfolio.has_trading_capital(least)):
            trades = self.decide(cycle, ts)
            if trades:
                trades = self.execute(ts, trades)
        if self.after_tick is not None:
            call_strategy("after_strategy_tick", self.after_tick, self._make_hook_input(cycle, ts))
        if trades:
            # A new position has the price of its buy; it is valued at the sell price.
            self.revalue(ts)
        if not self._save_often:
            self._end_cycle(cycle, ts)
        else:
            with comparing_closed_once(self.state.portfolio):
                self._end_cycle(cycle, ts)
        return trades

    def _sync_and_revalue(self, ts: datetime.datetime) -> bool:
        """Book deposits and interest, and revalue; return False if the cycle must not trade, without confirmation."""
        models = self.models
        if models.execution.may_settle_transfers:
            models.execution.settle_transfers(ts, self.state)  # what has arrived can be redeemed, too
        try:
            models.sync.sync_treasury(ts, self.state, self._reserve_assets)
        except UnconfirmedTreasurySync as error:
            logger.warning("No trading at %s: %s", ts, error)
            return False
        self._revalue(ts)
        if self._is_live:
            # A redemption leaves dust that the strategy must not count as a position.
            close_hypercore_dust_positions(self.state.portfolio, ts)
        return True

    def revalue(self, ts: datetime.datetime) -> None:
        """Value all positions at current prices, with the interest, settled requests and ended transfers up to now."""
        self.state.portfolio.owner.claim()
        self.models.execution.settle_transfers(ts, self.state)
        self._revalue(ts)

    def _revalue(self, ts: datetime.datetime) -> None:
        """Value all positions like `revalue`, after the transfers have been settled."""
        portfolio = self.state.portfolio
        if not portfolio.open_positions and not portfolio.frozen_positions and not portfolio.pending_positions:
            return  # nothing has a price, bears interest or waits for a settlement
        models = self.models
        if models.execution.may_settle_requests:
            models.execution.settle_requests(ts, self.state, models.pricing.find_settlement_price)
        positions = portfolio.open_positions.values()
        if portfolio.frozen_positions:
            positions = [*positions, *portfolio.frozen_positions.values()]
        with_loans = has_loan(positions)
        if with_loans:
            self._sync_interests(ts)
        revalue_positions(models.valuation, ts, positions, with_loans=with_loans)

    def accrue_interest(self, ts: datetime.datetime) -> None:
        """Book the interest of loans up to now, before trades change the balances that bear it."""
        portfolio = self.state.portfolio
        if has_loan([*portfolio.open_positions.values(), *portfolio.frozen_positions.values()]):
            self._sync_interests(ts)

    def _sync_interests(self, ts: datetime.datetime) -> None:
        self.models.sync.sync_interests(ts, self.state, self.strategy_universe, self.models.pricing)

    def decide(self, cycle: int, ts: datetime.datetime) -> list[TradeExecution]:
        """Return the checked trades of the strategy's decision; raises as `tick`."""
        if self.indicators.timestamp is not ts:  # the loop of a backtest has moved them already
            self.indicators.prepare_decision_cycle(cycle, ts)
        strategy_input = self._input
        strategy_input.cycle, strategy_input.timestamp = cycle, ts
        first_new_trade = get_next_trade_id(self.state.portfolio)
        latency = self.models.pricing.latency
        levels = remember_levels(self.state.portfolio) if latency else ()
        trades = call_strategy("decide_trades", self.decide_trades, strategy_input)
        if levels:
            self.queue.moves += hold_back_moves(levels, ts, ts + latency)
        if type(trades) is list and not trades and self.state.portfolio.next_trade_id == first_new_trade:
            return trades
        return check_decision(self.state, cycle, ts, trades, first_new_trade)

    def execute(
        self, ts: datetime.datetime, trades: list[TradeExecution], *, triggered: bool = False
    ) -> list[TradeExecution]:
        """Approve, sort and execute planned trades.

        Returns
        -------
        list
            The trades that were executed, failed ones included, in the order of execution.

        Raises
        ------
        ExecutionError, PriceImpactToleranceExceeded
            The plan itself cannot be meant; nothing was executed.
        """
        if self._max_price_impact is not None:
            limit_impact(trades, self._max_price_impact)
        models = self.models
        if not triggered:
            # As a whole, before anything is held back: what becomes of its sells is an outcome, not the plan.
            models.execution.check_plan(self.state, trades)
        if models.approval is not None:
            approved = models.approval(self.state, trades)
            self._discard(ts, [trade for trade in trades if trade not in approved])
            trades = approved
        if not triggered:
            trades = self._hold_back(ts, trades)
        trades = prepare_sorted_trades(trades)
        if not trades:
            return trades
        self._save_if_live()
        report = models.execution.execute_trades(
            ts, self.state, trades, models.routing_model, models.routing_state, triggered=triggered
        )
        record_post_execution(models.pricing, ts, self.state.portfolio, report.succeeded)
        self._save_if_live()
        return [trade for trade in trades if trade.expired_at is None]

    def _hold_back(self, ts: datetime.datetime, trades: list[TradeExecution]) -> list[TradeExecution]:
        """Return the trades whose market has a price now; others are queued or refused."""
        pricing = self.models.pricing
        held_back = [trade for trade in trades if not (has_no_market(trade.pair) or pricing.can_trade(ts, trade.pair))]
        if held_back:
            self._discard(ts, self.queue.hold_back(ts, held_back, self.closed_market))
        if pricing.latency:
            late = [trade for trade in trades if trade.is_planned() and can_be_late(trade)]
            self.queue.send(late, ts + pricing.latency)
            held_back += late
        return [trade for trade in trades if trade not in held_back] if held_back else trades

    def cancel_queue(self, ts: datetime.datetime) -> None:
        """Cancel the queued orders at the end of a run, and the changes of levels that are on their way."""
        for trade in self.queue.cancel():
            trade.add_note("lapsed: the run has ended before it could fill")
            self._discard(ts, [trade])
        for move in self.queue.moves:
            move.forget()
        self.queue.moves = []

    def _discard(self, ts: datetime.datetime, trades: Iterable[TradeExecution]) -> None:
        """Cancel trades that will not be executed, and remove positions without trades."""
        for trade in trades:
            discard_planned(self.state.portfolio, trade, ts)

    # --- Between decisions -----------------------------------------------------------------------

    def check_triggers(
        self, ts: datetime.datetime, price_ranges: PriceRangeSource | None = None, *, record: bool = True
    ) -> list[TradeExecution]:
        """Execute the stop losses, take profits and resting orders that the market has reached.

        Parameters
        ----------
        ts
            Time of the check, naive UTC.
        price_ranges
            Price ranges since the last check; None for the current mid prices.
        record
            Whether to revalue and record statistics after trades; False if a decision at the same time does it.

        Returns
        -------
        list
            Executed trades.
        """
        self.state.portfolio.owner.claim()
        self.models.execution.settle_transfers(ts, self.state)
        self.accrue_interest(ts)
        manager = self.make_position_manager(ts)

        def execute(trade: TradeExecution) -> None:
            self.execute(ts, [trade], triggered=True)

        trades = fill_triggers(manager, price_ranges, execute)
        if not trades:
            return trades
        if record:
            self.revalue(ts)
        with self._comparing_once():
            if record:
                self.record_statistics(ts)
            self._save_if_live()
        return trades

    def make_position_manager(self, ts: datetime.datetime) -> PositionManager:
        """Return a position manager for a time."""
        return PositionManager(
            ts,
            self.strategy_universe,
            self.state,
            self.models.pricing,
            default_slippage_tolerance=self.parameters.get("slippage_tolerance"),
            routing_model=self.models.routing_model,
            routing_state=self.models.routing_state,
        )

    def _comparing_once(self) -> contextlib.AbstractContextManager[None]:
        """Let statistics and the save after them share one search for changes of closed positions."""
        return comparing_closed_once(self.state.portfolio) if self._save_often else contextlib.nullcontext()

    def record_statistics(self, ts: datetime.datetime) -> None:
        """Record statistics of the portfolio and of each position; in live trading also the long/short table."""
        state = self.state
        if not self._needs_table:
            state.portfolio.owner.claim()
            self._recorder.record(ts)
            return
        with comparing_closed_once(state.portfolio):
            tables = serialise_long_short_stats_as_json_table(state, self.backtested_state, ts)
            table = {key: recorded.to_dict() for key, recorded in tables.items()}  # equal to what is loaded again
            mode, treasury = self.execution_context.mode, state.sync.treasury
            update_statistics(ts, state.stats, state.portfolio, mode, ts, table, treasury=treasury)

    def _end_cycle(self, cycle: int, ts: datetime.datetime) -> None:
        """Record statistics and the end of the cycle; save a live state."""
        if self._needs_table:
            self.record_statistics(ts)
        else:
            self._recorder.record(ts)
        state = self.state
        # Before the save, so that the next cycle gets the next number after a restart.
        state.cycle, state.last_cycle_at = cycle + 1, ts
        if state.portfolio.open_positions:
            state.last_open_positions_cycle_at = ts
        if not self._is_live:
            # In a backtest the cycle ends at simulated time, because the state must not depend on the real time.
            state.uptime.record_cycle_complete(cycle, ts)
            return
        interest = state.sync.interest
        if interest.last_distribution is not None:
            interest.last_distribution = interest.last_distribution.without_history()
        is_paper = self.execution_context.mode is ExecutionMode.paper_trading
        state.record_cycle_end(cycle, ts if is_paper else None, live=True)
        state.perform_integrity_check()
        self._save_if_live()

    def _save_if_live(self) -> None:
        if self._save_often:
            self.save()

    def save(self) -> None:
        """Save the state if there is a store."""
        if self.store is not None:
            self.store.sync(self.state)

    def _make_hook_input(self, cycle: int, ts: datetime.datetime) -> TickHookInput:
        return TickHookInput(
            cycle,
            ts,
            self.state,
            self.strategy_universe,
            self.models.pricing,
            self.execution_context,
            store=self.store,
        )
