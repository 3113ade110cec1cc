"""The lending pool of a chain file: the real tokens of Aave v3 in place of those of a simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ethereum.abi import AAVE_CONFIGURATION, AAVE_POOL, AAVE_RESERVE
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.errors import RpcError, WrongChain
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.types import Percent
from tradeexecutor.strategy.lending import LendingPool

__all__ = ["AaveLending", "check_aave_token", "fetch_supply_rate"]

#: Places of the supply rate and of the tokens in the data of a currency in the pool.
_SUPPLY_RATE, _A_TOKEN, _V_TOKEN = 2, 8, 10

#: The unit of rates: 10^27 is 100 % a year.
_RAY = Decimal(10) ** 27


@dataclass(frozen=True, slots=True)
class AaveLending(LendingPool):
    """A pool of Aave v3; rates are those of the pool, the ones of `LendingPool` are not used.

    Attributes
    ----------
    pool
        Contract of the pool, lower case.
    collateral
        The aToken of the reserve currency, with its liquidation threshold.
    debts
        The variable debt tokens, by the token that is borrowed.
    """

    pool: str = field(kw_only=True)
    collateral: AssetIdentifier = field(kw_only=True)
    debts: Mapping[AssetIdentifier, AssetIdentifier] = field(kw_only=True)

    def make_short_pair(self, spot: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that shorts the base token of a spot pair, see `LendingPool.make_short_pair`.

        Raises
        ------
        UnsupportedPairKind
            The pair is not a spot pair, or the settings have no debt token for it.
        """
        debt = self.debts.get(spot.base)
        if debt is None or not spot.is_spot():
            raise UnsupportedPairKind(f"{spot.get_ticker()} cannot be shorted: its settings have no debt token")
        return TradingPairIdentifier(
            debt,
            self.collateral,
            debt.address,
            self.pool,
            internal_id=spot.internal_id,
            fee=spot.fee,
            kind=TradingPairKind.lending_protocol_short,
            underlying_spot_pair=spot,
        )

    def make_long_pair(self, spot: TradingPairIdentifier) -> TradingPairIdentifier:
        """Raise `UnsupportedPairKind`: leveraged longs are not traded on a chain."""
        raise UnsupportedPairKind(
            f"{spot.get_ticker()} cannot be bought with leverage: leveraged longs are simulated, not traded on a chain"
        )

    def make_credit_pair(self, reserve: AssetIdentifier) -> TradingPairIdentifier:
        """Return the pair that lends the reserve currency."""
        collateral = self.collateral
        return TradingPairIdentifier(
            collateral, reserve, collateral.address, self.pool, kind=TradingPairKind.credit_supply, fee=0.0
        )


def fetch_supply_rate(connection: ChainConnection, token: AssetIdentifier) -> Percent:
    """Return what the pool of an aToken pays per year at present, a fraction.

    Raises
    ------
    RpcError
        The token is not one of Aave v3.
    """
    currency = token.underlying
    assert currency is not None, "every token of a pool belongs to a currency"
    pool = str(connection.call(token.address, AAVE_POOL))
    reserve = connection.call(pool, AAVE_RESERVE, currency.checksum_address)
    return float(Decimal(int(reserve[_SUPPLY_RATE])) / _RAY)


def check_aave_token(connection: ChainConnection, pool: str, token: AssetIdentifier) -> None:
    """Compare an aToken or debt token with the pool.

    Raises
    ------
    WrongChain
        The pool has another token for the currency, or a lower liquidation threshold.
    """
    currency = token.underlying
    assert currency is not None, "every token of a pool belongs to a currency"
    try:
        reserve = connection.call(pool, AAVE_RESERVE, currency.checksum_address)
        configuration = int(connection.call(pool, AAVE_CONFIGURATION, currency.checksum_address))
    except RpcError as error:
        raise WrongChain(f"{pool} is no pool of Aave v3 with {currency}: {error}") from error
    actual = str(reserve[_V_TOKEN if token.is_debt() else _A_TOKEN]).lower()
    if actual != token.address:
        raise WrongChain(f"the pool {pool} has {actual} for {currency}, not {token}")
    threshold = (configuration >> 16 & 0xFFFF) / 10_000
    if token.liquidation_threshold is not None and token.liquidation_threshold > threshold:
        raise WrongChain(
            f"the pool {pool} liquidates {token.token_symbol} at {threshold}, the settings say "
            f"{token.liquidation_threshold}"
        )
