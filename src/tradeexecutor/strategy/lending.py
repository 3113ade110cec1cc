"""The lending protocol of a simulation: what is paid for money and tokens, and when a loan is liquidated.

A short borrows tokens against a collateral of the reserve currency and sells them. A leveraged long borrows reserve
currency against the tokens that it buys. The collateral earns the supply rate and the debt costs the borrow rate. When
the debt exceeds `liquidation_threshold` of the collateral, a liquidator repays
it and takes collateral of the same value and `liquidation_penalty` more.

A strategy sets it as a parameter::

    class Parameters:
        lending = LendingPool(supply_rate=0.03, borrow_rate=0.05)
"""

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.interest import calculate_accrual_multiplier
from tradeexecutor.state.errors import InvalidValue, UnsupportedPairKind
from tradeexecutor.state.identifier import AssetIdentifier, AssetType, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.interest import LendingRates

__all__ = ["LendingPool"]

#: Rates above this are probably percent given for a fraction.
_MAX_RATE = 10.0


@dataclass(frozen=True, slots=True)
class LendingPool:
    """Terms of lending, the same for all tokens; implements `tradeexecutor.strategy.interest.LendingRates`.

    Attributes
    ----------
    supply_rate, borrow_rate
        Yearly rates, fractions: 0.05 is 5 %.
    liquidation_threshold
        Largest ratio of debt to collateral before a loan is liquidated, between 0 and 1. A long can be opened with a
        leverage below ``1 / (1 - liquidation_threshold)``, a short with one below that less 1.
    liquidation_penalty
        What a liquidation costs in addition to the debt, a fraction of it.
    collateral_factor
        Largest ratio of debt to collateral when tokens are borrowed; None for the liquidation threshold.
    borrow_caps
        Largest debt of the strategy by symbol of the borrowed token, token units; tokens without one have no limit.
    rates
        Rates over time that replace the two constant ones, e.g. a `LendingRateHistory` of
        :mod:`tradeexecutor.strategy.lending_rates`.

    Raises
    ------
    InvalidValue
        A figure is out of range.
    """

    supply_rate: Percent = 0.03
    borrow_rate: Percent = 0.05
    liquidation_threshold: Percent = 0.85
    liquidation_penalty: Percent = 0.05
    collateral_factor: Percent | None = None
    borrow_caps: Mapping[str, Decimal | float] = field(default_factory=dict[str, "Decimal | float"])
    rates: LendingRates | None = None

    def __post_init__(self) -> None:
        for name in ("supply_rate", "borrow_rate"):
            rate = getattr(self, name)
            if not 0 <= rate < _MAX_RATE:
                raise InvalidValue(f"{name} is a fraction per year, e.g. 0.05, not {rate}")
        if not 0 < self.liquidation_threshold < 1:
            raise InvalidValue(f"liquidation_threshold must be between 0 and 1, not {self.liquidation_threshold}")
        if not 0 <= self.liquidation_penalty < 1:
            raise InvalidValue(f"liquidation_penalty must be a fraction from 0 to 1, not {self.liquidation_penalty}")

        if self.collateral_factor is not None and not 0 < self.collateral_factor <= self.liquidation_threshold:
            raise InvalidValue(
                f"collateral_factor must be above 0 and not above the liquidation threshold "
                f"{self.liquidation_threshold}, not {self.collateral_factor}"
            )

    def find_obstacle(
        self, token: AssetIdentifier, debt: Decimal, debt_value: USDollarAmount, collateral_value: USDollarAmount
    ) -> str | None:
        """Return why a debt is refused; None if it is not.

        Parameters
        ----------
        token
            The borrowed token, not its vToken.
        debt
            All of the strategy's debt in it, token units.
        debt_value, collateral_value
            Of the loan that is opened or increased, USD.
        """
        cap = self.borrow_caps.get(token.token_symbol)
        if cap is not None and debt > Decimal(str(cap)):
            return f"{debt} {token.token_symbol} would be borrowed, the borrow cap is {cap}"
        factor = self.collateral_factor
        if factor is not None and debt_value > factor * collateral_value:
            return (
                f"a debt of {debt_value:,.2f} is {debt_value / collateral_value:.2%} of the collateral, the collateral "
                f"factor is {factor:.2%}"
            )
        return None

    # --- Rates

    def get_yearly_rate(self, asset: AssetIdentifier, at: datetime.datetime) -> Percent:
        """Return the rate of an aToken or vToken at a time, a fraction."""
        if self.rates is not None:
            return self.rates.get_yearly_rate(asset, at)
        return self.borrow_rate if asset.is_debt() else self.supply_rate

    def get_accrual_multiplier(
        self, asset: AssetIdentifier, start: datetime.datetime, end: datetime.datetime
    ) -> Decimal:
        """Return the factor by which a balance of an aToken or vToken grows from `start` to `end`."""
        if self.rates is not None:
            return self.rates.get_accrual_multiplier(asset, start, end)
        return calculate_accrual_multiplier(self.get_yearly_rate(asset, start), end - start)

    # --- Pairs

    def make_short_pair(self, spot: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that shorts the base token of a spot pair: its debt token against collateral.

        It has the internal id of the spot pair, whose candles are its market.

        Raises
        ------
        UnsupportedPairKind
            The pair is not a spot pair.
        """
        if not spot.is_spot():
            raise UnsupportedPairKind(f"a short is made from a spot pair, not from {spot}")
        return TradingPairIdentifier(
            _make_debt(spot.base),
            self._make_collateral(spot.quote),
            spot.pool_address,
            spot.exchange_address,
            internal_id=spot.internal_id,
            fee=spot.fee,
            kind=TradingPairKind.lending_protocol_short,
            underlying_spot_pair=spot,
        )

    def make_long_pair(self, spot: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that buys the base token of a spot pair with leverage: collateral against its debt token.

        It has the internal id of the spot pair, whose candles are its market.

        Raises
        ------
        UnsupportedPairKind
            The pair is not a spot pair, or the pool does not lend for this.
        """
        if not spot.is_spot():
            raise UnsupportedPairKind(f"a leveraged long is made from a spot pair, not from {spot}")
        return TradingPairIdentifier(
            self._make_collateral(spot.base),
            _make_debt(spot.quote),
            spot.pool_address,
            spot.exchange_address,
            internal_id=spot.internal_id,
            kind=TradingPairKind.lending_protocol_long,
            underlying_spot_pair=spot,
        )

    def make_credit_pair(self, reserve: AssetIdentifier) -> TradingPairIdentifier:
        """Return the pair that lends the reserve currency."""
        collateral = self._make_collateral(reserve)
        return TradingPairIdentifier(
            collateral,
            reserve,
            collateral.address,
            collateral.address,
            kind=TradingPairKind.credit_supply,
            fee=0.0,
        )

    def _make_collateral(self, token: AssetIdentifier) -> AssetIdentifier:
        return AssetIdentifier(
            token.chain_id,
            _make_address("collateral of", token),
            f"a{token.token_symbol}",
            token.decimals,
            underlying=token,
            type=AssetType.collateral,
            liquidation_threshold=self.liquidation_threshold,
        )


def _make_debt(token: AssetIdentifier) -> AssetIdentifier:
    return AssetIdentifier(
        token.chain_id,
        _make_address("debt of", token),
        f"v{token.token_symbol}",
        token.decimals,
        underlying=token,
        type=AssetType.borrowed,
    )


def _make_address(kind: str, token: AssetIdentifier) -> str:
    """Return a generated address that is the same in every run and on every machine."""
    digest = hashlib.sha256(f"tradeexecutor {kind} {token.get_identifier()}".encode()).hexdigest()
    return f"0x{digest[:40]}"
