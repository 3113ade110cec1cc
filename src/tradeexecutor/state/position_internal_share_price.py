"""A position's own share price; the arithmetic is in :mod:`tradeexecutor.accounting.share_price`."""

import datetime
from dataclasses import dataclass

from tradeexecutor.accounting.share_price import SharePrice, buy_shares, change_assets, sell_shares
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.serialisation import Serialisable
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import Percent, USDollarAmount, UTCDatetime


@dataclass(slots=True)
class PositionInternalSharePriceState(Serialisable):
    """Running share price of a spot, vault or exchange account position.

    The functions below return a new record: the old one stays valid as history.
    """

    #: Assets divided by supply.
    current_share_price: float
    #: Internal shares.
    total_supply: float
    #: Tokens held.
    cumulative_quantity: float
    #: USD ever put in.
    total_invested: USDollarAmount
    #: Highest supply ever.
    peak_total_supply: float
    initial_share_price: float = 1.0
    last_updated_at: UTCDatetime | None = None


@dataclass(slots=True)
class PositionInternalSharePriceData:
    """Profit of a position from its share price."""

    initial_share_price: float
    current_share_price: float
    #: Internal shares.
    total_supply: float
    total_assets: USDollarAmount
    profit_pct: Percent
    profit_usd: USDollarAmount
    duration: datetime.timedelta | None

    def is_win(self) -> bool:
        """Tell whether there is a profit."""
        return self.profit_usd > 0

    def is_loss(self) -> bool:
        """Tell whether there is no profit."""
        return not self.is_win()


def create_share_price_state(
    trade: TradeExecution, initial_share_price: float = 1.0
) -> PositionInternalSharePriceState:
    """Start with the first executed trade of a position."""
    shares = SharePrice.open(trade.get_value(), _get_quantity(trade), initial_share_price)
    return PositionInternalSharePriceState(*shares, last_updated_at=trade.executed_at)


def update_share_price_state(
    state: PositionInternalSharePriceState, trade: TradeExecution
) -> PositionInternalSharePriceState:
    """Take in an executed trade: a buy issues shares at the present price, a sell sets the price."""
    shares, quantity = _get_shares(state), _get_quantity(trade)
    if quantity > 0:
        shares = buy_shares(shares, trade.get_value(), quantity)
    elif quantity < 0:
        shares = sell_shares(shares, -quantity, trade.executed_price or 0.0)
    return PositionInternalSharePriceState(*shares, last_updated_at=trade.executed_at)


def create_share_price_state_for_exchange_account(
    total_value: USDollarAmount, valued_at: datetime.datetime, initial_share_price: float = 1.0
) -> PositionInternalSharePriceState:
    """Start with the value of an account; its tokens are dollars."""
    shares = SharePrice.open(total_value, total_value, initial_share_price)
    return PositionInternalSharePriceState(*shares, last_updated_at=valued_at)


def update_share_price_state_for_balance_update(
    state: PositionInternalSharePriceState, balance_update: BalanceUpdate
) -> PositionInternalSharePriceState:
    """Take in a gain or loss that is not a trade: the price changes, the supply stays."""
    shares = change_assets(_get_shares(state), float(balance_update.quantity))
    return PositionInternalSharePriceState(*shares, last_updated_at=balance_update.block_mined_at)


def _get_quantity(trade: TradeExecution) -> float:
    if trade.executed_quantity is None:
        raise InvalidValue(f"trade #{trade.trade_id} is not executed")
    return float(trade.executed_quantity)


def _get_shares(state: PositionInternalSharePriceState) -> SharePrice:
    return SharePrice(
        state.current_share_price,
        state.total_supply,
        state.cumulative_quantity,
        state.total_invested,
        state.peak_total_supply,
        state.initial_share_price,
    )
