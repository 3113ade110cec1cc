"""A refused operation changes nothing, part two: loans, bridges, vaults and exchange accounts.

As in `test_failed_operations.py` the JSON text of the state is the same before and after, byte for byte.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.trader import (
    A_USDC,
    ACCOUNT,
    BRIDGE,
    CREDIT,
    SHORT,
    T0,
    USDC,
    V_WETH,
    VAULT,
    WETH,
    WETH_USDC,
    Trader,
    asset,
    new_state,
    pair,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    AccountingError,
    InvalidTrade,
    InvalidValue,
    LiquidationRisked,
    NonceAlreadyUsed,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
    TooSmallTrade,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.interest import update_interest

D = Decimal
NAN, INFINITY = float("nan"), float("inf")
WITH_ZONE = datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)
BAD_TIMES: tuple[Any, ...] = (WITH_ZONE, None, 5)
BAD_AMOUNTS: tuple[Any, ...] = (D("NaN"), D("Infinity"), 1.5, 1, "1")
BAD_PRICES: tuple[Any, ...] = (2000, D(2000), NAN, INFINITY, -1.0, None, "2000", np.float64(2000))

OTHER_TOKEN = asset("WAVE", 18, 60)
#: Shorts that have no position yet.
V_OTHER = dataclasses.replace(V_WETH, address=f"0x{61:040x}")


def short_pair(base: Any = V_OTHER, quote: Any = A_USDC, kind: TradingPairKind = SHORT.kind) -> TradingPairIdentifier:
    return pair(base, quote, 0.003, 160, kind=kind, underlying_spot_pair=WETH_USDC)


NEW_SHORT = short_pair()
NEW_CREDIT = pair(dataclasses.replace(A_USDC, address=f"0x{62:040x}"), USDC, 0.0, 161, kind=CREDIT.kind)


class World:
    """Positions of every kind that is not spot, each with trades in every status they can have.

    The names of the trades are kind and status, for example `credit_started` and `recall_broadcasted`.
    """

    #: JSON after the latest refusal; making it takes longer than anything else here.
    text = ""

    def __init__(self) -> None:
        self.trader = trader = Trader(new_state(50_000), 0.0, 1.0)
        self.state = state = trader.state
        self.portfolio = state.portfolio
        self.credit, self.credit_success = self.supply("4000")
        self.run(self.credit_success)
        update_interest(state, self.credit, A_USDC, D(4100), trader.ts, 1.0)
        self.short, self.short_success = self.borrow("-1", "2000")
        self.run(self.short_success)
        self.closed, opened = self.supply("100", NEW_CREDIT)
        self.run(opened)
        self.run(self.supply("-100", NEW_CREDIT)[1])
        self.bridge, self.out_success = trader.plan(BRIDGE, reserve="3000")
        self.vault, self.deposit_success = trader.plan(VAULT, price=1.25, reserve="1000")
        self.account, self.account_success = trader.plan(ACCOUNT, price=1.0, reserve="1000")
        for trade in (self.out_success, self.deposit_success, self.account_success):
            self.run(trade)
        self.trades: dict[str, TradeExecution] = {}
        self.add("credit", lambda: self.supply("100")[1])
        self.add("recall", lambda: self.supply("-100")[1])
        self.add("borrow", lambda: self.borrow("-0.01", "50")[1])
        self.add("buyback", lambda: self.borrow("0.01")[1])
        self.add("release", lambda: self.borrow("0", allocation="-10")[1])
        self.add("out", lambda: trader.plan(BRIDGE, reserve="100")[1], in_transit=True)
        self.add("back", lambda: trader.plan(BRIDGE, "-100")[1], in_transit=True)
        self.add("deposit", lambda: trader.plan(VAULT, price=1.25, reserve="100")[1], settles=True)
        self.add("redemption", lambda: trader.plan(VAULT, "-10", 1.25)[1], settles=True)
        self.add("paid_in", lambda: trader.plan(ACCOUNT, price=1.0, reserve="100")[1])
        self.add("paid_out", lambda: trader.plan(ACCOUNT, "-10", 1.0)[1])
        self.add("spot", lambda: trader.plan(WETH_USDC, "0.1", 2000.0)[1])
        self.spot = self.portfolio.open_positions[self.trades["spot_started"].position_id]

    def __getattr__(self, name: str) -> TradeExecution:
        try:
            return self.trades[name]
        except KeyError:
            raise AttributeError(name) from None

    def add(
        self, name: str, plan: Callable[[], TradeExecution], in_transit: bool = False, settles: bool = False
    ) -> None:
        """Plan a trade for each status and take it there."""
        steps = ["planned", "expired", "started", "failed", "broadcasted"]
        steps += ["in_transit"] * in_transit + ["pending"] * settles
        for status in steps:
            trade = self.trades[f"{name}_{status}"] = plan()
            if status == "planned":
                continue
            if status == "expired":
                trade.mark_expired(self.trader.ts)
                continue
            self.trader.start(trade)
            if status == "failed":
                self.trader.fail(trade)
            if status in ("broadcasted", "in_transit", "pending"):
                self.trader.broadcast(trade)
            if status == "in_transit":
                self.state.mark_bridge_in_transit(self.trader.ts, trade)
            if status == "pending":
                self.state.mark_vault_settlement_pending(self.trader.ts, trade, {})

    def run(self, trade: TradeExecution) -> None:
        self.trader.run(trade)

    def supply(self, amount: str, pair: TradingPairIdentifier = CREDIT) -> Any:
        return self.credit_trade(pair=pair, collateral_quantity=D(amount))[:2]

    def borrow(self, quantity: str, reserve: str = "0", allocation: str | None = None) -> Any:
        return self.short_trade(
            borrowed_quantity=D(quantity),
            collateral_quantity=D(reserve),
            planned_collateral_allocation=None if allocation is None else D(allocation),
        )[:2]

    def credit_trade(self, **changes: Any) -> Any:
        """Plan a trade of credit with arguments that work."""
        arguments: dict[str, Any] = {
            "strategy_cycle_at": self.trader.ts,
            "pair": CREDIT,
            "trade_type": TradeType.rebalance,
            "reserve_currency": USDC,
            "collateral_asset_price": 1.0,
            "collateral_quantity": D(100),
        }
        result = self.state.supply_credit(**(arguments | changes))
        self.trader.ts += datetime.timedelta(seconds=1)
        return result

    def short_trade(self, **changes: Any) -> Any:
        """Plan a trade of a short with arguments that work."""
        arguments: dict[str, Any] = {
            "strategy_cycle_at": self.trader.ts,
            "pair": SHORT,
            "borrowed_asset_price": 2000.0,
            "trade_type": TradeType.rebalance,
            "reserve_currency": USDC,
            "collateral_asset_price": 1.0,
            "borrowed_quantity": D("-0.01"),
            "collateral_quantity": D(50),
            "planned_mid_price": 2000.0,
        }
        result = self.state.trade_short(**(arguments | changes))
        self.trader.ts += datetime.timedelta(seconds=1)
        return result

    def close(self, **changes: Any) -> Any:
        """Plan to close a short with arguments that work."""
        return self.short_trade(**({"closing": True, "borrowed_quantity": None, "collateral_quantity": None} | changes))

    def start(self, trade: TradeExecution, ts: Any = T0, **more: Any) -> None:
        self.state.start_execution(ts, trade, **more)

    def in_transit(self, trade: TradeExecution, ts: Any = T0) -> None:
        self.state.mark_bridge_in_transit(ts, trade)

    def pending(self, trade: TradeExecution, ts: Any = T0, ticket: Any = None) -> None:
        self.state.mark_vault_settlement_pending(ts, trade, ticket)


SHORTS = ("borrow", "buyback", "release")
BRIDGES, VAULTS = ("out", "back"), ("deposit", "redemption")
KINDS = ("credit", "recall", *SHORTS, *BRIDGES, *VAULTS, "paid_in", "paid_out")
WAITING = ("out_in_transit", "back_in_transit", "deposit_pending", "redemption_pending")
SUCCESSES = ("credit_success", "short_success", "out_success", "deposit_success", "account_success")


def in_each(kinds: Iterable[str], *statuses: str) -> list[str]:
    """Names of trades."""
    return [f"{kind}_{status}" for kind in kinds for status in statuses]


def test_the_arguments_of_the_cases_below_work_when_nothing_is_wrong_with_them():
    """Otherwise the cases would be refused for another reason than they say."""
    world = World()
    world.state.perform_integrity_check()
    assert world.portfolio.calculate_net_assets() == pytest.approx(50_100.0)
    for operation in (world.credit_trade, world.short_trade, world.close):
        assert operation()[1].is_planned()
    assert world.short_trade(pair=NEW_SHORT, collateral_quantity=D(50))[2]
    assert world.credit_trade(pair=pair(V_OTHER, USDC, 0.0, 163, kind=CREDIT.kind))[2]
    for trade in (world.out_in_transit, world.back_in_transit):
        world.state.resume_bridge_transfer(trade)
    for trade in (world.deposit_pending, world.redemption_pending):
        world.state.resume_vault_settlement(trade)
    for kind in KINDS:
        world.start(getattr(world, f"{kind}_planned"), nonce=77, underflow_check=True)
        world.trader.complete(getattr(world, f"{kind}_broadcasted"))
        world.trader.fail(getattr(world, f"{kind}_started"))
    world.in_transit(world.out_planned)
    world.in_transit(world.back_planned)
    world.pending(world.deposit_planned)
    world.pending(world.redemption_planned)
    world.state.perform_integrity_check()
    assert world.portfolio.calculate_net_assets() == pytest.approx(50_100.0)


def foreign(name: str) -> TradeExecution:
    """The same trade of another state."""
    return getattr(World(), name)


Operation = Callable[[World], Any]
Case = tuple[type[Exception], Operation]

PLAIN_QUOTE = short_pair(quote=USDC)
BACKED_BY_A_TOKEN = short_pair(quote=dataclasses.replace(A_USDC, underlying=OTHER_TOKEN))

#: What planning of both sorts refuses.
PLANS: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "at a pandas time": (InvalidTrade, {"strategy_cycle_at": pd.Timestamp(2022, 1, 1)}),
    "at a time with a zone": (InvalidTrade, {"strategy_cycle_at": WITH_ZONE}),
    "without a time": (InvalidTrade, {"strategy_cycle_at": None}),
    "of a spot pair": (InvalidTrade, {"pair": WETH_USDC}),
    "of a bridge": (InvalidTrade, {"pair": BRIDGE}),
    "in another currency": (InvalidTrade, {"reserve_currency": WETH}),
    "with an int as fee": (InvalidTrade, {"pair_fee": 1}),
    "with a price structure that is none": (InvalidTrade, {"price_structure": {}}),
    "with a slippage tolerance that is too high": (InvalidTrade, {"slippage_tolerance": 0.33}),
    "with flags that are a list": (InvalidTrade, {"flags": [TradeFlag.open]}),
    "with flags that are a number": (InvalidTrade, {"flags": 5}),
    "with notes that are not text": (InvalidTrade, {"notes": 5}),
    "with a NaN as estimated fee": (InvalidTrade, {"lp_fees_estimated": NAN}),
    "with a reserve price that is NaN": (InvalidTrade, {"collateral_asset_price": NAN}),
    "with a reserve price that is text": (InvalidTrade, {"collateral_asset_price": "1"}),
    "with a mid price that is infinite": (InvalidTrade, {"planned_mid_price": INFINITY}),
}
CREDIT_PLANS = PLANS | {
    "of a short": (InvalidTrade, {"pair": SHORT}),
    "of nothing": (InvalidTrade, {"collateral_quantity": D(0)}),
    "of dust": (TooSmallTrade, {"collateral_quantity": D("0.1")}),
    "without an amount": (InvalidTrade, {"collateral_quantity": None}),
    **{f"of {amount!r}": (InvalidTrade, {"collateral_quantity": amount}) for amount in BAD_AMOUNTS},
    "of more than was lent": (InvalidTrade, {"collateral_quantity": D("-4100.01")}),
    "that recalls what was never lent": (
        InvalidTrade,
        {"collateral_quantity": D(-100), "flags": {TradeFlag.ignore_open}},
    ),
}
SHORT_PLANS = PLANS | {
    "of credit": (InvalidTrade, {"pair": CREDIT}),
    "of a long": (InvalidTrade, {"pair": short_pair(kind=TradingPairKind.lending_protocol_long)}),
    "whose collateral is no lending token": (InvalidTrade, {"pair": PLAIN_QUOTE}),
    "whose collateral is not stable": (InvalidTrade, {"pair": BACKED_BY_A_TOKEN}),
    "without a quantity": (InvalidTrade, {"borrowed_quantity": None}),
    "without a reserve": (InvalidTrade, {"collateral_quantity": None}),
    **{
        f"with {name} {amount!r}": (InvalidTrade, {name: amount})
        for name in (
            "borrowed_quantity",
            "collateral_quantity",
            "planned_collateral_consumption",
            "planned_collateral_allocation",
        )
        for amount in BAD_AMOUNTS
    },
    **{
        f"at the price {price!r}": (InvalidTrade, {"borrowed_asset_price": price})
        for price in (0.0, *BAD_PRICES[1:])  # an int is taken
    },
    "with a negative reserve": (InvalidTrade, {"collateral_quantity": D(-50)}),
    "of dust": (TooSmallTrade, {"borrowed_quantity": D("-0.0001")}),
    "that borrows and spends": (InvalidTrade, {"planned_collateral_consumption": D(-20)}),
    "that buys back and gains": (
        InvalidTrade,
        {"borrowed_quantity": D("0.01"), "planned_collateral_consumption": D(20)},
    ),
    "that swaps nothing and gains": (
        InvalidTrade,
        {"borrowed_quantity": D(0), "planned_collateral_consumption": D(20)},
    ),
    "that buys back more than is owed": (InvalidTrade, {"borrowed_quantity": D("1.1")}),
    "that releases more than there is": (
        InvalidTrade,
        {"borrowed_quantity": D(0), "planned_collateral_allocation": D(-5000)},
    ),
    "that would be liquidated": (
        LiquidationRisked,
        {"borrowed_quantity": D(0), "planned_collateral_allocation": D(-1800)},
    ),
}
NEW_SHORTS: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "that borrows nothing": (InvalidTrade, {"borrowed_quantity": D(0)}),
    "that buys back": (InvalidTrade, {"borrowed_quantity": D("0.01")}),
    "without collateral": (
        InvalidTrade,
        {"collateral_quantity": D(0), "planned_collateral_consumption": D(0)},
    ),
    "that would be liquidated": (LiquidationRisked, {"collateral_quantity": D(3)}),
    "whose debt token is none": (InvalidTrade, {"pair": short_pair(base=OTHER_TOKEN)}),
    "whose collateral has another role": (
        InvalidTrade,
        {"pair": short_pair(quote=dataclasses.replace(A_USDC, type=V_WETH.type))},
    ),
    "at a negative price": (InvalidValue, {"borrowed_asset_price": -1.0}),
}
CLOSES: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "that is not open": (InvalidTrade, {"pair": NEW_SHORT}),
    "on a new position": (InvalidTrade, {"flags": {TradeFlag.ignore_open}}),
    "with a reserve": (InvalidTrade, {"collateral_quantity": D(1)}),
    "with a consumption": (InvalidTrade, {"planned_collateral_consumption": D(-1)}),
    "without a mid price": (InvalidTrade, {"planned_mid_price": None}),
    "at the mid price 0": (InvalidTrade, {"planned_mid_price": 0.0}),
    "by borrowing more": (InvalidTrade, {"borrowed_quantity": D("-0.5")}),
    "by a float": (InvalidTrade, {"borrowed_quantity": 0.5}),
    "in part, with all of the collateral": (LiquidationRisked, {"borrowed_quantity": D("0.5")}),
    "by more than is owed": (InvalidTrade, {"borrowed_quantity": D("1.5")}),
}

OPERATIONS: dict[str, Case] = {
    # Planning
    **{
        f"supply credit {name}": (error, lambda w, c=changes: w.credit_trade(**c))
        for name, (error, changes) in CREDIT_PLANS.items()
    },
    **{
        f"trade a short {name}": (error, lambda w, c=changes: w.short_trade(**c))
        for name, (error, changes) in SHORT_PLANS.items()
    },
    **{
        f"open a short {name}": (error, lambda w, c=changes: w.short_trade(**({"pair": NEW_SHORT} | c)))
        for name, (error, changes) in NEW_SHORTS.items()
    },
    **{
        f"close a short {name}": (error, lambda w, c=changes: w.close(**c)) for name, (error, changes) in CLOSES.items()
    },
    "supply credit on a position of another kind": (InvalidTrade, lambda w: w.credit_trade(position=w.short)),
    "supply credit on a closed position": (
        WrongPositionStatus,
        lambda w: w.credit_trade(pair=NEW_CREDIT, position=w.closed),
    ),
    "supply credit on a position of another state": (
        PositionNotFound,
        lambda w: w.credit_trade(position=World().credit),
    ),
    "trade a short on a position of another kind": (InvalidTrade, lambda w: w.short_trade(position=w.credit)),
    "lend for less than is lent": (
        InvalidTrade,
        lambda w: w.state.create_trade(T0, CREDIT, D(100), D(99), 1.0, TradeType.rebalance, USDC, 1.0),
    ),
    "lend without saying for what": (
        InvalidTrade,
        lambda w: w.state.create_trade(T0, CREDIT, D(100), None, 1.0, TradeType.rebalance, USDC, 1.0),
    ),
    "go long without tokens of a loan": (
        InvalidTrade,
        lambda w: w.state.create_trade(
            T0,
            short_pair(kind=TradingPairKind.lending_protocol_long),
            D(1),
            D(100),
            1.0,
            TradeType.rebalance,
            USDC,
            1.0,
        ),
    ),
    # Starting
    **{
        f"start a trade that is {name}": (WrongTradeStatus, lambda w, n=name: w.start(getattr(w, n)))
        for name in (*in_each(KINDS, "expired", "started", "failed", "broadcasted"), *WAITING, *SUCCESSES)
    },
    **{
        f"start {kind} at {time!r}": (InvalidTrade, lambda w, k=kind, t=time: w.start(getattr(w, f"{k}_planned"), t))
        for kind in KINDS
        for time in BAD_TIMES
    },
    **{
        f"start {kind} of another state": (
            PositionNotFound,
            lambda w, k=kind: w.start(foreign(f"{k}_planned")),
        )
        for kind in KINDS
    },
    # Success
    **{
        f"complete a trade that is {name}": (WrongTradeStatus, lambda w, n=name: w.trader.complete(getattr(w, n)))
        for name in in_each(KINDS, "planned", "expired", "started", "failed")
    },
    **{
        f"complete a trade that is {name}, force {force}": (
            WrongTradeStatus,
            lambda w, n=name, f=force: w.trader.complete(getattr(w, n), force=f),
        )
        for name in (*WAITING, *SUCCESSES, "credit_planned", "borrow_failed", "out_expired")
        for force in (False, True)
    },
    **{
        f"complete {kind} with {name} {value!r}": (
            InvalidTrade,
            lambda w, k=kind, n=name, v=value: w.trader.complete(getattr(w, f"{k}_broadcasted"), **{n: v}),
        )
        for kind in KINDS
        for name, values in (
            ("executed_amount", (*BAD_AMOUNTS, None)),
            ("executed_reserve", (*BAD_AMOUNTS, D(-1), None)),
            ("executed_price", BAD_PRICES),
            ("executed_at", BAD_TIMES),
            ("lp_fees", (NAN, "1")),
            ("native_token_price", (INFINITY,)),
            ("cost_of_gas", (D("NaN"),)),
        )
        for value in values
    },
    **{
        f"complete {kind} in the other direction": (
            InvalidTrade,
            lambda w, n=f"{kind}_broadcasted": w.trader.complete(
                getattr(w, n), executed_amount=-getattr(w, n).planned_quantity or D(1)
            ),
        )
        for kind in KINDS
    },
    **{
        f"complete {kind} with nothing": (
            InvalidTrade,
            lambda w, k=kind: w.trader.complete(getattr(w, f"{k}_broadcasted"), executed_amount=D(0)),
        )
        for kind in KINDS
        if kind != "release"
    },
    **{
        f"complete {kind} without proceeds": (
            InvalidTrade,
            lambda w, k=kind: w.trader.complete(getattr(w, f"{k}_broadcasted"), executed_reserve=D(0)),
        )
        for kind in ("recall", "back", "redemption", "paid_out")
    },
    **{
        f"complete {kind} with {name} {value!r}": (
            InvalidTrade,
            lambda w, k=kind, n=name, v=value: w.trader.complete(getattr(w, f"{k}_broadcasted"), **{n: v}),
        )
        for kind in SHORTS
        for name in ("executed_collateral_consumption", "executed_collateral_allocation")
        for value in BAD_AMOUNTS
    },
    "complete a swap without its consumption": (
        InvalidTrade,
        lambda w: w.trader.complete(w.borrow_broadcasted, executed_collateral_consumption=None),
    ),
    "complete a release without its allocation": (
        InvalidTrade,
        lambda w: w.trader.complete(w.release_broadcasted, executed_collateral_allocation=None),
    ),
    "complete a release that gains": (
        InvalidTrade,
        lambda w: w.trader.complete(w.release_broadcasted, executed_collateral_consumption=D(10)),
    ),
    "complete a release of more than there is": (
        InvalidTrade,
        lambda w: w.trader.complete(w.release_broadcasted, executed_collateral_allocation=D(-5000)),
    ),
    "complete a release of what the debt needs": (
        LiquidationRisked,
        lambda w: w.trader.complete(w.release_broadcasted, executed_collateral_allocation=D(-1700)),
    ),
    "complete a buy-back of more than is owed": (
        InvalidTrade,
        lambda w: w.trader.complete(w.buyback_broadcasted, executed_amount=D(2)),
    ),
    "complete a swap at no price": (
        InvalidValue,
        lambda w: w.trader.complete(w.borrow_broadcasted, executed_price=0.0),
    ),
    "complete a recall of more than was lent": (
        InvalidTrade,
        lambda w: w.trader.complete(w.recall_broadcasted, executed_amount=D(-4101), executed_reserve=D(4101)),
    ),
    **{
        f"complete {kind} of another state": (
            PositionNotFound,
            lambda w, k=kind: w.trader.complete(foreign(f"{k}_broadcasted")),
        )
        for kind in KINDS
    },
    # Failure
    **{
        f"fail a trade that is {name}": (WrongTradeStatus, lambda w, n=name: w.trader.fail(getattr(w, n)))
        for name in (*in_each(KINDS, "planned", "expired", "failed"), *WAITING, *SUCCESSES)
    },
    **{
        f"fail {kind} at {time!r}": (
            InvalidTrade,
            lambda w, k=kind, t=time: w.state.mark_trade_failed(t, getattr(w, f"{k}_started")),
        )
        for kind in KINDS
        for time in BAD_TIMES
    },
    **{
        f"fail {kind} of another state": (PositionNotFound, lambda w, k=kind: w.trader.fail(foreign(f"{k}_started")))
        for kind in KINDS
    },
    # On a bridge
    **{
        f"put a transfer on its way that is {name}": (WrongTradeStatus, lambda w, n=name: w.in_transit(getattr(w, n)))
        for name in (*in_each(BRIDGES, "planned", "expired", "failed", "in_transit"), "out_success")
    },
    **{
        f"put {kind} on its way at {time!r}": (
            InvalidTrade,
            lambda w, k=kind, t=time: w.in_transit(getattr(w, f"{k}_broadcasted"), t),
        )
        for kind in BRIDGES
        for time in BAD_TIMES
    },
    **{
        f"put a transfer on its way that is none, but {kind}": (
            InvalidTrade,
            lambda w, k=kind: w.in_transit(getattr(w, f"{k}_broadcasted")),
        )
        for kind in (*KINDS, "spot")
        if kind not in BRIDGES
    },
    **{
        f"{verb} {kind} of another state": (PositionNotFound, lambda w, n=name, o=operation: o(w, foreign(n)))
        for kind in BRIDGES
        for verb, name, operation in (
            ("put on its way", f"{kind}_broadcasted", World.in_transit),
            ("resume", f"{kind}_in_transit", lambda w, trade: w.state.resume_bridge_transfer(trade)),
        )
    },
    **{
        f"resume a transfer that is {name}": (
            WrongTradeStatus,
            lambda w, n=name: w.state.resume_bridge_transfer(getattr(w, n)),
        )
        for name in (
            *in_each(BRIDGES, "planned", "started", "broadcasted", "failed"),
            *("out_success", "deposit_pending", "spot_broadcasted"),
        )
    },
    # At a vault
    **{
        f"let a request wait that is {name}": (WrongTradeStatus, lambda w, n=name: w.pending(getattr(w, n)))
        for name in (*in_each(VAULTS, "planned", "expired", "failed", "pending"), "deposit_success")
    },
    **{
        f"let {kind} wait since {time!r}": (
            InvalidTrade,
            lambda w, k=kind, t=time: w.pending(getattr(w, f"{k}_broadcasted"), t),
        )
        for kind in VAULTS
        for time in BAD_TIMES
    },
    **{
        f"let a request wait that is none, but {kind}": (
            InvalidTrade,
            lambda w, k=kind: w.pending(getattr(w, f"{k}_broadcasted")),
        )
        for kind in (*KINDS, "spot")
        if kind not in VAULTS
    },
    **{
        f"let {kind} wait with the ticket {ticket}": (
            InvalidTrade,
            lambda w, k=kind, t=ticket: w.pending(getattr(w, f"{k}_broadcasted"), ticket=t),
        )
        for kind, ticket in (
            ("deposit", {"vault_direction": "redeem"}),
            ("redemption", {"vault_direction": "deposit"}),
            ("deposit", {"vault_settlement_request_reserve": 101}),
            ("redemption", {"vault_settlement_request_quantity": 10}),
            ("redemption", {"note": object}),
        )
    },
    **{
        f"{verb} {kind} of another state": (PositionNotFound, lambda w, n=name, o=operation: o(w, foreign(n)))
        for kind in VAULTS
        for verb, name, operation in (
            ("let wait", f"{kind}_broadcasted", World.pending),
            ("resume", f"{kind}_pending", lambda w, trade: w.state.resume_vault_settlement(trade)),
        )
    },
    **{
        f"resume a request that is {name}": (
            WrongTradeStatus,
            lambda w, n=name: w.state.resume_vault_settlement(getattr(w, n)),
        )
        for name in (
            *in_each(VAULTS, "planned", "started", "broadcasted", "failed"),
            *("deposit_success", "out_in_transit", "spot_broadcasted"),
        )
    },
    # Several at once
    "start all, the last of them started already": (
        WrongTradeStatus,
        lambda w: w.state.start_execution_all(
            T0, [w.credit_planned, w.borrow_planned, w.out_planned, w.paid_in_planned, w.deposit_started]
        ),
    ),
    "start all, one of them twice": (
        WrongTradeStatus,
        lambda w: w.state.start_execution_all(T0, [w.deposit_planned, w.redemption_planned, w.deposit_planned]),
    ),
}


def without_reserve(world: World) -> None:
    world.portfolio.reserves.clear()


def without_money(world: World) -> None:
    world.portfolio.get_default_reserve_position().quantity = D(1)


def without_position(world: World) -> None:
    world.portfolio.open_positions.clear()


def with_another_reserve(world: World) -> None:
    reserve = world.portfolio.get_default_reserve_position()
    reserve.asset = OTHER_TOKEN
    world.portfolio.reserves = {reserve.get_identifier(): reserve}


def with_used_nonce(world: World) -> None:
    world.credit_success.set_blockchain_transactions([BlockchainTransaction(tx_hash="0xaa", nonce=77)])


def nearly_liquidated(world: World) -> None:
    world.short.revalue_base_asset(world.trader.ts, 3390.0)


#: What has to be prepared first: the preparation is not part of the refused operation.
PREPARED: dict[str, tuple[type[Exception], Callable[[World], Any], Operation]] = {
    **{
        f"start {kind} without a reserve": (
            ReserveMissing,
            without_reserve,
            lambda w, k=kind: w.start(getattr(w, f"{k}_planned")),
        )
        for kind in ("credit", "borrow", "release", "out", "deposit", "paid_in")
    },
    **{
        f"start {kind} without money": (
            NotEnoughMoney,
            without_money,
            lambda w, k=kind: w.start(getattr(w, f"{k}_planned"), underflow_check=True),
        )
        for kind in ("credit", "borrow", "out", "deposit", "paid_in")
    },
    **{
        f"fail {kind} without a reserve": (
            ReserveMissing,
            without_reserve,
            lambda w, k=kind: w.trader.fail(getattr(w, f"{k}_broadcasted")),
        )
        for kind in ("credit", "borrow", "out", "deposit", "paid_in")
    },
    **{
        f"complete {kind} without a reserve": (
            ReserveMissing,
            without_reserve,
            lambda w, k=kind: w.trader.complete(getattr(w, f"{k}_broadcasted")),
        )
        for kind in ("recall", "release", "back", "redemption", "paid_out")
    },
    **{
        f"complete {kind} without a reserve for what was not spent": (
            ReserveMissing,
            without_reserve,
            lambda w, k=kind: w.trader.complete(getattr(w, f"{k}_broadcasted"), executed_reserve=D(30)),
        )
        for kind in ("credit", "borrow", "out", "deposit", "paid_in")
    },
    **{
        f"{verb} {name} without a position": (
            PositionNotFound,
            without_position,
            lambda w, n=name, o=operation: o(w, getattr(w, n)),
        )
        for verb, names, operation in (
            ("start", in_each(KINDS, "planned"), World.start),
            ("complete", in_each(KINDS, "broadcasted"), lambda w, trade: w.trader.complete(trade)),
            ("fail", in_each(KINDS, "started"), lambda w, trade: w.trader.fail(trade)),
            ("transfer", in_each(BRIDGES, "broadcasted"), World.in_transit),
            ("request", in_each(VAULTS, "broadcasted"), World.pending),
            ("resume", ["back_in_transit"], lambda w, trade: w.state.resume_bridge_transfer(trade)),
            ("settle", ["deposit_pending"], lambda w, trade: w.state.resume_vault_settlement(trade)),
        )
        for name in names
    },
    "trade a short with a reserve of another asset": (
        InvalidTrade,
        with_another_reserve,
        lambda w: w.short_trade(),
    ),
    "trade a short without a reserve": (InvalidTrade, without_reserve, lambda w: w.short_trade()),
    "start a loan trade with a used nonce": (
        NonceAlreadyUsed,
        with_used_nonce,
        lambda w: w.start(w.credit_planned, nonce=77),
    ),
    "borrow more when the price has gone up": (
        LiquidationRisked,
        nearly_liquidated,
        lambda w: w.short_trade(collateral_quantity=D(0), borrowed_quantity=D("-0.2"), borrowed_asset_price=3390.0),
    ),
}


def refuse(world: World, error: type[Exception], operation: Operation) -> None:
    before = world.text or world.state.to_json()
    with pytest.raises(error):
        operation(world)
    world.text = world.state.to_json()
    assert world.text == before
    for trade in world.trades.values():
        if trade.is_planned():
            assert not hasattr(trade, "nonce")
            assert not hasattr(trade, "txid")


@pytest.fixture(scope="module")
def shared_world() -> World:
    """One world for all refusals: since none of them changes it, they do not disturb each other."""
    return World()


@pytest.mark.parametrize(("error", "operation"), OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_refused_operation_changes_nothing(shared_world: World, error: type[Exception], operation: Operation):
    refuse(shared_world, error, operation)


@pytest.mark.parametrize(("error", "prepare", "operation"), PREPARED.values(), ids=PREPARED.keys())
def test_an_operation_refused_in_a_special_situation_changes_nothing(
    error: type[Exception], prepare: Callable[[World], Any], operation: Operation
):
    world = World()
    prepare(world)
    refuse(world, error, operation)


def test_all_refusals_are_errors_of_this_package():
    expected = {case[0] for case in (*OPERATIONS.values(), *PREPARED.values())}
    assert all(issubclass(error, (AccountingError, InvalidValue)) for error in expected)


def test_the_next_operation_after_refused_ones_gets_the_next_ids():
    world = World()
    position_id, trade_id = world.portfolio.next_position_id, world.portfolio.next_trade_id
    for changes in ({"collateral_quantity": D(3)}, {"borrowed_quantity": D(1)}, {"pair": PLAIN_QUOTE}):
        with pytest.raises((InvalidTrade, LiquidationRisked)):
            world.short_trade(**({"pair": NEW_SHORT} | changes))
    position, trade, created = world.short_trade(pair=NEW_SHORT)
    assert (position.position_id, trade.trade_id, created) == (position_id, trade_id, True)
