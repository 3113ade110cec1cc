"""Import path of existing strategies; the records are in :mod:`tradeexecutor.state.position_internal_share_price`."""

from tradeexecutor.state.booking.share_price import (
    backfill_share_price_state,
    create_share_price_state_for_exchange_account,
    migrate_share_price_state,
    update_share_price_state_for_balance_update,
)
from tradeexecutor.state.position.pnl import create_share_price_state, update_share_price_state
from tradeexecutor.state.position_internal_share_price import (
    PositionInternalSharePriceData,
    PositionInternalSharePriceState,
)

__all__ = [
    "PositionInternalSharePriceData",
    "PositionInternalSharePriceState",
    "backfill_share_price_state",
    "create_share_price_state",
    "create_share_price_state_for_exchange_account",
    "migrate_share_price_state",
    "update_share_price_state",
    "update_share_price_state_for_balance_update",
]
