"""A refused operation changes nothing: the JSON text of the state is the same before and after, byte for byte.

That covers money, trades, positions, notes and the id counters, since all of them are in the text.  Here are spot
trades, positions, reserves and the root; loans, bridges, vaults and exchange accounts are in
`test_failed_operations_of_other_kinds.py`.
"""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.trader import (
    BRIDGE,
    FAR_USDC,
    FAR_WETH_USDC,
    LINK,
    LINK_USDC,
    T0,
    USDC,
    WBTC_USDC,
    WETH,
    WETH_USDC,
    Trader,
    new_state,
    pair,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    AccountingError,
    BalanceUpdateEventAlreadyAdded,
    InvalidTrade,
    InvalidValue,
    NonceAlreadyUsed,
    NotEnoughMoney,
    PositionNotFound,
    ReserveAlreadyInitialised,
    ReserveMissing,
    TooSmallTrade,
    TradeExecutorError,
    UnexecutedTrades,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType

NAN, INFINITY = float("nan"), float("inf")
D = Decimal
WITH_ZONE = datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)

BAD_TIMES: tuple[Any, ...] = (WITH_ZONE, None, 5)
BAD_PRICES: tuple[Any, ...] = (2000, D(2000), NAN, INFINITY, -1.0, None, "2000")
BAD_AMOUNTS: tuple[Any, ...] = (1, 1.5, None, D("NaN"), D("Infinity"))


class World:
    """A state with a trade in every status.

    Position 1 WETH is open with trades planned, started, broadcasted and failed; 2 WBTC is closed; 3 LINK is frozen.
    """

    #: Trade that a case prepares for itself.
    prepared: TradeExecution

    def __init__(self) -> None:
        self.trader = trader = Trader(new_state(20_000), 0.0, 1.0)
        self.state = state = trader.state
        self.portfolio = state.portfolio
        self.open, self.success = trader.buy(WETH_USDC, "2", 2000.0)
        self.closed, _ = trader.buy(WBTC_USDC, "0.1", 10_000.0)
        _, self.last = trader.sell(WBTC_USDC, "0.1", 11_000.0)
        self.frozen, _ = trader.buy(LINK_USDC, "10", 10.0)
        self.sale_failed = trader.start_and_fail(LINK_USDC, "-1", 10.0)
        freeze_position_on_failed_trade(trader.ts, state, [self.sale_failed])
        self.failed = trader.start_and_fail(WETH_USDC, "0.1", 2000.0)
        self.planned = self.plan("0.1")
        self.sale = self.plan("-0.1")
        self.started = self.plan("0.2")
        self.buying, self.selling = self.plan("0.3"), self.plan("-0.3")
        for trade in (self.started, self.buying, self.selling):
            trader.start(trade)
        for trade in (self.buying, self.selling):
            trader.broadcast(trade)
        self.expired = self.plan("0.4")
        self.expired.mark_expired(trader.ts)
        self.waiting = self.plan("0.5", flags={TradeFlag.triggered})
        self.unaffordable = self.plan("100")
        tx = BlockchainTransaction(tx_hash="0xaa", nonce=77)
        self.success.set_blockchain_transactions([tx])
        self.open.add_balance_update_event(self.redemption())
        self.portfolio.next_balance_update_id = 2

    def plan(self, quantity: str, price: float = 2000.0, pair: Any = WETH_USDC, **more: Any) -> TradeExecution:
        return self.trader.plan(pair, quantity, price, **more)[1]

    def redemption(self) -> Any:
        other = Trader(new_state(20_000))
        position, _ = other.buy(WETH_USDC, "2", 2000.0)
        return other.redeem_in_kind(T0, other.state.portfolio, position, D("0.0001"))

    def create(self, **changes: Any) -> Any:
        """Plan a trade with positional defaults that work."""
        arguments: dict[str, Any] = {
            "strategy_cycle_at": self.trader.ts,
            "pair": WETH_USDC,
            "quantity": D("0.1"),
            "reserve": None,
            "assumed_price": 2000.0,
            "trade_type": TradeType.rebalance,
            "reserve_currency": USDC,
            "reserve_currency_price": 1.0,
        }
        return self.state.create_trade(**(arguments | changes))

    def start(self, trade: TradeExecution, ts: Any = None, **more: Any) -> None:
        self.state.start_execution(self.trader.ts if ts is None else ts, trade, **more)

    def succeed(self, trade: TradeExecution, **changes: Any) -> None:
        """Complete a trade with values that work."""
        arguments: dict[str, Any] = {
            "executed_at": self.trader.ts,
            "executed_price": 2000.0,
            "executed_amount": trade.planned_quantity,
            "executed_reserve": D(0) if trade.is_buy() else D(600),
            "lp_fees": 0.0,
            "native_token_price": 1.0,
        }
        self.state.mark_trade_success(trade=trade, **(arguments | changes))


