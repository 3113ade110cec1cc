"""Risk of a position at the time it was opened."""

from tradeexecutor.state.errors import NotAvailable
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.predicates import is_properly_opened
from tradeexecutor.state.position.quantity import get_quantity_at_open
from tradeexecutor.state.position.value import get_opening_price, get_value_at_open
from tradeexecutor.state.types import LegacyDataException, Percent, USDollarAmount, USDollarPrice

# --- Risk at open


def get_capital_tied_at_open_pct(position: PositionFields) -> Percent:
    """Return the value at open as a fraction of the portfolio value at that time.

    Raises
    ------
    LegacyDataException
        Old data did not record the portfolio value.
    """
    if position.portfolio_value_at_open is None:
        raise LegacyDataException(f"position #{position.position_id} has no recorded portfolio value at open")
    return get_value_at_open(position) / position.portfolio_value_at_open if position.portfolio_value_at_open else 0


def get_loss_risk_at_open(position: PositionFields) -> USDollarAmount:
    """Return the loss if the *current* stop loss had been hit right after opening, USD; raises without a stop loss.

    Raises
    ------
    NotAvailable
        The position has no stop loss.
    """
    if not is_properly_opened(position):
        return 0.0
    if position.stop_loss is None:
        raise NotAvailable(f"position #{position.position_id} has no stop loss")
    return abs(get_opening_price(position) - position.stop_loss) * float(get_quantity_at_open(position))


def get_loss_risk_at_open_pct(position: PositionFields) -> Percent:
    """Return `get_loss_risk_at_open` as a fraction of the portfolio value at open; 0 if that value is unknown."""
    if not position.portfolio_value_at_open:
        return 0
    return get_loss_risk_at_open(position) / position.portfolio_value_at_open


# --- Predicates: triggers


def get_original_stop_loss(position: PositionFields) -> USDollarPrice | None:
    """Return the first stop loss, before it was moved; None without a stop loss."""
    if not position.stop_loss:
        return None
    return position.trigger_updates[0].stop_loss_before if position.trigger_updates else position.stop_loss
