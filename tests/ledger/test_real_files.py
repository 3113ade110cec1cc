"""What the ledger says about real files of 2023 to 2026; each finding was traced by hand.

==========================  =======================================================================================
file                        what happened to its balances
==========================  =======================================================================================
legacy-state-dump           the cash was set to the chain's balance every cycle: unspent capital missing for an hour
legacy-repair-dump          the same; the capital of both failed purchases was back at the next recorded balance
arbitrum-btc-usd-sls        a backtest; everything adds up
trade-missing-tx            unspent capital of two purchases was never given back
ausdc-broken-position       recalls of credit left the tokens in the loan; interest of a raw unit was not counted
show-positions-long         a failed purchase got its capital back at failure and again by a repair; unspent capital
                            was kept, and later booked as a deposit
zero-quantity-positions     everything adds up, corrections and repairs included
hyperai-cleanup             begins with cash that nothing records
gmx-ai-current-state        transfers to an exchange account are in the flows of the account and not in the cash, which
                            was set to the chain's balance; one flow was overwritten by another with its number
hyper-ai-dust-close         begins with cash that nothing records; the sale of position #2 is recorded as failed and yet
                            its tokens went, so a sync found 7.777157 USDC more than was booked (6.799305 of them left
                            the position, nothing tells where the rest is from); nine purchases booked the unrounded
                            plan as spent, and the next sync found the fractions of raw units
credit-no-profit            two supplies of credit kept a fraction of a raw unit of what was set aside; the sync of the
                            second deposit put the first right, the second is still missing
==========================  =======================================================================================
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.every_kind_trader import D, find
from tradeexecutor.ledger.explanation import CauseKind
from tradeexecutor.ledger.proof import Finding, Proof, Verdict, prove
from tradeexecutor.ledger.refunds import RefundAnswer, find_refund
from tradeexecutor.state.state import State

#: Number of balances with each verdict: balanced, recovered, mismatch, unprovable.
VERDICTS = {
    "arbitrum-btc-usd-sls-binance-data-1h": (79, 0, 0, 0),
    "cli--show-positions-long": (5, 0, 1, 0),
    "hyperliquid--state--hyper-ai-dust-close": (17, 0, 1, 0),
    "hyperliquid--state--hyperai-cleanup": (1, 0, 0, 1),
    "legacy--legacy-repair-dump": (54, 1, 0, 0),
    "legacy--legacy-state-dump": (7, 1, 0, 0),
    "legacy--trade-missing-tx": (4, 0, 1, 0),
    "legacy--zero-quantity-positions": (12, 0, 0, 0),
    "mainnet_fork--ausdc-broken-position": (19, 0, 8, 0),
    "mainnet_fork--correct_history_outliers--gmx-ai-current-state": (0, 1, 1, 0),
    "mainnet_fork--credit-no-profit": (6, 0, 1, 0),
}

pytestmark = pytest.mark.golden


def load(shared_dir: Path, stem: str) -> tuple[State, Proof]:
    state = State.read_json_file(shared_dir / "states" / f"{stem}.json")
    return state, prove(state)


def count_causes(finding: Finding) -> Counter[CauseKind]:
    return Counter(cause.kind for item in finding.breaks for cause in item.causes)


@pytest.mark.slow
def test_every_file_has_the_verdicts_that_were_traced(state_file: Path):
    state = State.read_json_file(state_file)
    before = state.to_json()
    proof = prove(state)
    assert tuple(len(proof.get_findings(verdict)) for verdict in Verdict) == VERDICTS[state_file.stem]
    assert proof.remarks == []
    assert state.to_json() == before


def test_what_does_not_add_up_is_what_is_not_conserved(state_file: Path):
    """The differences of the balances of an asset are the difference of the asset."""
    proof = prove(State.read_json_file(state_file))
    for item in proof.conservation:
        differences = [
            abs(finding.difference)
            for finding in proof.findings
            if finding.asset == item.asset and finding.is_owned and finding.difference is not None
        ]
        assert item.recorded is not None
        assert abs(item.difference or 0) <= sum(differences, Decimal(0))
        if len(differences) == 1:
            assert abs(item.difference or 0) == differences[0]


def test_early_live_files_lost_unspent_capital_until_the_next_sync(shared_dir: Path):
    _, proof = load(shared_dir, "legacy--legacy-state-dump")
    cash = find(proof, "USDC cash")
    assert cash.difference == 0
    assert count_causes(cash) == {CauseKind.unspent_kept: 7, CauseKind.restored: 7}
    _, proof = load(shared_dir, "legacy--legacy-repair-dump")
    cash = find(proof, "USDC cash")
    assert cash.difference == 0
    assert cash.derived == D("6.815099")
    assert count_causes(cash) == {CauseKind.unspent_kept: 45, CauseKind.restored: 45}


def test_the_failed_purchases_of_the_repair_dump_were_refunded_before_any_repair(shared_dir: Path):
    """Crediting them once more, as repairs of old programs do, would invent 130 USDC."""
    state, proof = load(shared_dir, "legacy--legacy-repair-dump")
    for number, amount, sample in ((1, "69.505733", "2023-02-11 02:00:00"), (50, "60.872602", "2023-02-21 00:00:00")):
        refund = find_refund(state, number, proof)
        assert (refund.answer, refund.times) == (RefundAnswer.yes, 1)
        assert abs(refund.amount - D(amount)) < D("0.000001")
        assert refund.evidence == f"the sample of the cash of {sample} contains it"
    sale = find_refund(state, 70, proof)
    assert (sale.answer, sale.amount) == (RefundAnswer.yes, 0)


def test_a_repair_credited_a_refunded_purchase_again(shared_dir: Path):
    state, proof = load(shared_dir, "cli--show-positions-long")
    cash = find(proof, "USDC cash")
    kept, repeated = cash.breaks
    assert [(cause.kind, cause.trade_id) for cause in kept.causes] == [
        (CauseKind.unspent_kept, 1),
        (CauseKind.unspent_kept, 3),
        (CauseKind.unspent_kept, 4),
        (CauseKind.unspent_kept, 5),
    ]
    assert kept.notes == ["balance update #4 then books this amount as a deposit"]
    (cause,) = repeated.causes
    assert (cause.kind, cause.trade_id) == (CauseKind.refund_repeated, 2)
    assert cause.amount == D("724.598249081999938425724394619464874267578125")
    assert cash.difference is not None
    # The credit too many, less what four purchases of 724.598249 USDC kept; the rest is rounding.
    assert abs(cash.difference - (cause.amount - 4 * (cause.amount - D("724.598249")))) < D("1E-22")
    refund = find_refund(state, 2, proof)
    assert (refund.answer, refund.times) == (RefundAnswer.yes, 2)


def test_unspent_capital_that_never_came_back(shared_dir: Path):
    _, proof = load(shared_dir, "legacy--trade-missing-tx")
    (cash,) = proof.get_findings(Verdict.mismatch)
    assert cash.name == "USDC cash"
    (item,) = cash.breaks
    assert [(cause.kind, cause.trade_id) for cause in item.causes] == [
        (CauseKind.unspent_kept, 5),
        (CauseKind.unspent_kept, 6),
    ]
    assert item.change.before is not None
    assert item.change.before.source == item.change.after.source == "sample of the cash"
    assert D("-7.41E-7") < item.change.amount < D("-7.40E-7")
    entry = proof.get_first_entry()
    assert entry is not None
    assert entry.description == "trade #5 buys WMATIC"


def test_loans_that_a_recall_did_not_lower(shared_dir: Path):
    _, proof = load(shared_dir, "mainnet_fork--ausdc-broken-position")
    assert find(proof, "USDC cash").verdict is Verdict.balanced
    tokens = {
        item.position_id: [cause.trade_id for cause in item.breaks[0].causes]
        for item in proof.get_findings(Verdict.mismatch)
        if item.name.endswith("tokens")
    }
    assert tokens == {4: [8], 6: [12], 8: [16], 10: [20]}
    interest = [item for item in proof.get_findings(Verdict.mismatch) if not item.name.endswith("tokens")]
    assert {(item.position_id, item.difference) for item in interest} == {(4, D("-0.000001")), (10, D("-0.000001"))}
    assert find(proof, "aEthUSDC collateral of position #4: principal").remarks == [
        "0.000001 aEthUSDC of interest was taken out that no event has booked"
    ]


def test_cash_that_nothing_records(shared_dir: Path):
    _, proof = load(shared_dir, "hyperliquid--state--hyperai-cleanup")
    (cash,) = proof.get_findings(Verdict.unprovable)
    assert (cash.name, cash.difference) == ("USDC cash", 8)
    assert cash.breaks == []
    assert cash.reason.endswith("from there on everything adds up")


def test_transfers_to_an_exchange_account_that_the_cash_does_not_record(shared_dir: Path):
    _, proof = load(shared_dir, "mainnet_fork--correct_history_outliers--gmx-ai-current-state")
    cash = find(proof, "USDC cash")
    assert count_causes(cash) == {CauseKind.not_booked: 1, CauseKind.unexplained: 44}
    assert cash.breaks[0].change.opening == 25
    assert cash.breaks[0].causes[0].text.endswith("trade #1 buys GMX-ACCOUNT")
    transfer = cash.breaks[1]
    assert transfer.change.amount == D("-24.750158")
    assert transfer.notes == [
        "syncs of the vault set this reserve to the balance on the chain, whatever was booked",
        "meanwhile the vault flows of position #1 add up to 24.88916796357407270797: such flows contain transfers "
        "between cash and the account, of which the cash has no record",
    ]


def test_a_flow_that_another_with_its_number_replaced(shared_dir: Path):
    _, proof = load(shared_dir, "mainnet_fork--correct_history_outliers--gmx-ai-current-state")
    account = find(proof, "GMX-ACCOUNT of position #1")
    assert account.verdict is Verdict.recovered
    lost, settled = account.breaks
    assert abs(lost.change.amount - D("0.03240222184509")) < D("1E-14")
    assert lost.notes[0].startswith("balance update #13 of 2026-03-31 10:06 stands before #14 of 2026-03-15 13:15")
    assert settled.change.is_recovery
    assert settled.change.before is not None
    assert settled.change.before.source == "balance update #13"


def test_a_redemption_that_came_back_after_its_sale_was_recorded_as_failed(shared_dir: Path):
    """Position #2 was sold, but trade #4 is recorded as failed: cash rose without an entry, the position fell later."""
    state, proof = load(shared_dir, "hyperliquid--state--hyper-ai-dust-close")
    cash = find(proof, "USDC cash")
    returned, fractions = cash.breaks
    assert returned.change.opening == 15
    assert cash.reason.startswith("the history begins with a balance that nothing records")
    assert returned.change.amount == D("7.777157")
    assert cash.difference is not None
    assert abs(cash.difference - (15 + returned.change.amount + fractions.change.amount)) < D("1E-22")
    assert returned.change.before is not None
    assert (returned.change.before.source, returned.change.after.source) == ("balance update #2", "balance update #12")
    assert state.portfolio.open_positions[2].trades[4].is_repaired()
    assert state.portfolio.open_positions[2].balance_updates[15].quantity == D("-6.799305")
    # The redemptions of positions #1 and #3 are booked: as corrections of the cash, and as flows of the vaults.
    corrections = [entry for entry in proof.journal.entries if "correction" in entry.description]
    assert [entry.description.split(":")[0] for entry in corrections] == ["balance update #17", "balance update #23"]


