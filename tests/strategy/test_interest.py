"""Interest: what the wallet has more than expected is shared among the lending positions, exactly, all or none."""

import datetime
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.lending_positions import (
    CREDIT,
    DAY,
    START,
    D,
    FixedPricing,
    FixedRates,
    check_balances_add_up,
    get_balances,
    new_state,
    short,
    supply,
)
from tests.kit.samples import AUSDC, PAIR, USDC, VWETH
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.booking.interest import InterestBatch
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnsupportedPairKind, WrongPositionStatus
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.interest_distribution import InterestDistributionOperation
from tradeexecutor.state.loan import LoanSide
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.strategy.interest import (
    InterestRefused,
    UnlikelyInterestGain,
    accrue_interest,
    calculate_realised_interest_rate,
    distribute_interest_for_assets,
    distribute_to_entry,
    estimate_interest,
    get_interest_gain_usd,
    prepare_interest_distribution,
    record_interest_rate,
    set_interest_checkpoint,
    update_interest,
    update_leveraged_position_interest,
)

WETH = PAIR.base


def credit_of_4000() -> tuple[State, TradingPosition]:
    state = new_state()
    position, _ = supply(state, "4000")
    return state, position


def short_and_credit() -> tuple[State, TradingPosition, TradingPosition]:
    """A short with 2000 aUSDC of collateral and 0.5 vWETH of debt, and a credit supply of 3000 aUSDC."""
    state = new_state()
    shorting, _ = short(state, "-0.5", "1000", "1000")
    lending, _ = supply(state, "3000")
    return state, shorting, lending


def prepare(
    state: State, days: int, since: datetime.datetime = START, price: float = 2000.0
) -> InterestDistributionOperation:
    return prepare_interest_distribution(since, START + days * DAY, state.portfolio, FixedPricing(price))


def accrue(state: State, days: int, balances: dict[AssetIdentifier, str], since: int = 0) -> list[BalanceUpdate]:
    """Sync `days` after the start."""
    exact = {asset: D(amount) for asset, amount in balances.items()}
    operation = prepare(state, days, START + since * DAY)
    return list(accrue_interest(state, exact, operation, START + days * DAY, None))


def is_refused(state: State, error: type[Exception], operation: Callable[[], object], match: str | None = None) -> None:
    """The operation raises, and the state is the same byte for byte."""
    before = state.to_json()
    with pytest.raises(error, match=match):
        operation()
    assert state.to_json() == before


# --- One position


def test_an_interest_event_raises_the_balance_and_the_interest_alone():
    state, position = credit_of_4000()
    event = update_interest(
        state, position, AUSDC, D(4010), START + 30 * DAY, 1.0, block_number=7, tx_hash="0x1", log_index=2
    )
    assert (event.quantity, event.old_balance, event.usd_value) == (10, 4000, 4010.0)
    assert (event.cause, event.position_type) == (BalanceUpdateCause.interest, BalanceUpdatePositionType.open_position)
    assert (event.asset, event.chain_id, event.position_id) == (AUSDC, 1, position.position_id)
    assert (event.block_mined_at, event.previous_update_at) == (START + 30 * DAY, START)
    assert (event.block_number, event.tx_hash, event.log_index) == (7, "0x1", "0x2")
    assert event.strategy_cycle_included_at is None
    assert event.get_effective_yearly_yield() == 0.030416666666666668
    loan = position.loan
    assert loan is not None
    interest = loan.collateral_interest
    assert (interest.last_token_amount, interest.last_accrued_interest) == (4010, 10)
    assert interest.last_updated_at == interest.last_event_at == START + 30 * DAY
    assert interest.last_updated_block_number == 7
    assert (loan.collateral.quantity, loan.collateral.last_usd_price) == (4000, 1.0)
    assert position.get_quantity() == 4010
    assert state.portfolio.calculate_total_equity() == 10_010
    assert state.portfolio.get_cash() == 6000
    assert state.sync.interest.last_sync_at is None
    assert not state.sync.accounting.balance_update_refs
    check_balances_add_up(state)


def test_the_value_of_the_gain_stands_beside_the_value_of_the_balance():
    state, position = credit_of_4000()
    event = update_interest(state, position, AUSDC, D(4010), START + 30 * DAY, 1.0)
    assert (event.usd_value, get_interest_gain_usd(event)) == (4010.0, 10.0)
    event.cause = BalanceUpdateCause.correction
    with pytest.raises(InvalidValue):
        get_interest_gain_usd(event)


