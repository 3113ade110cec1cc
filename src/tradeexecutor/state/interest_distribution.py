"""Diagnostics of one distribution of interest among the positions that share a rebasing token."""

import dataclasses
import datetime
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import NotAvailable
from tradeexecutor.state.identifier import AssetFriendlyId, AssetIdentifier, AssetWithTrackedValue
from tradeexecutor.state.loan import LoanSide
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent, USDollarPrice, UTCDatetime, new_list


@dataclass(slots=True)
class InterestDistributionEntry(Serialisable):
    """One side of the loan of one position."""

    #: Collateral or debt.
    side: LoanSide
    #: The position.
    position: TradingPosition
    #: Principal of this side, and its latest price.
    tracker: AssetWithTrackedValue
    #: Share in the interest of the asset, 0..1, in proportion to the balances including earlier interest.
    weight: Decimal | None = None
    #: Price of the token, USD.
    price: USDollarPrice | None = None

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def asset(self) -> AssetIdentifier:
        """The rebasing token."""
        return self.tracker.asset

    @property
    def quantity(self) -> Decimal:
        """Principal of the position, token units."""
        return self.tracker.quantity

    @property
    def balance(self) -> Decimal:
        """Expected balance of the token in the loan of the position, with principal and interest, token units.

        Raises
        ------
        NotAvailable
            The loan no longer has such a side.
        """
        loan = self.position.loan
        side = None if loan is None else loan.get_tracked_asset(self.asset)[0]
        if loan is None or side is None:
            raise NotAvailable(f"position #{self.position.position_id} has no {self.asset} in a loan")
        return loan.get_collateral_quantity() if side is LoanSide.collateral else loan.get_borrowed_quantity()

    def get_diagnostics_data(self) -> dict[str, str]:
        """Return a row of text for logs."""
        return {
            "side": self.side.value,
            "position": str(self.position.position_id),
            "asset": self.asset.token_symbol,
            "quantity": str(self.quantity),
            "weight": str(self.weight),
            "price": str(self.price),
        }


@dataclass(slots=True)
class AssetInterestData(Serialisable):
    """One rebasing token."""

    #: Principal of all positions before the distribution, token units.
    total: Decimal = ZERO_DECIMAL
    #: All interest since the last change of the principal, divided by the principal and by the years of the *latest*
    #: period: a fraction that grows from sync to sync. The real rate of the token is the result of
    #: `tradeexecutor.state.booking.interest.calculate_realised_interest_rate` for the interest events.
    effective_rate: Percent | None = None
    #: Entries of this asset.
    entries: list[InterestDistributionEntry] = field(default_factory=new_list)

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(slots=True)
class InterestDistributionOperation(Serialisable):
    """Distribution of the interest of a period.

    It contains the positions themselves, so the file of a backtest repeats their content. A strategy that saves its
    state at each decision keeps them `without_history`.
    """

    #: Time of the previous distribution.
    start: UTCDatetime
    #: Time of this distribution.
    end: UTCDatetime
    #: Tokens whose interest was distributed.
    assets: set[AssetIdentifier]
    #: Data by `AssetIdentifier.get_identifier`.
    asset_interest_data: dict[AssetFriendlyId, AssetInterestData]
    #: Entries of all assets.
    entries: list[InterestDistributionEntry]
    #: Not used.
    effective_rate: dict[int, float | None]

    @property
    def duration(self) -> datetime.timedelta:
        """Length of the period."""
        return self.end - self.start

    def get_interest_data(self, asset: AssetIdentifier) -> AssetInterestData:
        """Return the data of an asset; raises `NotAvailable` when it was not part of the distribution."""
        try:
            return self.asset_interest_data[asset.get_identifier()]
        except KeyError:
            raise NotAvailable(f"{asset} took no part in the interest distribution") from None

    def without_history(self) -> "InterestDistributionOperation":
        """Return the same with positions that have their loan, and no trades and events.

        A position takes part with two tokens, and each entry is in two lists, so a file would repeat its history four
        times.
        """
        lists = [self.entries, *(found.entries for found in self.asset_interest_data.values())]
        entries = {id(entry): entry for one in lists for entry in one}
        positions = {entry.position.position_id: entry.position for entry in entries.values()}
        positions = {number: _without_history(position) for number, position in positions.items()}
        short = {
            key: dataclasses.replace(entry, position=positions[entry.position.position_id])
            for key, entry in entries.items()
        }
        data = {
            asset: dataclasses.replace(found, entries=[short[id(entry)] for entry in found.entries])
            for asset, found in self.asset_interest_data.items()
        }
        return dataclasses.replace(self, asset_interest_data=data, entries=[short[id(entry)] for entry in self.entries])

    def get_diagnostics_data(self) -> list[dict[str, str]]:
        """Return a table of text for logs, one row per entry."""
        return [entry.get_diagnostics_data() for entry in self.entries]


def _without_history(position: TradingPosition) -> TradingPosition:
    return TradingPosition(
        position_id=position.position_id,
        pair=position.pair,
        opened_at=position.opened_at,
        last_pricing_at=position.last_pricing_at,
        last_token_price=position.last_token_price,
        last_reserve_price=position.last_reserve_price,
        reserve_currency=position.reserve_currency,
        loan=position.loan,
    )
