"""Emptying a state: the same name and reserve currencies, and nothing else."""

import dataclasses
import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State

__all__ = ["Loss", "reset_state"]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a reset removes from a state.

    Attributes
    ----------
    open_positions, frozen_positions, pending_positions, closed_positions, trades, samples, blacklisted_assets
        Number of objects before the reset.
    cash_usd, net_asset_value_usd
        Recorded values before the reset, None for a state that cannot be valued; the assets themselves do not change.
    first, last
        Times of the first and last sample or trade.
    """

    open_positions: int
    frozen_positions: int
    pending_positions: int
    closed_positions: int
    trades: int
    samples: int
    blacklisted_assets: int
    cash_usd: float | None
    net_asset_value_usd: float | None
    first: datetime.datetime | None
    last: datetime.datetime | None


def reset_state(state: State, now: datetime.datetime) -> Loss:
    """Empty a state, and return what was removed.

    The name, the reserve currencies and the deployment are kept. The assets of the strategy do not change.

    Parameters
    ----------
    now
        Start of the new history, naive UTC.
    """
    loss = _describe(state)
    new = State(created_at=now, name=state.name, deployment_info=state.deployment_info)
    new.sync.deployment = state.sync.deployment
    for key, reserve in state.portfolio.reserves.items():
        empty = ReservePosition(reserve.asset, Decimal(0), now, reserve.reserve_token_price, None)
        new.portfolio.reserves[key] = empty
    for field in dataclasses.fields(new):
        setattr(state, field.name, getattr(new, field.name))
    state.unknown_keys.clear()
    return loss


def _describe(state: State) -> Loss:
    portfolio = state.portfolio
    try:
        cash, value = portfolio.get_cash(), portfolio.get_net_asset_value()
    except TradeExecutorError:  # a state that cannot be valued can still be reset
        cash = value = None
    first, last = state.get_strategy_start_and_end()
    return Loss(
        len(portfolio.open_positions),
        len(portfolio.frozen_positions),
        len(portfolio.pending_positions),
        len(portfolio.closed_positions),
        sum(1 for _ in portfolio.get_all_trades()),
        len(state.stats.portfolio),
        len({asset.get_identifier() for asset in state.blacklisted_assets} | state.asset_blacklist),
        cash,
        value,
        first,
        last,
    )