def test_both_sides_of_a_short_in_one_step():
    """Worked example A of a short: 1000 at 2x, fee 0.3 %, interest after ten days."""
    state = new_state()
    position, _ = short(state, "-1", "1000", "1993.99999999999999987509991")
    position.revalue_base_asset(START + DAY, 1800.0)
    debt, collateral = update_leveraged_position_interest(
        state, position, D("1.002"), D("2996.993999999999999874974911"), START + 10 * DAY, 1800.0
    )
    assert (debt.balance_update_id, debt.asset, debt.quantity, debt.old_balance) == (1, VWETH, D("0.002"), 1)
    assert debt.usd_value == pytest.approx(1803.6)
    assert debt.get_effective_yearly_yield() == pytest.approx(0.073)
    assert (collateral.balance_update_id, collateral.asset) == (2, AUSDC)
    assert collateral.usd_value == pytest.approx(2996.994)
    assert collateral.get_effective_yearly_yield() == pytest.approx(0.0365)
    assert position.get_quantity() == D("-1.002")
    assert position.get_value() == pytest.approx(1193.394)
    assert position.get_value(include_interest=False) == pytest.approx(1194.0)
    assert position.get_accrued_interest() == pytest.approx(-0.606)
    assert position.loan is not None
    assert position.loan.get_health_factor() == pytest.approx(1.4138333333333333)
    check_balances_add_up(state)


def test_a_short_whose_second_balance_is_wrong_books_neither():
    state, position, _ = short_and_credit()
    is_refused(
        state, UnlikelyInterestGain,
        lambda: update_leveraged_position_interest(state, position, D("0.501"), D(3000), START + DAY, 1800.0),
    )  # fmt: skip


def test_a_balance_may_become_smaller():
    state, position = credit_of_4000()
    event = update_interest(state, position, AUSDC, D(3999), START + DAY, 1.0)
    assert event.quantity == -1
    assert get_balances(position) == (3999,)


@pytest.mark.parametrize(("balance", "fits"), [("4200", True), ("4200.01", False), ("3800", True), ("3799.9", False)])
def test_five_percent_is_the_limit(balance: str, fits: bool):
    """Exactly 5 % passes: the float 0.05 is a little more than that."""
    state, position = credit_of_4000()
    if fits:
        assert update_interest(state, position, AUSDC, D(balance), START + DAY, 1.0).quantity == D(balance) - 4000
    else:
        is_refused(
            state, UnlikelyInterestGain, lambda: update_interest(state, position, AUSDC, D(balance), START + DAY, 1.0)
        )


def test_the_text_and_numbers_of_an_unlikely_gain():
    state, position = credit_of_4000()
    with pytest.raises(AssertionError) as caught:
        update_interest(state, position, AUSDC, D(4400), START + DAY, 1.0)
    error = caught.value
    assert isinstance(error, UnlikelyInterestGain)
    assert str(error) == (
        f"Unlikely gained_interest for {AUSDC}: 400 (diff 10.00%, threshold 5.0%), "
        "old quantity: 4000, new quantity: 4400"
    )
    assert (error.gained, error.old_quantity, error.new_quantity, error.max_interest_gain) == (400, 4000, 4400, 0.05)


def test_the_limit_can_be_chosen():
    state, position = credit_of_4000()
    assert update_interest(state, position, AUSDC, D(4400), START + DAY, 1.0, max_interest_gain=0.2).quantity == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"asset": USDC}, InterestRefused),
        ({"asset": VWETH}, InterestRefused),
        ({"new_token_amount": 4010}, InterestRefused),
        ({"new_token_amount": D("NaN")}, InterestRefused),
        ({"new_token_amount": D(-1)}, InterestRefused),
        ({"asset_price": 1}, InterestRefused),
        ({"asset_price": 0.0}, InterestRefused),
        ({"asset_price": float("inf")}, InterestRefused),
        ({"asset_price": 1e306}, InterestRefused),
        ({"event_at": START - DAY}, InterestRefused),
        ({"event_at": START.replace(tzinfo=datetime.UTC)}, InterestRefused),
        ({"event_at": None}, InterestRefused),
        ({"block_number": 1.0}, InvalidValue),
    ],
    ids=str,
)
def test_what_cannot_be_booked_uses_up_no_id(changes: dict[str, object], error: type[Exception]):
    state, position = credit_of_4000()
    arguments = {"asset": AUSDC, "new_token_amount": D(4010), "event_at": START + DAY, "asset_price": 1.0} | changes
    is_refused(state, error, lambda: update_interest(state, position, **arguments))  # pyright: ignore[reportArgumentType]
    assert state.portfolio.next_balance_update_id == 1


