"""Both sides of loans: principal, interest, what of it was paid, and the token balances."""

from decimal import Decimal

from tests.kit.every_kind_trader import A_USDC, V_WETH, D, Driver, assert_balanced, balance, find, load_copy
from tests.kit.trader import USDC
from tradeexecutor.ledger.entry import AccountKind, EntryKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.booking.treasury import book_position_correction, redeem_in_kind
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.state import State

CASH = AccountKind.cash


def collateral(state: State, position_id: int = 1) -> tuple[Decimal, Decimal, Decimal]:
    """Principal, all interest and claimed interest (negative)."""
    kinds = (AccountKind.collateral, AccountKind.collateral_interest, AccountKind.collateral_claimed)
    return tuple(balance(state, kind, A_USDC, position_id) for kind in kinds)  # type: ignore[return-value]


def debt(state: State, position_id: int = 1) -> tuple[Decimal, Decimal, Decimal]:
    """Principal, all interest (negative) and repaid interest."""
    kinds = (AccountKind.debt, AccountKind.debt_interest, AccountKind.debt_repaid)
    return tuple(balance(state, kind, V_WETH, position_id) for kind in kinds)  # type: ignore[return-value]


# --- Credit


def test_credit_is_supplied_earns_and_is_recalled():
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    assert collateral(driver.state) == (4_000, 0, 0)
    assert_balanced(driver.state)
    driver.accrue(position, A_USDC, "10")
    assert collateral(driver.state) == (4_000, 10, 0)
    assert balance(driver.state, AccountKind.interest, A_USDC) == -10
    driver.supply(1_000)
    driver.accrue(position, A_USDC, "10.025")
    assert_balanced(driver.state)
    driver.supply(-2_000)
    assert collateral(driver.state) == (3_000, D("20.025"), 0)
    assert_balanced(driver.state)
    closing = driver.supply("-3020.025")
    assert closing.claimed_interest == D("20.025")
    assert collateral(driver.state) == (0, D("20.025"), D("-20.025"))
    assert balance(driver.state, CASH, USDC) == D("10020.025")
    proof = assert_balanced(driver.state)
    claimed = find(proof, "aPolUSDC collateral of position #1: interest claimed")
    assert claimed.recorded == claimed.derived == D("20.025")


def test_recalling_more_than_the_principal_takes_interest():
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    driver.accrue(position, A_USDC, "100")
    driver.supply(-4_050)
    assert collateral(driver.state) == (0, 100, -50)
    proof = assert_balanced(driver.state)
    assert find(proof, "aPolUSDC collateral of position #1: tokens").recorded == 50


def test_a_failed_supply_gets_its_capital_back():
    driver = Driver()
    driver.fail(driver.send(driver.plan_supply(100)))
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


def test_dust_of_a_closed_credit_is_kept_and_said():
    driver = Driver()
    driver.supply(4_000)
    driver.supply("-3999.9975")
    assert driver.state.portfolio.closed_positions
    assert collateral(driver.state) == (D("0.0025"), 0, 0)
    assert_balanced(driver.state)


def test_a_little_more_than_there_was_is_interest_that_was_not_booked():
    driver = Driver()
    driver.supply(4_000)
    driver.supply("-4000.000001")
    assert collateral(driver.state) == (0, D("0.000001"), D("-0.000001"))
    assert balance(driver.state, AccountKind.unbooked_interest, A_USDC, 1) == D("-0.000001")
    proof = assert_balanced(driver.state)
    assert find(proof, "aPolUSDC collateral of position #1: principal").remarks == [
        "0.000001 aPolUSDC of interest was taken out that no event has booked"
    ]


def test_interest_left_in_a_closed_credit_counts_as_claimed():
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    driver.accrue(position, A_USDC, "10")
    driver.supply("-4009.9985")
    assert driver.state.portfolio.closed_positions
    assert derive(driver.state).entries[-1].kind is EntryKind.loan_closed
    assert collateral(driver.state) == (0, 10, -10)
    assert balance(driver.state, AccountKind.loan_dust, A_USDC, 1) == D("0.0015")
    proof = assert_balanced(driver.state)
    assert find(proof, "aPolUSDC collateral of position #1: principal").remarks == [
        "0.0015 aPolUSDC was written off when the loan was closed"
    ]


def test_credit_redeemed_in_kind_and_corrected():
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    driver.accrue(position, A_USDC, "10")
    redeem_in_kind(driver.state, position, D(401), driver.tick())
    assert collateral(driver.state) == (3_599, 10, 0)
    assert balance(driver.state, AccountKind.external, A_USDC) == 401
    book_position_correction(driver.state, position, D("-0.5"), driver.tick())
    assert balance(driver.state, AccountKind.correction, A_USDC) == D("0.5")
    assert_balanced(driver.state)


def test_a_correction_of_an_old_program_made_the_interest_principal():
    """They set principal and tokens to the corrected balance and started the interest anew."""
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    driver.accrue(position, A_USDC, "10")
    event = book_position_correction(driver.state, position, D(-510), driver.tick())
    loan = position.loan
    assert loan is not None
    loan.collateral.quantity = D(3_500)
    interest: Interest = loan.collateral_interest
    interest.last_token_amount, interest.last_accrued_interest, interest.interest_payments = D(3_500), D(0), D(0)
    assert event.old_balance == 4_010
    for reset_at in (None, driver.ts):  # older and newer files
        interest.reset_at = reset_at
        assert collateral(driver.state) == (3_500, 0, 0)
        assert_balanced(driver.state)
    driver.accrue(position, A_USDC, "7")
    assert collateral(driver.state) == (3_500, 7, 0)
    assert_balanced(driver.state)


