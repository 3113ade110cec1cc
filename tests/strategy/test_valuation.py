"""Positions are revalued together: when one cannot be valued, all of them stay what they were."""

import datetime
from typing import Any

import pytest

from tests.kit import samples
from tests.kit.trader import DAY, LINK_USDC, T0, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state import revaluation
from tradeexecutor.state.errors import RevaluationFailed, TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.valuation import ValuationUpdate
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.valuation import (
    InvalidValuationOutput,
    ValuationModel,
    revalue_portfolio,
    revalue_state,
    update_position_valuations,
)

NOON = T0 + DAY / 2


class Doubling(ValuationModel):
    """Doubles every price, and changes all that a model of a lending protocol changes; fails at one position."""

    def __init__(self, fails_at: int | None = None, returns: Any = None, error: BaseException | None = None):
        self.fails_at = fails_at
        self.returns = returns
        self.error = error
        self.valued: list[int] = []

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        price = position.last_token_price * 2
        value = position.revalue_base_asset(ts, price) if position.loan is None else 0.0
        update = ValuationUpdate(position.position_id, ts, ts, value, price)
        position.valuation_updates.append(update)
        position.add_notes_message("revalued")
        position.liquidation_price = 1.0
        if position.other_data is not None:
            position.other_data["valued"] = True
        if position.loan is not None:
            position.loan.collateral.revalue(2.0, ts)
        self.valued.append(position.position_id)
        if position.position_id == self.fails_at:
            if self.returns is not None:
                return self.returns
            raise self.error or ZeroDivisionError("no liquidity")
        return update


class Repricing(ValuationModel):
    """Changes only prices, and says so; fails at the second position."""

    changes_only_price = True

    def __init__(self) -> None:
        self.calls = 0

    def get_price(self, ts: datetime.datetime, position: TradingPosition) -> float:
        self.calls += 1
        if self.calls == 2:
            raise ZeroDivisionError("no liquidity")
        return position.last_token_price * 2

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        value = position.revalue_base_asset(ts, self.get_price(ts, position))
        return ValuationUpdate(position.position_id, ts, ts, value, position.last_token_price)


class RepricingWithNotes(Repricing):
    """Changes more than the class it is derived from."""

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> ValuationUpdate:
        position.add_notes_message("revalued")
        return super().__call__(ts, position)


@pytest.fixture
def state() -> State:
    """Two open positions, a loan, and a frozen position."""
    trader = Trader(new_state(100_000))
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.buy(WBTC_USDC, "1", 10_000.0)
    lent, _ = trader.buy(LINK_USDC, "10", 10.0)
    lent.loan = samples.loan()
    portfolio = trader.state.portfolio
    portfolio.frozen_positions[2] = portfolio.open_positions.pop(2)
    for position in portfolio.get_open_and_frozen_positions():
        position.other_data = {"mine": 1}
    return State.read_json_blob(trader.state.to_json())


def test_open_positions_come_first_then_frozen_ones(state: State):
    model = Doubling()
    revalue_state(state, NOON, model)
    assert model.valued == [1, 3, 2]
    assert state.portfolio.frozen_positions[2].last_token_price == 20_000
    assert state.portfolio.open_positions[1].last_pricing_at == NOON


def test_frozen_positions_can_be_left_alone(state: State):
    model = Doubling()
    revalue_portfolio(model, NOON, state.portfolio, revalue_frozen=False)
    assert model.valued == [1, 3]


def test_any_callable_values(state: State):
    update = samples.valuation_update()
    revalue_state(state, NOON, lambda ts, position: update)
    assert revalue_portfolio(Doubling(), NOON, State().portfolio) is None


@pytest.mark.parametrize("fails_at", [1, 3, 2])
def test_a_failure_names_the_position_and_leaves_the_state_as_it_was(state: State, fails_at: int):
    before = state.to_json()
    with pytest.raises(InvalidValuationOutput, match=rf"#{fails_at} .*could not be valued.*no liquidity") as caught:
        revalue_state(state, NOON, Doubling(fails_at))
    assert caught.value.position_id == fails_at
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert state.to_json() == before


@pytest.mark.parametrize("model", [Repricing(), RepricingWithNotes()])
def test_what_a_model_of_prices_has_changed_is_undone(state: State, model: ValuationModel):
    before = state.to_json()
    with pytest.raises(InvalidValuationOutput):
        revalue_state(state, NOON, model)
    assert state.to_json() == before


@pytest.mark.parametrize("result", [5.0, "worthless", (1, 2)])
def test_a_model_returns_an_update(state: State, result: Any):
    before = state.to_json()
    with pytest.raises(InvalidValuationOutput, match="instead of a ValuationUpdate") as caught:
        revalue_state(state, NOON, Doubling(3, returns=result))
    assert caught.value.position_id == 3
    assert state.to_json() == before


def test_an_interrupt_passes_and_leaves_the_state_as_it_was(state: State):
    before = state.to_json()
    with pytest.raises(KeyboardInterrupt):
        revalue_state(state, NOON, Doubling(2, error=KeyboardInterrupt()))
    assert state.to_json() == before


def test_a_failure_is_one_of_ours_under_both_names():
    assert issubclass(InvalidValuationOutput, revaluation.RevaluationFailed)
    assert revaluation.RevaluationFailed is RevaluationFailed
    assert issubclass(RevaluationFailed, TradeExecutorError)
    assert issubclass(RevaluationFailed, RuntimeError)


def update(state: State, model: ValuationModel, **more: Any) -> None:
    context = ExecutionContext(ExecutionMode.backtesting)
    update_position_valuations(NOON, state, None, context, model, None, **more)


def test_valuing_records_a_sample(state: State):
    update(state, Doubling())
    assert [item.calculated_at for item in state.stats.portfolio] == [NOON]
    assert state.stats.portfolio[0].net_asset_value == pytest.approx(state.portfolio.get_net_asset_value())
    assert set(state.stats.positions) == {1, 2, 3}


def test_the_table_of_long_and_short_is_passed_on(state: State):
    update(state, Doubling(), long_short_metrics_latest={"rows": {}})
    assert state.stats.long_short_metrics_latest == {"rows": {}}


def test_the_sample_can_be_left_out(state: State):
    update(state, Doubling(), skip_statistics=True)
    assert state.stats.portfolio == []
    assert state.portfolio.open_positions[1].last_token_price == 4000


def test_without_a_valuation_there_is_no_sample(state: State):
    before = state.to_json()
    with pytest.raises(InvalidValuationOutput):
        update(state, Doubling(3))
    assert state.to_json() == before


def test_the_method_of_the_state_names_the_function():
    state = State()
    before = state.to_json()
    with pytest.raises(RuntimeError, match="revalue_state"):
        state.revalue_positions(T0, None)
    assert state.to_json() == before