def test_the_arguments_of_the_cases_below_work_when_nothing_is_wrong_with_them():
    """Otherwise the cases would be refused for another reason than they say."""
    world = World()
    world.state.perform_integrity_check()
    world.create()
    world.create(pair=LINK_USDC)
    world.start(world.planned, nonce=78, underflow_check=True)
    world.start(world.waiting, triggered=True)
    world.state.mark_broadcasted(T0, world.started)
    world.succeed(world.buying)
    world.succeed(world.selling)
    world.state.mark_trade_failed(T0, world.started)
    world.state.perform_integrity_check()


def without_reserve(world: World) -> None:
    world.portfolio.reserves.clear()


def without_position(world: World) -> None:
    del world.portfolio.open_positions[1]


def foreign(status: str) -> TradeExecution:
    """The same trade of another state."""
    return getattr(World(), status)


def kind(kind: TradingPairKind) -> Any:
    return pair(LINK, USDC, 0.003, 1000, kind=kind)


def bridge_position(world: World, amount: str) -> TradingPosition:
    """Capital on the other chain."""
    trade = world.trader.plan(BRIDGE, reserve=amount, price=1.0)[1]
    trade.started_at = trade.broadcasted_at = trade.executed_at = world.trader.ts
    trade.executed_quantity, trade.executed_price, trade.executed_reserve = D(amount), 1.0, D(amount)
    return world.portfolio.open_positions[trade.position_id]


def nothing_in_flight_and_closed(world: World) -> None:
    for trade in (world.started, world.buying, world.selling):
        world.state.mark_trade_failed(T0, trade)
    world.portfolio.close_position(world.open, T0)


def far_buy_beyond_the_bridge(world: World) -> None:
    bridge_position(world, "100")
    world.prepared = world.plan("0.1", pair=FAR_WETH_USDC)


def far_buy_without_its_bridge(world: World) -> None:
    """A broadcasted buy on the other chain, paid from a bridge that is in no table any more."""
    bridge = bridge_position(world, "1000")
    world.prepared = world.plan("0.1", pair=FAR_WETH_USDC)
    world.start(world.prepared)
    world.state.mark_broadcasted(T0, world.prepared)
    del world.portfolio.open_positions[bridge.position_id]


def failed_trade_of_closed_position(world: World) -> None:
    world.last.failed_at = T0


Operation = Callable[[World], Any]

