"""Moving capital between the cash, bridge positions and trades."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from decimal import Decimal

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON, ZERO_DECIMAL
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import (
    InvalidTrade,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
)
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS, AssetIdentifier
from tradeexecutor.state.portfolio.cash import adjust_reserves, get_reserve_position
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.portfolio.lookup import get_bridge_position_for_chain
from tradeexecutor.state.trade import TradeExecution

#: The planned reserve and the planned value of a spot trade must differ by less than this, USD.
_PLAN_TOLERANCE_USD = 0.01


# --- Capital moves of trades


@contract_signature
def move_capital_from_reserves_to_spot_trade(
    portfolio: PortfolioFields, trade: TradeExecution, underflow_check: bool = True
) -> None:
    """Move the planned reserve from the cash to the trade.

    Raises
    ------
    InvalidTrade
        A spot trade is not a buy, or its planned reserve and value differ by a cent or more.
    ReserveMissing
        The reserve currency is unknown.
    NotEnoughMoney
        With `underflow_check`: there is less cash than planned.
    """
    portfolio.owner.claim()
    allocate_cash(portfolio, trade, underflow_check=underflow_check)


def allocate_cash(portfolio: PortfolioFields, trade: TradeExecution, *, underflow_check: bool) -> None:
    """Do what `move_capital_from_reserves_to_spot_trade` does, for the owner of the portfolio.

    Raises
    ------
    InvalidTrade, ReserveMissing, NotEnoughMoney
        As there.
    """
    if trade.pair.kind in TOKEN_TRADE_KINDS:
        quantity = trade._planned_quantity
        if quantity <= ZERO_DECIMAL:
            raise InvalidTrade(f"trade #{trade.trade_id} is a sell, it needs no cash")
        # The difference to `get_planned_value`, without a call.
        difference = abs(float(trade.planned_reserve) - abs(trade._planned_price * float(quantity)))
        if not difference < _PLAN_TOLERANCE_USD:
            raise InvalidTrade(
                f"trade #{trade.trade_id} spends {trade.planned_reserve} on {trade.get_planned_value()} USD worth"
            )
    try:
        reserve = get_reserve_position(portfolio, trade.reserve_currency)
    except KeyError:
        raise ReserveMissing(f"no reserve {trade.reserve_currency} for trade #{trade.trade_id}") from None
    amount, available = trade.planned_reserve, reserve.quantity
    if amount > available:
        amount = _snap_or_check(trade, available, trade.reserve_currency, underflow_check=underflow_check)
    trade.reserve_currency_allocated = amount
    reserve.quantity -= amount


@contract_signature
def move_capital_from_bridge_to_spot_trade(
    portfolio: PortfolioFields, trade: TradeExecution, underflow_check: bool = True
) -> None:
    """Move the planned reserve from the bridge position on the pair's chain to the trade.

    Raises
    ------
    NotEnoughMoney
        There is no open bridge position, or, with `underflow_check`, it has too little free capital.
    """
    portfolio.owner.claim()
    bridge = get_bridge_position_for_chain(portfolio, trade.pair.chain_id)
    if bridge is None:
        raise NotEnoughMoney(f"no open bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}")
    available = bridge.get_available_bridge_capital()
    amount = _snap_or_check(trade, available, trade.pair.quote, underflow_check=underflow_check)
    trade.bridge_currency_allocated = amount
    bridge.adjust_bridge_capital_allocated(amount)


def _snap_or_check(
    trade: TradeExecution, available: Decimal, funding_asset: AssetIdentifier, *, underflow_check: bool
) -> Decimal:
    """Return the amount to allocate, token units, when less than planned may be available.

    If a buy is short by less than one raw unit of the funding asset, which is an artefact of decimal division, its
    plan is reduced to what is available.
    """
    needed = trade.planned_reserve
    shortfall = needed - available
    if shortfall <= ZERO_DECIMAL:
        return needed
    kind = trade.pair.kind
    is_rounding = available > 0 and shortfall < funding_asset.convert_to_decimal(1)
    if is_rounding and kind.is_leverage():
        trade.planned_reserve = available  # the loan keeps its debt, with this much less of own money
        return available
    if is_rounding and trade.is_buy() and (trade.is_spot() or kind.is_cctp_bridge()):
        quantity = available / Decimal(str(trade.planned_price))
        if quantity > QUANTITY_EPSILON:  # a trade must not become one of nothing
            trade.planned_reserve, trade.planned_quantity = available, quantity
            return available
    if underflow_check:
        raise NotEnoughMoney(
            f"trade #{trade.trade_id} needs {needed} {funding_asset.token_symbol}, {available} available",
            available,
            needed,
        )
    return needed


@contract_signature
def return_capital_to_reserves(portfolio: PortfolioFields, trade: TradeExecution, underflow_check: bool = True) -> None:
    """Add the proceeds of a sell to the cash. `underflow_check` has no effect; turning it off causes a warning."""
    portfolio.owner.claim()
    if not underflow_check:
        warn_ignored("return_capital_to_reserves", "underflow_check", "what comes back is never too little")
    adjust_reserves(portfolio, trade.reserve_currency, _require_proceeds(trade))


def return_capital_to_bridge(portfolio: PortfolioFields, trade: TradeExecution) -> None:
    """Add the proceeds of a sell to the bridge position of the pair's chain; raises `PositionNotFound` without one."""
    portfolio.owner.claim()
    proceeds = _require_proceeds(trade)
    bridge = get_bridge_position_for_chain(portfolio, trade.pair.chain_id)
    if bridge is None:
        raise PositionNotFound(f"no open bridge position to chain {trade.pair.chain_id}")
    bridge.adjust_bridge_capital_allocated(-proceeds)


def _require_proceeds(trade: TradeExecution) -> Decimal:
    if trade.is_spot() and trade.is_buy():
        raise InvalidTrade(f"trade #{trade.trade_id} is a buy, it returns no capital")
    if trade.executed_reserve is None or trade.executed_reserve <= 0:
        raise InvalidTrade(f"trade #{trade.trade_id} brought in nothing: {trade.executed_reserve}")
    return trade.executed_reserve
