"""Quantities (token units) and values (USD) of a trade."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

from collections.abc import Iterable
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.blockchain_transaction import AssetDelta
from tradeexecutor.state.errors import InvalidTrade, NotAvailable
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.trade.fields import TradeFields
from tradeexecutor.state.trade.lifecycle import IN_FLIGHT, get_status
from tradeexecutor.state.trade.predicates import is_buy, is_credit_based, is_credit_supply, is_spot
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

#: Keys of `TradeExecution.other_data`: the amounts requested from an asynchronous vault, if they differ from the plan.
VAULT_SETTLEMENT_REQUEST_RESERVE_KEY = "vault_settlement_request_reserve"
VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY = "vault_settlement_request_quantity"

#: Keys of `TradeExecution.other_data`: ISO time at which a simulated transfer over a bridge ends, and whether it
#: arrives then.
TRANSFER_DUE_KEY = "bridge_transfer_due_at"
TRANSFER_ARRIVES_KEY = "bridge_transfer_arrives"


def sum_fees(fees: USDollarAmount | Iterable[USDollarAmount | None] | None) -> USDollarAmount:
    """Return the sum of a fee field, which is a number, a list with one number per hop, or None; USD."""
    if not fees:
        return 0
    if type(fees) is float:  # nearly always; asking for the interface takes ten times as long
        return fees
    if isinstance(fees, Iterable):
        return sum(fee for fee in fees if fee)
    return fees


# --- Quantities


def get_position_quantity(trade: TradeFields) -> Decimal:
    """Return the quantity that this trade adds to the position: executed if known, else planned; base token units.

    Repaired trades and their counter trades add nothing.
    """
    if trade._repaired_trade_id or trade._repaired_at:
        return ZERO_DECIMAL
    if trade._executed_quantity is not None:
        return trade._executed_quantity
    return trade._planned_quantity


def get_sign(trade: TradeFields) -> int:
    """Return 1 for a positive quantity, else -1."""
    return 1 if get_position_quantity(trade) > 0 else -1


def get_planned_reserve(trade: TradeFields) -> Decimal:
    """Return the planned reserve, token units."""
    return trade.planned_reserve


def get_planned_collateral_allocation(trade: TradeFields) -> Decimal | None:
    """Return the planned collateral allocation, token units."""
    return trade.planned_collateral_allocation


def get_allocated_value(trade: TradeFields) -> Decimal | None:
    """Return the cash that was taken out of the reserves and is not spent yet, token units."""
    return trade.reserve_currency_allocated


def get_raw_planned_reserve(trade: TradeFields) -> int:
    """Return the planned reserve in integer units of the reserve currency."""
    return trade.reserve_currency.convert_to_raw_amount(trade.planned_reserve)


def get_raw_planned_quantity(trade: TradeFields) -> int:
    """Return the planned quantity in integer units of the base token."""
    return trade.pair.base.convert_to_raw_amount(trade.planned_quantity)


def get_raw_planned_collateral_allocation(trade: TradeFields) -> int:
    """Return the planned collateral allocation in integer units of the reserve currency.

    Raises
    ------
    NotAvailable
        The trade moves no collateral.
    """
    if trade.planned_collateral_allocation is None:
        raise NotAvailable(f"trade #{trade.trade_id} moves no collateral")
    return trade.reserve_currency.convert_to_raw_amount(trade.planned_collateral_allocation)


def get_reserve_quantity(trade: TradeFields) -> Decimal:
    """Return the planned reserve, or the executed *quantity* once executed, token units.

    Returning a quantity is a flaw, kept because recorded figures contain it; use `get_settled_reserve` instead.
    """
    if trade.repaired_trade_id or trade.repaired_at:
        return ZERO_DECIMAL
    if trade.executed_reserve is not None:
        return trade.executed_quantity or ZERO_DECIMAL
    return trade.planned_reserve


def get_settled_reserve(trade: TradeFields) -> Decimal:
    """Return the reserve that this trade moves: executed if known, else planned, 0 for repairs; token units."""
    if trade.repaired_trade_id or trade.repaired_at:
        return ZERO_DECIMAL
    return trade.planned_reserve if trade.executed_reserve is None else trade.executed_reserve


def get_equity_for_position(trade: TradeFields) -> Decimal:
    """Return the executed quantity, base token units; 0 if not executed."""
    return ZERO_DECIMAL if trade.executed_quantity is None else trade.executed_quantity


def get_equity_for_reserve(trade: TradeFields) -> Decimal:
    """Return the capital locked in a started or broadcasted buy, reserve token units.

    Requests to an asynchronous vault are not included; see `TradingPosition.get_vault_settlement_pending_value`.
    """
    if (
        trade._planned_quantity > ZERO_DECIMAL
        and get_status(trade) in IN_FLIGHT
        and not (trade.other_data or {}).get("vault_async_flow")
    ):
        if trade.reserve_currency_allocated is not None:
            return trade.reserve_currency_allocated
        if trade.bridge_currency_allocated is not None:
            return trade.bridge_currency_allocated
    return ZERO_DECIMAL


def get_vault_settlement_request_reserve(trade: TradeFields) -> Decimal:
    """Return the reserve requested to be deposited in a vault, token units."""
    value = (trade.other_data or {}).get(VAULT_SETTLEMENT_REQUEST_RESERVE_KEY)
    return trade.planned_reserve if value is None else Decimal(str(value))


def get_vault_settlement_request_quantity(trade: TradeFields) -> Decimal:
    """Return the shares requested to be redeemed from a vault, token units, negative."""
    value = (trade.other_data or {}).get(VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY)
    return get_position_quantity(trade) if value is None else Decimal(str(value))


def get_expected_borrow_quantity_change(trade: TradeFields) -> Decimal:
    """Return the planned change of the debt or credit in the base token, token units; loan based trades only."""
    _check_credit_based(trade)
    return trade.planned_quantity


def get_expected_collateral_quantity_change(trade: TradeFields) -> Decimal:
    """Return the planned change of the collateral, token units; loan based trades only."""
    _check_credit_based(trade)
    return trade.planned_reserve


def get_credit_supply_reserve_change(trade: TradeFields) -> Decimal | None:
    """Return the executed reserve of a credit supply trade, token units; None for other kinds."""
    return trade.executed_reserve if is_credit_supply(trade) else None


def _check_credit_based(trade: TradeFields) -> None:
    if not is_credit_based(trade):
        raise InvalidTrade(f"trade #{trade.trade_id} has no loan")


def get_input_asset(trade: TradeFields) -> AssetIdentifier:
    """Return the token that is spent; spot only."""
    return _get_spot_assets(trade)[0]


def get_output_asset(trade: TradeFields) -> AssetIdentifier:
    """Return the token that is received; spot only."""
    return _get_spot_assets(trade)[1]


def _get_spot_assets(trade: TradeFields) -> tuple[AssetIdentifier, AssetIdentifier]:
    if not is_spot(trade):
        raise InvalidTrade(f"trade #{trade.trade_id} is not a spot trade")
    base, quote = trade.pair.base, trade.pair.quote
    return (quote, base) if is_buy(trade) else (base, quote)


def calculate_asset_deltas(trade: TradeFields) -> list[AssetDelta]:
    """Return what the trade may spend (negative, exact) and must receive (positive, after slippage), raw units.

    Raises
    ------
    InvalidTrade
        An amount is not positive, or the trade is not credit and has no slippage tolerance within 0...1.
    """
    base, reserve_asset = trade.pair.base, trade.reserve_currency
    quantity, reserve = trade.planned_quantity, trade.planned_reserve
    if is_credit_supply(trade):
        buying = quantity > 0
        spent, received = (reserve, quantity) if buying else (reserve, abs(quantity))
        if spent != received:
            raise InvalidTrade(f"trade #{trade.trade_id} must move equal amounts, got {spent} and {received}")
        tolerance = trade.slippage_tolerance or 0.0
    else:
        buying = is_buy(trade)
        spent, received = (reserve, quantity) if buying else (-quantity, reserve)
        if trade.slippage_tolerance is None:
            raise InvalidTrade(f"trade #{trade.trade_id} has no slippage tolerance")
        tolerance = trade.slippage_tolerance
    if not 0 <= tolerance <= 1:
        raise InvalidTrade(f"slippage tolerance of trade #{trade.trade_id} must be within 0...1, got {tolerance}")
    if spent <= 0 or received <= 0:
        raise InvalidTrade(f"trade #{trade.trade_id} must move positive amounts, got {spent} and {received}")
    asset_in, asset_out = (reserve_asset, base) if buying else (base, reserve_asset)
    raw_in = asset_in.convert_to_raw_amount(spent)
    # The tolerance is applied as a float on purpose: recorded minimum amounts contain its rounding.
    raw_out = asset_out.convert_to_raw_amount(received * Decimal(1 - tolerance))
    return [AssetDelta(asset_in.address, -raw_in), AssetDelta(asset_out.address, raw_out)]


# --- Values


def get_planned_value(trade: TradeFields) -> USDollarAmount:
    """Return planned price times planned quantity, USD, >= 0."""
    return abs(trade._planned_price * float(abs(trade._planned_quantity)))


def get_executed_value(trade: TradeFields) -> USDollarAmount:
    """Return executed price times executed quantity, USD, >= 0; 0 if not executed."""
    quantity, price = trade._executed_quantity, trade._executed_price
    if quantity is None or price is None:
        return 0.0
    return abs(float(quantity) * float(price))


def get_value(trade: TradeFields) -> USDollarAmount:
    """Return the executed value, or the planned value of a failed or started trade, USD.

    The value of a repaired trade is 0, and so is that of a trade that has not spent anything.
    """
    if trade._repaired_at:
        return 0.0
    if trade._executed_at:
        return get_executed_value(trade)
    if trade._failed_at or trade._started_at:
        return get_planned_value(trade)
    return 0.0


def get_volume(trade: TradeFields) -> USDollarAmount:
    """Return the executed value, USD; 0 if not executed."""
    return get_executed_value(trade) if trade.executed_at is not None else 0


def get_reserve_currency_exchange_rate(trade: TradeFields) -> float:
    """Return the price of the reserve currency, USD per unit; 1.0 if not recorded."""
    return trade.reserve_currency_exchange_rate or 1.0


def get_claimed_interest(trade: TradeFields) -> USDollarAmount:
    """Return the collateral interest moved to cash, USD."""
    if not trade.claimed_interest:
        return 0.0
    return float(trade.claimed_interest) * _get_token_price(trade, is_base=trade.pair.kind.is_longing())


def get_repaid_interest(trade: TradeFields) -> USDollarAmount:
    """Return the debt interest repaid, USD.

    Raises
    ------
    NotAvailable
        Interest was repaid and the trade has no executed price.
    """
    if not trade.paid_interest:
        return 0.0
    return float(trade.paid_interest) * _get_token_price(trade, is_base=not trade.pair.kind.is_longing())


def _get_token_price(trade: TradeFields, *, is_base: bool) -> USDollarPrice:
    """Return the price of the base token, or of the reserve currency, in a trade that moved interest, USD."""
    if not is_base:
        return get_reserve_currency_exchange_rate(trade)
    if not trade.executed_price:
        raise NotAvailable(f"trade #{trade.trade_id} moved interest but has no executed price")
    return trade.executed_price