CREATE: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "time is a pandas timestamp": (InvalidTrade, {"strategy_cycle_at": pd.Timestamp(2022, 1, 1)}),
    "time is a date": (InvalidTrade, {"strategy_cycle_at": datetime.date(2022, 1, 1)}),
    "time is missing": (InvalidTrade, {"strategy_cycle_at": None}),
    "time has a zone": (InvalidTrade, {"strategy_cycle_at": WITH_ZONE}),
    "fee is an int": (InvalidTrade, {"pair_fee": 1}),
    "fee is a Decimal": (InvalidTrade, {"pair_fee": D("0.003")}),
    "price structure is a dict": (InvalidTrade, {"price_structure": {}}),
    "quantity and reserve are given": (InvalidTrade, {"reserve": D(200)}),
    "neither quantity nor reserve is given": (InvalidTrade, {"quantity": None}),
    "quantity is zero": (InvalidTrade, {"quantity": D(0)}),
    "quantity is below the smallest": (InvalidTrade, {"quantity": D("1E-18")}),
    "quantity is dust": (TooSmallTrade, {"quantity": D("9E-8")}),
    "sold quantity is dust": (TooSmallTrade, {"quantity": D("-9E-8")}),
    "quantity is a float": (InvalidTrade, {"quantity": 0.1}),
    "quantity is NaN": (InvalidTrade, {"quantity": D("NaN")}),
    "quantity is infinite": (InvalidTrade, {"quantity": D("-Infinity")}),
    "reserve is zero": (InvalidTrade, {"quantity": None, "reserve": D(0)}),
    "reserve is negative": (InvalidTrade, {"quantity": None, "reserve": D(-1)}),
    "reserve is dust": (TooSmallTrade, {"quantity": None, "reserve": D("0.0001")}),
    "reserve is infinite": (InvalidTrade, {"quantity": None, "reserve": D("Infinity")}),
    "price is zero": (InvalidTrade, {"assumed_price": 0.0}),
    "price is negative": (InvalidTrade, {"assumed_price": -1.0}),
    "price is NaN": (InvalidTrade, {"assumed_price": NAN}),
    "price is infinite": (InvalidTrade, {"assumed_price": INFINITY}),
    "price is from numpy": (InvalidTrade, {"assumed_price": np.float64(2000.0)}),
    "price is a Decimal": (InvalidTrade, {"assumed_price": D(2000)}),
    "slippage tolerance is too high": (InvalidTrade, {"slippage_tolerance": 0.33}),
    "slippage tolerance is NaN": (InvalidTrade, {"slippage_tolerance": NAN}),
    "flags are a list": (InvalidTrade, {"flags": [TradeFlag.open]}),
    "flags are texts": (InvalidTrade, {"flags": {"open"}}),
    "flags are a number": (InvalidTrade, {"flags": 5}),
    "mid price is a text": (InvalidTrade, {"planned_mid_price": "2000"}),
    "notes are not text": (InvalidTrade, {"notes": 5}),
}

NEW_POSITION = {f"{name}, new position": (e, {"pair": LINK_USDC} | changes) for name, (e, changes) in CREATE.items()}
for _price in ("negative", "NaN", "from numpy"):  # the position refuses it before the trade does
    NEW_POSITION[f"price is {_price}, new position"] = (
        InvalidValue,
        NEW_POSITION[f"price is {_price}, new position"][1],
    )
NEW_POSITION |= {  # LINK counts as dust much later
    "quantity is dust, new position": (TooSmallTrade, {"pair": LINK_USDC, "quantity": D("1E-10")}),
    "sold quantity is dust, new position": (TooSmallTrade, {"pair": LINK_USDC, "quantity": D("-1E-10")}),
    "reserve is dust, new position": (
        TooSmallTrade,
        {"pair": LINK_USDC, "quantity": None, "reserve": D("1E-10"), "assumed_price": 1.0},
    ),
}
KINDS = (
    TradingPairKind.cash,
    TradingPairKind.spot_market_hold_rebalancing_token,
)
NEW_POSITION |= {
    f"pairs of kind {value.value} cannot be traded": (UnsupportedPairKind, {"pair": kind(value)}) for value in KINDS
}

