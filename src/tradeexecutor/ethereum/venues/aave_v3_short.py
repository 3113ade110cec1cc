"""Shorts with Aave v3: a token is borrowed against the reserve currency and sold on a spot venue.

==========  ==========================================================================================================
trade       transactions
==========  ==========================================================================================================
open, more  supply the reserve; then borrow what the collateral allows, sell it and supply the proceeds, as often as
            the leverage requires
less        withdraw collateral, buy back, repay, as often as the health of the loan requires; then withdraw what the
            plan releases
close       the same for the whole debt; then sell the rest of the purchase, and withdraw everything
==========  ==========================================================================================================

When a transaction fails, e.g. a swap whose price has moved, what is unfinished is undone: borrowed tokens are repaid,
and collateral goes back to where it was. A trade of which nothing is left has failed; one of which earlier rounds were
executed counts as executed in part. The debt of a new short has grown until it is repaid, so a few tokens are bought;
their price is the cost of undoing. When undoing fails, or a close has repaid a part of the debt, a person has to look.

A purchase for a closing trade is larger than the debt by `_MARGIN`, because the debt grows until it is repaid. The
balances of tokens of the pool grow by themselves, so amounts are read from transfers of the tokens that were borrowed
and lent. A wallet has one account for each token of a pool; two positions with the same account are refused.
"""

import dataclasses
import datetime
from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.abi import (
    AAVE_ACCOUNT,
    AAVE_ADDRESSES,
    AAVE_BORROW,
    AAVE_CONFIGURATION,
    AAVE_ORACLE,
    AAVE_PRICE,
    AAVE_REPAY,
    AAVE_SUPPLY,
    AAVE_WITHDRAW,
    ERC20_BALANCE_OF,
)
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, PartlyExecuted
from tradeexecutor.ethereum.lending import check_aave_token
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.ethereum.venues.aave_v3 import find_shared_account
from tradeexecutor.ethereum.venues.interface import Limits, Outcome, Quote, Venue, parse_transfer
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution, TradeFlag

__all__ = ["AaveV3ShortVenue"]

_GAS = 700_000

#: Amount that means the whole balance, or the whole debt, to the pool.
_EVERYTHING = 2**256 - 1

#: Interest rate mode: variable.
_VARIABLE = 2

#: Part of the debt that a closing trade buys in addition, a fraction: the interest of an hour at 8 % a year.
_MARGIN = Decimal("0.00001")

#: Part of the collateral that a withdrawal leaves above the liquidation threshold, a fraction of the debt.
_HEALTH_RESERVE = Decimal("0.01")


#: Part of what the pool would lend that is used, a fraction: its prices move until the transaction is mined.
_LARGEST_SHARE = Decimal("0.99")

#: Value of the tokens that are bought in addition to the debt when a new short is undone, reserve currency: less than
#: that might not be sold again for a single raw unit.
_SPARE = Decimal("0.01")

#: More than this share of the capital is no cost of undoing a trade.
_LARGEST_COST = Decimal("0.01")

#: Beginning of the notes of transactions that undo.
_UNDO = "Undo: "

#: Units of the prices of the pool for a US dollar.
_BASE = 10**8


