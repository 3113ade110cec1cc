"""Quantities and values of a trade."""

import datetime
from collections.abc import Iterable
from decimal import Decimal

from tradeexecutor.state.blockchain_transaction import AssetDelta, BlockchainTransaction
from tradeexecutor.state.errors import InvalidTrade, NotAvailable, WrongTradeStatus
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.trade.fields import TradeStatus
from tradeexecutor.state.trade.lifecycle import IN_FLIGHT, ZERO, TradeLifeCycle
from tradeexecutor.state.types import BPS, USDollarAmount

#: Keys of `TradeExecution.other_data`: what an asynchronous vault was asked for, where it differs from the plan.
VAULT_SETTLEMENT_REQUEST_RESERVE_KEY = "vault_settlement_request_reserve"
VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY = "vault_settlement_request_quantity"


def sum_fees(fees: USDollarAmount | Iterable[USDollarAmount | None] | None) -> USDollarAmount:
    """Add up a fee field, which is a number, one number per hop, or missing; USD."""
    if not fees:
        return 0
    if isinstance(fees, Iterable):
        return sum(fee for fee in fees if fee)
    return fees


class TradeAmounts(TradeLifeCycle):
    """Quantities (token units) and values (USD) of a trade."""

    __slots__ = ()

    # --- Quantities

    def get_position_quantity(self) -> Decimal:
        """Return the quantity this trade adds to the position: executed if known, else planned.

        Repaired trades and their counter trades add nothing.
        """
        if self.repaired_trade_id or self.repaired_at:
            return ZERO
        if self.executed_quantity is not None:
            return self.executed_quantity
        return self.planned_quantity

    def get_sign(self) -> int:
        """Return 1 for a positive quantity, else -1."""
        return 1 if self.get_position_quantity() > 0 else -1

    def get_planned_reserve(self) -> Decimal:
        """Return the planned reserve, token units."""
        return self.planned_reserve

    def get_planned_collateral_allocation(self) -> Decimal | None:
        """Return the planned collateral allocation, token units."""
        return self.planned_collateral_allocation

    def get_allocated_value(self) -> Decimal | None:
        """Return the cash taken out of the reserves and not yet spent, token units."""
        return self.reserve_currency_allocated

    def get_raw_planned_reserve(self) -> int:
        """Return the planned reserve in integer units of the reserve currency."""
        return self.reserve_currency.convert_to_raw_amount(self.planned_reserve)

    def get_raw_planned_quantity(self) -> int:
        """Return the planned quantity in integer units of the base token."""
        return self.pair.base.convert_to_raw_amount(self.planned_quantity)

    def get_raw_planned_collateral_allocation(self) -> int:
        """Return the planned collateral allocation in integer units of the reserve currency."""
        if self.planned_collateral_allocation is None:
            raise NotAvailable(f"trade #{self.trade_id} moves no collateral")
        return self.reserve_currency.convert_to_raw_amount(self.planned_collateral_allocation)

    def get_reserve_quantity(self) -> Decimal:
        """Return the planned reserve, or the executed *quantity* once executed.

        The second half is odd and recorded figures contain it; `get_settled_reserve` is the one to use.
        """
        if self.repaired_trade_id or self.repaired_at:
            return ZERO
        if self.executed_reserve is not None:
            return self.executed_quantity or ZERO
        return self.planned_reserve

    def get_settled_reserve(self) -> Decimal:
        """Return the reserve this trade moves: executed if known, else planned; 0 for repairs.  Token units."""
        if self.repaired_trade_id or self.repaired_at:
            return ZERO
        return self.planned_reserve if self.executed_reserve is None else self.executed_reserve

    def get_equity_for_position(self) -> Decimal:
        """Return the executed base quantity, 0 when not executed."""
        return ZERO if self.executed_quantity is None else self.executed_quantity

    def get_equity_for_reserve(self) -> Decimal:
        """Return the capital locked in a started or broadcasted buy, reserve token units.

        A request to an asynchronous vault is not counted here: it is in
        `TradingPosition.get_vault_settlement_pending_value`.
        """
        if (
            self.planned_quantity > 0
            and self.get_status() in IN_FLIGHT
            and not (self.other_data or {}).get("vault_async_flow")
        ):
            if self.reserve_currency_allocated is not None:
                return self.reserve_currency_allocated
            if self.bridge_currency_allocated is not None:
                return self.bridge_currency_allocated
        return ZERO

    def get_vault_settlement_request_reserve(self) -> Decimal:
        """Return the reserve that a vault was asked to take, token units."""
        value = (self.other_data or {}).get(VAULT_SETTLEMENT_REQUEST_RESERVE_KEY)
        return self.planned_reserve if value is None else Decimal(str(value))

    def get_vault_settlement_request_quantity(self) -> Decimal:
        """Return the shares that a vault was asked to redeem (negative), token units."""
        value = (self.other_data or {}).get(VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY)
        return self.get_position_quantity() if value is None else Decimal(str(value))

    def get_expected_borrow_quantity_change(self) -> Decimal:
        """Return the planned change of the loan's base token; loan based trades only."""
        self._require_credit_based()
        return self.planned_quantity

    def get_expected_collateral_quantity_change(self) -> Decimal:
        """Return the planned change of the collateral; loan based trades only."""
        self._require_credit_based()
        return self.planned_reserve

    def get_credit_supply_reserve_change(self) -> Decimal | None:
        """Return the executed reserve of a credit supply trade, None for other kinds."""
        return self.executed_reserve if self.is_credit_supply() else None

    def _require_credit_based(self) -> None:
        if not self.is_credit_based():
            raise InvalidTrade(f"trade #{self.trade_id} has no loan")

    def get_input_asset(self) -> AssetIdentifier:
        """Return the token that is spent; spot only."""
        return self._spot_assets()[0]

    def get_output_asset(self) -> AssetIdentifier:
        """Return the token that is received; spot only."""
        return self._spot_assets()[1]

    def _spot_assets(self) -> tuple[AssetIdentifier, AssetIdentifier]:
        if not self.is_spot():
            raise InvalidTrade(f"trade #{self.trade_id} is not a spot trade")
        base, quote = self.pair.base, self.pair.quote
        return (quote, base) if self.is_buy() else (base, quote)

    # --- Values, USD

    def get_planned_value(self) -> USDollarAmount:
        """Return planned price times planned quantity, >= 0."""
        return abs(self.planned_price * float(abs(self.planned_quantity)))

    def get_executed_value(self) -> USDollarAmount:
        """Return executed price times executed quantity, >= 0; 0 when not executed."""
        quantity, price = self.executed_quantity, self.executed_price
        if quantity is None or price is None:
            return 0.0
        return abs(float(quantity) * float(price))

    def get_value(self) -> USDollarAmount:
        """Return the executed value, or the planned one of a failed or started trade.

        Repaired trades are worth 0, so are trades on which nothing has been spent.
        """
        if self.repaired_at:
            return 0.0
        if self.executed_at:
            return self.get_executed_value()
        if self.failed_at or self.started_at:
            return self.get_planned_value()
        return 0.0

    def get_volume(self) -> USDollarAmount:
        """Return the executed value, 0 when not executed."""
        return self.get_executed_value() if self.executed_at is not None else 0

    def get_reserve_currency_exchange_rate(self) -> float:
        """Return USD per unit of the reserve currency, 1.0 if not recorded."""
        return self.reserve_currency_exchange_rate or 1.0

    def get_claimed_interest(self) -> USDollarAmount:
        """Return the collateral interest moved to cash, USD."""
        if not self.claimed_interest:
            return 0.0
        return float(self.claimed_interest) * self.get_reserve_currency_exchange_rate()

    def get_repaid_interest(self) -> USDollarAmount:
        """Return the debt interest repaid, USD."""
        if not self.paid_interest:
            return 0.0
        if not self.executed_price:
            raise NotAvailable(f"trade #{self.trade_id} repaid interest but has no executed price")
        return float(self.paid_interest) * self.executed_price

    # --- Costs

    def get_fees_paid(self) -> USDollarAmount | list[USDollarAmount | None]:
        """Return the LP fees of a finished trade, USD; 0 for a failed one.

        Raises
        ------
        WrongTradeStatus
            The outcome is not known yet.
        """
        status = self.get_status()
        if status is TradeStatus.success:
            return self.lp_fees_paid or 0
        if status is TradeStatus.failed:
            return 0
        raise WrongTradeStatus(f"trade #{self.trade_id} is {status.value}, its fees are unknown", self.trade_id, status)

    def get_token_tax_paid(self) -> USDollarAmount:
        """Return the tax the token took, USD; 0 when unknown."""
        if not self.is_spot() or self.price_structure is None:
            return 0
        return self.price_structure.token_tax or 0

    def get_cost_of_gas_usd(self) -> USDollarAmount | None:
        """Return gas cost times the price of the gas token; None when either is unknown."""
        if self.cost_of_gas is None or self.native_token_price is None or self.native_token_price <= 0:
            return None
        return float(Decimal(str(self.cost_of_gas)) * Decimal(str(self.native_token_price)))

    def get_slippage(self) -> BPS:
        """Return ``(executed price - planned price) / planned price``, so a worse *buy* is positive.

        `get_execution_cost` has one sign convention for both directions.
        """
        if self.executed_price is None:
            raise WrongTradeStatus(f"trade #{self.trade_id} is not executed", self.trade_id, self.get_status())
        return (self.executed_price - self.planned_price) / self.planned_price

    def get_execution_cost(self) -> BPS:
        """Return how much worse than planned the fill was, as a fraction; negative when it was better."""
        slippage = self.get_slippage()
        return slippage if self.is_buy() else -slippage

    def get_planned_max_gas_price(self) -> int:
        """Return the highest gas price among the transactions, wei."""
        if not self.blockchain_transactions:
            raise NotAvailable(f"trade #{self.trade_id} has no transactions")
        return max(tx.get_planned_gas_price() for tx in self.blockchain_transactions)

    # --- Timing

    def get_decision_lag(self) -> datetime.timedelta:
        """Return the time between decision and start."""
        lag = self.get_execution_lag()
        if lag is None:
            raise NotAvailable(f"trade #{self.trade_id} is not started")
        return lag

    def get_execution_lag(self) -> datetime.timedelta | None:
        """Return the time between decision and start; None before the start."""
        return self.started_at - self.opened_at if self.started_at else None

    def get_settlement_lag(self) -> datetime.timedelta | None:
        """Return the time between start and execution; None before the execution."""
        return self.executed_at - self.started_at if self.executed_at and self.started_at else None

    # --- Transactions

    def get_failed_transaction(self) -> BlockchainTransaction | None:
        """Return the last transaction that is not known to have succeeded, an unconfirmed one included.

        `get_reverted_transaction` returns only those that did fail.
        """
        return next((tx for tx in reversed(self.blockchain_transactions) if not tx.status), None)

    def get_reverted_transaction(self) -> BlockchainTransaction | None:
        """Return the last transaction whose receipt says that it failed."""
        return next((tx for tx in reversed(self.blockchain_transactions) if tx.status is False), None)

    def calculate_asset_deltas(self) -> list[AssetDelta]:
        """Return what the trade may spend (negative, exact) and must receive (positive, after slippage), raw units.

        Raises
        ------
        InvalidTrade
            An amount is not positive, or a trade that is not credit has no slippage tolerance within 0...1.
        """
        base, reserve_asset = self.pair.base, self.reserve_currency
        quantity, reserve = self.planned_quantity, self.planned_reserve
        if self.is_credit_supply():
            buying = quantity > 0
            spent, received = (reserve, quantity) if buying else (reserve, abs(quantity))
            if spent != received:
                raise InvalidTrade(f"trade #{self.trade_id} must move equal amounts, got {spent} and {received}")
            tolerance = self.slippage_tolerance or 0.0
        else:
            buying = self.is_buy()
            spent, received = (reserve, quantity) if buying else (-quantity, reserve)
            if self.slippage_tolerance is None:
                raise InvalidTrade(f"trade #{self.trade_id} has no slippage tolerance")
            tolerance = self.slippage_tolerance
        if not 0 <= tolerance <= 1:
            raise InvalidTrade(f"slippage tolerance of trade #{self.trade_id} must be within 0...1, got {tolerance}")
        if spent <= 0 or received <= 0:
            raise InvalidTrade(f"trade #{self.trade_id} must move positive amounts, got {spent} and {received}")
        asset_in, asset_out = (reserve_asset, base) if buying else (base, reserve_asset)
        raw_in = asset_in.convert_to_raw_amount(spent)
        # The tolerance is applied in float on purpose: recorded minimum amounts contain its rounding.
        raw_out = asset_out.convert_to_raw_amount(received * Decimal(1 - tolerance))
        return [AssetDelta(asset_in.address, -raw_in), AssetDelta(asset_out.address, raw_out)]