OPERATIONS: dict[str, tuple[type[Exception], Operation]] = {
    # Planning on a position that exists
    "create with another reserve currency": (InvalidTrade, lambda w: w.create(reserve_currency=WETH)),
    "create on a closed position": (
        WrongPositionStatus,
        lambda w: w.create(pair=WBTC_USDC, position=w.closed, quantity=D(1)),
    ),
    "create on a position of another pair": (InvalidTrade, lambda w: w.create(pair=LINK_USDC, position=w.open)),
    "create on a position of another state": (PositionNotFound, lambda w: w.create(position=World().open)),
    "open_trade with a used id": (
        InvalidTrade,
        lambda w: w.open.open_trade(T0, 1, D(1), None, 1.0, TradeType.rebalance, USDC, 1.0),
    ),
    "open_trade with an id that is not a number": (
        InvalidTrade,
        lambda w: w.open.open_trade(T0, "9", D(1), None, 1.0, TradeType.rebalance, USDC, 1.0),  # type: ignore[arg-type]
    ),
    # Starting
    **{
        f"start a trade that is {status}": (WrongTradeStatus, lambda w, s=status: w.start(getattr(w, s)))
        for status in ("started", "buying", "success", "failed", "expired")
    },
    "start a trade that waits for its trigger": (WrongTradeStatus, lambda w: w.start(w.waiting)),
    "start a buy without money": (
        NotEnoughMoney,
        lambda w: w.start(w.unaffordable, underflow_check=True, nonce=78),
    ),
    "start with a used nonce": (NonceAlreadyUsed, lambda w: w.start(w.planned, nonce=77)),
    "start at a time with a zone": (InvalidTrade, lambda w: w.start(w.planned, WITH_ZONE)),
    "start at a time that is a number": (InvalidTrade, lambda w: w.start(w.planned, 1_700_000_000)),
    "start without a time": (InvalidTrade, lambda w: w.state.start_execution(None, w.planned)),  # type: ignore[arg-type]
    "start a trade of another state": (PositionNotFound, lambda w: w.start(foreign("planned"))),
    # Broadcasting
    **{
        f"broadcast a trade that is {status}": (
            WrongTradeStatus,
            lambda w, s=status: w.state.mark_broadcasted(T0, getattr(w, s)),
        )
        for status in ("planned", "buying", "success", "failed", "expired")
    },
    "broadcast at a time with a zone": (InvalidTrade, lambda w: w.state.mark_broadcasted(WITH_ZONE, w.started)),
    "broadcast without a time": (InvalidTrade, lambda w: w.state.mark_broadcasted(None, w.started)),  # type: ignore[arg-type]
    # Success
    **{
        f"complete a trade that is {status}": (WrongTradeStatus, lambda w, s=status: w.succeed(getattr(w, s)))
        for status in ("planned", "started", "success", "failed", "expired")
    },
    **{
        f"complete a {side} with {name} {value!r}": (
            InvalidTrade,
            lambda w, t=trade, n=name, v=value: w.succeed(getattr(w, t), **{n: v}),
        )
        for side, trade, name, values in (
            ("buy", "buying", "executed_amount", (D(0), D(-1), D("NaN"), D("Infinity"), 0.3, 1, None)),
            ("sell", "selling", "executed_amount", (D(0), D(1), D("NaN"), D("-Infinity"), -0.3, None)),
            ("buy", "buying", "executed_reserve", (D(-1), D("NaN"), D("Infinity"), 600.0, None)),
            ("sell", "selling", "executed_reserve", (D(0), D(-1), D("NaN"), D("Infinity"), 600.0, None)),
            ("buy", "buying", "executed_price", (*BAD_PRICES, np.float64(1))),
            ("sell", "selling", "executed_price", (*BAD_PRICES, np.float64(1))),
            ("buy", "buying", "executed_at", BAD_TIMES),
            ("sell", "selling", "executed_at", BAD_TIMES),
        )
        for value in values
    },
    "complete a trade of another state": (PositionNotFound, lambda w: w.succeed(foreign("buying"))),
    # Failure
    **{
        f"fail a trade that is {status}": (
            WrongTradeStatus,
            lambda w, s=status: w.state.mark_trade_failed(T0, getattr(w, s)),
        )
        for status in ("planned", "success", "failed", "expired")
    },
    **{
        f"fail a trade at {time!r}": (InvalidTrade, lambda w, t=time: w.state.mark_trade_failed(t, w.buying))
        for time in BAD_TIMES
    },
    "fail a trade of another state": (PositionNotFound, lambda w: w.state.mark_trade_failed(T0, foreign("buying"))),
    # Other changes of a trade
    "expire a trade that is started": (WrongTradeStatus, lambda w: w.started.mark_expired(T0)),
    "expire a trade at a time with a zone": (InvalidTrade, lambda w: w.planned.mark_expired(WITH_ZONE)),
    "attach transactions twice": (
        WrongTradeStatus,
        lambda w: w.success.set_blockchain_transactions([BlockchainTransaction()]),
    ),
    # Positions
    "close a position that is closed": (WrongPositionStatus, lambda w: w.portfolio.close_position(w.closed, T0)),
    "close a position of another state": (
        WrongPositionStatus,
        lambda w: w.portfolio.close_position(World().open, T0),
    ),
    "close a position with trades in flight": (UnexecutedTrades, lambda w: w.portfolio.close_position(w.open, T0)),
    "mark a position with trades in flight down": (
        UnexecutedTrades,
        lambda w: w.portfolio.mark_down_position(w.open),
    ),
    "mark a closed position down": (WrongPositionStatus, lambda w: w.portfolio.mark_down_position(w.closed)),
    "book a balance update twice": (
        BalanceUpdateEventAlreadyAdded,
        lambda w: w.open.add_balance_update_event(w.redemption()),
    ),
    **{
        f"revalue to {price!r}": (InvalidValue, lambda w, p=price: w.open.revalue_base_asset(T0, p))
        for price in BAD_PRICES
    },
    **{
        f"revalue at {time!r}": (InvalidValue, lambda w, t=time: w.open.revalue_base_asset(t, 2000.0))
        for time in (*BAD_TIMES, pd.Timestamp(2022, 1, 1))
    },
    # Reserves
    "initialise reserves twice": (ReserveAlreadyInitialised, lambda w: w.portfolio.initialise_reserves(WETH)),
    "replace reserves while trades are in flight": (UnexecutedTrades, lambda w: w.state.update_reserves([])),
    **{
        f"adjust reserves by {amount!r}": (InvalidValue, lambda w, a=amount: w.portfolio.adjust_reserves(USDC, a))
        for amount in BAD_AMOUNTS
    },
    "adjust reserves of nothing": (InvalidValue, lambda w: w.portfolio.adjust_reserves(None, D(1))),  # type: ignore[arg-type]
    "adjust unknown reserves": (KeyError, lambda w: w.portfolio.adjust_reserves(WETH, D(1))),
    "allocate cash to a sell": (
        InvalidTrade,
        lambda w: w.portfolio.move_capital_from_reserves_to_spot_trade(w.sale),
    ),
    "return the capital of a buy": (InvalidTrade, lambda w: w.portfolio.return_capital_to_reserves(w.success)),
    "return the capital of a sell that brought nothing": (
        InvalidTrade,
        lambda w: w.portfolio.return_capital_to_reserves(w.sale),
    ),
    "return capital to a bridge that is not there": (
        PositionNotFound,
        lambda w: w.portfolio.return_capital_to_bridge(w.last),
    ),
    "take capital from a bridge that is not there": (
        NotEnoughMoney,
        lambda w: w.portfolio.move_capital_from_bridge_to_spot_trade(w.planned),
    ),
    # The root
    "end a cycle that is not a number": (InvalidValue, lambda w: w.state.record_cycle_end("1")),  # type: ignore[arg-type]
    "blacklist text": (InvalidValue, lambda w: w.state.blacklist_asset("0x1")),  # type: ignore[arg-type]
    "allow an asset that is allowed": (InvalidValue, lambda w: w.state.unblacklist_asset(WETH)),
    "start all, the last without money": (
        NotEnoughMoney,
        lambda w: w.state.start_execution_all(T0, [w.planned, w.sale, w.unaffordable], underflow_check=True),
    ),
}