# --- Shorts


def test_a_short_is_opened_grows_shrinks_and_is_closed():
    driver = Driver()
    trade = driver.short("-1", 1_000, "2000")
    position = driver.position_of(trade)
    assert collateral(driver.state) == (3_000, 0, 0)
    assert debt(driver.state) == (-1, 0, 0)
    proof = assert_balanced(driver.state)
    owed = find(proof, "variableDebtPolWETH debt of position #1: principal")
    assert owed.recorded == owed.derived == 1
    assert find(proof, "variableDebtPolWETH of position #1").recorded == -1

    driver.short("-0.5", 500, "1000")  # increase
    assert (collateral(driver.state)[0], debt(driver.state)[0]) == (4_500, D("-1.5"))
    assert_balanced(driver.state)
    driver.short("0.9", 0, "-1800", "-900")  # reduce
    assert (collateral(driver.state)[0], debt(driver.state)[0]) == (1_800, D("-0.6"))
    assert balance(driver.state, CASH, USDC) == 9_400
    assert_balanced(driver.state)

    driver.accrue(position, V_WETH, "0.002")
    driver.accrue(position, A_USDC, "3")
    assert balance(driver.state, AccountKind.interest, V_WETH) == D("0.002")
    assert_balanced(driver.state)
    closing = driver.short(None, None)
    assert driver.state.portfolio.closed_positions
    assert closing.executed_quantity == D("0.602")
    assert debt(driver.state) == (0, D("-0.002"), D("0.002"))
    assert collateral(driver.state) == (0, 3, -3)
    assert_balanced(driver.state)


def test_moving_only_the_collateral_of_a_short():
    driver = Driver()
    driver.short("-0.5", 1_000, "1000")
    driver.short("0", 0, "0", "250")
    assert balance(driver.state, CASH, USDC) == 8_750
    driver.short("0", 250, "0", "0")
    assert collateral(driver.state)[0] == 2_500
    assert_balanced(driver.state)


def test_collateral_that_a_closed_short_leaves_behind_is_written_off_and_said():
    driver = Driver()
    driver.short("-1", 1_000, "2000")
    closing = driver.short(None, None, executed_collateral_allocation=D("-960"))
    assert closing.executed_collateral_allocation == -960
    assert driver.state.portfolio.closed_positions
    left = balance(driver.state, AccountKind.loan_dust, A_USDC, 1)
    assert left > 20
    proof = assert_balanced(driver.state)
    (remark,) = find(proof, "aPolUSDC collateral of position #1: principal").remarks
    assert remark == f"{left:f} aPolUSDC was written off when the loan was closed"


def test_a_short_that_fails_gets_its_collateral_back():
    driver = Driver()
    trade = driver.plan_short("-1", 1_000, "2000")
    assert balance(driver.state, AccountKind.in_flight, USDC, 1) == 0
    driver.send(trade)
    assert balance(driver.state, AccountKind.in_flight, USDC, 1) == 1_000
    assert_balanced(driver.state)
    driver.fail(trade)
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


def test_a_short_that_needs_less_collateral_than_planned_gets_the_rest_back():
    driver = Driver()
    trade = driver.send(driver.plan_short("-1", 1_000, "2000"))
    driver.succeed(trade, reserve=900, executed_collateral_consumption=D(1_990), executed_collateral_allocation=D(0))
    assert balance(driver.state, CASH, USDC) == 9_100
    assert collateral(driver.state)[0] == 2_890
    assert_balanced(driver.state)


def test_interest_is_rounded_as_the_collateral_it_is_taken_out_with():
    """28 digits of a thousand leave fewer behind the point than 28 digits of the interest would."""
    driver = Driver()
    position = driver.position_of(driver.short("-332.5940325", "665.188065", "332.5940325", None, 1.0))
    driver.accrue(position, A_USDC, "3.2108630")
    driver.accrue(position, V_WETH, "1.0702880")
    trade = driver.send(driver.plan_short(None, None, price=1.0))
    assert trade.planned_collateral_consumption is not None
    driver.succeed(
        trade,
        quantity=trade.planned_quantity * D("0.999"),
        executed_collateral_consumption=trade.planned_collateral_consumption * D("0.999"),
        executed_collateral_allocation=trade.planned_collateral_allocation,
    )
    assert position.is_open()  # a part of the debt is left
    assert_balanced(driver.state)


# --- What goes wrong


def test_a_loan_that_is_not_in_the_file_cannot_be_proven():
    driver = Driver()
    position = driver.position_of(driver.supply(4_000))
    position.loan = None
    proof = prove(driver.state)
    assert not proof.is_balanced
    assert {item.verdict for item in proof.findings if "collateral" in item.name} == {Verdict.unprovable}
    assert find(proof, "aPolUSDC collateral of position #1: tokens").reason == "the file has no such figure"
    (lent,) = [item for item in proof.conservation if item.symbol == "aPolUSDC"]
    assert lent.recorded is None
    assert not lent.is_conserved


def test_more_than_rounding_taken_out_of_a_loan_is_found():
    driver = Driver()
    driver.supply(4_000)
    trade = driver.supply(-3_000)
    state = load_copy(driver.state)
    trade = state.portfolio.open_positions[1].trades[trade.trade_id]
    trade.executed_quantity = D(-4_500)
    finding = find(prove(state), "aPolUSDC collateral of position #1: principal")
    assert finding.verdict is Verdict.mismatch
    assert finding.derived == 0
    assert finding.recorded == 1_000