def test_only_open_and_frozen_positions_with_a_loan_earn():
    state, position = credit_of_4000()
    portfolio = state.portfolio
    del portfolio.open_positions[position.position_id]
    portfolio.frozen_positions[position.position_id] = position
    assert update_interest(state, position, AUSDC, D(4010), START + DAY, 1.0).quantity == 10
    del portfolio.frozen_positions[position.position_id]
    portfolio.closed_positions[position.position_id] = position
    is_refused(
        state, WrongPositionStatus, lambda: update_interest(state, position, AUSDC, D(4020), START + 2 * DAY, 1.0)
    )
    other = TradingPosition(9, CREDIT, START, START, 1.0, 1.0, USDC)
    portfolio.open_positions[9] = other
    is_refused(state, InterestRefused, lambda: update_interest(state, other, AUSDC, D(1), START + DAY, 1.0), "no loan")


def test_nothing_earns_nothing():
    """A loan that was emptied cannot have interest; the reference divides by zero."""
    state, position = credit_of_4000()
    assert position.loan is not None
    position.loan.collateral.quantity = position.loan.collateral_interest.last_token_amount = D(0)
    is_refused(state, UnlikelyInterestGain, lambda: update_interest(state, position, AUSDC, D(1), START + DAY, 1.0))
    assert update_interest(state, position, AUSDC, D(0), START + DAY, 1.0).quantity == 0


def test_one_side_cannot_be_booked_twice_in_one_batch():
    state, position = credit_of_4000()
    batch = InterestBatch(state.portfolio, START + DAY)
    batch.add(position, AUSDC, D(4010), 1.0)
    is_refused(state, InterestRefused, lambda: batch.add(position, AUSDC, D(4020), 1.0), "twice")
    assert [event.quantity for event in batch.book()] == [10]
    assert batch.book() == [], "a batch is booked once"


def test_a_reset_stays_reset():
    """After a correction, the interest from before it does not come back with the next event."""
    state, position = credit_of_4000()
    update_interest(state, position, AUSDC, D(4010), START + DAY, 1.0)
    assert position.loan is not None
    position.loan.collateral.reset(D(3500))
    position.loan.collateral_interest.reset(D(3500), START + 2 * DAY, 5)
    update_interest(state, position, AUSDC, D(3510), START + 3 * DAY, 1.0)
    assert position.loan.get_collateral_quantity() == 3510
    assert position.loan.collateral_interest.get_remaining_interest() == 10
    assert position.loan.get_net_asset_value() == 3510.0
    check_balances_add_up(state)


def test_compounded_estimate():
    end = START + 182 * DAY
    assert estimate_interest(START, end, D(1000), 1.05) == D("1024.626592527031698764972134")
    with pytest.raises(InvalidValue):
        estimate_interest(START, end, D(1000), 0.05)


# --- Preparation


def test_two_positions_share_a_token():
    state, shorting, lending = short_and_credit()
    pricing = FixedPricing(1800.0)
    operation = prepare_interest_distribution(START, START + 73 * DAY, state.portfolio, pricing)
    rows = [
        (entry.position, entry.side, entry.asset, entry.quantity, entry.weight, entry.price)
        for entry in operation.entries
    ]
    assert rows == [
        (shorting, LoanSide.borrowed, VWETH, D("0.5"), 1, 1800.0),
        (shorting, LoanSide.collateral, AUSDC, D(2000), D("0.4"), 1.0),
        (lending, LoanSide.collateral, AUSDC, D(3000), D("0.6"), 1.0),
    ]
    assert pricing.asked == [(PAIR, D("0.5"))], "the debt is priced in the market of its underlying"
    assert operation.assets == {AUSDC, VWETH}
    assert operation.duration == 73 * DAY
    assert operation.get_interest_data(AUSDC).total == 5000
    assert len(operation.get_diagnostics_data()) == 3


