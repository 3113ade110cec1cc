"""A loan: collateral, debt, and the interest on both.

Principal is stored in the trackers (`AssetWithTrackedValue.quantity`), interest in `Interest`. A loan without
`borrowed` is a supply of credit: its debt is zero and its health factor infinite.

Example: 2000 USDC are supplied, 0.5 ETH are borrowed at 2000 USD, and the liquidation threshold is 0.85. Then the loan
to value is 0.5, the health factor 1.7, the net asset value 1000 USD and the leverage 1.0.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar

from tradeexecutor.accounting import loan as maths
from tradeexecutor.accounting.accuracy import ZERO_DECIMAL, ensure_exact_zero
from tradeexecutor.accounting.leverage import size_short_opening
from tradeexecutor.accounting.loan import INFINITE
from tradeexecutor.state.codec.codec import OpenAttributes, Serialisable
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, LiquidationRisked, NotAvailable
from tradeexecutor.state.identifier import AssetIdentifier, AssetWithTrackedValue, TradingPairIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.types import LeverageMultiplier, Percent, StateEnum, USDollarAmount, USDollarPrice

__all__ = ["HealthFactor", "LiquidationRisked", "Loan", "LoanSide"]

#: Collateral times liquidation threshold, divided by debt; the loan can be liquidated when this is below 1.
HealthFactor: TypeAlias = float

_T = TypeVar("_T", bound=Serialisable)


class LoanSide(StateEnum):
    """The two sides of a loan."""

    collateral = "collateral"
    borrowed = "borrowed"


@dataclass(slots=True)
class Loan(OpenAttributes):
    """State of a loan after its latest trade or interest event."""

    #: The leveraged or credit pair.
    pair: TradingPairIdentifier
    #: The aToken.
    collateral: AssetWithTrackedValue
    #: Balance of the collateral with its interest.
    collateral_interest: Interest
    #: The vToken; None when nothing was ever borrowed.
    borrowed: AssetWithTrackedValue | None = None
    #: Balance of the debt with its interest; None when nothing was ever borrowed.
    borrowed_interest: Interest | None = None

    def clone(self) -> "Loan":
        """Return a copy that does not follow later changes of this loan; pair and assets are shared."""
        result = Loan(
            self.pair,
            _copy_tracker(self.collateral),
            _copy_interest(self.collateral_interest),
            None if self.borrowed is None else _copy_tracker(self.borrowed),
            None if self.borrowed_interest is None else _copy_interest(self.borrowed_interest),
        )
        if self.__dict__:
            result.__dict__.update(self.__dict__)
        return _copy_unknown(self, result)

    def get_tracked_asset(self, asset: AssetIdentifier) -> tuple[LoanSide, AssetWithTrackedValue] | tuple[None, None]:
        """Return the side that holds the asset, and its tracker; ``(None, None)`` when neither does."""
        if self.collateral.asset == asset:
            return LoanSide.collateral, self.collateral
        if self.borrowed is not None and self.borrowed.asset == asset:
            return LoanSide.borrowed, self.borrowed
        return None, None

    # --- Interest

    def get_collateral_interest(self) -> USDollarAmount:
        """Return the unclaimed interest of the collateral, USD."""
        return float(self.collateral_interest.get_remaining_interest()) * self.collateral.last_usd_price

    def get_borrow_interest(self) -> USDollarAmount:
        """Return the unpaid interest of the debt, USD; 0 without debt."""
        if self.borrowed is None or self.borrowed_interest is None:
            return 0.0
        return float(self.borrowed_interest.get_remaining_interest()) * self.borrowed.last_usd_price

    def get_net_interest(self) -> USDollarAmount:
        """Return collateral interest less debt interest, USD."""
        return self.get_collateral_interest() - self.get_borrow_interest()

    def claim_interest(self, quantity: Decimal | None = None) -> Decimal:
        """Record that interest of the collateral was moved to cash.

        Parameters
        ----------
        quantity
            Token units; None claims all remaining interest.

        Returns
        -------
        Decimal
            The claimed quantity.
        """
        if quantity is None:
            quantity = self.collateral_interest.get_remaining_interest()
        self.collateral_interest.claim_interest(quantity)
        return quantity

    def repay_interest(self, quantity: Decimal | None = None) -> Decimal:
        """Record that interest of the debt was paid.

        Parameters
        ----------
        quantity
            Token units; None pays all remaining interest.

        Returns
        -------
        Decimal
            The repaid quantity; 0 without debt.

        Raises
        ------
        InvalidValue
            A quantity is given, but there is no debt.
        """
        if self.borrowed_interest is None:
            if quantity:
                raise InvalidValue(f"cannot repay {quantity}: the loan of {self.pair} has no debt")
            return ZERO_DECIMAL
        if quantity is None:
            quantity = self.borrowed_interest.get_remaining_interest()
        self.borrowed_interest.repay_interest(quantity)
        return quantity

    # --- Amounts

    @contract_signature
    def get_collateral_value(self, include_interest: bool = True) -> USDollarAmount:
        """Return principal and, by default, unclaimed interest of the collateral, USD."""
        side, interest = self.collateral, self.collateral_interest
        if not include_interest:
            return side.get_usd_value()
        return maths.calculate_side_value(side.quantity, interest.get_remaining_interest(), side.last_usd_price)

    @contract_signature
    def get_borrow_value(self, include_interest: bool = True) -> USDollarAmount:
        """Return principal and, by default, unpaid interest of the debt, USD; 0 without debt."""
        side, interest = self.borrowed, self.borrowed_interest
        if side is None:
            return 0.0
        if not include_interest or interest is None:
            return side.get_usd_value()
        return maths.calculate_side_value(side.quantity, interest.get_remaining_interest(), side.last_usd_price)

    def get_collateral_quantity(self) -> Decimal:
        """Return the expected aToken balance, token units: principal and interest."""
        return self.collateral_interest.last_token_amount

    def get_borrowed_quantity(self) -> Decimal:
        """Return the expected vToken balance, token units: principal and interest; 0 without debt."""
        return ZERO_DECIMAL if self.borrowed_interest is None else self.borrowed_interest.last_token_amount

    def get_borrowed_principal_and_interest_quantity(self) -> Decimal:
        """Return what has to be paid to be free of debt: principal and unpaid interest, token units."""
        if self.borrowed is None or self.borrowed_interest is None:
            return ZERO_DECIMAL
        return ensure_exact_zero(self.borrowed.quantity + self.borrowed_interest.get_remaining_interest())

    @contract_signature
    def get_net_asset_value(self, include_interest: bool = True) -> USDollarAmount:
        """Return collateral less debt, USD."""
        return self.get_collateral_value(include_interest) - self.get_borrow_value(include_interest)

    # --- Risk

    def get_leverage(self) -> LeverageMultiplier:
        """Return the exposure, principal only, divided by net asset value with interest.

        The exposure of a short is its debt: 1.0 means the debt equals the net asset value. That of a leveraged long is
        its collateral: 1.0 means there is no debt. 0 when either is zero.
        """
        is_long = self.pair.kind.is_longing()
        exposure = self.get_collateral_value if is_long else self.get_borrow_value
        return maths.calculate_leverage(exposure(include_interest=False), self.get_net_asset_value())

    def get_health_factor(self) -> HealthFactor:
        """Return collateral times liquidation threshold, divided by debt, both principal; infinite without debt.

        Raises
        ------
        InvalidValue
            The collateral has no liquidation threshold.
        """
        if self.borrowed is None or self.get_borrowed_principal_and_interest_quantity() == 0:
            return INFINITE
        threshold = self.collateral.asset.liquidation_threshold
        if threshold is None:
            raise InvalidValue(f"{self.collateral.asset} has no liquidation threshold")
        # If only interest is left to pay, the interest is the debt.
        debt = self.borrowed.get_usd_value() or self.get_borrow_interest()
        return maths.calculate_health_factor(threshold, self.collateral.get_usd_value(), debt)

    def get_loan_to_value(self) -> Percent:
        """Return debt divided by collateral, both principal; 0 without debt, infinite without collateral."""
        return maths.calculate_loan_to_value(
            self.get_borrow_value(include_interest=False), self.collateral.get_usd_value()
        )

    def check_health(self, desired_health_factor: HealthFactor = 1) -> None:
        """Raise unless the health factor is above the desired one.

        Raises
        ------
        LiquidationRisked
            The health factor is too low; the error has both numbers as attributes.
        """
        health_factor = self.get_health_factor()
        if health_factor <= desired_health_factor:
            raise LiquidationRisked(
                f"health factor of {self.pair} would be {health_factor}, must be above {desired_health_factor}",
                health_factor,
                desired_health_factor,
            )

    def get_free_margin(self) -> USDollarAmount:
        """Raise NotImplementedError: the figure has a name and no definition."""
        raise NotImplementedError("free margin is not calculated")

    def get_max_size(self) -> USDollarAmount:
        """Raise NotImplementedError: the figure has a name and no definition."""
        raise NotImplementedError("maximum size is not calculated")

    # --- Sizing

    def calculate_collateral_for_target_ltv(self, target_ltv: Percent, borrowed_quantity: Decimal | float) -> Decimal:
        """Return the collateral (token units) that gives a debt of `borrowed_quantity` the target loan to value.

        0.5 ETH at 2000 USD and a target of 0.5 need 2000 USDC.
        """
        debt = self._get_borrowed_price() * float(borrowed_quantity)
        return maths.calculate_collateral_for_loan_to_value(debt, target_ltv, self.collateral.last_usd_price)

    def calculate_collateral_for_target_leverage(
        self, leverage: LeverageMultiplier, borrowed_quantity: Decimal | float
    ) -> Decimal:
        """Return the collateral (token units) that gives a debt of `borrowed_quantity` the target leverage.

        0.5 ETH at 2000 USD and leverage 3 need 1333.33 USDC.
        """
        debt = self._get_borrowed_price() * float(borrowed_quantity)
        return maths.calculate_collateral_for_leverage(debt, leverage, self.collateral.last_usd_price)

    def calculate_size_adjust(
        self,
        collater_adjust: Decimal,
        borrowed_asset_price: USDollarPrice | None = None,
        leverage: LeverageMultiplier | None = None,
    ) -> Decimal:
        """Return the additional debt, base token units, when collateral is added and the leverage shall be `leverage`.

        For example, 500 USD at leverage 1 and a price of 2000 give 0.25.

        Parameters
        ----------
        collater_adjust
            Reserve added, token units; must be positive.
        borrowed_asset_price
            USD per token; the latest known price by default.
        leverage
            Debt divided by net asset value; the present leverage by default.

        Raises
        ------
        NotImplementedError
            Collateral is removed.
        InvalidValue
            The leverage cannot be reached on this pair.
        """
        if collater_adjust <= 0:
            raise NotImplementedError(f"cannot reduce a loan by collateral: {collater_adjust}")
        price = borrowed_asset_price or self._get_borrowed_price()
        leverage = leverage or self.get_leverage()
        limit = self.pair.get_max_leverage_at_open("short")
        if not 0 < leverage < limit:
            raise InvalidValue(f"leverage of {self.pair} must be between 0 and {limit}, got {leverage}")
        return size_short_opening(Decimal(collater_adjust), leverage, price).borrowed_quantity

    def _get_borrowed_price(self) -> USDollarPrice:
        if self.borrowed is None:
            raise NotAvailable(f"the loan of {self.pair} has no debt, so no price of the borrowed token")
        return self.borrowed.last_usd_price


def _copy_tracker(tracker: AssetWithTrackedValue) -> AssetWithTrackedValue:
    result = AssetWithTrackedValue(
        tracker.asset,
        tracker.quantity,
        tracker.last_usd_price,
        tracker.last_pricing_at,
        tracker.created_at,
        tracker.created_strategy_cycle_at,
        tracker.interest_rate_at_open,
        tracker.last_interest_rate,
    )
    return _copy_unknown(tracker, result)


def _copy_interest(interest: Interest) -> Interest:
    result = Interest(
        interest.opening_amount,
        interest.last_token_amount,
        interest.last_updated_at,
        interest.last_event_at,
        interest.last_accrued_interest,
        interest.last_updated_block_number,
        interest.interest_payments,
        interest.reset_at,
    )
    return _copy_unknown(interest, result)


def _copy_unknown(source: Serialisable, target: _T) -> _T:
    """Copy the unknown keys of `source` to `target`, and return `target`."""
    unknown = getattr(source, "_unknown", None)
    if unknown:
        object.__setattr__(target, "_unknown", dict(unknown))
    return target
