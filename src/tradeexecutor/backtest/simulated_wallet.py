"""The wallet of a backtest: the balance of each token.

The wallet is separate from the state on purpose. It changes with the simulated transfers, the state with the bookings;
comparing the two after every batch of trades finds a bookkeeping error at the trade that causes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BalanceMismatch", "OutOfSimulatedBalance", "SimulatedWallet", "WalletValueError"]

#: A wallet entry: the token, or its lower-case address.
Token: TypeAlias = AssetIdentifier | str

_ZERO = Decimal(0)


class OutOfSimulatedBalance(TradeExecutorError, ValueError):
    """The wallet does not hold enough for a payment; the balance is unchanged.

    Attributes
    ----------
    available, needed
        Balance, and amount of the payment, token units.
    """

    def __init__(self, message: str, available: Decimal, needed: Decimal):
        super().__init__(message)
        self.available = available
        self.needed = needed


class WalletValueError(TradeExecutorError, ValueError, AssertionError):
    """An amount is not a Decimal, or an address is not lower case."""


@dataclass(frozen=True, slots=True)
class BalanceMismatch:
    """A token whose balance in the wallet differs from the expected one; amounts in token units."""

    token: str
    expected: Decimal
    actual: Decimal


class SimulatedWallet:
    """Balances by lower-case token address.

    Attributes
    ----------
    balances
        Amounts by token address, token units; never negative.
    tokens
        Symbols and decimals of known tokens.
    nonce
        Number of the next simulated transaction.
    """

    def __init__(self) -> None:
        self.balances: dict[str, Decimal] = {}
        self.tokens: dict[str, AssetIdentifier] = {}
        self.nonce = 0

    def _register(self, token: Token) -> str:
        if isinstance(token, AssetIdentifier):
            address = token.address
            self.tokens[address] = token
            return address
        if token != token.lower():
            raise WalletValueError(f"token addresses are lower case, not {token}")
        return token

    def update_balance(
        self, token: Token, delta: Decimal, reason: str | None = None, epsilon: Decimal = QUANTITY_EPSILON
    ) -> None:
        """Add `delta` (negative: spend) to a balance.

        Parameters
        ----------
        token
            Token or its address.
        delta
            Token units.
        reason
            Text for the error.
        epsilon
            Largest change that is ignored, token units; a result closer to zero than this becomes zero.

        Raises
        ------
        OutOfSimulatedBalance
            The wallet does not hold enough; nothing changes.
        WalletValueError
            The amount is not a Decimal.
        """
        address = self._register(token)
        if not isinstance(delta, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WalletValueError(f"balances are Decimal, not {delta!r}")
        if abs(delta) <= epsilon:
            return
        available = self.balances.get(address, _ZERO)
        balance = available + delta
        if balance <= epsilon and balance > -epsilon:
            balance = _ZERO
        if balance < _ZERO:
            raise OutOfSimulatedBalance(
                f"the wallet holds {available} {self.get_token_symbol(address)}, {-delta} are needed"
                + (f" ({reason})" if reason else ""),
                available,
                -delta,
            )
        self.balances[address] = balance

    def set_balance(self, token: Token, amount: Decimal) -> None:
        """Replace a balance, token units; raises `WalletValueError` if the amount is not a Decimal."""
        address = self._register(token)
        if not isinstance(amount, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WalletValueError(f"balances are Decimal, not {amount!r}")
        self.balances[address] = amount

    def rebase(self, token: Token, new_amount: Decimal) -> None:
        """Replace the balance of a token that the wallet already holds, e.g. after interest.

        Raises
        ------
        WalletValueError
            The wallet has never held the token.
        """
        address = self._register(token)
        if address not in self.balances:
            raise WalletValueError(f"the wallet has never held {self.get_token_symbol(address)}")
        self.set_balance(address, new_amount)

    def get_balance(self, token: Token) -> Decimal:
        """Return a balance, token units; zero for a token that was never held."""
        return self.balances.get(self._register(token), _ZERO)

    def fetch_nonce_and_tx_hash(self) -> tuple[int, str]:
        """Return nonce and hash of the next simulated transaction, and increase the nonce."""
        nonce = self.nonce
        self.nonce += 1
        return nonce, hex(nonce)

    def get_token_symbol(self, address: str) -> str:
        """Return the symbol of a token, ``<token 0x...>`` when it is not known."""
        token = self.tokens.get(address)
        return token.token_symbol if token else f"<token {address}>"

    def update_token_info(self, asset: AssetIdentifier) -> None:
        """Record the symbol of a token."""
        self.tokens[asset.address] = asset

    def get_all_balances(self) -> "pd.DataFrame":
        """Return the balances as a table indexed by token symbol, sorted by address."""
        import pandas as pd

        rows = sorted(self.balances.items())
        index = pd.Index([self.get_token_symbol(address) for address, _ in rows], name="Token")
        return pd.DataFrame({"Balance": [float(balance) for _, balance in rows]}, index=index)

    def find_mismatches(
        self, expected: Mapping[AssetIdentifier, Decimal], epsilon: float = 0.001
    ) -> list[BalanceMismatch]:
        """Return the tokens whose balance differs from the expected one by more than `epsilon`.

        The difference is relative to the expected amount, absolute when that is at most `epsilon`.
        """
        mismatches: list[BalanceMismatch] = []
        for asset, amount in expected.items():
            actual = self.balances.get(asset.address, _ZERO)
            if actual != amount and _differs(amount, actual, epsilon):
                mismatches.append(BalanceMismatch(asset.token_symbol, amount, actual))
        return mismatches

    def verify_balances(
        self, expected: Mapping[AssetIdentifier, Decimal], epsilon: float = 0.001
    ) -> "tuple[bool, pd.DataFrame]":
        """Compare balances with the expected ones.

        Returns
        -------
        tuple
            Whether all agree, and a table of all compared tokens with the columns Asset, Expected, Actual, Diff,
            Rel diff, Mismatch and Epsilon.
        """
        import pandas as pd

        rows: list[dict[str, object]] = []
        for asset, amount in expected.items():
            actual = self.balances.get(asset.address, _ZERO)
            near_zero = abs(amount) <= Decimal(epsilon)
            rows.append(
                {
                    "Asset": asset.token_symbol,
                    "Expected": float(amount),
                    "Actual": float(actual),
                    "Diff": float(actual - amount),
                    "Rel diff": 0.0 if near_zero else float((actual - amount) / amount),
                    "Mismatch": _differs(amount, actual, epsilon),
                    "Epsilon": epsilon,
                }
            )
        columns = ["Asset", "Expected", "Actual", "Diff", "Rel diff", "Mismatch", "Epsilon"]
        table = pd.DataFrame(rows, columns=columns)
        return not any(row["Mismatch"] for row in rows), table


def _differs(expected: Decimal, actual: Decimal, epsilon: float) -> bool:
    limit = Decimal(str(epsilon))
    difference = abs(actual - expected)
    return difference >= (limit if abs(expected) <= limit else limit * abs(expected))
