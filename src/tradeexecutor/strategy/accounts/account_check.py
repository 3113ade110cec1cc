"""Comparing the balances of a state with balances read from the chain or the exchange.

Two amounts match when both are dust, or when they differ by at most a fraction of the actual one. Accounts with a
difference worth less than ten cents still count as clean. Differences are compared without their sign: missing tokens
count like surplus ones.
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
    """Why a balance differs from the expected one."""

    unknown_cause = "unknown_cause"
    #: The token changes its balances without transfers.
    rebase = "rebase"


def is_relative_mismatch(
    actual: Decimal, expected: Decimal, relative_epsilon: Percent, dust_epsilon: Decimal | float
) -> bool:
    """Return True if two amounts of a token differ by more than rounding.

    Parameters
    ----------
    relative_epsilon
        Largest difference, a fraction of the actual amount.
    dust_epsilon
        Amounts that are both below this are equal, token units.

    Examples
    --------
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
    """The expected and the actual balance of one asset.

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
    #: Balance of the state, token units.
    expected_amount: Decimal
    #: Balance that was read, token units.
    actual_amount: Decimal
    #: Amounts below this are dust, token units.
    dust_epsilon: Decimal | float
    #: Largest difference that still matches, a fraction of the actual amount.
    relative_epsilon: Percent
    #: When the balance was read.
    block_number: BlockNumber | None
    timestamp: datetime.datetime
    #: Value of the difference: positive if there is more than expected, negative for more debt than expected. None
    #: without a price.
    usd_value: USDollarAmount | None
    #: Whether the asset is a reserve currency.
    reserve_asset: bool
    mismatch: bool
    #: USD per token, and time of the price; None without a price.
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
        """Actual minus expected amount, token units."""
        return self.actual_amount - self.expected_amount

    @property
    def position(self) -> Holder | None:
        """The reserve of the asset, otherwise its position with the lowest id; None if there is neither."""
        return next(iter(sort_holders(self.positions)), None)

    def has_extra_tokens(self) -> bool:
        """Return True if the actual amount is larger than the expected one."""
        return self.quantity > 0

    def is_dusty(self) -> bool:
        """Return True if there is a difference, and both amounts are within the tolerance."""
        return self.quantity != 0 and not is_relative_mismatch(
            self.actual_amount, self.expected_amount, self.relative_epsilon, self.dust_epsilon
        )

    def is_usd_low_value_diff(
        self, usd_value_threshold: USDollarAmount = DEFAULT_USD_LOW_VALUE_THRESHOLD
    ) -> bool | None:
        """Return True if the absolute value of the difference is below a threshold, USD; None without a value."""
        return None if self.usd_value is None else abs(self.usd_value) < usd_value_threshold

    def is_mismatch(self) -> bool:
        """Return True if the balances do not match."""
        return self.mismatch

    def is_unclean(self) -> bool:
        """Return True if the balances do not match, and the difference is not of low value."""
        return self.mismatch and not self.is_usd_low_value_diff()


@dataclass(slots=True)
class AccountComparison:
    """Result of `compare_accounts`.

    Attributes
    ----------
    checks
        Checks of every asset whose balance was read: reserves, positions by id, then other assets.
    unread
        Assets with an expected balance that was not read.
    """

    checks: list[AccountingBalanceCheck]
    unread: list[AssetToPositionsMapping]

    @property
    def is_clean(self) -> bool:
        """Whether all balances were read and match, except for differences of low value."""
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
    """Compare all balances of the state with those of a source.

    Hypercore vaults and exchange accounts have no token balance, and are not compared.

    Parameters
    ----------
    state
        The state; it is not changed.
    source
        Source of the balances.
    pair_universe
        Pairs that may be traded; None for those that were traded.
    assets
        Further assets to check, such as all of a file.
    relative_epsilon
        Tolerance as a fraction; None uses the default of each asset.
    block_identifier
        Block to read balances at; None for the latest.
    as_of
        Whether balances may be older than the state; each is then compared with the ledger at its time.

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
    """Return the checks of assets whose actual balance differs from the expected one; the state is not changed.

    Parameters
    ----------
    source
        Source of the balances.
    reserve_assets
        Reserve currencies, at least one.
    pair_universe
        Pairs that may be traded; None for those that were traded.
    relative_epsilon
        Tolerance as a fraction; None uses the default of each asset.
    all_balances
        Whether to return assets that match, too.
    block_identifier
        Block to read balances at; None for the latest.

    Raises
    ------
    InvalidValue
        There is no reserve currency.
    BalanceNotReadable
        The balance of an asset with an expected balance was not read.
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
    """Return an iterator over the result of `find_account_corrections`, with the parameters of existing code.

    All balances are read and checked when the function is called, not during the iteration.
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
    """Return the USD price of a token, its time, and the sign of its value: -1 for debt, otherwise 1.

    The price is that of the most recently valued position. Zero does not count as a price, because positions that were
    never opened, or were written off, have it.
    """
    asset = mapping.asset
    holders = mapping.positions or {
        position for position in state.portfolio.get_all_positions() if position.pair.base == asset
    }
    found: list[tuple[USDollarPrice, datetime.datetime, int]] = []
    for holder in sort_holders(holders):
        if isinstance(holder, ReservePosition):
            # In old files the reserve has no price; it counts as one dollar, as in the rest of the program.
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
    is_debt = asset == position.pair.get_debt_token()
    tracker = None if loan is None else loan.borrowed if is_debt else loan.collateral
    if tracker is not None and tracker.asset == asset:
        return tracker.last_usd_price, tracker.last_pricing_at, -1 if is_debt else 1
    price = position.last_token_price if asset == position.pair.base else position.last_reserve_price
    return price, position.last_pricing_at, -1 if is_debt else 1
