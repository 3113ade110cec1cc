"""What a person has to look at before a strategy trades on."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.funded_trader import fail, fund
from tests.kit.hypercore import V1, V2, V3, HypercoreTrader, leave, make_hypercore_trader, make_phantom
from tests.kit.samples import blockchain_transaction
from tests.kit.trader import BRIDGE, DAY, LINK_USDC, T0, VAULT, WETH_USDC, Trader
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import (
    close_hypercore_dust_positions,
    repair_trades,
    repair_tx_not_generated,
    repair_zero_quantity,
)
from tradeexecutor.state.repair.issues import Issue, IssueKind, describe_unclean, find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType

D = Decimal
NOW = T0 + DAY


@pytest.fixture
def hypercore_trader() -> Trader:
    return make_hypercore_trader()


def look(trader: Trader, now: datetime.datetime = NOW) -> list[Issue]:
    before = trader.state.to_json()
    found = find_issues(trader.state, now)
    assert trader.state.to_json() == before
    return found


def send(trader: Trader, pair: Any = LINK_USDC, broadcast: bool = True) -> Any:
    _, trade = trader.plan(pair, "10", 10.0)
    trader.start(trade)
    trade.blockchain_transactions = [blockchain_transaction()]
    if broadcast:
        trader.broadcast(trade)
    return trade


def test_a_state_that_is_clean_needs_no_attention():
    trader = fund()
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.sell(WETH_USDC, "1", 2000.0)
    assert look(trader) == []
    assert describe_unclean(trader.state) == []
    assert find_issues(State(name="new")) == []


def plan(trader: Trader) -> None:
    trader.plan(LINK_USDC, "10", 10.0)


def start(trader: Trader) -> None:
    trader.start(trader.plan(LINK_USDC, "10", 10.0)[1])


def sign(trader: Trader) -> None:
    send(trader, broadcast=False)


def fail_outside(trader: Trader) -> None:
    trade = send(trader)
    trade.other_data = {"hypercore_deposit_capital_at_risk": {"amount_human": "100"}}
    trader.fail(trade)


def burn(trader: Trader) -> None:
    trader.state.mark_bridge_in_transit(T0, send(trader, BRIDGE))


def ask_vault(trader: Trader) -> None:
    trader.state.mark_vault_settlement_pending(T0 - 10 * DAY, send(trader, VAULT))


def empty(trader: Trader) -> None:
    trader.buy(LINK_USDC, "10", 10.0)[1].executed_quantity = D(0)


CASES: dict[str, tuple[Callable[[Trader], object], IssueKind, Decimal | None, str, str]] = {
    "planned": (plan, IssueKind.not_sent, None, "was planned and never sent", "--only unsent"),
    "started": (start, IssueKind.not_sent, D(100), "100 USDC are set aside for it", "--only unsent"),
    "signed": (sign, IssueKind.unknown_outcome, D(100), "may have been sent", "--failed 1"),
    "broadcasted": (send, IssueKind.unknown_outcome, D(100), "outcome was never recorded", "--filled 1:QUANTITY:"),
    "failed": (
        lambda t: fail(t, LINK_USDC, "10", 10.0),
        IssueKind.failed,
        None,
        "its position is frozen: TRF",
        "--only failed",
    ),
    "outside": (fail_outside, IssueKind.capital_outside, D(100), "stuck outside", ""),
    "in transit": (burn, IssueKind.in_transit, D(100), "on its way over the bridge since 2022-01-01", ""),
    "vault": (ask_vault, IssueKind.settlement_pending, D(100), "waits for the vault", ""),
    "empty": (empty, IssueKind.empty, None, "is open and holds nothing", "--only empty"),
}


@pytest.mark.parametrize(("make", "kind", "allocated", "reason", "command"), CASES.values(), ids=CASES)
def test_everything_says_why_and_names_the_command(
    make: Callable[[Trader], object], kind: IssueKind, allocated: Decimal | None, reason: str, command: str
):
    trader = fund()
    make(trader)
    (item,) = look(trader)
    assert (item.kind, item.position_id, item.allocated) == (kind, 1, allocated)
    assert reason in str(item)
    assert command in item.command
    assert bool(item.command) == bool(command)
    assert item.command.startswith("tradeexecutor ") or item.advice
    assert item.is_blocking == (kind is IssueKind.unknown_outcome)
    assert describe_unclean(trader.state) == ([str(item)] if item.is_blocking else [])


@pytest.mark.parametrize("make", [burn, lambda t: t.state.mark_vault_settlement_pending(T0, send(t, VAULT))])
def test_what_has_not_taken_long_needs_no_attention(make: Callable[[Trader], object]):
    trader = fund()
    make(trader)
    assert look(trader, T0 + datetime.timedelta(minutes=30)) == []


def test_orders_that_wait_for_a_trigger_need_no_attention():
    trader = fund()
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    order = trader.plan(WETH_USDC, "-1", 3000.0, position=position)[1]
    order.triggers = [Trigger(TriggerType.take_profit_partial, TriggerCondition.cross_above, 3000.0)]
    position.pending_trades[order.trade_id] = order
    assert look(trader) == []


def test_what_blocks_comes_first():
    trader = fund()
    plan(trader)
    send(trader, WETH_USDC)
    assert [item.kind for item in look(trader)] == [IssueKind.unknown_outcome, IssueKind.not_sent]


def freeze(trader: Trader) -> TradingPosition:
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    fail(trader, WETH_USDC, "-1", 2000.0)
    return position


def test_a_frozen_position_that_only_has_to_be_unfrozen():
    trader = fund()
    position = freeze(trader)
    trade = position.get_last_trade()
    trade.repaired_at = trade.executed_at = NOW
    trade.executed_quantity = trade.executed_reserve = D(0)
    (item,) = look(trader)
    assert (item.kind, item.trade_id, item.command) == (
        IssueKind.frozen,
        None,
        "tradeexecutor repair STATE_FILE --only failed",
    )
    repair_trades(trader.state, now=NOW)
    assert look(trader) == []


def test_a_frozen_position_in_which_nothing_has_failed():
    trader = fund()
    position = freeze(trader)
    del position.trades[2]
    (item,) = look(trader)
    assert (item.kind, item.command) == (IssueKind.frozen, "")
    assert "it has no repaired trade" in item.reason
    assert "show-trades STATE_FILE --position 1" in item.advice


def test_a_duplicate_on_hypercore(hypercore_trader: HypercoreTrader):
    make_phantom(hypercore_trader)
    (item,) = look(hypercore_trader)
    assert (item.kind, item.position_id) == (IssueKind.duplicate, 2)
    assert item.command.endswith("--only duplicates")


def test_dust_of_a_vault_on_hypercore_is_found_by_the_repair_that_closes_it(hypercore_trader: HypercoreTrader):
    dust, zero = leave(hypercore_trader, V1, "1.99"), leave(hypercore_trader, V2, "0")
    leave(hypercore_trader, V3, "2.01")
    found = look(hypercore_trader)
    assert [(item.kind, item.position_id) for item in found] == [
        (IssueKind.dust, dust.position_id),
        (IssueKind.empty, zero.position_id),
    ]
    assert found[0].command == "tradeexecutor repair STATE_FILE --only dust"
    assert "only 1.99 are left" in found[0].reason
    assert found[0].since == dust.get_last_trade().executed_at
    close_hypercore_dust_positions(hypercore_trader.state.portfolio, NOW)
    assert look(hypercore_trader) == []


def test_no_command_is_named_that_leaves_the_trade_alone():
    """Repairs do not touch a position, capital of which is outside, nor a trade that has transactions."""
    trader = fund()
    fail_outside(trader)
    position = trader.state.portfolio.open_positions[1]
    trader.start(trader.plan(LINK_USDC, "10", 10.0, position=position)[1])
    trader.start_and_fail(LINK_USDC, "5", 10.0)
    trader.plan(WETH_USDC, "1", 2000.0)[1].blockchain_transactions = [blockchain_transaction()]
    found = look(trader)
    assert [item.kind for item in found] == [
        IssueKind.capital_outside,
        IssueKind.not_sent,
        IssueKind.failed,
        IssueKind.not_sent,
    ]
    assert not any(item.command for item in found)
    assert all("bring the capital of its position back first" in item.advice for item in found[1:3])
    assert "look them up" in found[3].advice
    assert repair_tx_not_generated(trader.state, NOW) == []
    assert repair_trades(trader.state, now=NOW).new_trades == []


def test_what_is_named_puts_it_right():
    trader = fund()
    plan(trader)
    trader.start(trader.plan(WETH_USDC, "1", 10.0)[1])
    freeze_position_on_failed_trade(NOW, trader.state, [trader.start_and_fail(VAULT, "5", 1.0)])
    assert len(look(trader)) == 3
    repair_tx_not_generated(trader.state, NOW)
    repair_zero_quantity(trader.state, NOW)
    repair_trades(trader.state, now=NOW)
    assert look(trader) == []
