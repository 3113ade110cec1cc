"""Predicates of a position that follow from its fields and trades alone.

Predicates that need quantities (`can_be_closed`) or profit (`is_profitable`) are in the modules of these subjects.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS, TradingPairKind
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.trades import get_first_trade, get_last_trade, get_trade_totals, get_unsettled_trades
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import FEW_TRADES
from tradeexecutor.state.trigger import TriggerCondition

_EXCHANGE_ACCOUNT, _VAULT = TradingPairKind.exchange_account, TradingPairKind.vault

#: Kinds that profit when the price goes up.
LONG_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.spot_market_hold_rebalancing_token,
        TradingPairKind.vault,
        TradingPairKind.lending_protocol_long,
        TradingPairKind.exchange_account,
    }
)


def is_spot(position: PositionFields) -> bool:
    """Return True if tokens are bought with cash and held; includes vaults and Freqtrade."""
    return position.pair.kind in TOKEN_TRADE_KINDS


def has_trade(position: PositionFields, trade: TradeExecution) -> bool:
    """Return True if the trade belongs to this position."""
    return trade.position_id == position.position_id and trade.trade_id in position.trades


def has_executed_trades(position: PositionFields) -> bool:
    """Return True if any trade succeeded."""
    for trade in position._trades.values():  # noqa: SIM110 - runs for every position of a report
        if trade._executed_at is not None:
            return True
    return False


def has_unexecuted_trades(position: PositionFields) -> bool:
    """Return True if any trade is started or broadcasted."""
    return any(trade.is_pending() for trade in get_unsettled_trades(position))


def has_trades_in_flight(position: PositionFields) -> bool:
    """Return True if any trade has no outcome yet: started, broadcasted, on a bridge or requested from a vault."""
    trades = position._trades
    for trade in trades.values() if len(trades) <= FEW_TRADES else get_unsettled_trades(position):  # saves a call
        if trade._executed_at is None and trade._started_at and trade._failed_at is None:
            return True
    return False


def has_planned_trades(position: PositionFields) -> bool:
    """Return True if any trade is planned."""
    # Nearly all trades have started. They are skipped without computing their status, which is slower.
    for trade in get_unsettled_trades(position):  # noqa: SIM110 - runs for every new trade
        if trade._started_at is None and trade.is_planned():
            return True
    return False


def has_buys(position: PositionFields) -> bool:
    """Return True if there is a buy of any status."""
    return get_trade_totals(position).has_buys


def has_sells(position: PositionFields) -> bool:
    """Return True if there is a sell of any status."""
    return get_trade_totals(position).has_sells


def is_long(position: PositionFields) -> bool:
    """Return True if a rising price is a profit: spot, vault, exchange account, leveraged long."""
    return position.pair.kind in LONG_KINDS


def is_credit_supply(position: PositionFields) -> bool:
    """Return True if the position lends the reserve."""
    return position.pair.kind.is_credit_supply()


def is_open(position: PositionFields) -> bool:
    """Return True if the position is not closed; pending and frozen positions are open too."""
    return position.closed_at is None


def is_properly_opened(position: PositionFields) -> bool:
    """Return True if the first trade succeeded."""
    return bool(position.trades) and get_first_trade(position).executed_at is not None


def is_frozen(position: PositionFields) -> bool:
    """Return True if the position waits for a repair after a failed trade."""
    return position.frozen_at is not None and position.unfrozen_at is None


def is_reduced(position: PositionFields) -> bool:
    """Return True if there is a buy and a sell, of any status; `has_realised_profit` counts successes."""
    return has_buys(position) and has_sells(position)


def has_realised_profit(position: PositionFields) -> bool:
    """Return True if something was both bought and sold, so that there is a realised profit or loss."""
    totals = get_trade_totals(position)
    return bool(totals.bought and totals.sold)


def is_using_internal_share_price_profit(position: PositionFields) -> bool:
    """Return True if profit comes from the internal share price, not from trade prices."""
    kind = position.pair.kind
    return kind is _EXCHANGE_ACCOUNT or (kind is _VAULT and position.pair.is_hyperliquid_vault())


def is_closed(position: PositionFields) -> bool:
    """Return True if the position is closed."""
    return position.closed_at is not None


def is_unfrozen(position: PositionFields) -> bool:
    """Return True if a repair unfroze the position."""
    return position.unfrozen_at is not None


def is_pending(position: PositionFields) -> bool:
    """Return True if the position waits for a market limit trigger."""
    return position.pending_since_at is not None


def is_test(position: PositionFields) -> bool:
    """Return True if any trade is a test trade."""
    return any(trade.is_test() for trade in position.trades.values())


def is_repaired(position: PositionFields) -> bool:
    """Return True if any trade was repaired."""
    return any(trade.is_repaired() for trade in position.trades.values())


def is_marked_down(position: PositionFields) -> bool:
    """Return True if the position was written off."""
    return "marked_down_at" in (position.other_data or {})


def is_vault(position: PositionFields) -> bool:
    """Return True if the position holds vault shares."""
    return position.pair.kind.is_vault()


def is_freqtrade(position: PositionFields) -> bool:
    """Return True if the capital is managed by Freqtrade."""
    return position.pair.kind.is_freqtrade()


def is_exchange_account(position: PositionFields) -> bool:
    """Return True if the capital is in an exchange account."""
    return position.pair.kind.is_exchange_account()


def is_short(position: PositionFields) -> bool:
    """Return True if the position is a leveraged short."""
    return position.pair.kind.is_shorting()


def is_leverage(position: PositionFields) -> bool:
    """Return True if the position is a leveraged long or short."""
    return position.pair.kind.is_leverage()


def is_loan_based(position: PositionFields) -> bool:
    """Return True if the position is leveraged or a credit supply."""
    return position.pair.kind.is_credit_based()


def is_stop_loss(position: PositionFields) -> bool:
    """Return True if the last trade is a stop loss."""
    return bool(position.trades) and get_last_trade(position).is_stop_loss()


def is_take_profit(position: PositionFields) -> bool:
    """Return True if the last trade is a take profit."""
    return bool(position.trades) and get_last_trade(position).is_take_profit()


def closed_by_stop_loss(position: PositionFields) -> bool:
    """Return True if a stop loss closed the position; False while it is open."""
    return position.closed_at is not None and is_stop_loss(position)


def closed_by_take_profit(position: PositionFields) -> bool:
    """Return True if a take profit closed the position; False while it is open.

    A sale that was triggered by a time is not a take profit, even if an older program gave it that type.
    """
    if position.closed_at is None or not is_take_profit(position):
        return False
    trigger = get_last_trade(position).activated_trigger
    better = TriggerCondition.cross_below if is_short(position) else TriggerCondition.cross_above
    return trigger is None or trigger.condition is better


def is_trailing_stop_loss(position: PositionFields) -> bool:
    """Return True if a trailing stop loss closed the position after it had been moved."""
    return (
        position.trailing_stop_loss_pct is not None
        and is_stop_loss(position)
        and any(update.stop_loss_after for update in position.trigger_updates)
    )


def has_automatic_close(position: PositionFields) -> bool:
    """Return True if a stop loss or take profit is set."""
    return position.stop_loss is not None or position.take_profit is not None


def has_trigger_conditions(position: PositionFields) -> bool:
    """Return True if a trigger can change the position between strategy cycles."""
    return bool(position.stop_loss or position.take_profit or position.pending_trades)


def has_pending_vault_settlement(position: PositionFields) -> bool:
    """Return True if an asynchronous vault request is in flight."""
    return any(trade.is_vault_settlement_in_flight() for trade in get_unsettled_trades(position))


def has_async_vault_flow(position: PositionFields) -> bool:
    """Return True if any trade went through an asynchronous vault."""
    return any((trade.other_data or {}).get("vault_async_flow") for trade in position.trades.values())


def has_bad_data_issues(position: PositionFields) -> bool:
    """Return True if any trade lacks a mid price."""
    return any(not trade.planned_mid_price for trade in position.trades.values())
