"""Predicates of a trade: its direction, status, purpose and instrument."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS
from tradeexecutor.state.trade.fields import TradeFields, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.lifecycle import IN_FLIGHT, get_status

#: Key of `TradeExecution.other_data`: the market had no price at the decision, and the trade waited for its next open.
WAITED_FOR_MARKET_KEY = "waited_for_market"
#: Key of `TradeExecution.other_data`: ISO time at which an order reaches its market, with a simulated latency.
ARRIVES_KEY = "reaches_market_at"

_WAITING_KEYS = frozenset({WAITED_FOR_MARKET_KEY, ARRIVES_KEY})

#: Key of `TradeExecution.other_data` of a trade that liquidates a position: price, and what was taken and left, USD.
LIQUIDATION_KEY = "liquidation"

_PLANNED, _STARTED, _BROADCASTED = TradeStatus.planned, TradeStatus.started, TradeStatus.broadcasted
_TRIGGERED = TradeFlag.triggered
_TAKE_PROFIT, _STOP_LOSS = TradeType.take_profit, TradeType.stop_loss
_SUCCESS, _VAULT_SETTLEMENT_PENDING = TradeStatus.success, TradeStatus.vault_settlement_pending

# --- Direction


def is_buy(trade: TradeFields) -> bool:
    """Return True if the base token is acquired."""
    return trade._planned_quantity > ZERO_DECIMAL  # three times as fast as comparing with 0


def is_sell(trade: TradeFields) -> bool:
    """Return True if the base token is given up; a zero quantity counts as a sell."""
    return trade._planned_quantity <= ZERO_DECIMAL


def is_reduce(trade: TradeFields) -> bool:
    """Return True if the trade reduces the position."""
    kind = trade.pair.kind
    if kind.is_shorting():
        return trade.planned_quantity > 0
    if kind.is_cctp_bridge() or kind.is_exchange_account():
        return False
    return trade.planned_quantity < 0


# --- Status


def is_success(trade: TradeFields) -> bool:
    """Return True if the trade was executed; also for a repaired trade."""
    return trade.executed_at is not None


def is_failed(trade: TradeFields) -> bool:
    """Return True if the trade failed and was not repaired."""
    return trade.failed_at is not None and trade.repaired_at is None


def is_repaired(trade: TradeFields) -> bool:
    """Return True if the failed trade was repaired."""
    return trade.repaired_at is not None


def is_repair_trade(trade: TradeFields) -> bool:
    """Return True if the trade is a counter trade or repairs a missing position."""
    return trade.repaired_trade_id is not None or TradeFlag.missing_position_repair in (trade.flags or ())


def is_pending(trade: TradeFields) -> bool:
    """Return True if the trade is started or broadcasted and has no outcome yet."""
    return get_status(trade) in IN_FLIGHT


def is_planned(trade: TradeFields) -> bool:
    """Return True if the trade is only planned."""
    return get_status(trade) is _PLANNED


def is_started(trade: TradeFields) -> bool:
    """Return True if capital is allocated and nothing was sent yet."""
    return get_status(trade) is _STARTED


def is_unfinished(trade: TradeFields) -> bool:
    """Return True if the trade was sent and its outcome is unknown."""
    return get_status(trade) is _BROADCASTED


def is_accounted_for_equity(trade: TradeFields) -> bool:
    """Return True if the trade is started, broadcasted or successful."""
    if trade._executed_at and not trade._failed_at and not trade._repaired_at:
        return True  # nearly always
    status = get_status(trade)
    return status is _SUCCESS or status in IN_FLIGHT


def is_missing_blockchain_transactions(trade: TradeFields) -> bool:
    """Return True if the trade has no transactions and is neither failed nor repaired."""
    return not is_failed(trade) and not is_repaired(trade) and not trade.blockchain_transactions


def is_vault_settlement_in_flight(trade: TradeFields) -> bool:
    """Return True if a request to an asynchronous vault waits for its settlement."""
    status = get_status(trade)
    return status is _VAULT_SETTLEMENT_PENDING or (
        bool((trade.other_data or {}).get("vault_async_flow")) and status in IN_FLIGHT
    )


# --- Purpose


def is_rebalance(trade: TradeFields) -> bool:
    """Return True if the strategy decided the trade."""
    return trade.trade_type is TradeType.rebalance


def is_stop_loss(trade: TradeFields) -> bool:
    """Return True if a stop loss triggered the trade."""
    return trade.trade_type is _STOP_LOSS


def is_take_profit(trade: TradeFields) -> bool:
    """Return True if a take profit triggered the trade."""
    return trade.trade_type is _TAKE_PROFIT


def is_liquidation(trade: TradeFields) -> bool:
    """Return True if a liquidator made the trade, not the strategy."""
    return LIQUIDATION_KEY in (trade.other_data or {})


def is_triggered(trade: TradeFields) -> bool:
    """Return True if the trade is a stop loss or take profit; flexible triggers do not count."""
    return trade.trade_type is _TAKE_PROFIT or trade.trade_type is _STOP_LOSS


def has_waited(trade: TradeFields) -> bool:
    """The trade waited after its decision: for its price or time, to reach its market, or for that to open."""
    if trade.activated_trigger is not None:
        return True
    flags, other_data = trade.flags, trade.other_data
    if flags and _TRIGGERED in flags:
        return True
    return bool(other_data) and not _WAITING_KEYS.isdisjoint(other_data)


def is_queued(trade: TradeFields) -> bool:
    """The trade is planned, and on its way to its market, or waits for that to open."""
    return is_planned(trade) and not _WAITING_KEYS.isdisjoint(trade.other_data or ())


def is_accounting_correction(trade: TradeFields) -> bool:
    """Return True if the trade books a difference between the state and the real balance."""
    return trade.trade_type is TradeType.accounting_correction


def is_partial_take_profit(trade: TradeFields) -> bool:
    """Return True if the trade sells a part of the position at a price or time level."""
    return TradeFlag.partial_take_profit in (trade.flags or ())


def is_test(trade: TradeFields) -> bool:
    """Return True if the trade is a test with a small amount."""
    return TradeFlag.test_trade in (trade.flags or ())


# --- Instrument


def is_spot(trade: TradeFields) -> bool:
    """Return True if tokens are bought with cash; includes vaults and Freqtrade."""
    return trade.pair.kind in TOKEN_TRADE_KINDS


def is_vault(trade: TradeFields) -> bool:
    """Return True if vault shares are traded."""
    return trade.pair.kind.is_vault()


def is_leverage(trade: TradeFields) -> bool:
    """Return True if the pair is a leveraged long or short."""
    return trade.pair.kind.is_leverage()


def is_credit_based(trade: TradeFields) -> bool:
    """Return True if the trade changes a loan."""
    return trade.pair.kind.is_credit_based()


def is_credit_supply(trade: TradeFields) -> bool:
    """Return True if the trade supplies or recalls credit."""
    return trade.pair.kind.is_credit_supply()


def is_short(trade: TradeFields) -> bool:
    """Return True if the pair is a leveraged short."""
    return trade.pair.kind.is_shorting()


def is_long(trade: TradeFields) -> bool:
    """Return True if the pair is a leveraged long."""
    return trade.pair.kind.is_longing()