class AaveV3ShortVenue(Venue):
    """Borrows, and swaps at another venue; the base of a pair is the debt token, the quote the aToken of the reserve.

    Parameters
    ----------
    pool
        Contract of the market.
    swaps
        Venues for the spot pair of a short, in order of preference.
    """

    def __init__(
        self,
        connection: ChainConnection,
        pool: str,
        swaps: Sequence[Venue],
        deadline: datetime.timedelta = datetime.timedelta(minutes=20),
    ):
        super().__init__(connection, deadline)
        self.pool = pool
        self.swaps = list(swaps)

    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is a short with this pool, whose token can be swapped."""
        return (
            pair.kind.is_shorting()
            and pair.chain_id == self.connection.chain_id
            and (pair.exchange_address or "").lower() == self.pool.lower()
            and any(venue.is_traded(pair.get_pricing_pair()) for venue in self.swaps)
        )

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare the tokens of the pool, and the spot pair, with the chain."""
        super().check(pair)
        for token in (pair.base, pair.quote):
            check_aave_token(self.connection, self.pool, token)
        self._find_swaps(pair).check(pair.get_pricing_pair())

    def find_obstacle(self, portfolio: Portfolio, trade: TradeExecution) -> str | None:
        """Return the other position that uses the same account, whose balances could not be told apart."""
        return find_shared_account(portfolio, trade)

    def _find_swaps(self, pair: TradingPairIdentifier) -> Venue:
        spot = pair.get_pricing_pair()
        return next(venue for venue in self.swaps if venue.is_traded(spot))

    # --- Trading

    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return the first calls: the supply of an opening trade, a purchase of a reducing one, or a withdrawal."""
        planned = trade.planned_quantity
        if (trade.planned_collateral_allocation or 0) > 0:
            raise NotTradeable(f"{trade}: collateral is added by the reserve of a trade, not by its allocation")
        if planned > 0:
            return self._plan_purchase(trade, wallet, slippage_tolerance, ())
        if planned == 0 and not trade.planned_reserve:
            return self._plan_release(trade, wallet, ())
        self._require_room(trade, wallet)
        reserve = trade.reserve_currency
        raw = reserve.convert_to_raw_amount(trade.planned_reserve)
        if not raw:
            return self._plan_sale(trade, wallet, slippage_tolerance, ())
        self.require_balance(reserve, wallet, raw)
        return self._supply(reserve, wallet, raw, "Supply the collateral")

    def plan_next(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt]) -> list[Call]:
        """Return what follows on the last transaction."""
        last = trade.blockchain_transactions[-1].function_selector
        tolerance = float(trade.planned_max_slippage or 0)
        if trade.planned_quantity < 0:
            if last == AAVE_SUPPLY.name:
                return self._plan_sale(trade, wallet, tolerance, receipts)
            flows = _Flows.read(trade, wallet, receipts)
            raw = flows.swapped_reserve + flows.loan_reserve
            raw += trade.reserve_currency.convert_to_raw_amount(trade.planned_reserve)
            return self._supply(trade.reserve_currency, wallet, raw, "Supply the proceeds")
        if last != AAVE_REPAY.name:
            return []
        return self._plan_purchase(trade, wallet, tolerance, receipts) or self._plan_release(trade, wallet, receipts)

    def _supply(self, reserve: AssetIdentifier, wallet: str, raw: int, notes: str) -> list[Call]:
        supply = Call(self.pool, AAVE_SUPPLY, (reserve.checksum_address, raw, wallet, 0), _GAS, notes)
        return [*self.make_approval(reserve, wallet, self.pool, raw), supply]

    def _require_room(self, trade: TradeExecution, wallet: str) -> None:
        """Raise `NotTradeable` when the pool does not lend as much as an opening trade borrows, however often."""
        reserve, token = trade.reserve_currency, _get_token(trade)
        ltv = (
            Decimal(int(self.connection.call(self.pool, AAVE_CONFIGURATION, reserve.checksum_address)) & 0xFFFF)
            / 10_000
        )
        available = Decimal(self.connection.call(self.pool, AAVE_ACCOUNT, wallet)[2])
        added = trade.planned_reserve * self._get_oracle_price(reserve)
        room = (available + added * ltv) / (1 - ltv) * _LARGEST_SHARE
        wanted = -trade.planned_quantity * self._get_oracle_price(token)
        if wanted > room:
            raise NotTradeable(
                f"{trade} borrows {wanted / _BASE:,.2f} USD, the pool lends at most {room / _BASE:,.2f} for that"
            )

    def _get_oracle_price(self, asset: AssetIdentifier) -> Decimal:
        """Return the price by which the pool judges loans, in its own unit per token."""
        addresses = self.connection.call(self.pool, AAVE_ADDRESSES)
        oracle = self.connection.call(addresses, AAVE_ORACLE)
        return Decimal(int(self.connection.call(oracle, AAVE_PRICE, asset.checksum_address)))

    def _plan_sale(
        self, trade: TradeExecution, wallet: str, tolerance: float, receipts: Sequence[Receipt]
    ) -> list[Call]:
        """Return a loan and the sale of what it brings; empty when everything was borrowed."""
        reserve, token = trade.reserve_currency, _get_token(trade)
        wanted = token.convert_to_raw_amount(-trade.planned_quantity)
        missing = wanted - _Flows.read(trade, wallet, receipts).loan_token
        if missing <= 0:
            return []
        available = Decimal(self.connection.call(self.pool, AAVE_ACCOUNT, wallet)[2]) * _LARGEST_SHARE
        borrowed = min(missing, token.convert_to_raw_amount(available / self._get_oracle_price(token)))
        price = (trade.planned_collateral_consumption or Decimal(0)) / -trade.planned_quantity
        least = token.convert_to_decimal(borrowed) * price * (1 - Decimal(str(tolerance)))
        limits = Limits(token, reserve, borrowed, reserve.convert_to_raw_amount(least))
        if limits.raw_given <= 0 or limits.raw_least <= 0:
            raise NotTradeable(f"{trade}: the pool lends nothing that could be sold")
        borrow = (token.checksum_address, borrowed, _VARIABLE, 0, wallet)
        loan = Call(self.pool, AAVE_BORROW, borrow, _GAS, f"Borrow {token.token_symbol}")
        return [loan, *self._swap(trade, wallet, limits, is_exact_output=False)]

    def _swap(self, trade: TradeExecution, wallet: str, limits: Limits, *, is_exact_output: bool) -> list[Call]:
        spot = trade.pair.get_pricing_pair()
        swap = self._find_swaps(trade.pair).make_swap(spot, wallet, limits, is_exact_output=is_exact_output)
        return [*self.make_approval(limits.given, wallet, swap.contract, limits.raw_given), swap]

    def _plan_purchase(
        self, trade: TradeExecution, wallet: str, tolerance: float, receipts: Sequence[Receipt]
    ) -> list[Call]:
        """Return a withdrawal, the purchase that it pays, and the repayment; empty when enough was repaid."""
        reserve, token, is_closing = trade.reserve_currency, _get_token(trade), _is_closing(trade)
        debt = int(self.connection.call(trade.pair.base.address, ERC20_BALANCE_OF, wallet))
        if is_closing:
            wanted = int(debt * (1 + _MARGIN)) + 1 if debt else 0
        else:
            repaid = _Flows.read(trade, wallet, receipts).repaid
            wanted = min(token.convert_to_raw_amount(trade.planned_quantity) - repaid, debt)
        if wanted <= 0:
            return []
        price = (
            -(trade.planned_collateral_consumption or Decimal(0))
            / trade.planned_quantity
            * (1 + Decimal(str(tolerance)))
        )
        most = reserve.convert_to_raw_amount(token.convert_to_decimal(wanted) * price) + 1
        free = self._get_free_collateral(trade.pair, wallet)
        bought, is_last = wanted, most <= free
        if not is_last:
            bought, most = wanted * free // most, free
        if bought <= 0 or most <= 0:
            raise NotTradeable(f"{trade}: no collateral can be withdrawn without a liquidation")
        spent = (reserve.checksum_address, most, wallet)
        repayment = _EVERYTHING if is_closing and is_last else bought
        return [
            Call(self.pool, AAVE_WITHDRAW, spent, _GAS, f"Withdraw {reserve.token_symbol} for the purchase"),
            *self._swap(trade, wallet, Limits(reserve, token, most, bought), is_exact_output=True),
            *self.make_approval(token, wallet, self.pool, bought),
            Call(self.pool, AAVE_REPAY, (token.checksum_address, repayment, _VARIABLE, wallet), _GAS, "Repay"),
        ]

    def _get_free_collateral(self, pair: TradingPairIdentifier, wallet: str) -> int:
        """Return how much of the aToken can be withdrawn now without risking a liquidation, raw units."""
        held = int(self.connection.call(pair.quote.address, ERC20_BALANCE_OF, wallet))
        collateral, debt, _, threshold, _, _ = self.connection.call(self.pool, AAVE_ACCOUNT, wallet)
        if not collateral or not threshold:
            return held if not debt else 0
        needed = Decimal(debt) * 10_000 / threshold * (1 + _HEALTH_RESERVE)
        return max(int(held * (1 - needed / collateral)), 0)

    def _plan_release(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt]) -> list[Call]:
        """Return the withdrawal of what the trade releases; a closing trade sells the rest of its purchase before."""
        reserve, token = trade.reserve_currency, _get_token(trade)
        flows = _Flows.read(trade, wallet, receipts)
        if _is_closing(trade):
            everything = Call(
                self.pool, AAVE_WITHDRAW, (reserve.checksum_address, _EVERYTHING, wallet), _GAS, "Withdraw"
            )
            rest = flows.swapped_token - flows.repaid
            if rest <= 0:
                return [everything]
            limits = Limits(token, reserve, rest, 0)
            return [*self._swap(trade, wallet, limits, is_exact_output=False), everything]
        in_hand = flows.loan_reserve + flows.swapped_reserve
        missing = reserve.convert_to_raw_amount(-(trade.planned_collateral_allocation or Decimal(0))) - in_hand
        if missing > 0:
            return [Call(self.pool, AAVE_WITHDRAW, (reserve.checksum_address, missing, wallet), _GAS, "Withdraw")]
        if missing < 0:
            return self._supply(reserve, wallet, -missing, "Put back what the purchase did not cost")
        return []

    # --- Undoing

    def plan_undo(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> list[Call]:
        """Return what undoes the unfinished step, see the top of this module."""
        for transaction, receipt in zip(trade.blockchain_transactions, receipts, strict=True):
            is_failed = receipt is None or not receipt.succeeded
            if is_failed and (transaction.notes or "").startswith(_UNDO):
                return []
        flows = _Flows.read(trade, wallet, receipts)
        undo = self._undo_sale if trade.planned_quantity < 0 else self._undo_purchase
        calls = undo(trade, wallet, flows)
        return [dataclasses.replace(call, notes=f"{_UNDO}{call.notes}") for call in calls]

    def _undo_purchase(self, trade: TradeExecution, wallet: str, flows: "_Flows") -> list[Call]:
        is_cut_short = flows.loan_token and _is_closing(trade)
        if flows.token_in_hand or flows.reserve_in_hand <= 0 or is_cut_short:
            return []
        return self._supply(trade.reserve_currency, wallet, flows.reserve_in_hand, "supply the collateral again")

    def _undo_sale(self, trade: TradeExecution, wallet: str, flows: "_Flows") -> list[Call]:
        reserve, token = trade.reserve_currency, _get_token(trade)
        is_new, in_hand = TradeFlag.open in (trade.flags or ()), flows.token_in_hand
        if in_hand > 0 and (flows.swapped_token < 0 or not is_new):
            return self._repay(token, wallet, in_hand, in_hand)
        if flows.swapped_token < 0:
            return []  # executed in part
        held = int(self.connection.call(trade.pair.quote.address, ERC20_BALANCE_OF, wallet))
        if not is_new:
            raw = min(-flows.reserve_in_hand, held)
            return [self._withdraw(reserve, wallet, raw, "collateral")] if raw > 0 else []
        debt = int(self.connection.call(trade.pair.base.address, ERC20_BALANCE_OF, wallet))
        if debt:
            mid = Decimal(self.get_mid_price(trade.pair))
            missing = int(debt * (1 + _MARGIN)) + token.convert_to_raw_amount(_SPARE / mid) - in_hand
            most = reserve.convert_to_raw_amount(2 * token.convert_to_decimal(missing) * mid) + 1
            return [
                self._withdraw(reserve, wallet, most, "collateral for the purchase"),
                *self._swap(trade, wallet, Limits(reserve, token, most, missing), is_exact_output=True),
                *self._repay(token, wallet, in_hand + missing, _EVERYTHING),
            ]
        sale = self._swap(trade, wallet, Limits(token, reserve, in_hand, 0), is_exact_output=False) if in_hand else []
        return [*sale, self._withdraw(reserve, wallet, _EVERYTHING, "collateral")] if held else sale

    def _repay(self, token: AssetIdentifier, wallet: str, approved: int, raw: int) -> list[Call]:
        repay = Call(self.pool, AAVE_REPAY, (token.checksum_address, raw, _VARIABLE, wallet), _GAS, "repay")
        return [*self.make_approval(token, wallet, self.pool, approved), repay]

    def _withdraw(self, reserve: AssetIdentifier, wallet: str, raw: int, what: str) -> Call:
        return Call(self.pool, AAVE_WITHDRAW, (reserve.checksum_address, raw, wallet), _GAS, f"withdraw the {what}")

    def read_undo_cost(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Decimal:
        """Return the interest and the fee of the swaps that have undone a new short."""
        return trade.reserve_currency.convert_to_decimal(-_Flows.read(trade, wallet, receipts).reserve_in_hand)

    # --- Outcome

    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return quantity, reserve and moves of the collateral, from the transfers of the wallet.

        Raises
        ------
        PartlyExecuted
            The chain has stopped between the steps, e.g. with tokens that were borrowed and not sold.
        """
        flows = _Flows.read(trade, wallet, receipts)
        reserve, token = trade.reserve_currency, _get_token(trade)
        net = flows.reserve_in_hand
        is_complete = all(receipt is not None and receipt.succeeded for receipt in receipts)
        if not flows.has_moved or (not is_complete and _is_undone(trade, flows)):
            return None
        if flows.token_in_hand or not (is_complete or _is_executed_in_part(trade, flows)):
            raise PartlyExecuted(
                f"{trade} has stopped between its steps: the wallet has {token.convert_to_decimal(flows.loan_token)} "
                f"{token.token_symbol} of the pool and {token.convert_to_decimal(flows.swapped_token)} of the swap",
                trade.trade_id,
            )
        consumption = reserve.convert_to_decimal(flows.swapped_reserve)
        if trade.planned_quantity < 0:
            quantity = -token.convert_to_decimal(flows.loan_token)
            # The proceeds are supplied, so that the wallet has paid the reserve of the trade.
            paid, allocation = reserve.convert_to_decimal(-net), Decimal(0)
        else:
            # Interest since the last reading of the balance is part of the price.
            quantity = trade.planned_quantity if _is_closing(trade) else token.convert_to_decimal(flows.repaid)
            paid, allocation = Decimal(0), -reserve.convert_to_decimal(net)
        price = float(abs(consumption / quantity)) if quantity else float(trade.planned_price)
        fee = float(trade.pair.get_pricing_pair().fee or 0)
        return Outcome(quantity, paid, price, float(abs(consumption)) * fee, consumption, allocation)

    # --- Prices

    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return the price of the token that is borrowed."""
        spot = pair.get_pricing_pair()
        return self._find_swaps(pair).get_mid_price(spot)

    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the result of buying the token."""
        return self._find_swaps(pair).quote_buy(pair.get_pricing_pair(), reserve)

    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the result of selling the token."""
        return self._find_swaps(pair).quote_sell(pair.get_pricing_pair(), quantity)


class _Flows:
    """What the wallet has received (+) and sent (-) by a trade, raw units, by the other side of the transfer.

    Attributes
    ----------
    swapped_reserve, swapped_token
        By the pool of the spot pair.
    loan_reserve, loan_token
        By the lending pool.
    """

    __slots__ = ("loan_reserve", "loan_token", "swapped_reserve", "swapped_token")

    def __init__(self) -> None:
        self.swapped_reserve = self.swapped_token = self.loan_reserve = self.loan_token = 0

    @property
    def has_moved(self) -> bool:
        """True if any token has moved."""
        return any((self.swapped_reserve, self.swapped_token, self.loan_reserve, self.loan_token))

    @property
    def token_in_hand(self) -> int:
        """Tokens that the trade has left in the wallet."""
        return self.loan_token + self.swapped_token

    @property
    def reserve_in_hand(self) -> int:
        """Reserve currency that the trade has brought into the wallet; negative for what it has paid."""
        return self.loan_reserve + self.swapped_reserve

    @property
    def repaid(self) -> int:
        """Tokens that were given back to the lending pool."""
        return max(-self.loan_token, 0)

    @classmethod
    def read(cls, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> "_Flows":
        """Return the flows of the successful transactions."""
        flows, holder = cls(), wallet.lower()
        spot_pool = trade.pair.get_pricing_pair().pool_address.lower()
        names = {trade.reserve_currency.address: "reserve", _get_token(trade).address: "token"}
        for receipt in receipts:
            for log in receipt.logs if receipt is not None and receipt.succeeded else ():
                transfer, name = parse_transfer(log), names.get(log.address)
                if transfer is None or name is None:
                    continue
                sender, receiver, amount = transfer
                change = (amount if receiver == holder else 0) - (amount if sender == holder else 0)
                if change:
                    kind = "swapped" if spot_pool in (sender, receiver) else "loan"
                    field = f"{kind}_{name}"
                    setattr(flows, field, getattr(flows, field) + change)
        return flows


def _is_undone(trade: TradeExecution, flows: _Flows) -> bool:
    """Return whether a failed trade has left nothing behind except for the cost of undoing it."""
    limit = trade.reserve_currency.convert_to_raw_amount(trade.planned_reserve * _LARGEST_COST)
    return (
        trade.planned_quantity < 0
        and not flows.token_in_hand
        and flows.swapped_token >= 0
        and abs(flows.reserve_in_hand) <= limit
    )


def _is_executed_in_part(trade: TradeExecution, flows: _Flows) -> bool:
    """Return whether a failed trade has executed some of its rounds, and nothing else."""
    if flows.token_in_hand:
        return False
    if trade.planned_quantity < 0:
        paid = trade.reserve_currency.convert_to_raw_amount(trade.planned_reserve)
        return flows.swapped_token < 0 and flows.reserve_in_hand == -paid
    return flows.loan_token < 0 and not flows.reserve_in_hand and not _is_closing(trade)


def _get_token(trade: TradeExecution) -> AssetIdentifier:
    return trade.pair.get_pricing_pair().base


def _is_closing(trade: TradeExecution) -> bool:
    return bool(trade.closing) or TradeFlag.close in (trade.flags or ())
