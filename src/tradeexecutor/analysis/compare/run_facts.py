"""What the attribution reads from each of the two states: trades, holdings, flows.

Everything is converted to `Decimal` here, exactly; the attribution calculates with these numbers only.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.compare.cycle_log import CycleLog, read_cycle_log
from tradeexecutor.analysis.compare.pair_names import PairNamer
from tradeexecutor.ledger.journal import list_positions
from tradeexecutor.ledger.trades import get_executed_quantity, is_counter_trade, is_really_executed
from tradeexecutor.state.balance_update import INVESTOR_FLOWS
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.amounts import sum_fees

__all__ = ["Holding", "RunFacts", "Traded", "read_facts"]

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(slots=True)
class Traded:
    """A trade of one run.

    Attributes
    ----------
    quantity
        Executed tokens, + bought, - sold; 0 if nothing was executed.
    price
        What a token cost or brought, with everything, USD.
    mid
        Mid price of the plan, USD; of old trades the planned price without the fees.
    fee_factor
        By how much the fees multiply the price: above 1 for a buy, below 1 for a sale.
    read_at
        When the price of the plan was read.
    delay
        Age of that price.
    """

    trade: TradeExecution
    name: str
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    mid: Decimal = ZERO
    fee_factor: Decimal = ONE
    read_at: datetime.datetime = datetime.datetime.min
    delay: datetime.timedelta = datetime.timedelta(0)

    @property
    def decided_at(self) -> datetime.datetime:
        """Time of the decision."""
        return self.trade.opened_at

    @property
    def is_executed(self) -> bool:
        """Whether tokens were exchanged."""
        return bool(self.quantity)


@dataclass(slots=True)
class Holding:
    """What one run holds of a pair at the end.

    Attributes
    ----------
    traded, corrected
        Tokens by trades, and by changes that are no trades.
    price
        Value of a token, USD; 0 if it never had one.
    priced_at
        Time of that value.
    flows
        Value of the deposits and redemptions in kind, USD.
    loan_profit
        Profit of positions with a loan, interest included, USD; None for a pair without a loan.
    """

    traded: Decimal = ZERO
    corrected: Decimal = ZERO
    price: Decimal = ZERO
    priced_at: datetime.datetime = datetime.datetime.min
    flows: Decimal = ZERO
    loan_profit: Decimal | None = None


@dataclass(slots=True)
class RunFacts:
    """What the attribution reads from a state.

    Attributes
    ----------
    equity
        Net asset value, USD.
    flows
        Deposits (+) and redemptions (-) by time, USD.
    trades
        Every decided trade that moves tokens, executed or not.
    holdings
        By name of the pair.
    cash_corrections
        Changes of the cash that are neither trades nor deposits, USD.
    frozen
        Since when a pair is blocked by a position that a failed trade has frozen.
    gas
        Gas that trades have paid, USD; it is paid by a wallet outside the books.
    """

    equity: Decimal
    flows: list[tuple[datetime.datetime, Decimal]]
    cycles: CycleLog
    trades: list[Traded] = field(default_factory=list[Traded])
    holdings: defaultdict[str, Holding] = field(default_factory=lambda: defaultdict(Holding))
    frozen: defaultdict[str, list[datetime.datetime]] = field(default_factory=lambda: defaultdict(list))
    cash_corrections: Decimal = ZERO
    gas: Decimal = ZERO

    def sum_flows(self, until: datetime.datetime | None = None) -> Decimal:
        """Return the deposits minus redemptions up to a time, USD."""
        return sum((value for when, value in self.flows if until is None or when <= until), ZERO)

    def is_frozen(self, name: str, at: datetime.datetime) -> bool:
        """Return True if a failed trade blocked a pair at a time."""
        return any(since <= at for since in self.frozen[name])

    def get_trading_result(self, name: str) -> Decimal:
        """Return what the trades of a pair have brought and cost, and what they left, USD."""
        holding = self.holdings[name]
        paid = sum((item.quantity * item.price for item in self.trades if item.name == name), ZERO)
        return holding.traded * holding.price - paid

    def get_interest(self, name: str) -> Decimal:
        """Return the interest of the loans of a pair, USD: what the trades do not explain of their profit."""
        profit = self.holdings[name].loan_profit
        return ZERO if profit is None else profit - self.get_trading_result(name)

    def get_corrections(self, name: str) -> Decimal:
        """Return the value of the corrections of a pair, USD."""
        holding = self.holdings[name]
        return ZERO if holding.loan_profit is not None else holding.corrected * holding.price - holding.flows


def read_facts(state: State, namer: PairNamer) -> RunFacts:
    """Return the facts of a state, which is not changed."""
    facts = RunFacts(
        equity=_to_decimal(state.portfolio.get_net_asset_value() + state.portfolio.get_in_transit_value()),
        flows=sorted((when, _to_decimal(usd)) for when, usd in iterate_flows(state)),
        cycles=read_cycle_log(state),
    )
    values: defaultdict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for position in list_positions(state):
        name = namer.get_name(position.pair)
        holding = facts.holdings[name]
        for trade in _list_trades(position):
            _add_trade(facts, holding, trade, name)
        _add_value(holding, position, values, name)
        if position.frozen_at is not None and position.position_id in state.portfolio.frozen_positions:
            facts.frozen[name].append(position.frozen_at)
        if position.pair.kind.is_credit_based():
            profit = _to_decimal(position.get_net_profit_usd())
            holding.loan_profit = profit + (holding.loan_profit or ZERO)
            continue
        for event in position.balance_updates.values():
            holding.corrected += event.quantity
            if event.cause in INVESTOR_FLOWS:
                holding.flows += _to_decimal(event.usd_value)
    for name, (quantity, value) in values.items():
        if quantity:
            facts.holdings[name].price = value / quantity
    for reserve in state.portfolio.reserves.values():
        price = _to_decimal(reserve.reserve_token_price or 1.0)
        for event in reserve.balance_updates.values():
            if event.cause not in INVESTOR_FLOWS:
                facts.cash_corrections += event.quantity * price
    return facts


def _add_value(
    holding: Holding,
    position: TradingPosition,
    values: defaultdict[str, tuple[Decimal, Decimal]],
    name: str,
) -> None:
    """Add quantity and value of an open position, and record the latest price of a closed one."""
    if position.last_pricing_at >= holding.priced_at:
        holding.priced_at = position.last_pricing_at
        if name not in values:
            holding.price = _to_decimal(position.last_token_price)
    if position.closed_at is not None or position.pair.kind.is_credit_based():
        return
    quantity = position.get_quantity()
    if quantity:
        total, value = values[name]
        values[name] = total + quantity, value + _to_decimal(position.get_equity())


def _list_trades(position: TradingPosition) -> Iterable[TradeExecution]:
    found = {
        trade.trade_id: trade
        for table in (position.trades, position.pending_trades, position.expired_trades)
        for trade in table.values()
    }
    return found.values()


def _add_trade(facts: RunFacts, holding: Holding, trade: TradeExecution, name: str) -> None:
    facts.gas += _to_decimal(trade.get_cost_of_gas_usd() or 0.0)
    if is_counter_trade(trade):
        return
    if not is_really_executed(trade):
        facts.trades.append(Traded(trade, name))
        return
    quantity = get_executed_quantity(trade)
    if trade.flags and TradeFlag.missing_position_repair in trade.flags:
        holding.corrected += quantity  # tokens that were found: nobody paid for them
        return
    if not quantity:
        return
    traded = Traded(trade, name, quantity, _get_price(trade, quantity))
    plan = trade.price_structure
    mid = trade.planned_mid_price or (None if plan is None else plan.mid_price)
    traded.mid, traded.fee_factor = _get_mid(trade, traded, _to_decimal(mid or 0.0))
    traded.read_at = trade.opened_at if plan is None or plan.read_at is None else plan.read_at
    traded.delay = datetime.timedelta(0) if plan is None else plan.market_feed_delay or datetime.timedelta(0)
    facts.trades.append(traded)
    holding.traded += quantity


def _get_price(trade: TradeExecution, quantity: Decimal) -> Decimal:
    """Return what was paid or received for a token, USD."""
    if trade.executed_reserve and not trade.pair.kind.is_credit_based():
        rate = _to_decimal(trade.get_reserve_currency_exchange_rate())
        return trade.executed_reserve * rate / abs(quantity)
    return _to_decimal(trade.executed_price or trade.planned_price)


def _get_mid(trade: TradeExecution, traded: Traded, mid: Decimal) -> tuple[Decimal, Decimal]:
    """Return mid price and fee factor. Fees are a part of what is paid in: money for a buy, tokens for a sale."""
    fees = _to_decimal(sum_fees(trade.lp_fees_paid))
    plan = _to_decimal(trade.planned_price)
    paid = traded.quantity * (traded.price if traded.quantity > 0 else mid or plan)
    kept = 1 - fees / abs(paid) if paid else ONE
    if kept <= 0:
        return mid or plan, ONE  # more fees than money: a record that cannot be right
    factor = 1 / kept if traded.quantity > 0 else kept
    return mid or plan / factor, factor


def _to_decimal(value: float | Decimal) -> Decimal:
    """Return exactly the same number."""
    return value if isinstance(value, Decimal) else Decimal(float(value))
