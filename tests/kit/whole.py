"""A state that holds every class of the tree, and a walk over its JSON along the declared types."""

import copy
import dataclasses
import enum
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.kit import samples
from tests.kit.trader import DAY, LINK_USDC, T0, USDC, VAULT, WBTC_USDC, WETH, WETH_USDC, Trader, new_state
from tradeexecutor.state.archive_ref import ArchiveRef
from tradeexecutor.state.codec.codec import field_types
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TriggerPriceUpdate
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.trade import TradeFlag

Path = tuple[str | int, ...]

INNER_PAIR = TradingPairIdentifier(
    WETH, USDC, "0x" + "7" * 40, None, fee=0.01, underlying_spot_pair=copy.deepcopy(WBTC_USDC)
)


def make_whole_state() -> State:
    """Positions of every table, and something in every field that holds a class."""
    state = new_state(100_000)
    trader = Trader(state)
    trader.nonce = 100
    position, trade = trader.buy(WETH_USDC, "2", 2000.0)
    trade.flags = {TradeFlag.open, TradeFlag.test_trade}
    trade.triggers = [samples.trigger()]
    trade.activated_trigger = samples.trigger()
    trade.expired_triggers = [samples.trigger()]
    trade.blockchain_transactions = [samples.blockchain_transaction()]
    trade.price_structure = samples.trade_pricing()
    trade.post_execution_price_structure = samples.trade_pricing()
    trade.trade_size_risk = trade.position_size_risk = samples.size_risk()
    trade.planned_loan_update = trade.executed_loan_update = samples.loan()
    trade.other_data = {"vault_settlement_request_quantity": "-1"}
    position.pair = INNER_PAIR
    position.trigger_updates = [TriggerPriceUpdate(T0, 2000.0, None, 1900.0)]
    position.valuation_updates = [samples.valuation_update()]
    position.add_balance_update_event(samples.balance_update())
    position.loan = samples.loan()
    bought, _ = trader.buy(WBTC_USDC, "1", 10_000.0)
    trader.sell(WBTC_USDC, bought.get_quantity(), 10_000.0)
    trader.buy(LINK_USDC, "10", 10.0)
    state.portfolio.frozen_positions[3] = state.portfolio.open_positions.pop(3)
    for table in (state.portfolio.pending_positions, state.portfolio.expired_positions):
        waiting, planned = trader.plan(VAULT, "10", 1.0, flags={TradeFlag.ignore_open})
        del state.portfolio.open_positions[waiting.position_id], waiting.trades[planned.trade_id]
        waiting.pending_trades[planned.trade_id] = planned
        table[waiting.position_id] = waiting
    lapsed = trader.plan(INNER_PAIR, "1", 1.0, position=position)[1]
    position.expired_trades[lapsed.trade_id] = position.trades.pop(lapsed.trade_id)
    reserve = state.portfolio.get_default_reserve_position()
    reserve.add_balance_update_event(samples.balance_update())
    state.asset_blacklist = {"1-0xb", "1-0xa", "1-0xc"}
    state.blacklisted_assets = {AssetIdentifier(1, "0x99", "aX", 18, underlying=AssetIdentifier(1, "0x98", "X", 18))}
    state.blacklist_reason = {"1-0xa": "Bad"}
    state.stats = samples.statistics()
    state.stats.positions = {1: [samples.position_statistics()]}
    state.visualisation = samples.visualisation()
    state.uptime = samples.uptime()
    state.sync = samples.sync()
    state.deployment_info = samples.deployment_info()
    state.other_data = samples.other_data()
    state.backtest_data = BacktestData(T0, T0 + DAY, CycleDuration.cycle_1h, T0, "test", [samples.benchmark()])
    state.last_updated_at = T0
    state.archives = [ArchiveRef("0" * 64, T0, 1_000, 3, 5, 0, 7)]
    return copy.deepcopy(state)  # the caller may change assets and pairs, which tests share


def _strip(hint: Any) -> Any:
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    return members[0] if typing.get_origin(hint) not in (list, set, dict) and len(members) == 1 else hint


def iterate_typed(tree: Any, hint: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Yield (path, declared type, JSON value) of everything below `tree` that has a declared type."""
    hint = _strip(hint)
    yield path, hint, tree
    if tree is None:
        return
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        for name, field_hint in field_types(typing.cast(type, hint)).items():
            if name in tree:
                yield from iterate_typed(tree[name], field_hint, (*path, name))
    elif origin in (list, set):
        for index, item in enumerate(tree):
            yield from iterate_typed(item, arguments[0], (*path, index))
    elif origin is dict:
        for key, item in tree.items():
            yield from iterate_typed(item, arguments[1], (*path, key))


def is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def get_at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def classes_below(cls: type) -> set[type]:
    """All dataclasses that can occur in the tree of `cls`."""
    found: set[type] = set()

    def visit(hint: Any) -> None:
        hint = _strip(hint)
        if dataclasses.is_dataclass(hint) and hint not in found:
            found.add(typing.cast(type, hint))
            for field_hint in field_types(typing.cast(type, hint)).values():
                visit(field_hint)
        elif typing.get_origin(hint) in (list, set, dict):
            visit(typing.get_args(hint)[-1])

    visit(cls)
    return found


def decimal_texts(tree: Any) -> list[str]:
    """The text of every Decimal of a state's JSON, in order."""
    return [value for _, hint, value in iterate_typed(tree, State) if hint is Decimal and isinstance(value, str)]