#: What has to be prepared first: the preparation is not part of the refused operation.
PREPARED: dict[str, tuple[type[Exception], Callable[[World], Any], Operation]] = {
    "start without a reserve": (ReserveMissing, without_reserve, lambda w: w.start(w.planned)),
    "fail without a reserve": (ReserveMissing, without_reserve, lambda w: w.state.mark_trade_failed(T0, w.buying)),
    "complete a sell without a reserve": (ReserveMissing, without_reserve, lambda w: w.succeed(w.selling)),
    "refund a buy without a reserve": (
        ReserveMissing,
        without_reserve,
        lambda w: w.succeed(w.buying, executed_reserve=D(1)),
    ),
    "start without a position": (PositionNotFound, without_position, lambda w: w.start(w.planned)),
    "complete without a position": (PositionNotFound, without_position, lambda w: w.succeed(w.buying)),
    "fail without a position": (
        PositionNotFound,
        without_position,
        lambda w: w.state.mark_trade_failed(T0, w.buying),
    ),
    "start on a closed position": (
        WrongPositionStatus,
        nothing_in_flight_and_closed,
        lambda w: w.start(w.planned),
    ),
    "start a plan that does not add up": (
        InvalidTrade,
        lambda w: setattr(w.planned, "planned_reserve", D("200.02")),
        lambda w: w.start(w.planned),
    ),
    "create with a reserve that has no price": (
        InvalidValue,
        lambda w: setattr(w.portfolio.get_default_reserve_position(), "reserve_token_price", None),
        lambda w: w.create(pair=LINK_USDC),
    ),
    "start a far buy beyond the bridged capital": (
        NotEnoughMoney,
        far_buy_beyond_the_bridge,
        lambda w: w.start(w.prepared, underflow_check=True),
    ),
    "fail a far buy whose bridge is gone": (
        PositionNotFound,
        far_buy_without_its_bridge,
        lambda w: w.state.mark_trade_failed(T0, w.prepared),
    ),
    "refund a far buy whose bridge is gone": (
        PositionNotFound,
        far_buy_without_its_bridge,
        lambda w: w.succeed(w.prepared, executed_reserve=D(10)),
    ),
    "freeze a position that is closed": (
        WrongPositionStatus,
        failed_trade_of_closed_position,
        lambda w: freeze_position_on_failed_trade(T0, w.state, [w.failed, w.last]),
    ),
}


