"""Opening positions for tokens in the wallet that no position holds.

The new position starts with a trade that is marked as a repair of a missing position. The trade has the quantity of the
tokens and their value; no cash is spent, and the ledger books the tokens as a correction. So equity grows by the value
of the tokens, and the position starts without profit.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.errors import (
    InvalidTrade,
    UnexpectedAccountingCorrectionIssue,
    UnsupportedPairKind,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.pnl import create_share_price_state
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag, TradeRequest, TradeType
from tradeexecutor.strategy.accounts.account_check import AccountingBalanceCheck
from tradeexecutor.strategy.asset import PairUniverse
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = [
    "MissingPosition",
    "apply_missing_position",
    "find_missing_position",
    "open_missing_credit_position",
    "open_missing_position",
    "open_missing_spot_position",
    "open_missing_spot_position_direct",
]

_FLAGS = frozenset({TradeFlag.missing_position_repair, TradeFlag.open})


@dataclass(frozen=True, slots=True)
class MissingPosition:
    """A position to be opened.

    Attributes
    ----------
    pair
        Pair of the position.
    quantity
        Quantity of base tokens, > 0.
    price
        USD per base token.
    """

    pair: TradingPairIdentifier
    quantity: Decimal
    price: float

    @property
    def value(self) -> float:
        """Value of the tokens, USD."""
        return float(self.quantity) * self.price


def find_missing_position(
    state: State,
    correction: AccountingBalanceCheck,
    strategy_universe: PairUniverse | None = None,
    pricing_model: PricingModel | None = None,
) -> MissingPosition:
    """Return the position to open for tokens without one.

    The pair is the spot pair, vault or credit supply with this base token, from the universe or an earlier position; of
    several, the one with the lowest fee. The price is that of the pricing model, or the last one in the state.

    Raises
    ------
    UnexpectedAccountingCorrectionIssue
        There are no surplus tokens, no pair, or no price; nothing has changed.
    """
    asset, quantity = correction.asset, correction.quantity

    def refuse(reason: str) -> UnexpectedAccountingCorrectionIssue:
        return UnexpectedAccountingCorrectionIssue(
            f"no position can be opened for {quantity} {asset}: {reason}",
            asset.get_identifier(),
            correction.expected_amount,
            correction.actual_amount,
            reason,
        )

    if quantity <= 0:
        raise refuse("the actual amount is not larger than the expected one")
    pair = _find_pair(state, strategy_universe, asset)
    if pair is None:
        raise refuse("no pair with this token is known")
    if pair.kind.is_credit_supply():
        return MissingPosition(pair, quantity, 1.0)
    if pricing_model is not None:
        return MissingPosition(pair, quantity, pricing_model.get_mid_price(correction.timestamp, pair))
    if not correction.price:
        raise refuse("its price is not known")
    return MissingPosition(pair, quantity, correction.price)


def _find_pair(state: State, universe: PairUniverse | None, asset: AssetIdentifier) -> TradingPairIdentifier | None:
    known: Iterable[TradingPairIdentifier] = (
        (position.pair for position in state.portfolio.get_all_positions())
        if universe is None
        else universe.iterate_pairs()
    )
    suitable = [
        pair
        for pair in known
        if pair.base == asset
        and (pair.kind.is_spot() or pair.kind.is_vault() or pair.kind.is_credit_supply())
        and not pair.is_hyperliquid_vault()
    ]
    return min(suitable, key=lambda pair: (pair.fee is None, pair.fee or 0.0), default=None)


def apply_missing_position(
    state: State, missing: MissingPosition, timestamp: datetime.datetime
) -> tuple[TradingPosition, TradeExecution]:
    """Open the position.

    Parameters
    ----------
    timestamp
        When the tokens were found, naive UTC.

    Returns
    -------
    tuple
        The position and its first trade.

    Raises
    ------
    InvalidTrade
        Amount or price is invalid, or the amount is dust; nothing has changed.
    """
    pair, quantity, price = missing.pair, missing.quantity, missing.price
    if quantity <= 0 or not 0 < price < float("inf"):
        raise InvalidTrade(f"a position cannot have {quantity} {pair.base.token_symbol} at {price} USD")
    reserve_currency, reserve_price = state.portfolio.get_default_reserve_asset()
    reserve_currency = reserve_currency or pair.quote
    reserve_price = 1.0 if reserve_price is None else reserve_price
    notes = f"Opened for {quantity} {pair.base.token_symbol} that no position held"
    is_credit = pair.kind.is_credit_supply()
    request = TradeRequest(
        strategy_cycle_at=timestamp,
        pair=pair,
        quantity=quantity,
        assumed_price=1.0 if is_credit else price,
        trade_type=TradeType.rebalance,
        reserve_currency=pair.quote if is_credit else reserve_currency,
        reserve_currency_price=reserve_price,
        notes=notes,
        planned_mid_price=None if is_credit else price,
        flags=set(_FLAGS),
    )
    if is_credit:
        position, trade, _ = state.request_credit(request)
    elif pair.kind.is_spot() or pair.kind.is_vault():
        position, trade, _ = state.request_trade(request)
    else:
        raise UnsupportedPairKind(f"tokens of {pair} are not opened as a position of their own")
    trade.started_at = timestamp
    fill = Fill(
        executed_at=timestamp,
        price=float(trade.planned_price),
        quantity=quantity,
        reserve=trade.planned_reserve,
        lp_fees=0.0,
        native_token_price=1.0,
    )
    trade.record_fill(fill, force=True)
    if is_credit:
        loan, _ = get_loan_after_trade(position.loan, trade, LoanChange.read(trade, "execute"), closing=False)
        position.loan, trade.executed_loan_update = loan, loan.clone()
    else:
        position.share_price_state = create_share_price_state(trade)
    return position, trade


def open_missing_spot_position_direct(
    strategy_universe: PairUniverse | None,
    state: State,
    pricing_model: PricingModel,
    timestamp: datetime.datetime,
    asset: AssetIdentifier,
    quantity: Decimal,
) -> tuple[TradingPosition, TradeExecution]:
    """Open a spot or vault position for tokens without one, at the mid price.

    Raises
    ------
    UnexpectedAccountingCorrectionIssue
        No pair has this base token.
    InvalidTrade
        Amount or price is invalid, or the amount is dust.
    """
    pair = _find_pair(state, strategy_universe, asset)
    if pair is None or pair.kind.is_credit_supply():
        raise UnexpectedAccountingCorrectionIssue(
            f"no position can be opened for {quantity} {asset}: no spot pair or vault with this token is known",
            asset.get_identifier(),
            Decimal(0),
            quantity,
        )
    price = pricing_model.get_mid_price(timestamp, pair)
    return apply_missing_position(state, MissingPosition(pair, quantity, price), timestamp)


def open_missing_spot_position(
    strategy_universe: PairUniverse | None,
    state: State,
    pricing_model: PricingModel,
    correction: AccountingBalanceCheck,
) -> tuple[TradingPosition, TradeExecution]:
    """Open a spot or vault position for a difference; see `open_missing_spot_position_direct`."""
    return open_missing_spot_position_direct(
        strategy_universe, state, pricing_model, correction.timestamp, correction.asset, correction.quantity
    )


def open_missing_credit_position(
    strategy_universe: PairUniverse | None,
    state: State,
    pricing_model: PricingModel | None,
    correction: AccountingBalanceCheck,
) -> tuple[TradingPosition, TradeExecution]:
    """Open a credit supply for collateral tokens without a position; the whole amount is principal.

    Raises
    ------
    UnexpectedAccountingCorrectionIssue
        No credit supply has this token.
    InvalidTrade
        The amount is dust.
    """
    missing = find_missing_position(state, correction, strategy_universe, pricing_model)
    if not missing.pair.kind.is_credit_supply():
        raise UnexpectedAccountingCorrectionIssue(
            f"{correction.asset} is not what a credit supply holds",
            correction.asset.get_identifier(),
            correction.expected_amount,
            correction.actual_amount,
        )
    return apply_missing_position(state, missing, correction.timestamp)


def open_missing_position(
    strategy_universe: PairUniverse | None,
    state: State,
    pricing_model: PricingModel | None,
    correction: AccountingBalanceCheck,
) -> tuple[TradingPosition, TradeExecution]:
    """Open a position for tokens without one; see `find_missing_position`."""
    missing = find_missing_position(state, correction, strategy_universe, pricing_model)
    return apply_missing_position(state, missing, correction.timestamp)