def test_purchases_that_booked_an_unrounded_amount_as_spent(shared_dir: Path):
    """The chain moved whole raw units, the trades say what was planned; the sync after them found the fractions."""
    state, proof = load(shared_dir, "hyperliquid--state--hyper-ai-dust-close")
    _, fractions = find(proof, "USDC cash").breaks
    assert fractions.change.after.source == "balance update #57"
    bought = [trade for trade in state.portfolio.get_all_trades() if trade.trade_id >= 13]
    assert len(bought) == 9
    booked = sum((trade.executed_reserve or D(0)) - (trade.executed_quantity or D(0)) for trade in bought)
    # The sample before the sync is a float, it gives the amount to 16 digits.
    assert abs(fractions.change.amount - booked) < D("1E-12")


def test_supplies_of_credit_that_kept_fractions_of_a_raw_unit(shared_dir: Path):
    _, proof = load(shared_dir, "mainnet_fork--credit-no-profit")
    (cash,) = proof.get_findings(Verdict.mismatch)
    causes = [(cause.kind, cause.trade_id) for item in cash.breaks for cause in item.causes]
    assert causes == [(CauseKind.unspent_kept, 3), (CauseKind.restored, None), (CauseKind.unspent_kept, 4)]
    lost, restored, lost_again = (item.change.amount for item in cash.breaks)
    assert lost == -restored
    assert cash.difference is not None
    assert abs(cash.difference - lost_again) < D("1E-12")
    entry = proof.get_first_entry()
    assert entry is not None
    assert entry.description == "trade #4 supplies aBasUSDC"  # what trade #3 kept has come back since
