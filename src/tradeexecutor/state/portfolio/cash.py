"""The reserves of a portfolio: cash in USD, and changes in token units."""

import datetime
from decimal import Decimal

from tradeexecutor.accounting.values import require_finite_decimal
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    InvalidValue,
    ReserveAlreadyInitialised,
    ReserveMissing,
    UnexecutedTrades,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.portfolio.trades import has_unexecuted_trades
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

# --- Cash


def get_cash(portfolio: PortfolioFields) -> USDollarAmount:
    """Return the value of all reserves, USD."""
    cash: USDollarAmount = 0
    for reserve in portfolio.reserves.values():
        price = reserve.reserve_token_price
        cash += reserve.get_value() if price is None else float(reserve.quantity) * price  # nearly always: saves a call
    return cash


def get_reserve_position(portfolio: PortfolioFields, asset: AssetIdentifier) -> ReservePosition:
    """Return the reserve of an asset, which old files store under the bare address.

    Raises
    ------
    KeyError
        There is no such reserve.
    """
    reserves = portfolio.reserves
    if len(reserves) == 1:  # nearly always: saves building the key
        for reserve in reserves.values():
            if reserve.asset is asset:
                return reserve
    reserve = reserves.get(asset.address) or reserves.get(asset.get_identifier())
    if reserve is None:
        raise KeyError(asset.get_identifier())
    return reserve


def get_default_reserve_position(portfolio: PortfolioFields) -> ReservePosition:
    """Return the only reserve; raises `ReserveMissing` unless there is exactly one."""
    if len(portfolio.reserves) != 1:
        raise ReserveMissing(f"expected exactly one reserve currency, there are {len(portfolio.reserves)}")
    return next(iter(portfolio.reserves.values()))


def get_default_reserve_asset(portfolio: PortfolioFields) -> tuple[AssetIdentifier | None, USDollarPrice | None]:
    """Return the first reserve currency and its price in USD; ``(None, 1.0)`` without reserves."""
    for reserve in portfolio.reserves.values():
        return reserve.asset, reserve.reserve_token_price
    return None, 1.0


def get_reserve_assets(portfolio: PortfolioFields) -> list[AssetIdentifier]:
    """Return all reserve currencies."""
    return [reserve.asset for reserve in portfolio.reserves.values()]


def get_initial_cash(portfolio: PortfolioFields) -> USDollarAmount | None:
    """Return the value of the first deposit, USD; 0 without reserves, None if old data did not record it."""
    if not portfolio.reserves:
        return 0
    reserve = get_default_reserve_position(portfolio)
    if reserve.initial_deposit is None:
        return None
    return float(reserve.initial_deposit) * (reserve.initial_deposit_reserve_token_price or 1.0)


# --- Reserves


def initialise_reserves(
    portfolio: PortfolioFields,
    asset: AssetIdentifier,
    reserve_token_price: USDollarPrice | None = None,
    *,
    created_at: datetime.datetime | None = None,
) -> ReservePosition:
    """Add an empty reserve and return it.

    Parameters
    ----------
    reserve_token_price
        USD per token; None while it is unknown.
    created_at
        Time recorded as that of the last sync, because clients accept no reserve without one; naive UTC, None for now.

    Raises
    ------
    ReserveAlreadyInitialised
        There is a reserve already.
    """
    portfolio.owner.claim()
    if portfolio.reserves:
        raise ReserveAlreadyInitialised(f"the portfolio already has reserves: {', '.join(portfolio.reserves)}")
    reserve = ReservePosition(
        asset=asset,
        quantity=Decimal(0),
        last_sync_at=created_at or utc_now(),
        reserve_token_price=reserve_token_price,
        last_pricing_at=None,
    )
    portfolio.reserves[reserve.get_identifier()] = reserve
    return reserve


def update_reserves(portfolio: PortfolioFields, new_reserves: list[ReservePosition]) -> None:
    """Replace reserves by asset; raises `UnexecutedTrades` while trades are in flight."""
    portfolio.owner.claim()
    if has_unexecuted_trades(portfolio):
        raise UnexecutedTrades("cannot replace reserves while trades are started or broadcasted")
    for reserve in new_reserves:
        portfolio.reserves.pop(reserve.asset.address, None)
        portfolio.reserves[reserve.get_identifier()] = reserve


def adjust_reserves(
    portfolio: PortfolioFields, asset: AssetIdentifier, amount: Decimal, reason: str | None = None
) -> None:
    """Add an amount, token units, to a reserve; the amount and the resulting balance may be negative.

    Raises
    ------
    InvalidValue
        The amount is not a Decimal.
    KeyError
        There is no such reserve (an amount of 0 is always accepted).
    """
    portfolio.owner.claim()
    require_finite_decimal(amount, "amount", InvalidValue)
    if not isinstance(asset, AssetIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"asset must be an AssetIdentifier, got {asset!r}")
    if amount:
        get_reserve_position(portfolio, asset).quantity += amount
