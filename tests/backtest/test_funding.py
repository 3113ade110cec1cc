"""Funding of shorts and leveraged longs, worked out by hand; the ledger of every run is proven."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.kit.leverage_runs import (
    FREE,
    both,
    call,
    cash_of,
    close,
    only_position,
    open_long,
    open_short,
    run_leverage,
    sides_of,
)
from tests.kit.markets import DAY, START, Bar, flat
from tradeexecutor.analysis.adjusted.kinds import get_funding, measure_kinds
from tradeexecutor.backtest.backtest_runner import BacktestResult
from tradeexecutor.backtest.funding_file import read_funding
from tradeexecutor.ledger.entry import Account, AccountKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.report.fact_lists import make_lists
from tradeexecutor.report.statistics_tables import collect_statistics
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.strategy.candle_length import InvalidCandles
from tradeexecutor.strategy.decision import DecisionFailed
from tradeexecutor.strategy.funding import ConstantFunding, FundingHistory, FundingRates, NoFundingData
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_terms import MarketTerms

HOUR = datetime.timedelta(hours=1)


def run(bars: list[Bar], plans: dict[int, Any], funding: FundingRates, **options: Any) -> BacktestResult:
    return run_leverage(bars, plans, parameters={"market_terms": MarketTerms(funding=funding)}, **options)


@pytest.mark.parametrize(
    ("opened", "rate", "per_payment"),
    [
        # 1 ETH at 2000: 0.01 % are 0.20 USD, three times a day.
        (open_long(), 0.0001, -0.2),
        (open_long(), -0.0001, 0.2),
        (open_short(), 0.0001, 0.2),
        (open_short(), -0.0001, -0.2),
    ],
)
def test_longs_pay_and_shorts_receive_a_positive_rate(opened: Any, rate: float, per_payment: float):
    """Open for two days: payments at 8, 16 and 0 o'clock, six of them; the one at the opening is not paid."""
    result = run([flat(2000)] * 5, {1: opened, 3: close}, ConstantFunding(rate))
    position = only_position(result)
    events = [event for event in position.balance_updates.values() if event.cause is BalanceUpdateCause.funding]
    assert [event.block_mined_at for event in events] == [START + 8 * number * HOUR for number in range(1, 7)]
    assert get_funding(position) == pytest.approx(6 * per_payment)
    assert cash_of(result) == pytest.approx(10_000 + 6 * per_payment)
    assert position.get_net_profit_usd() == pytest.approx(6 * per_payment)
    assert position.get_realised_profit_usd() == pytest.approx(6 * per_payment)
    (kind,) = measure_kinds([position])
    assert (kind.funding, kind.interest_earned, kind.interest_paid) == (
        pytest.approx(6 * per_payment), pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9),
    )  # fmt: skip


def test_the_value_is_that_of_the_time_of_payment():
    """A payment at noon counts the open of the candle in progress: 2000, then 2200, then 1800."""
    noon = ConstantFunding(0.001, DAY)
    history = FundingHistory([(when + 12 * HOUR, 0.001) for when, _ in noon.find_rates(START - DAY, START + 4 * DAY)])
    result = run([flat(2000), flat(2200), flat(1800), flat(1800)], {1: open_long()}, history)
    collateral, debt = sides_of(only_position(result))
    assert (collateral, float(debt)) == (1, pytest.approx(1000 + 2.0 + 2.2 + 1.8 + 1.8))


def test_funding_and_interest_do_not_mix():
    """The audit of the run shows both; together they are the loss."""
    pool = LendingPool(0.0365, 0.073, liquidation_threshold=0.8)
    result = run(
        [flat(2000)] * 12, {1: both(open_long(), open_short()), 11: close}, ConstantFunding(0.0001), lending=pool
    )
    kinds = {kind.name: kind for kind in measure_kinds(result.state.portfolio.closed_positions.values())}
    assert kinds["leveraged long"].funding == pytest.approx(-6.0, rel=1e-3)
    assert kinds["short"].funding == pytest.approx(6.0, rel=1e-2)
    assert kinds["leveraged long"].interest_earned == pytest.approx(2.0, rel=1e-2)
    assert kinds["leveraged long"].interest_paid == pytest.approx(2.0, rel=1e-2)
    assert (kinds["short"].interest_earned, kinds["short"].interest_paid) == (
        pytest.approx(3.0, rel=1e-2), pytest.approx(4.0, rel=1e-2),
    )  # fmt: skip
    (table,) = [found for found in make_lists(collect_statistics(result.state)) if found.title == "Positions by kind"]
    at = table.columns.index("Funding, USD")
    assert {row[0]: row[at] for row in table.rows} == {"leveraged long": "-6.00", "short": "6.01"}
    for kind in kinds.values():
        assert kind.profit == pytest.approx(kind.interest_earned - kind.interest_paid + kind.funding, abs=1e-6)
    assert cash_of(result) - 10_000 == pytest.approx(sum(kind.profit for kind in kinds.values()), abs=1e-9)


