"""Planning trades of spot positions: checks, prices, and amounts rounded to the decimals of the tokens."""

import datetime
from decimal import Decimal
from typing import Any

from tradeexecutor.accounting.raw_units import round_down_to_units, size_sale
from tradeexecutor.accounting.values import to_exact_price
from tradeexecutor.state.booking.waiting_orders import (
    discard_planned,
    expire_order,
    expire_waiting_orders,
    is_waiting,
)
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.latency import get_arrival
from tradeexecutor.strategy.pandas_trader.position_rules import (
    OrderTooSmall,
    PositionManagerError,
    check_lock_up,
    check_pair,
    check_size,
    get_sellable_quantity,
    is_closing,
)
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["RELATIVE_LEVELS_KEY", "SpotPlanner", "sells_all"]

#: Key of `TradeExecution.other_data`: the levels that were planned relative to an old price, by name. They follow the
#: price at which the trade fills.
RELATIVE_LEVELS_KEY = "levels_relative_to_fill"

#: Key of `TradeExecution.other_data`: whether an order that closes does so with a part only.
_PART_KEY = "closes_part"

#: How much worse than planned a trade may fill, a fraction; with more slippage it fails.
DEFAULT_SLIPPAGE_TOLERANCE = 0.017
_MAX_SLIPPAGE_TOLERANCE = 0.33

_REBALANCE = TradeType.rebalance  # reading a member from its enum class is slow in Python 3.11

#: Largest ratio of sold quantity to holding that counts as a rounding error.
_SALE_TOLERANCE = Decimal("1.000001")


def sells_all(trade: TradeExecution) -> bool:
    """Return True if a queued order sells whatever its position holds when it fills."""
    return TradeFlag.close in (trade.flags or ()) and _PART_KEY not in (trade.other_data or ())


def _get_only_fee(pricing: TradePricing) -> Percent | None:
    """Return the fee of a price that is that of one pool, a fraction; None if it goes through several."""
    fees = pricing.pair_fee
    return fees[0] if fees and len(fees) == 1 else None


