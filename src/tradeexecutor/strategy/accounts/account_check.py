"""Comparing what the state says is held with balances that were read outside.

The rule: two amounts match when both are dust, or when they differ by no more than a fraction of the real one. A
difference that is worth less than ten cents does not make the accounts unclean. Amounts and values are compared
without their sign: missing tokens are as bad as surplus ones.
"""

import datetime
import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.divergence import WalletBooks
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.dust import (
    DEFAULT_USD_LOW_VALUE_THRESHOLD,
    get_close_epsilon_for_pair,
    get_dust_epsilon_for_asset,
    get_relative_epsilon_for_asset,
)
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.types import BlockNumber, JSONHexAddress, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.accounts.balance_source import BalanceSource
from tradeexecutor.strategy.asset import (
    AssetToPositionsMapping,
    Holder,
    PairUniverse,
    build_expected_asset_map,
    sort_holders,
)
from tradeexecutor.strategy.sync_model import BalanceNotReadable, OnChainBalance

__all__ = [
    "AccountComparison",
    "AccountingBalanceCheck",
    "AccountingCorrectionCause",
    "calculate_account_corrections",
    "compare_accounts",
    "find_account_corrections",
    "is_relative_mismatch",
]


class AccountingCorrectionCause(enum.Enum):
    """Why a balance is not what it should be."""

    unknown_cause = "unknown_cause"
    #: A token whose balances change by themselves.
    rebase = "rebase"


def is_relative_mismatch(
    actual: Decimal, expected: Decimal, relative_epsilon: Percent, dust_epsilon: Decimal | float
) -> bool:
    """Return True if two amounts of a token differ by more than rounding.

    Parameters
    ----------
    relative_epsilon
        How much of the actual amount may be missing, a fraction.
    dust_epsilon
        Two amounts that are both below this are the same, token units.

    >>> is_relative_mismatch(Decimal(100), Decimal("100.4"), 0.005, Decimal("0.1"))
    False
    >>> is_relative_mismatch(Decimal(100), Decimal("100.6"), 0.005, Decimal("0.1"))
    True
    """
    if abs(actual) < dust_epsilon and abs(expected) < dust_epsilon:
        return False
    if not actual or not expected:
        return actual != expected
    return abs(expected - actual) / abs(actual) > relative_epsilon


@dataclass(slots=True)
class AccountingBalanceCheck:
    """The recorded and the real balance of one asset.

    Raises
    ------
    InvalidValue
        The relative epsilon is not a float.
    """

    type: AccountingCorrectionCause
    #: Account that holds the tokens, None when it is not known.
    holding_address: JSONHexAddress | None
    asset: AssetIdentifier
    #: Positions and reserves that hold the asset, or held it last; empty when there are none.
    positions: set[Holder]
    #: Token units, by the state.
    expected_amount: Decimal
    #: Token units, as read.
    actual_amount: Decimal
    #: Token units.
    dust_epsilon: Decimal | float
    #: Fraction of the actual amount.
    relative_epsilon: Percent
    #: When the balance was read.
    block_number: BlockNumber | None
    timestamp: datetime.datetime
    #: What the difference is worth: + the strategy has more than it knows. More debt than known is negative. None
    #: when there is no price.
    usd_value: USDollarAmount | None
    #: Whether the asset is a reserve currency.
    reserve_asset: bool
    mismatch: bool
    #: USD per token, and since when it is known; None when it is not.
    price: USDollarPrice | None = None
    price_at: datetime.datetime | None = None

    def __post_init__(self) -> None:
        if type(self.relative_epsilon) is not float:
            raise InvalidValue(f"relative_epsilon must be a float, got {self.relative_epsilon!r}")

    def __repr__(self) -> str:
        return (
            f"<Account check of {self.asset}: actual {self.actual_amount}, expected {self.expected_amount}, "
            f"difference {self.quantity}>"
        )

    @property
    def quantity(self) -> Decimal:
        """What is there beyond (+) or short of (-) what should be, token units."""
        return self.actual_amount - self.expected_amount

    @property
    def position(self) -> Holder | None:
        """What holds the asset: the reserve before positions, positions by id; None when nothing does."""
        return next(iter(sort_holders(self.positions)), None)

    def has_extra_tokens(self) -> bool:
        """Return True if there is more than should be."""
        return self.quantity > 0

    def is_dusty(self) -> bool:
        """Return True if there is a difference, and it is too small to matter."""
        return self.quantity != 0 and not is_relative_mismatch(
            self.actual_amount, self.expected_amount, self.relative_epsilon, self.dust_epsilon
        )

    def is_usd_low_value_diff(
        self, usd_value_threshold: USDollarAmount = DEFAULT_USD_LOW_VALUE_THRESHOLD
    ) -> bool | None:
        """Return True if the difference, up or down, is worth too little to matter; None if its value is unknown."""
        return None if self.usd_value is None else abs(self.usd_value) < usd_value_threshold

    def is_mismatch(self) -> bool:
        """Return True if the balances do not match."""
        return self.mismatch

    def is_unclean(self) -> bool:
        """Return True if the balances do not match, and it matters."""
        return self.mismatch and not self.is_usd_low_value_diff()


