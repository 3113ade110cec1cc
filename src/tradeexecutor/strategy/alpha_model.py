"""A portfolio by signals: each decision says how much of each pair is wanted, and the model trades the difference.

::

    model = AlphaModel(input.timestamp)
    for pair in input.strategy_universe.iterate_pairs():
        model.set_signal(pair, input.indicators.get_indicator_value("momentum", pair=pair) or 0)
    model.select_top_signals(count=3)
    model.assign_weights(weight_by_1_slash_n)
    model.normalise_weights()
    model.update_old_weights(input.state.portfolio)
    model.calculate_target_positions(manager, investable_equity=input.state.portfolio.get_total_equity() * 0.95)
    return model.generate_rebalance_trades_and_triggers(manager)

A positive signal is a spot position, a negative one a short of the same pair.
"""

import datetime
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tradeexecutor.state.contract import warn_ignored
from tradeexecutor.state.errors import InvalidValue, LiquidationRisked
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.affordable import find_affordable_share, find_queued
from tradeexecutor.strategy.fixed_size_risk import FixedSizeRiskModel
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager, PositionManagerError
from tradeexecutor.strategy.trading_pair_signal import TradingPairSignal, TradingPairSignalFlags
from tradeexecutor.strategy.weighting import Signal, normalise_weights, weight_by_1_slash_n

__all__ = ["AlphaModel", "TradingPairSignal", "TradingPairSignalFlags", "format_signals"]

logger = logging.getLogger(__name__)

#: Weights below this are no position.
_DEFAULT_EPSILON = 0.005


def _warn_about(function: str, options: Iterable[str]) -> None:
    for name in options:
        warn_ignored(function, name, "see the parameters that the model has", stacklevel=4)