def test_positions_without_loan_and_other_kinds_take_no_part():
    state, _ = credit_of_4000()
    state.portfolio.open_positions[8] = TradingPosition(8, PAIR, START, START, 1.0, 1.0, USDC)
    state.portfolio.open_positions[9] = TradingPosition(9, CREDIT, START, START, 1.0, 1.0, USDC)
    assert [entry.position.position_id for entry in prepare(state, 1).entries] == [1]


def test_collateral_that_is_no_stablecoin():
    state, position, _ = short_and_credit()
    assert position.loan is not None
    awbtc = AssetIdentifier(1, "0x" + "c" * 40, "aWETH", 18, underlying=WETH)
    position.pair = TradingPairIdentifier(awbtc, USDC, "0x" + "6" * 40, None, kind=TradingPairKind.credit_supply)
    position.loan.collateral.asset = awbtc
    is_refused(state, UnsupportedPairKind, lambda: prepare(state, 1), "stablecoin")


# --- Distribution


def test_each_position_gets_its_share():
    """Worked example: 5020 aUSDC for 2000 and 3000, 0.501 vWETH for 0.5."""
    state, shorting, lending = short_and_credit()
    events = accrue(state, 73, {AUSDC: "5020", VWETH: "0.501"})
    assert [(event.position_id, event.asset, event.quantity) for event in events] == [
        (1, VWETH, D("0.001")),
        (1, AUSDC, 8),
        (2, AUSDC, 12),
    ]
    assert [event.balance_update_id for event in events] == [1, 2, 3]
    assert events[0].usd_value == pytest.approx(1002.0)
    assert (get_balances(shorting), get_balances(lending)) == ((2008, D("0.501")), (3012,))
    distribution = state.sync.interest.last_distribution
    assert distribution is not None
    assert distribution.get_interest_data(AUSDC).effective_rate == pytest.approx(0.02)
    assert distribution.get_interest_data(VWETH).effective_rate == pytest.approx(0.01)
    assert (state.sync.interest.last_sync_at, state.sync.interest.last_sync_block) == (START + 73 * DAY, None)
    check_balances_add_up(state)


def test_interest_earns_interest():
    """What a position has earned before counts when the next interest is shared; the reference gives 5 and 15."""
    state = new_state()
    first, _ = supply(state, "1000")
    update_interest(state, first, AUSDC, D(1010), START + DAY, 1.0)
    second, _ = supply(state, "1000", START + DAY)
    events = accrue(state, 11, {AUSDC: "2030"}, since=1)
    assert [float(event.quantity) for event in events] == pytest.approx([20 * 1010 / 2010, 20 * 1000 / 2010])
    assert sum(event.quantity for event in events) == 20
    assert sum(get_balances(first) + get_balances(second)) == 2030
    check_balances_add_up(state)


def test_the_recorded_rate_compares_with_principal_and_the_realised_one_with_the_balance():
    """The same interest in the same time: the recorded rate doubles, the realised one does not."""
    state, position = credit_of_4000()
    recorded: list[float | None] = []
    for days, balance in ((10, "4010"), (20, "4020")):
        (event,) = accrue(state, days, {AUSDC: balance}, since=days - 10)
        assert event.quantity == 10
        distribution = state.sync.interest.last_distribution
        assert distribution is not None
        recorded.append(distribution.get_interest_data(AUSDC).effective_rate)
    assert recorded == pytest.approx([0.09125, 0.1825])
    events = position.balance_updates.values()
    assert calculate_realised_interest_rate(events) == pytest.approx(20 / (4000 + 4010) * 36.5)
    assert calculate_realised_interest_rate([]) is None


def test_interest_without_principal_still_earns():
    """All principal was recalled, 5 of interest are left."""
    state = new_state()
    first, _ = supply(state, "1000")
    supply(state, "1000")
    accrue(state, 10, {AUSDC: "2010"})
    supply(state, "-1000", START + 10 * DAY, first)
    assert first.loan is not None
    assert (first.loan.collateral.quantity, get_balances(first)) == (0, (5,))
    events = accrue(state, 20, {AUSDC: "1020.1"}, since=10)
    assert [event.position_id for event in events] == [1, 2]
    assert float(events[0].quantity) == pytest.approx(10.1 * 5 / 1010)
    assert sum(event.quantity for event in events) == D("10.1") + D("5") - D("5")
    check_balances_add_up(state)