@dataclass(slots=True)
class AccountComparison:
    """Result of `compare_accounts`.

    Attributes
    ----------
    checks
        Every asset whose balance was read: reserves, positions by id, then what is left over.
    unread
        Assets that should be there and whose balance was not read.
    """

    checks: list[AccountingBalanceCheck]
    unread: list[AssetToPositionsMapping]

    @property
    def is_clean(self) -> bool:
        """Whether all balances were read and match, but for differences of low value."""
        return not self.unread and not any(check.is_unclean() for check in self.checks)


def compare_accounts(
    state: State,
    source: BalanceSource,
    *,
    pair_universe: PairUniverse | None = None,
    assets: Collection[AssetIdentifier] = (),
    relative_epsilon: Percent | None = None,
    block_identifier: BlockNumber | None = None,
    as_of: bool = False,
) -> AccountComparison:
    """Compare everything the state says is held with the balances of a source.

    Hypercore vaults and exchange accounts have no token balance, and are not compared.

    Parameters
    ----------
    state
        Only read.
    source
        Where balances come from.
    pair_universe
        What may be traded; None: only what was.
    assets
        More assets to look for, such as all of a file.
    relative_epsilon
        Tolerance as a fraction, instead of the one of each asset.
    block_identifier
        Read balances at this block.
    as_of
        The balances may be older than the state: compare with what the books say for the time of each.

    Raises
    ------
    BalanceNotReadable
        The source cannot read balances at all.
    """
    expected = build_expected_asset_map(state.portfolio, pair_universe)
    for asset in assets:
        expected.setdefault(asset, AssetToPositionsMapping(asset))
    balances = {
        balance.asset: balance
        for balance in source.fetch_onchain_balances(
            list(expected), filter_zero=False, block_identifier=block_identifier
        )
    }
    books = WalletBooks(state) if as_of else None
    result = AccountComparison([], [])
    for asset, mapping in expected.items():
        balance = balances.get(asset)
        if balance is not None:
            amount = _get_expected_as_of(mapping, balance, books)
            holder = source.get_token_storage_address()
            result.checks.append(_make_check(state, mapping, balance, amount, holder, relative_epsilon))
        elif abs(mapping.quantity) >= get_dust_epsilon_for_asset(asset):
            result.unread.append(mapping)
    result.checks.sort(key=_get_order)
    return result


def _get_order(check: AccountingBalanceCheck) -> tuple[int, int]:
    holder = check.position
    if isinstance(holder, ReservePosition):
        return 0, 0
    if holder is None:
        return 3, 0
    return (2 if holder.closed_at is not None else 1), holder.position_id


def _get_expected_as_of(
    mapping: AssetToPositionsMapping, balance: OnChainBalance, books: WalletBooks | None
) -> Decimal:
    if books is None:
        return mapping.quantity
    expected = books.get_balances(mapping.asset)
    return expected.get_expected(balance.timestamp, like=balance.amount, held_now=mapping.quantity)


def find_account_corrections(
    state: State,
    source: BalanceSource,
    reserve_assets: Collection[AssetIdentifier],
    *,
    pair_universe: PairUniverse | None = None,
    relative_epsilon: Percent | None = None,
    all_balances: bool = False,
    block_identifier: BlockNumber | None = None,
) -> list[AccountingBalanceCheck]:
    """Return the assets whose real balance is not what it should be; the state is only read.

    Parameters
    ----------
    source
        Where balances are read.
    reserve_assets
        Reserve currencies, at least one.
    pair_universe
        What may be traded; None: only what was.
    relative_epsilon
        Tolerance as a fraction, instead of the one of each asset.
    all_balances
        Return assets that match, too.
    block_identifier
        Read balances at this block.

    Raises
    ------
    InvalidValue
        There is no reserve currency.
    BalanceNotReadable
        The balance of an asset that should be there was not read.
    """
    if not reserve_assets:
        raise InvalidValue("an account check needs at least one reserve currency")
    result = compare_accounts(
        state,
        source,
        pair_universe=pair_universe,
        assets=reserve_assets,
        relative_epsilon=relative_epsilon,
        block_identifier=block_identifier,
    )
    if result.unread:
        names = ", ".join(str(mapping.asset) for mapping in result.unread)
        raise BalanceNotReadable(f"no balance was read of {names}")
    return [check for check in result.checks if check.mismatch or all_balances]