def test_what_a_long_receives_beyond_its_debt_buys_tokens():
    """1000 at 1.001x owe 1 USD; six payments of 1 % of 1001 USD repay it, and then add tokens."""
    result = run([flat(2000)] * 6, {1: open_long(leverage=1.001)}, ConstantFunding(-0.01, DAY))
    position = only_position(result)
    collateral, debt = sides_of(position)
    assert debt == 0
    assert position.get_quantity() == pytest.approx(collateral)
    assert position.get_net_profit_usd() == pytest.approx(get_funding(position))
    assert get_funding(position) == pytest.approx(1001 * (1.01**6 - 1), rel=1e-3)
    closed = run([flat(2000)] * 6, {1: open_long(leverage=1.001), 6: close}, ConstantFunding(-0.01, DAY))
    assert cash_of(closed) - 10_000 == pytest.approx(get_funding(only_position(closed)))


def test_the_ledger_has_an_account_for_funding():
    result = run([flat(2000)] * 4, {1: open_short()}, ConstantFunding(0.0001))
    position = only_position(result)
    account = Account(AccountKind.funding, position.pair.quote.get_identifier())
    assert float(derive(result.state).get_balance(account)) == pytest.approx(-get_funding(position))


def test_funding_brings_a_liquidation_closer():
    """A long at 1280 is liquidated when its debt exceeds 1024: after two days of 1 % of 1280 each."""
    bars = [flat(2000)] + [flat(1280)] * 5
    result = run(bars, {1: open_long()}, ConstantFunding(0.01, DAY))
    trade = only_position(result).get_last_trade()
    assert (trade.is_liquidation(), trade.executed_at) == (True, START + 2 * DAY)
    calm = run(bars, {1: open_long()}, ConstantFunding(0.0, DAY))
    assert only_position(calm).is_open()


def test_partial_closes_pay_less_afterwards():
    """The payment at the time of a trade comes before it, and counts all of the position."""
    steps = {1: open_long(), 2: call("reduce_long", Decimal("0.5"))}
    result = run([flat(2000)] * 4, steps, ConstantFunding(0.001, DAY))
    assert get_funding(only_position(result)) == pytest.approx(-(2.0 + 1.0 + 1.0 + 1.0))


# --- Series


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("column", ["rate", "fundingRate"])
def test_rates_from_a_file(tmp_path: Path, kind: str, column: str):
    times = pd.date_range("2023-12-31", periods=20, freq="8h")
    frame = pd.DataFrame({"timestamp": times, column: [0.0001 * (number % 3) for number in range(20)]})
    path = tmp_path / f"funding.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    history = read_funding(path)
    start = datetime.datetime(2024, 1, 1)
    assert list(history.find_rates(start, start + 16 * HOUR)) == [
        (start + 8 * HOUR, pytest.approx(0.0001)),
        (start + 16 * HOUR, pytest.approx(0.0002)),
    ]
    result = run([flat(2000)] * 3, {1: open_short()}, history)
    # From the first of January on: 0.0001 at 8, 0.0002 at 16, nothing at 0 o'clock, and so on.
    assert get_funding(only_position(result)) == pytest.approx(3 * 0.6, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("timestamp,price\n2024-01-01,1\n", "no column of rates"),
        ("timestamp,rate\n2024-01-01,\n2024-01-02,0.1\n", "missing or no number"),
        ("timestamp,rate\n2024-01-01,0.5\n2024-01-02,0.1\n", "fraction for one payment"),
        ("timestamp,rate\n2024-01-01,0.001\n2024-01-01,0.002\n", "two funding rates"),
        ("rate\n0.001\n", "no time column"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, match: str):
    path = tmp_path / "funding.csv"
    path.write_text(text)
    with pytest.raises(InvalidCandles, match=match):
        read_funding(path)


def test_rates_that_cannot_be_meant_are_refused():
    for make in (
        lambda: ConstantFunding(0.5),
        lambda: ConstantFunding(float("nan")),
        lambda: ConstantFunding(0.0001, datetime.timedelta(0)),
        lambda: FundingHistory([]),
    ):
        with pytest.raises(InvalidValue):
            make()


def test_rates_that_end_too_early_stop_the_run():
    """Without rates a position would look better than it was."""
    history = FundingHistory([(START, 0.0001)])
    assert get_funding(only_position(run([flat(2000)] * 5, {1: open_long()}, history))) == 0
    with pytest.raises((NoFundingData, DecisionFailed), match="funding rates are of"):
        run([flat(2000)] * 12, {1: open_long()}, history, lending=FREE)