class SpotPlanner:
    """Base class of `PositionManager`, which has the documentation of the parameters."""

    __slots__ = (
        "default_slippage_tolerance",
        "pricing_model",
        "reserve_currency",
        "reserve_price",
        "routing_model",
        "routing_state",
        "state",
        "strategy_universe",
        "timestamp",
    )

    @contract_signature
    def __init__(
        self,
        timestamp: datetime.datetime,
        universe: TradingStrategyUniverse,
        state: State,
        pricing_model: PricingModel,
        default_slippage_tolerance: Percent | None = None,
        trading_pair_cache: object = None,
        routing_model: Any = None,
        routing_state: Any = None,
    ):
        del trading_pair_cache
        tolerance = DEFAULT_SLIPPAGE_TOLERANCE if default_slippage_tolerance is None else default_slippage_tolerance
        if not 0 <= tolerance < _MAX_SLIPPAGE_TOLERANCE:
            raise PositionManagerError(f"slippage tolerance must be a fraction below 0.33, not {tolerance}")
        # Strategies of the first engine versions have the view of the universe only.
        universe = getattr(universe, "strategy_universe", None) or universe
        self.timestamp = timestamp
        self.strategy_universe = universe
        self.state = state
        self.pricing_model = pricing_model
        self.default_slippage_tolerance = tolerance
        self.routing_model = routing_model
        self.routing_state = routing_state
        self.reserve_currency: AssetIdentifier = universe.reserve_asset
        self.reserve_price: USDollarPrice = 1.0

    # --- What may be traded

    def is_problematic_pair(self, pair: TradingPairIdentifier) -> bool:
        """Return True if a pair must not be traded: it is blacklisted, or a failed trade has frozen its position."""
        state = self.state
        frozen = state.portfolio.frozen_positions
        if frozen and state.portfolio.get_frozen_position(pair) is not None:
            return True
        return not state.is_good_pair(pair)

    def _check_tradeable(self, pair: TradingPairIdentifier) -> None:
        check_pair(pair)
        if not (pair.is_spot() or pair.is_vault()):
            raise UnsupportedPairKind(f"only spot pairs and vaults can be bought here, not {pair}")
        if self.is_problematic_pair(pair):
            raise PositionManagerError(
                f"{pair.get_ticker()} is blacklisted or frozen by a failed trade; check is_problematic_pair() first"
            )

    def _find_open_position(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the open position that a buy of this decision adds to; one that the decision closes does not count."""
        portfolio = self.state.portfolio
        if not portfolio.open_positions:
            return None
        first = portfolio.get_position_by_trading_pair(pair)
        if first is None or not is_closing(first):
            return first
        others = portfolio.iterate_open_positions_for_pair(pair)
        return next((position for position in others if not is_closing(position)), None)

    def _refuse_second_position(self, pair: TradingPairIdentifier) -> None:
        if self._find_open_position(pair) is not None:
            raise PositionManagerError(f"a position of {pair.get_ticker()} is already open; use adjust_position")

    # --- Amounts

    def is_too_small(self, pair: TradingPairIdentifier, value: USDollarAmount | Decimal) -> bool:
        """Return whether an order is refused because nothing, or only dust, is left of it after rounding.

        Amounts are whole units of both tokens, and a quantity at or below the dust limit of the pair is not traded.
        Ask before an order whose size is what is left, such as the rest of the cash.

        Parameters
        ----------
        pair
            What to trade.
        value
            Reserve currency: positive to buy, fee included; negative to sell. The same as the ``dollar_delta`` of
            `PositionManager.adjust_position`.
        """
        check_pair(pair)
        amount = round_down_to_units(abs(Decimal(value)), self.reserve_currency.decimals)
        if pair.is_cctp_bridge():
            return BridgeTerms.of(pair).find_obstacle(amount, pair.base.decimals) is not None
        terms = self.strategy_universe.get_terms(pair)
        if not amount or amount < terms.minimum_order:
            return True
        if value > 0:
            pricing = self.pricing_model.get_buy_price(self.timestamp, pair, amount)
            decimals = pair.base.decimals, self.reserve_currency.decimals
            quantity, _ = terms.size_buy(amount, Decimal(pricing.price), *decimals)
        else:
            mid_price = self.pricing_model.get_mid_price(self.timestamp, pair)
            units = round_down_to_units(abs(Decimal(value)) / Decimal(mid_price), pair.base.decimals)
            quantity = terms.round_quantity(units)
        return quantity <= get_dust_epsilon_for_pair(pair)

    def _to_reserve(self, value: USDollarAmount | Decimal) -> Decimal:
        """Return an amount rounded down to the decimals of the reserve currency; raises `PositionManagerError`."""
        if not value > 0:
            raise PositionManagerError(f"a buy needs a positive amount, not {value}")
        amount = value if isinstance(value, Decimal) else Decimal(value)
        reserve = round_down_to_units(amount, self.reserve_currency.decimals)
        if not reserve:
            symbol = self.reserve_currency.token_symbol
            raise OrderTooSmall(f"{value} is less than one unit of {symbol}; ask is_too_small(pair, value) first")
        return reserve

    def _to_sold_quantity(
        self, position: TradingPosition, dollar_delta: USDollarAmount, quantity_delta: float | Decimal | None
    ) -> Decimal:
        if quantity_delta is None:
            quantity_delta = dollar_delta / self.pricing_model.get_mid_price(self.timestamp, position.pair)
        quantity = -(quantity_delta if isinstance(quantity_delta, Decimal) else Decimal(quantity_delta))
        if quantity <= 0:
            raise PositionManagerError(f"the quantity to sell must be negative, not {quantity_delta}")
        available = get_sellable_quantity(position)
        if quantity > available * _SALE_TOLERANCE:
            raise PositionManagerError(f"{position} has {available} to sell, not {quantity}")
        if quantity >= available:
            check_lock_up(position, self.timestamp)
            return available
        check_lock_up(position, self.timestamp)
        units = round_down_to_units(quantity, position.pair.base.decimals)
        units = self.strategy_universe.get_terms(position.pair).round_quantity(units)
        check_size(position.pair, units, f"cannot sell {quantity}")
        self._check_minimum(position.pair, Decimal(abs(dollar_delta)), f"cannot sell {quantity}")
        return units

    def _check_minimum(self, pair: TradingPairIdentifier, value: Decimal, what: str) -> None:
        minimum = self.strategy_universe.get_terms(pair).minimum_order
        if value < minimum:
            symbol = self.reserve_currency.token_symbol
            raise OrderTooSmall(
                f"{what}: the smallest order is {minimum} {symbol}; ask is_too_small(pair, value) first"
            )

    # --- Trades

    def _plan_buy(
        self,
        pair: TradingPairIdentifier,
        budget: Decimal,
        pricing: TradePricing,
        *,
        flags: set[TradeFlag],
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        position: TradingPosition | None = None,
    ) -> tuple[TradeExecution, TradingPosition]:
        """Plan a buy for a budget in reserve currency; raises `PositionManagerError` for dust and less than a unit."""
        terms = self.strategy_universe.get_terms(pair)
        decimals = pair.base.decimals, self.reserve_currency.decimals
        quantity, cost = terms.size_buy(budget, to_exact_price(pricing.price), *decimals)
        if quantity <= get_dust_epsilon_for_pair(pair) or cost < terms.minimum_order:  # else no text is needed
            what = f"cannot buy for {budget} {self.reserve_currency.token_symbol} at {pricing.price}"
            check_size(pair, quantity, what)
            self._check_minimum(pair, cost, what)
        fees = pricing.get_total_lp_fees()
        request = TradeRequest(
            strategy_cycle_at=self.timestamp,
            pair=pair,
            assumed_price=pricing.price,
            trade_type=_REBALANCE,
            reserve_currency=self.reserve_currency,
            reserve_currency_price=self.reserve_price,
            quantity=quantity,
            notes=notes,
            pair_fee=_get_only_fee(pricing),
            lp_fees_estimated=float(fees),
            planned_mid_price=pricing.mid_price,
            price_structure=pricing,
            slippage_tolerance=self.default_slippage_tolerance if slippage_tolerance is None else slippage_tolerance,
            flags=flags,
        )
        position, trade, _ = self.state.request_trade(request, position)
        trade.planned_reserve = cost
        if cost != budget:
            trade.lp_fees_estimated = float(fees) * float(cost / budget)
        return trade, position

    def _plan_sell(
        self,
        position: TradingPosition,
        quantity: Decimal,
        trade_type: TradeType,
        *,
        flags: set[TradeFlag],
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        trigger_price: USDollarPrice | None = None,
        closing: bool = False,
    ) -> TradeExecution:
        pair = position.pair
        pricing = self.pricing_model.get_sell_price(self.timestamp, pair, quantity, mid_price=trigger_price)
        request = TradeRequest(
            strategy_cycle_at=self.timestamp,
            pair=pair,
            assumed_price=pricing.price,
            trade_type=trade_type,
            reserve_currency=self.reserve_currency,
            reserve_currency_price=self.reserve_price,
            quantity=-quantity,
            notes=notes,
            pair_fee=_get_only_fee(pricing),
            lp_fees_estimated=float(pricing.get_total_lp_fees()),
            planned_mid_price=pricing.mid_price,
            price_structure=pricing,
            slippage_tolerance=self.default_slippage_tolerance if slippage_tolerance is None else slippage_tolerance,
            closing=closing,
            flags=flags,
        )
        _, trade, _ = self.state.request_trade(request, position)
        trade.planned_reserve = size_sale(quantity, to_exact_price(pricing.price), self.reserve_currency.decimals)
        return trade

    def _remember_relative_levels(
        self,
        trade: TradeExecution,
        pricing: TradePricing,
        position: TradingPosition,
        stop_loss: float | None,
        take_profit: float | None,
    ) -> None:
        """Record the levels that a trade has given as fractions, if it fills at another price than that of now.

        They follow the price of the fill, unless the strategy has replaced them by then.
        """
        if not self._is_late(pricing):
            return
        given = (("stop_loss", stop_loss), ("take_profit", take_profit))
        levels = {name: getattr(position, name) for name, fraction in given if fraction is not None}
        if levels:
            trade.other_data = {**(trade.other_data or {}), RELATIVE_LEVELS_KEY: levels}

    def _remember_part(self, trade: TradeExecution) -> None:
        """Record that a trade closes a part only, so that it sells no more when it fills later."""
        if self._is_late(trade.price_structure):
            trade.other_data = {**(trade.other_data or {}), _PART_KEY: True}

    def _is_late(self, pricing: TradePricing | None) -> bool:
        """Return True if a trade that was planned at a price fills later."""
        return bool(self.pricing_model.latency or (pricing is not None and pricing.market_feed_delay))

    def _withdraw_buys(self, position: TradingPosition) -> None:
        """Withdraw the buys of a position that have not started, because the decision closes it.

        A position without holdings and pending orders is then removed.
        """
        portfolio = self.state.portfolio
        withdrawn = [
            trade
            for trade in position.get_unsettled_trades()
            if trade.is_planned() and trade.is_buy() and not is_waiting(position, trade)
        ]
        for trade in withdrawn:
            trade.add_note("withdrawn: the position is closed before the buy has started")
            expire_order(position, trade, self.timestamp)
        if withdrawn and not position.trades and not position.is_pending():
            portfolio.open_positions.pop(position.position_id, None)
            portfolio.expired_positions[position.position_id] = position

    def _withdraw_opening(self, position: TradingPosition) -> bool:
        """Withdraw the opening of a position with a loan that is on its way to its market; return whether it was.

        The position is then removed.
        """
        sent = [trade for trade in position.trades.values() if trade.is_planned() and get_arrival(trade) is not None]
        if position.loan is not None or not sent:
            return False
        for trade in sent:
            trade.add_note("withdrawn: the position is closed before it has opened")
            discard_planned(self.state.portfolio, trade, self.timestamp)
        return True

    def _give_up(self, position: TradingPosition) -> None:
        """Cancel the entries of a position that has not opened, and remove the position."""
        portfolio = self.state.portfolio
        expire_waiting_orders(position, self.timestamp)
        portfolio.pending_positions.pop(position.position_id, None)
        portfolio.expired_positions[position.position_id] = position
