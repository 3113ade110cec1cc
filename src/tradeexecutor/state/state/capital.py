"""Finding the account that pays a trade or gets its proceeds: the cash, or a bridge position to another chain."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.errors import PositionNotFound, ReserveMissing
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.capital import allocate_cash
from tradeexecutor.state.portfolio.cash import get_reserve_position
from tradeexecutor.state.portfolio.lookup import get_bridge_position_for_chain
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import Fill, TradeExecution
from tradeexecutor.state.trade.planned_amounts import LEVERAGE_KINDS, LOAN_KINDS


def take_capital(portfolio: Portfolio, trade: TradeExecution, *, underflow_check: bool) -> None:
    """Allocate the planned reserve of a trade that needs capital: a buy, or any trade with leverage.

    If a bridge position has capital on the chain of the tokens, it pays for them; the cash pays for everything else.

    Raises
    ------
    InvalidTrade, ReserveMissing
        The state is unchanged.
    NotEnoughMoney
        With `underflow_check`: less is available than planned. The state is unchanged.
    """
    pair = trade.pair
    if pair.kind in TOKEN_TRADE_KINDS and get_bridge_position_for_chain(portfolio, pair.base.chain_id) is not None:
        portfolio.move_capital_from_bridge_to_spot_trade(trade, underflow_check)
    else:
        allocate_cash(portfolio, trade, underflow_check=underflow_check)


def find_returned_capital(
    portfolio: Portfolio, trade: TradeExecution, fill: Fill
) -> tuple[Decimal, ReservePosition | TradingPosition | None]:
    """Return the capital that a success returns, reserve token units, and the cash or bridge position that gets it.

    This is the proceeds of a sell, or the unspent part of the allocation of a buy (negative if it spent more), plus the
    reserve that a short or a leveraged long released. Nothing is changed.

    Raises
    ------
    ReserveMissing, PositionNotFound
        There is no account that can get the capital.
    """
    kind, spent = trade.pair.kind, fill.reserve
    allocated = trade.reserve_currency_allocated
    if kind not in TOKEN_TRADE_KINDS:
        if kind in LOAN_KINDS and (kind in LEVERAGE_KINDS or trade.planned_quantity > 0):
            returned = ZERO_DECIMAL if allocated is None else allocated - spent
            if fill.collateral_allocation and kind in LEVERAGE_KINDS:
                returned -= fill.collateral_allocation
        elif trade.planned_quantity > 0:
            returned = allocated - spent if spent and allocated is not None else ZERO_DECIMAL
        else:
            returned = spent
        return returned, get_reserve_of_trade(portfolio, trade) if returned else None
    if trade._planned_quantity <= ZERO_DECIMAL:
        return spent, _get_account_of_proceeds(portfolio, trade) if spent else None
    from_bridge = allocated is None
    if from_bridge:
        allocated = trade.bridge_currency_allocated
    if not spent or allocated is None or allocated == spent:
        return ZERO_DECIMAL, None
    account = get_bridge_of_trade(portfolio, trade) if from_bridge else get_reserve_of_trade(portfolio, trade)
    return allocated - spent, account


def find_failed_capital(
    portfolio: Portfolio, trade: TradeExecution
) -> tuple[Decimal, ReservePosition | TradingPosition | None]:
    """Return the capital that a failure returns, reserve token units, and the cash or bridge position that gets it.

    This is the allocation that the start of the trade took. Nothing is changed.

    Raises
    ------
    ReserveMissing, PositionNotFound
        There is no account that can get the capital.
    """
    from_reserves, from_bridge = trade.reserve_currency_allocated, trade.bridge_currency_allocated
    if from_reserves:
        return from_reserves, get_reserve_of_trade(portfolio, trade)
    if from_bridge:
        return from_bridge, get_bridge_of_trade(portfolio, trade)
    return ZERO_DECIMAL, None


def give_capital_back(
    portfolio: Portfolio,
    amount: Decimal,
    account: ReservePosition | TradingPosition,
    returned_at: datetime.datetime,
) -> None:
    """Add capital to the cash or to a bridge position, which is reopened if it was closed; reserve token units."""
    if isinstance(account, ReservePosition):
        account.quantity += amount
        return
    if account.closed_at is not None:
        portfolio.reopen_closed_bridge_position_for_chain(account.pair.get_destination_chain_id(), returned_at)
    account.adjust_bridge_capital_allocated(-amount)


def _get_account_of_proceeds(portfolio: Portfolio, trade: TradeExecution) -> ReservePosition | TradingPosition:
    """Return the account that gets the proceeds of a sell: the cash, or the bridge position of the chain.

    Proceeds on another chain stay there even if its bridge position is frozen or closed.
    """
    pair, reserve_currency = trade.pair, trade.reserve_currency
    chain_id, quote = pair.base.chain_id, pair.quote
    bridge = get_bridge_position_for_chain(portfolio, chain_id)
    if bridge is not None:
        return bridge
    if quote is reserve_currency or quote == reserve_currency:
        try:
            return get_reserve_position(portfolio, reserve_currency)
        except KeyError:
            pass
    bridge = portfolio.find_bridge_position_for_chain(chain_id)
    return get_reserve_of_trade(portfolio, trade) if bridge is None else bridge


def get_bridge_of_trade(portfolio: Portfolio, trade: TradeExecution) -> TradingPosition:
    """Return the bridge position that paid for a trade on another chain; it may be closed by now.

    Raises
    ------
    PositionNotFound
        There is no bridge to the chain of the trade.
    """
    bridge = portfolio.find_bridge_position_for_chain(trade.pair.chain_id)
    if bridge is None:
        raise PositionNotFound(f"no bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}")
    return bridge


def get_reserve_of_trade(portfolio: Portfolio, trade: TradeExecution) -> ReservePosition:
    """Return the reserve in the reserve currency of a trade; raises `ReserveMissing` without one."""
    reserve = _find_reserve(portfolio, trade)
    if reserve is None:
        raise ReserveMissing(f"no reserve {trade.reserve_currency} for the capital of trade #{trade.trade_id}")
    return reserve


def _find_reserve(portfolio: Portfolio, trade: TradeExecution) -> ReservePosition | None:
    try:
        return portfolio.get_reserve_position(trade.reserve_currency)
    except KeyError:
        return None