@contract_signature
def calculate_account_corrections(
    pair_universe: PairUniverse | None,
    reserve_assets: Collection[AssetIdentifier],
    state: State,
    sync_model: BalanceSource,
    relative_epsilon: Percent | None = None,
    all_balances: bool = False,
    block_identifier: BlockNumber | None = None,
) -> Iterator[AccountingBalanceCheck]:
    """Iterate over what `find_account_corrections` returns, with the parameters of existing code.

    All balances are read and checked by the call itself.
    """
    checks = find_account_corrections(
        state,
        sync_model,
        reserve_assets,
        pair_universe=pair_universe,
        relative_epsilon=relative_epsilon,
        all_balances=all_balances,
        block_identifier=block_identifier,
    )
    return iter(checks)


def _make_check(
    state: State,
    mapping: AssetToPositionsMapping,
    balance: OnChainBalance,
    expected: Decimal,
    holding_address: str | None,
    relative_epsilon: Percent | None,
) -> AccountingBalanceCheck:
    asset, actual = mapping.asset, balance.amount
    dust_epsilon = _get_dust_epsilon(mapping)
    relative = get_relative_epsilon_for_asset(asset) if relative_epsilon is None else float(relative_epsilon)
    difference = actual - expected
    price, price_at, sign = _find_price(state, mapping)
    return AccountingBalanceCheck(
        AccountingCorrectionCause.unknown_cause,
        holding_address,
        asset,
        set(mapping.positions),
        expected,
        actual,
        dust_epsilon,
        relative,
        balance.block_number,
        balance.timestamp,
        None if price is None else sign * float(difference) * price,
        mapping.is_for_reserve(),
        is_relative_mismatch(actual, expected, relative, dust_epsilon),
        price,
        price_at,
    )


def _get_dust_epsilon(mapping: AssetToPositionsMapping) -> Decimal | float:
    if not mapping.positions:
        return Decimal(0)
    if len(mapping.positions) == 1:
        holder = mapping.get_only_position()
        if isinstance(holder, TradingPosition) and holder.pair.base == mapping.asset:
            return get_close_epsilon_for_pair(holder.pair)
    return get_dust_epsilon_for_asset(mapping.asset)


def _find_price(
    state: State, mapping: AssetToPositionsMapping
) -> tuple[USDollarPrice | None, datetime.datetime | None, int]:
    """Return what a token is worth, since when, and -1 for debt, else 1.

    Of several positions the one that was valued last tells it. Zero is no price: positions that were never opened, or
    were written off, have it.
    """
    asset = mapping.asset
    holders = mapping.positions or {
        position for position in state.portfolio.get_all_positions() if position.pair.base == asset
    }
    found: list[tuple[USDollarPrice, datetime.datetime, int]] = []
    for holder in sort_holders(holders):
        if isinstance(holder, ReservePosition):
            # Old files have no price of the reserve; it is a dollar then, as everywhere else.
            return 1.0 if holder.reserve_token_price is None else holder.reserve_token_price, holder.last_pricing_at, 1
        price, when, sign = _get_price_in_position(holder, asset)
        if price:
            found.append((price, when or holder.opened_at, sign))
    return max(found, key=lambda item: item[1], default=(None, None, 1))


def _get_price_in_position(
    position: TradingPosition, asset: AssetIdentifier
) -> tuple[USDollarPrice | None, datetime.datetime | None, int]:
    if not position.pair.kind.is_leverage():
        return position.last_token_price, position.last_pricing_at, 1
    loan = position.loan
    is_debt = asset == position.pair.base
    tracker = None if loan is None else loan.borrowed if is_debt else loan.collateral
    if tracker is not None and tracker.asset == asset:
        return tracker.last_usd_price, tracker.last_pricing_at, -1 if is_debt else 1
    if is_debt:
        return position.last_token_price, position.last_pricing_at, -1
    return position.last_reserve_price, position.last_pricing_at, 1