def test_too_little_to_distribute_stays_for_the_next_time():
    state, position = credit_of_4000()
    assert accrue(state, 1, {AUSDC: "4000.00002"}) == []
    assert get_balances(position) == (4000,)
    (event,) = accrue(state, 2, {AUSDC: "4000.00004"}, since=1)
    assert event.quantity == D("0.00004")
    assert event.previous_update_at == START, "the yield is that of both days"


def test_nothing_happens_without_time():
    state, _ = credit_of_4000()
    before = state.to_json()
    assert accrue(state, 0, {AUSDC: "4010"}) == []
    assert state.to_json() == before


@pytest.mark.parametrize(
    ("balances", "error", "match"),
    [
        ({AUSDC: "4999", VWETH: "0.501"}, InterestRefused, "1 less than"),
        ({AUSDC: "5020", VWETH: "0.499"}, InterestRefused, "less than"),
        ({AUSDC: "5020", VWETH: "0.6"}, UnlikelyInterestGain, "Unlikely"),
        ({AUSDC: "5020", USDC: "1"}, NotAvailable, "no part"),
        ({AUSDC: "5020", VWETH: "Infinity"}, InterestRefused, "finite"),
    ],
)
def test_one_wrong_balance_refuses_all(balances: dict[AssetIdentifier, str], error: type[Exception], match: str):
    state, *_ = short_and_credit()
    is_refused(state, error, lambda: accrue(state, 73, balances), match)


def test_a_period_that_ends_before_it_starts_is_refused():
    state, _ = credit_of_4000()
    is_refused(state, AssertionError, lambda: accrue(state, 1, {AUSDC: "4010"}, since=2), "back to")


def test_a_position_that_closed_meanwhile_refuses_the_distribution():
    state, _, lending = short_and_credit()
    operation = prepare(state, 73)
    del state.portfolio.open_positions[lending.position_id]
    state.portfolio.closed_positions[lending.position_id] = lending
    is_refused(
        state, WrongPositionStatus,
        lambda: accrue_interest(state, {AUSDC: D(5020)}, operation, START + 73 * DAY, None),
    )  # fmt: skip


def test_the_result_need_not_be_consumed():
    state, position = credit_of_4000()
    accrue_interest(state, {AUSDC: D(4010)}, prepare(state, 10), START + 10 * DAY, None)
    assert get_balances(position) == (4010,)
    distribute_interest_for_assets(prepare(state, 20), state, AUSDC, START + 20 * DAY, None, D(4020), 0.05)
    assert get_balances(position) == (4020,)
    assert state.sync.interest.last_sync_at == START + 10 * DAY, "only a whole distribution moves the checkpoint"


def test_one_entry_by_itself():
    state, shorting, _ = short_and_credit()
    _, entry, _ = prepare(state, 73).entries
    event = distribute_to_entry(entry, state, START + 73 * DAY, 5, D(20), 0.05)
    assert (event.position_id, event.quantity, event.block_number) == (shorting.position_id, 8, 5)
    entry.weight = None
    is_refused(state, InterestRefused, lambda: distribute_to_entry(entry, state, START + 74 * DAY, 5, D(20), 0.05))
    entry.weight, entry.price = D(1), None
    is_refused(state, InterestRefused, lambda: distribute_to_entry(entry, state, START + 74 * DAY, 5, D(20), 0.05))


def test_a_distribution_is_written_to_the_file():
    state, *_ = short_and_credit()
    accrue(state, 73, {AUSDC: "5020", VWETH: "0.501"})
    again = State.read_json_blob(state.to_json())
    assert again.to_json() == state.to_json()
    assert again.sync.interest.last_distribution is not None


# --- Checkpoint and rates


def test_the_checkpoint_never_goes_back():
    state = new_state()
    set_interest_checkpoint(state, START + DAY, 5)
    assert (state.sync.interest.last_sync_at, state.sync.interest.last_sync_block) == (START + DAY, 5)
    set_interest_checkpoint(state, START, 4)
    assert (state.sync.interest.last_sync_at, state.sync.interest.last_sync_block) == (START + DAY, 5)
    assert state.sync.interest.last_distribution is None


