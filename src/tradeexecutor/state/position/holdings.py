"""Checks that a sell does not exceed the quantity that is held and not committed to other trades.

=====================  ====================================================================================
when a sell is         it must be covered by
=====================  ====================================================================================
planned                the holding, plus the quantities (with sign) of trades that are planned or in flight
started                the holding, plus the quantities (with sign) of trades in flight
completed              the holding
=====================  ====================================================================================

Orders that wait for a trigger commit nothing: a stop loss and a take profit may each sell the whole holding, because
only one of them is executed. They are checked when they start.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.errors import NotEnoughTokens
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.dust import SELL_EPSILON
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.quantity import (
    get_available_bridge_capital,
    get_quantity,
    get_settled_quantity,
    round_to_zero,
    sum_quantities,
)
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus
from tradeexecutor.state.trade.totals import FEW_TRADES, NO_TOTALS, split_trades

__all__ = [
    "KINDS_OF_HELD_TOKENS",
    "check_planned_sell",
    "check_sold",
    "check_started_sell",
    "get_holding",
    "get_holding_not_in_flight",
    "get_holding_tolerance",
    "get_uncommitted_holding",
]

#: Kinds that hold tokens, whose balance cannot be negative. Other kinds may become negative: the value of an account is
#: reported by its exchange, a short has a debt, and loans have separate rules.
KINDS_OF_HELD_TOKENS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.spot_market_hold_rebalancing_token,
        TradingPairKind.vault,
        TradingPairKind.cctp_bridge,
    }
)

_IN_EXECUTION = frozenset({TradeStatus.started, TradeStatus.broadcasted, TradeStatus.vault_settlement_pending})
_PLANNED, _VAULT_SETTLEMENT_PENDING = TradeStatus.planned, TradeStatus.vault_settlement_pending
_TRIGGERED, _CLOSE, _CCTP_BRIDGE = TradeFlag.triggered, TradeFlag.close, TradingPairKind.cctp_bridge


def get_holding(position: PositionFields) -> Decimal:
    """Return the quantity that can be sold, base token units; of a bridge the capital that no other trade uses."""
    if position.pair.kind is _CCTP_BRIDGE:
        return get_available_bridge_capital(position)
    return get_quantity(position)


def get_holding_not_in_flight(position: PositionFields) -> Decimal:
    """Return the holding after the trades in flight, base token units."""
    trades = position._trades
    settled, rest = (NO_TOTALS, trades.values()) if len(trades) <= FEW_TRADES else split_trades(trades)
    total = sum_quantities(position, settled, rest)
    if position.pair.kind is _CCTP_BRIDGE:
        total -= position.bridge_capital_allocated
    for trade in (*settled.waiting, *rest) if settled.waiting else rest:
        if trade._executed_at is None and (
            trade._started_at or trade._broadcasted_at or trade._vault_settlement_pending_at
        ):  # the others are not in flight; asking for their status would take longer
            total += _get_quantity_in_flight(trade)
    return total


def get_uncommitted_holding(position: PositionFields) -> Decimal:
    """Return the holding after the trades in flight and the planned trades, base token units."""
    settled, rest = split_trades(position._trades)
    total = sum_quantities(position, settled, rest)
    if position.pair.kind is _CCTP_BRIDGE:
        total -= position.bridge_capital_allocated
    for trade in (*settled.waiting, *rest) if settled.waiting else rest:
        if trade._executed_at is not None:
            continue
        if trade.get_status() is not _PLANNED:
            total += _get_quantity_in_flight(trade)
        elif not _waits_for_trigger(position, trade):
            total += trade._planned_quantity
    return total


def _get_quantity_in_flight(trade: TradeExecution) -> Decimal:
    """Return the quantity of a trade in flight, base token units with its sign; 0 for other trades."""
    status = trade.get_status()
    if status not in _IN_EXECUTION:
        return ZERO_DECIMAL
    is_requested = status is _VAULT_SETTLEMENT_PENDING and trade._planned_quantity <= 0
    return trade.get_vault_settlement_request_quantity() if is_requested else trade._planned_quantity


def _waits_for_trigger(position: PositionFields, trade: TradeExecution) -> bool:
    return trade.trade_id in position.pending_trades or _TRIGGERED in (trade.flags or ())


def get_holding_tolerance(pair: TradingPairIdentifier) -> Decimal:
    """Return the quantity by which a sell may exceed the holding: two raw units, or `SELL_EPSILON` if that is more."""
    return max(SELL_EPSILON, 2 * get_raw_unit(pair.base))


def get_raw_unit(asset: AssetIdentifier) -> Decimal:
    """Return the smallest amount of a token, token units."""
    return Decimal(1).scaleb(-asset.decimals)


# --- Checks


def check_planned_sell(position: PositionFields, trade: TradeExecution, quantity: Decimal | None) -> Decimal | None:
    """Raise `NotEnoughTokens` if a new trade sells more than the position can give.

    Parameters
    ----------
    quantity
        Result of `get_settled_quantity`, base token units.

    Returns
    -------
    Decimal or None
        The quantity to trade with that the new trade leaves, base token units, if nothing else is planned or under way;
        None if it is not known.
    """
    kind, flags = position.pair.kind, trade.flags
    if kind not in KINDS_OF_HELD_TOKENS or (flags and _TRIGGERED in flags):
        return None
    if kind is _CCTP_BRIDGE and flags and _CLOSE in flags:
        return None  # it also sends what planned sales on the other chain will bring; its start is checked
    available = get_uncommitted_holding(position) if quantity is None else quantity
    if kind is _CCTP_BRIDGE and quantity is not None:
        available -= position.bridge_capital_allocated
    left = available + trade._planned_quantity
    if left < ZERO_DECIMAL:
        _require(position, trade, available, -trade._planned_quantity, "is left by what is planned and under way")
    return None if quantity is None or kind is _CCTP_BRIDGE else left


def check_started_sell(position: PositionFields, trade: TradeExecution) -> None:
    """Raise `NotEnoughTokens` if a planned trade that starts now sells more than the position can give."""
    kind = position.pair.kind
    if kind not in KINDS_OF_HELD_TOKENS:
        return
    needed = -trade._planned_quantity
    left = get_settled_quantity(position, trade)
    if left is None:
        left = get_holding_not_in_flight(position)
    elif kind is _CCTP_BRIDGE:
        left -= position.bridge_capital_allocated
    if needed > left:
        _require(position, trade, left, needed, "is left by what is under way")


def check_sold(position: PositionFields, trade: TradeExecution, quantity: Decimal) -> Decimal | None:
    """Raise `NotEnoughTokens` if a trade sold more than the position held; `quantity` in base token units, negative.

    Returns
    -------
    Decimal or None
        `get_quantity` after the sale; None if this is not known.
    """
    kind = position.pair.kind
    if quantity >= ZERO_DECIMAL or kind not in KINDS_OF_HELD_TOKENS:
        return None
    held = get_quantity(position) if kind is not _CCTP_BRIDGE else get_available_bridge_capital(position)
    left = held + quantity
    if left < ZERO_DECIMAL:
        _require(position, trade, held, -quantity, "was held")
    return None if kind is _CCTP_BRIDGE else round_to_zero(left)


def _require(position: PositionFields, trade: TradeExecution, available: Decimal, needed: Decimal, why: str) -> None:
    if needed - available > get_holding_tolerance(position.pair):
        symbol = position.pair.base.token_symbol
        raise NotEnoughTokens(
            f"trade #{trade.trade_id} sells {needed} {symbol} of position #{position.position_id}, of which "
            f"{max(available, ZERO_DECIMAL)} {why}",
            available,
            needed,
        )
