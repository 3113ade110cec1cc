"""Two positions of one pool share the wallet's account there, so that their balances could not be told apart."""

from decimal import Decimal

from tests.kit.lending_positions import CREDIT, START, new_state, supply
from tests.kit.samples import USDC
from tradeexecutor.ethereum.venues.aave_v3 import find_shared_account
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType


def plan_supply(state: State) -> TradeExecution:
    flags = {TradeFlag.ignore_open}
    _, trade, _ = state.supply_credit(START, CREDIT, TradeType.rebalance, USDC, 1.0, Decimal(3_000), flags=flags)
    return trade


def test_what_is_lent_after_the_recall_of_the_same_decision_does_not_prevent_the_recall():
    state = new_state()
    held, _ = supply(state, "4000")
    again = plan_supply(state)
    recall = held.get_last_trade()
    assert find_shared_account(state.portfolio, recall) is None
    # It is refused itself as long as the other one is not closed.
    assert find_shared_account(state.portfolio, again) == (
        f"position #{held.position_id} uses the same account of the pool; one of them has to be closed"
    )


def test_a_second_position_that_is_being_opened_counts():
    state = new_state()
    first = plan_supply(state)
    state.start_execution(START, first)
    second = plan_supply(state)
    assert find_shared_account(state.portfolio, second) is not None