def test_a_checkpoint_between_syncs_loses_nothing():
    state, position = credit_of_4000()
    set_interest_checkpoint(state, START, None)
    set_interest_checkpoint(state, START + 15 * DAY, None)
    checkpoint = state.sync.interest.last_sync_at
    assert checkpoint is not None
    operation = prepare(state, 20, checkpoint)
    (event,) = accrue_interest(state, {AUSDC: D(4010)}, operation, START + 20 * DAY, None)
    assert (event.quantity, event.get_update_period()) == (10, 20 * DAY)
    assert get_balances(position) == (4010,)


def test_supply_rates_are_recorded_on_credit_positions():
    state, shorting, lending = short_and_credit()
    rates = FixedRates({AUSDC: "0.03"})
    record_interest_rate(state, rates, START)
    rates.rates[AUSDC] = D("0.04")
    record_interest_rate(state, rates, START + DAY)
    assert shorting.loan is not None
    assert lending.loan is not None
    tracker = lending.loan.collateral
    assert (tracker.interest_rate_at_open, tracker.last_interest_rate) == (0.03, 0.04)
    assert shorting.loan.collateral.last_interest_rate is None
    rates.rates[AUSDC] = D(3)
    is_refused(state, InvalidValue, lambda: record_interest_rate(state, rates, START))


# --- Properties

AMOUNTS = st.decimals("0.01", "1000000", places=6)


@given(st.lists(AMOUNTS, min_size=1, max_size=5), st.lists(st.decimals("0", "0.049", places=9), min_size=1, max_size=3))
def test_every_token_of_interest_is_booked_exactly_once(principals: list[Decimal], growths: list[Decimal]):
    state = new_state(10_000_000)
    positions = [supply(state, str(amount))[0] for amount in principals]
    for number, growth in enumerate(growths):
        expected = sum(get_balances(position)[0] for position in positions)
        balance = expected + (expected * growth).quantize(D("0.000001"))
        events = accrue(state, number + 1, {AUSDC: str(balance)}, since=number)
        if events:
            assert sum(event.quantity for event in events) == balance - expected
            assert sum(get_balances(position)[0] for position in positions) == balance
        check_balances_add_up(state)
    assert state.portfolio.next_balance_update_id == 1 + sum(len(p.balance_updates) for p in positions)


@given(st.permutations([AUSDC, VWETH]), st.permutations([1, 2, 3]))
def test_the_order_of_tables_and_balances_does_not_matter(assets: list[AssetIdentifier], order: list[int]):
    def run(assets: list[AssetIdentifier], order: list[int]) -> State:
        state, *_ = short_and_credit()
        supply(state, "700")
        positions = state.portfolio.open_positions
        state.portfolio.open_positions = {number: positions[number] for number in order}
        balances = {AUSDC: D("5733.123457"), VWETH: D("0.501")}
        events = accrue_interest(
            state,
            {asset: balances[asset] for asset in assets},
            prepare(state, 9),
            START + 9 * DAY,
            None,
            created_at=START,
        )
        assert sorted(event.balance_update_id for event in events) == [1, 2, 3, 4]
        state.portfolio.open_positions = {number: positions[number] for number in (1, 2, 3)}
        state.last_updated_at = START
        return state

    expected = run([AUSDC, VWETH], [1, 2, 3])
    actual = run(assets, order)
    assert actual.portfolio.to_dict() == expected.portfolio.to_dict()


@given(st.lists(st.tuples(st.sampled_from(["supply", "recall", "interest"]), st.integers(1, 900)), max_size=12))
def test_balances_add_up_whatever_happens(actions: list[tuple[str, int]]):
    """Recalling more than principal takes interest out; the balance stays principal and interest less payments."""
    state = new_state(1_000_000)
    position, _ = supply(state, "1000")
    day = 0
    for action, size in actions:
        balance = get_balances(position)[0]
        if action == "supply":
            supply(state, str(size), START + day * DAY, position)
        elif action == "recall" and size < balance - 1:
            supply(state, str(-size), START + day * DAY, position)
        elif action == "interest":
            day += 1
            gained = (balance * D(size) / 50_000).quantize(D("0.000001"))
            accrue(state, day, {AUSDC: str(balance + gained)}, since=day - 1)
        check_balances_add_up(state)
    assert position.is_open()
    assert get_balances(position)[0] == position.get_quantity()