def refuse(world: World, error: type[Exception], operation: Operation) -> None:
    before = world.state.to_json()
    with pytest.raises(error):
        operation(world)
    assert world.state.to_json() == before
    assert not hasattr(world.planned, "nonce")
    assert not hasattr(world.planned, "txid")


PLANS = CREATE | NEW_POSITION


@pytest.mark.parametrize(("error", "changes"), PLANS.values(), ids=PLANS.keys())
def test_a_refused_plan_leaves_nothing_behind(error: type[Exception], changes: dict[str, Any]):
    refuse(World(), error, lambda world: world.create(**changes))


@pytest.mark.parametrize(("error", "operation"), OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_refused_operation_changes_nothing(error: type[Exception], operation: Operation):
    refuse(World(), error, operation)


@pytest.mark.parametrize(("error", "prepare", "operation"), PREPARED.values(), ids=PREPARED.keys())
def test_an_operation_refused_in_a_special_situation_changes_nothing(
    error: type[Exception], prepare: Callable[[World], Any], operation: Operation
):
    world = World()
    prepare(world)
    refuse(world, error, operation)


def test_all_refusals_are_errors_of_this_package():
    expected = {case[0] for case in (*PLANS.values(), *OPERATIONS.values(), *PREPARED.values())} - {KeyError}
    assert all(issubclass(error, TradeExecutorError) for error in expected)
    assert all(issubclass(error, (AccountingError, InvalidValue)) for error in expected)


def test_the_bridge_of_these_tests_ends_on_another_chain():
    assert FAR_USDC.chain_id != USDC.chain_id
    assert BRIDGE.get_destination_chain_id() == FAR_WETH_USDC.chain_id


def test_the_next_operation_after_a_refused_one_gets_the_next_ids():
    world = World()
    position_id, trade_id = world.portfolio.next_position_id, world.portfolio.next_trade_id
    with pytest.raises(TooSmallTrade):
        world.create(pair=LINK_USDC, quantity=D("1E-11"))
    position, trade, created = world.create(pair=LINK_USDC)
    assert (position.position_id, trade.trade_id, created) == (position_id, trade_id, True)


def test_the_texts_of_two_equal_worlds_are_equal():
    """Otherwise comparing texts would prove nothing."""
    assert World().state.to_json() == World().state.to_json()
    assert State.read_json_blob(World().state.to_json()).to_json() == World().state.to_json()