class AlphaModel:
    """The signals of one decision; the steps are in the order of the example at the top of this module.

    Parameters
    ----------
    timestamp
        Time of the decision, naive UTC.
    close_position_weight_epsilon
        A smaller weight closes the position.
    """

    def __init__(
        self, timestamp: datetime.datetime | None = None, close_position_weight_epsilon: Percent = _DEFAULT_EPSILON
    ):
        self.timestamp = timestamp
        self.close_position_weight_epsilon = close_position_weight_epsilon
        self.raw_signals: dict[int, TradingPairSignal] = {}
        #: The chosen signals; None while they are all of `raw_signals`.
        self._signals: dict[int, TradingPairSignal] | None = None
        self.investable_equity: USDollarAmount = 0.0
        self.accepted_investable_equity: USDollarAmount = 0.0
        self.size_risk_discarded_value: USDollarAmount = 0.0
        self.max_position_adjust_usd: USDollarAmount = 0.0
        self.position_adjust_threshold_usd: USDollarAmount = 0.0

    # --- Signals

    @property
    def signals(self) -> dict[int, TradingPairSignal]:
        """Pair id -> chosen signal; all signals until some are selected, and again after another one is set."""
        if self._signals is None:  # copied when it is asked for: a copy for each new signal would take quadratic time
            self._signals = dict(self.raw_signals)
        return self._signals

    @signals.setter
    def signals(self, chosen: dict[int, TradingPairSignal]) -> None:
        self._signals = chosen

    def set_signal(
        self,
        pair: TradingPairIdentifier,
        alpha: Signal,
        take_profit: Percent | None = None,
        stop_loss: Percent | None = None,
        trailing_stop_loss: Percent | None = None,
        *,
        leverage: float | None = None,
    ) -> None:
        """Say how strongly a spot pair is wanted; zero leaves it out.

        Raises
        ------
        InvalidValue
            The signal is no number, such as that of an indicator which has no value yet.
        """
        if not math.isfinite(alpha):
            raise InvalidValue(f"the signal of {pair.get_ticker()} is {alpha}; leave the pair out or give it 0")
        signal = TradingPairSignal(
            pair=pair,
            signal=float(alpha),
            stop_loss=stop_loss or None,
            take_profit=take_profit or None,
            trailing_stop_loss=trailing_stop_loss or None,
            leverage=leverage,
        )
        if not alpha:
            self.raw_signals.pop(pair.internal_id or 0, None)
        else:
            self.raw_signals[pair.internal_id or 0] = signal
        self._signals = None

    def iterate_signals(self) -> Iterator[TradingPairSignal]:
        """Iterate over the chosen signals."""
        return iter(self.signals.values())

    def has_any_signal(self) -> bool:
        """Return True if anything is wanted."""
        return bool(self.signals)

    def get_signal_by_pair(self, pair: TradingPairIdentifier) -> TradingPairSignal | None:
        """Return the chosen signal of a pair; None without one."""
        return self.signals.get(pair.internal_id or 0)

    def get_signals_sorted_by_weight(self) -> list[TradingPairSignal]:
        """Return the chosen signals, the largest weight first."""
        return sorted(self.signals.values(), key=lambda signal: -signal.normalised_weight)

    def select_top_signals(self, count: int, threshold: Percent = 0.0) -> None:
        """Choose the strongest signals whose size is above the threshold."""
        ranked = sorted(self.raw_signals.items(), key=lambda item: -abs(item[1].signal))
        strong = [(pair_id, signal) for pair_id, signal in ranked if abs(signal.signal) > threshold]
        self.signals = dict(strong[:count])
        for pair_id, signal in self.raw_signals.items():
            if pair_id not in self.signals:
                signal.flags.add(TradingPairSignalFlags.not_selected)

    # --- Weights

    def assign_weights(
        self, method: Callable[[Mapping[int, Signal]], Mapping[int, Percent]] = weight_by_1_slash_n
    ) -> None:
        """Give each chosen signal a weight, see :mod:`tradeexecutor.strategy.weighting`."""
        weights = method({pair_id: signal.signal for pair_id, signal in self.signals.items()})
        for pair_id, signal in self.signals.items():
            signal.raw_weight = weights.get(pair_id, 0.0)

    def normalise_weights(
        self,
        max_weight: Percent = 1.0,
        investable_equity: USDollarAmount | None = None,
        size_risk_model: FixedSizeRiskModel | None = None,
    ) -> None:
        """Make the weights add up to at most 1.

        Parameters
        ----------
        max_weight
            Largest weight of a pair; what is cut off stays in cash.
        investable_equity
            Value that is distributed, USD; needed for a size risk model.
        size_risk_model
            Caps positions; what is cut off stays in cash.
        """
        weights = normalise_weights({pair_id: signal.raw_weight for pair_id, signal in self.signals.items()})
        self.size_risk_discarded_value = 0.0
        for pair_id, signal in self.signals.items():
            weight = weights[pair_id]
            if weight > max_weight:
                weight = max_weight
                signal.flags.add(TradingPairSignalFlags.capped_by_max_weight)
            if size_risk_model is not None:
                weight = self._cap(signal, weight, size_risk_model, investable_equity)
            signal.normalised_weight = weight

    def _cap(
        self,
        signal: TradingPairSignal,
        weight: Percent,
        model: FixedSizeRiskModel,
        equity: USDollarAmount | None,
    ) -> Percent:
        if not equity:
            raise PositionManagerError("a size risk model needs the investable_equity")
        asked = weight * equity
        accepted = model.get_acceptable_size_for_position(self.timestamp, signal.pair, asked).accepted_size or 0.0
        if accepted < asked:
            signal.flags.add(TradingPairSignalFlags.capped_by_size_risk)
            self.size_risk_discarded_value += asked - accepted
        return accepted / equity

    def update_old_weights(
        self, portfolio: Portfolio, portfolio_pairs: Iterable[TradingPairIdentifier] | None = None, **options: object
    ) -> None:
        """Read the value of the present positions; open ones without a signal get one of zero, so that they close.

        Parameters
        ----------
        portfolio
            The portfolio.
        portfolio_pairs
            Positions of other pairs are left alone; None for all spot positions, vaults and shorts.
        options
            Further settings of existing code; each is warned about, because it has no effect.
        """
        _warn_about("update_old_weights", options)
        pairs = None if portfolio_pairs is None else set(portfolio_pairs)
        total = portfolio.get_net_asset_value()
        for position in portfolio.open_positions.values():
            market = position.pair.get_pricing_pair()
            if not (position.is_spot() or position.is_short()) or (pairs is not None and market not in pairs):
                continue
            pair_id = market.internal_id or 0
            signal = self.signals.get(pair_id)
            if signal is None:
                signal = self.signals[pair_id] = TradingPairSignal(pair=market, signal=0.0)
            if position.is_short() != signal.is_short() and signal.position_id is not None:
                continue  # both sides are open: the one in the direction of the signal is adjusted
            signal.position_id = position.position_id
            signal.old_value = position.get_value()
            signal.old_weight = signal.old_value / total if total else 0.0

    #: The historical name.
    set_old_weights = update_old_weights

    def calculate_weight_diffs(self) -> dict[int, Percent]:
        """Return new less old weight of each chosen pair, by its internal id."""
        return {pair_id: signal.normalised_weight - signal.old_weight for pair_id, signal in self.signals.items()}

    # --- Trades

    def calculate_target_positions(
        self, position_manager: PositionManager, investable_equity: USDollarAmount | None = None
    ) -> None:
        """Calculate the wanted value of each position.

        Parameters
        ----------
        position_manager
            The manager of the decision.
        investable_equity
            Value that is distributed, USD; None for the whole portfolio.
        """
        if investable_equity is None:
            investable_equity = position_manager.get_current_portfolio().get_net_asset_value()
        self.investable_equity = investable_equity
        for signal in self.signals.values():
            signal.position_target = signal.normalised_weight * investable_equity
            if signal.normalised_weight < self.close_position_weight_epsilon:
                signal.position_target = 0.0
                signal.flags.add(TradingPairSignalFlags.closed)
            held = signal.old_value if self._is_same_side(position_manager, signal) else -signal.old_value
            signal.position_adjust_usd = signal.position_target - held
        self.accepted_investable_equity = sum(signal.position_target for signal in self.signals.values())
        changes = [abs(signal.position_adjust_usd) for signal in self.signals.values()]
        self.max_position_adjust_usd = max(changes, default=0.0)

    def generate_rebalance_trades_and_triggers(
        self,
        position_manager: PositionManager,
        min_trade_threshold: USDollarAmount = 10.0,
        invidiual_rebalance_min_threshold: USDollarAmount = 0.0,
        **options: object,
    ) -> list[TradeExecution]:
        """Plan the trades: reductions and closes first, then what they pay for.

        Purchases and new shorts cost no more than the cash and what the reductions bring at once; those of a market
        without a price now bring it later. Otherwise all shrink by the same share. A short whose loan does not bear the
        change is closed if it was to be reduced, and else left as it is. A pair with an order of an earlier decision
        that has not filled yet is left alone until it has, and what it is going to cost is kept.

        Parameters
        ----------
        position_manager
            The manager of the decision.
        min_trade_threshold
            Nothing is traded if no position changes by more than this, USD.
        invidiual_rebalance_min_threshold
            A position that changes by less is left as it is, USD; the historical spelling.
        options
            Further settings of existing code; each is warned about, because it has no effect.
        """
        _warn_about("generate_rebalance_trades_and_triggers", options)
        self.position_adjust_threshold_usd = min_trade_threshold
        is_small = self.max_position_adjust_usd < min_trade_threshold
        released: list[TradeExecution] = []
        wanted: list[TradingPairSignal] = []
        sent = find_queued(position_manager) if self.signals else []
        busy = {trade.pair.get_pricing_pair() for trade in sent}
        for signal in self.signals.values():
            change = abs(signal.position_adjust_usd)
            if signal.pair in busy:
                signal.position_adjust_ignored = True
                signal.flags.add(TradingPairSignalFlags.on_its_way)
                continue
            is_ignored = not change or change < invidiual_rebalance_min_threshold or is_small
            if is_ignored or (signal.position_target and position_manager.is_too_small(signal.pair, change)):
                signal.position_adjust_ignored = True
                signal.flags.add(TradingPairSignalFlags.below_threshold)
                continue
            position = self._find_position(position_manager, signal)
            if position is not None and (not signal.position_target or position.is_short() != signal.is_short()):
                released += position_manager.close_position(position)
                position = None
            elif position is not None and signal.position_adjust_usd < 0:
                released += self._reduce(position_manager, signal, position)
                continue
            if signal.position_target:
                wanted.append(signal)
        adjusted = {id(signal): self._find_adjusted(position_manager, signal) for signal in wanted}
        costs = {
            id(signal): signal.position_target if adjusted[id(signal)] is None else signal.position_adjust_usd
            for signal in wanted
        }
        share = find_affordable_share(position_manager, released, sent, sum(costs.values()))
        for signal in wanted:
            if share < 1 and not _shrink(position_manager, signal, costs[id(signal)], share):
                continue
            try:
                released += self._adjust(position_manager, signal, adjusted[id(signal)])
            except LiquidationRisked as error:
                logger.warning("%s is not shorted as wanted: %s", signal.pair.get_ticker(), error)
                signal.flags.add(TradingPairSignalFlags.refused_by_loan)
                signal.position_adjust_ignored = True
        return released

    def _reduce(
        self, manager: PositionManager, signal: TradingPairSignal, position: TradingPosition
    ) -> list[TradeExecution]:
        """Plan to make a position smaller; close a short that would leave too little for the slippage of the trade."""
        try:
            return self._adjust(manager, signal, position)
        except LiquidationRisked as error:
            logger.warning("%s is closed, it cannot be made as small as wanted: %s", position, error)
            signal.flags.add(TradingPairSignalFlags.refused_by_loan)
            return manager.close_position(position)

    def _find_adjusted(self, manager: PositionManager, signal: TradingPairSignal) -> TradingPosition | None:
        """Return the position that a wanted signal adds to; None if it opens one."""
        position = self._find_position(manager, signal)
        return position if position is not None and position.is_short() == signal.is_short() else None

    def _adjust(
        self, manager: PositionManager, signal: TradingPairSignal, position: TradingPosition | None
    ) -> list[TradeExecution]:
        if not signal.is_short():
            return manager.adjust_position(
                signal.pair,
                signal.position_adjust_usd if position is not None else signal.position_target,
                None,
                signal.normalised_weight,
                stop_loss=signal.stop_loss,
                take_profit=signal.take_profit,
                trailing_stop_loss=signal.trailing_stop_loss,
            )
        if position is not None:
            return manager.adjust_short(position, signal.position_target)
        return manager.open_short(
            signal.pair,
            signal.position_target,
            leverage=signal.leverage or 1.0,
            take_profit_pct=signal.take_profit,
            stop_loss_pct=signal.stop_loss,
            trailing_stop_loss_pct=signal.trailing_stop_loss,
        )

    def _find_position(self, manager: PositionManager, signal: TradingPairSignal) -> TradingPosition | None:
        return manager.state.portfolio.open_positions.get(signal.position_id or 0)

    def _is_same_side(self, manager: PositionManager, signal: TradingPairSignal) -> bool:
        position = self._find_position(manager, signal)
        return position is None or not signal.signal or position.is_short() == signal.is_short()

    # --- Records

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, e.g. for ``state.visualisation.add_calculations``."""
        return {
            "timestamp": None if self.timestamp is None else self.timestamp.replace(tzinfo=datetime.UTC).timestamp(),
            "raw_signals": {str(pair_id): signal.to_dict() for pair_id, signal in self.raw_signals.items()},
            "signals": {str(pair_id): signal.to_dict() for pair_id, signal in self.signals.items()},
            "investable_equity": self.investable_equity,
            "accepted_investable_equity": self.accepted_investable_equity,
            "size_risk_discarded_value": self.size_risk_discarded_value,
            "max_position_adjust_usd": self.max_position_adjust_usd,
            "position_adjust_threshold_usd": self.position_adjust_threshold_usd,
            "close_position_weight_epsilon": self.close_position_weight_epsilon,
        }


def _shrink(manager: PositionManager, signal: TradingPairSignal, cost: USDollarAmount, share: float) -> bool:
    """Shrink what a signal costs to a share of it; return False when nothing is left that can be traded."""
    missing = cost * (1 - share)
    signal.position_target -= missing
    signal.position_adjust_usd -= missing
    signal.flags.add(TradingPairSignalFlags.capped_by_cash)
    signal.position_adjust_ignored = manager.is_too_small(signal.pair, cost - missing)
    return not signal.position_adjust_ignored


def format_signals(alpha_model: AlphaModel) -> Any:
    """Return the chosen signals as a DataFrame, the largest weight first."""
    import pandas as pd

    rows = [
        {
            "Pair": signal.pair.get_ticker(),
            "Signal": signal.signal,
            "Weight": signal.normalised_weight,
            "Old weight": signal.old_weight,
            "Value": signal.position_target,
            "Adjust USD": signal.position_adjust_usd,
            "Ignored": signal.position_adjust_ignored,
            "Flags": ", ".join(sorted(flag.value for flag in signal.flags)),
        }
        for signal in alpha_model.get_signals_sorted_by_weight()
    ]
    return pd.DataFrame(rows)
