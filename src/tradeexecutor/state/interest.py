"""Interest of one side of a loan."""

import datetime
import logging
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import INTEREST_QUANTITY_EPSILON, ZERO_DECIMAL
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.types import BlockNumber, UTCDatetime

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Interest(Serialisable):
    """Balance of a rebasing token and the interest contained in it.

    Interest events increase `last_token_amount` and `last_accrued_interest`. Trades change `last_token_amount` with
    `adjust` and add the interest that they pay out to `interest_payments`. Apart from the dust of a closing trade, the
    following holds::

        last_token_amount == principal + last_accrued_interest - interest_payments

    Raises
    ------
    InvalidValue
        `opening_amount` or `last_accrued_interest` is not a Decimal.
    """

    #: Balance at the start, token units.
    opening_amount: Decimal
    #: Expected balance with principal and interest, token units.
    last_token_amount: Decimal
    #: Strategy time, or time of the clock, of the latest change.
    last_updated_at: UTCDatetime
    #: Time up to which interest is booked: block time of the opening or of the latest interest event.
    last_event_at: UTCDatetime
    #: Sum of the interest events since the start or the latest reset, paid out or not, token units.
    last_accrued_interest: Decimal
    #: Block of the latest change; None in backtests.
    last_updated_block_number: BlockNumber | None = None
    #: Interest claimed (collateral) or repaid (debt) so far, token units.
    interest_payments: Decimal = ZERO_DECIMAL
    #: Time of the last account correction, which resets the interest to zero; None without one.
    reset_at: UTCDatetime | None = None

    def __post_init__(self) -> None:
        check_values(self)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        _require_decimal("opening_amount", self.opening_amount)
        _require_decimal("last_accrued_interest", self.last_accrued_interest)

    @staticmethod
    def open_new(opening_amount: Decimal, timestamp: datetime.datetime) -> "Interest":
        """Return the record of a positive amount (token units) without interest."""
        _require_decimal("opening_amount", opening_amount)
        if not opening_amount > 0:
            raise InvalidValue(f"opening amount must be positive, got {opening_amount}")
        return Interest(opening_amount, opening_amount, timestamp, timestamp, ZERO_DECIMAL)

    def get_principal_and_interest_quantity(self) -> Decimal:
        """Return the expected balance with principal and interest, token units."""
        return self.last_token_amount

    def get_remaining_interest(self) -> Decimal:
        """Return the interest that was neither claimed nor repaid, token units."""
        return self.last_accrued_interest - self.interest_payments

    def claim_interest(self, quantity: Decimal) -> None:
        """Record that interest of the collateral (token units) was moved to cash."""
        _require_decimal("quantity", quantity)
        self.interest_payments += quantity

    def repay_interest(self, quantity: Decimal) -> None:
        """Record that interest of the debt (token units) was paid."""
        _require_decimal("quantity", quantity)
        self.interest_payments += quantity

    def accrue(
        self,
        gained: Decimal,
        new_token_amount: Decimal,
        event_at: datetime.datetime,
        block_number: BlockNumber | None = None,
    ) -> None:
        """Add an interest event that the caller has checked, see :mod:`tradeexecutor.state.booking.interest`.

        The accrued interest grows by this event. It is not the sum of all events of the position, because a reset sets
        it to zero.

        Parameters
        ----------
        gained
            Interest since the latest event, token units; negative for a loss.
        new_token_amount
            Expected token balance after the event.
        event_at, block_number
            Time and block of the new balance.
        """
        self.last_accrued_interest += gained
        self.last_token_amount = new_token_amount
        self.last_updated_at = self.last_event_at = event_at
        self.last_updated_block_number = block_number

    def adjust(self, delta: Decimal, epsilon: Decimal = INTEREST_QUANTITY_EPSILON) -> None:
        """Change the expected token balance after a trade.

        A negative `delta` smaller than `epsilon` is a rounding error and is ignored; a result smaller than
        `epsilon` is zero.

        Raises
        ------
        InvalidTrade
            The balance would become negative.
        """
        _require_decimal("delta", delta)
        if delta < 0 and -delta < epsilon:
            logger.warning("Ignored balance change %s, smaller than %s", delta, epsilon)
            delta = ZERO_DECIMAL
        amount = self.last_token_amount + delta
        if abs(amount) < epsilon:
            amount = ZERO_DECIMAL
        if amount < 0:
            raise InvalidTrade(f"cannot take {-delta} out of a balance of {self.last_token_amount}")
        self.last_token_amount = amount

    def reset(self, amount: Decimal, block_timestamp: datetime.datetime, block_number: BlockNumber | None) -> None:
        """Reset the record to a corrected balance (token units), which becomes principal."""
        _require_decimal("amount", amount)
        if amount < 0:
            raise InvalidValue(f"a balance cannot be negative, got {amount}")
        now = utc_now()
        self.last_token_amount = amount
        self.last_updated_at = now
        self.reset_at = now
        self.last_event_at = block_timestamp
        self.last_updated_block_number = block_number
        self.last_accrued_interest = ZERO_DECIMAL
        self.interest_payments = ZERO_DECIMAL


def _require_decimal(name: str, value: object) -> None:
    if not isinstance(value, Decimal):
        raise InvalidValue(f"{name} must be a Decimal, got {value!r}")
