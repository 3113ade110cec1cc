"""What ``tradeexecutor audit`` prints."""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_quantity_change,
    format_time,
    print_heading,
    print_line,
    print_table,
    round_decimals,
)
from tradeexecutor.ledger.checkpoints import Checkpoint
from tradeexecutor.ledger.entry import Account, Entry
from tradeexecutor.ledger.explanation import Break, Cause, CauseKind
from tradeexecutor.ledger.journal import Journal
from tradeexecutor.ledger.proof import Conservation, Finding, Proof, Verdict
from tradeexecutor.ledger.unexplained import describe_unexplained_cash
from tradeexecutor.operations.state_location import StateLocation, describe_state
from tradeexecutor.state.state import State

_STYLES = {Verdict.balanced: "", Verdict.recovered: "", Verdict.mismatch: "red", Verdict.unprovable: "yellow"}

#: Number of differences of a balance that are printed one by one; more are summed up.
_MAX_BREAKS = 6

#: Number of remarks, and of trade ids in a list, that are shown.
_MAX_LISTED = 10

_FINDING_COLUMNS = (
    Column("Balance", is_text=True),
    Column("Derived", right=True, priority=2),
    Column("Recorded", right=True, priority=1),
    Column("Difference", right=True),
    Column("Verdict"),
)

_CONSERVATION_COLUMNS = (
    Column("Asset"),
    Column("Came in from", is_text=True, priority=1),
    Column("By entries", right=True, priority=2),
    Column("Recorded", right=True, priority=3),
    Column("Difference", right=True),
)

_ENTRY_COLUMNS = (
    Column("Entry", right=True),
    Column("Time"),
    Column("Description", is_text=True),
    Column("Account", priority=2),
    Column("Asset"),
    Column("Amount", right=True),
    Column("Balance", right=True, priority=1),
)


# --- Selecting


def name_account(account: Account) -> str:
    """Return e.g. ``holding of position #3``."""
    name = account.kind.value
    return name if account.position_id is None else f"{name} of position #{account.position_id}"


def _matches(journal: Journal, asset: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    known = journal.assets.get(asset)
    names = {asset.lower(), asset.rpartition("-")[2].lower()}
    if known is not None:
        names.add(known.token_symbol.strip().lower())
    return wanted.strip().lower() in names


@dataclass(frozen=True, slots=True)
class AuditSelection:
    """Filters of the audit output; None shows everything.

    Attributes
    ----------
    account
        Text that the name of an account contains.
    asset
        Ticker or address.
    limit
        Number of the latest entries.
    """

    account: str | None = None
    asset: str | None = None
    limit: int | None = None


def _select_findings(proof: Proof, selection: AuditSelection) -> list[Finding]:
    account, asset = selection.account, selection.asset
    return [
        finding
        for finding in proof.findings
        if _matches(proof.journal, finding.asset, asset)
        and (
            account is None
            or account.lower() in finding.name.lower()
            or any(account.lower() in name_account(item).lower() for item in finding.accounts)
        )
    ]


Line = tuple[int, Entry, Account, Decimal, Decimal]


def _select_lines(journal: Journal, selection: AuditSelection) -> list[Line]:
    """Return entry number, entry, account, amount and balance after it, for each selected posting."""
    account, asset, limit = selection.account, selection.asset, selection.limit
    balances: dict[Account, Decimal] = {}
    lines: list[Line] = []
    for number, entry in enumerate(journal.entries):
        for posting in entry.postings:
            changed = posting.account
            balances[changed] = balances.get(changed, Decimal(0)) + posting.amount
            if account is not None and account.lower() not in name_account(changed).lower():
                continue
            if _matches(journal, changed.asset, asset):
                lines.append((number, entry, changed, posting.amount, balances[changed]))
    if limit is not None:
        numbers = sorted({line[0] for line in lines})[-limit:]
        lines = [line for line in lines if numbers and line[0] >= numbers[0]]
    return lines


# --- JSON


def audit_to_json(proof: Proof, state: State, selection: AuditSelection, *, entries: bool) -> dict[str, Any]:
    """Return the result of an audit as plain data, optionally with the ledger entries; amounts are exact text."""
    journal = proof.journal
    findings = _select_findings(proof, selection)
    report: dict[str, Any] = {
        "strategy": state.name,
        "balanced": proof.is_balanced,
        "verdicts": {verdict.value: len(proof.get_findings(verdict)) for verdict in Verdict},
        "entry_count": len(journal.entries),
        "findings": [_make_finding(journal, finding) for finding in findings],
        "conservation": [
            {
                "asset": item.asset,
                "symbol": item.symbol,
                "came_in": {kind.value: str(amount) for kind, amount in item.came_in.items()},
                "derived": item.derived,
                "recorded": item.recorded,
                "difference": item.difference,
                "conserved": item.is_conserved,
            }
            for item in proof.conservation
        ],
        "impossible": [
            {"position_id": item.position_id, "what": item.what, "symbol": item.symbol, "quantity": item.quantity}
            for item in proof.impossible
        ],
        "remarks": proof.remarks,
        "unexplained_cash": proof.unexplained_cash,
    }
    if entries:
        numbers = {line[0] for line in _select_lines(journal, selection)}
        report["entries"] = [_make_entry(number, journal.entries[number]) for number in sorted(numbers)]
    return report


def _make_finding(journal: Journal, finding: Finding) -> dict[str, Any]:
    first = finding.first_break
    return {
        "name": finding.name,
        "asset": finding.asset,
        "symbol": journal.get_symbol(finding.asset),
        "position_id": finding.position_id,
        "accounts": [account.kind.value for account in finding.accounts],
        "derived": finding.derived,
        "recorded": finding.recorded,
        "difference": finding.difference,
        "rounding_limit": finding.limit,
        "verdict": finding.verdict,
        "reason": finding.reason,
        "remarks": finding.remarks,
        "first_break": None if first is None else _make_break(journal, first),
        "breaks": [_make_break(journal, item) for item in finding.breaks],
    }


def _make_break(journal: Journal, item: Break) -> dict[str, Any]:
    change = item.change
    number = item.first_entry
    return {
        "amount": change.amount,
        "difference_before": change.level_before,
        "difference_after": change.level_after,
        "agreed": None if change.before is None else _make_checkpoint(change.before),
        "disagreed": _make_checkpoint(change.after),
        "first_entry": None if number is None else _make_entry(number, journal.entries[number]),
        "explained": item.is_explained,
        "causes": item.causes,
        "notes": item.notes,
    }


def _make_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"time": checkpoint.time, "source": checkpoint.source, "amount": checkpoint.amount}


def _make_entry(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "entry": number,
        "time": entry.time,
        "kind": entry.kind,
        "description": entry.description,
        "trade_id": entry.trade_id,
        "position_id": entry.position_id,
        "balance_update_id": entry.balance_update_id,
        "postings": [
            {
                "account": posting.account.kind.value,
                "asset": posting.account.asset,
                "position_id": posting.account.position_id,
                "amount": posting.amount,
            }
            for posting in entry.postings
        ],
    }


# --- Entries


def print_entries(proof: Proof, state: State, path: StateLocation, selection: AuditSelection) -> None:
    """Print the journal with a line for each posting."""
    journal = proof.journal
    lines = _select_lines(journal, selection)
    shown = len({line[0] for line in lines})
    print_line(describe_state(state, path), "bold")
    print_heading(f"Entries: {shown:,} of {len(journal.entries):,}")
    if not lines:
        print_line("None.")
        return
    rows: list[tuple[str, ...]] = []
    before = -1
    for number, entry, changed, amount, balance in lines:
        is_new = number != before
        before = number
        rows.append(
            (
                str(number) if is_new else "",
                format_time(entry.time, seconds=True) if is_new else "",
                entry.description if is_new else "",
                name_account(changed),
                journal.get_symbol(changed.asset),
                format_quantity_change(amount),
                format_quantity(balance),
            )
        )
    print_table(_ENTRY_COLUMNS, rows)


# --- Balances


def print_proof(proof: Proof, state: State, path: StateLocation, selection: AuditSelection, *, all_: bool) -> None:
    """Print a table of the balances, and details of each balance that does not match."""
    findings = _select_findings(proof, selection)
    closed = set(state.portfolio.closed_positions)
    shown = [
        item
        for item in findings
        if all_ or item.position_id not in closed or item.verdict is not Verdict.balanced or item.remarks
    ]
    print_line(describe_state(state, path), "bold")
    print_line(
        f"  {len(proof.journal.entries):,} entries, {len(proof.findings):,} recorded balance"
        f"{'' if len(proof.findings) == 1 else 's'}"
    )
    print_heading("Balances")
    rows = [
        (
            item.name,
            format_quantity(item.derived),
            format_quantity(item.recorded),
            _format_difference(item),
            item.verdict.label,
        )
        for item in shown
    ]
    print_table(_FINDING_COLUMNS, rows, [_STYLES[item.verdict] for item in shown])
    hidden = len(findings) - len(shown)
    if hidden:
        print_line(f"and {hidden:,} balances of closed positions, all balanced (--all lists them)", "dim")
    for item in shown:
        if item.verdict is not Verdict.balanced or item.remarks:
            _print_story(proof, item)
    _print_conservation([item for item in proof.conservation if _matches(proof.journal, item.asset, selection.asset)])
    for item in proof.impossible:
        print_line(f"Impossible: {round_decimals(str(item))}", "red")
    unexplained = describe_unexplained_cash(proof.unexplained_cash)
    for remark in (*proof.remarks, unexplained) if unexplained else proof.remarks:
        print_line(f"Remark: {round_decimals(remark)}")
    print_line()
    _print_verdict(proof)


def _format_difference(finding: Finding) -> str:
    if finding.difference is None or abs(finding.difference) <= finding.limit:
        return "-" if finding.difference is None else "0"
    return format_quantity(finding.difference)


def _print_verdict(proof: Proof) -> None:
    counts = {verdict: len(proof.get_findings(verdict)) for verdict in Verdict}
    listed = ", ".join(f"{verdict.label}: {count:,}" for verdict, count in counts.items() if count)
    if counts[Verdict.mismatch]:
        print_line(f"DOES NOT BALANCE ({listed})", "bold red")
    elif proof.impossible:
        print_line(f"IMPOSSIBLE BALANCES ({listed})", "bold red")
    elif counts[Verdict.unprovable]:
        print_line(f"NOT PROVEN ({listed})", "bold yellow")
    else:
        print_line(f"Everything adds up ({listed or 'there is nothing to add up'})", "bold green")


def _print_conservation(items: Sequence[Conservation]) -> None:
    rows = [
        (
            item.symbol,
            ", ".join(f"{kind.value} {format_quantity(amount)}" for kind, amount in item.came_in.items() if amount),
            format_quantity(item.derived),
            format_quantity(item.recorded),
            "0" if item.is_conserved else format_quantity(item.difference),
        )
        for item in items
        if not item.is_conserved or item.derived or item.recorded
    ]
    if rows:
        print_heading("Conservation: inflows of each asset, and its balance")
        styles = ["" if row[-1] == "0" else "red" for row in rows]
        print_table(_CONSERVATION_COLUMNS, rows, styles)


# --- Details of mismatches


def _print_story(proof: Proof, finding: Finding) -> None:
    print_heading(f"{finding.name}: {finding.verdict.label}")
    if finding.verdict is Verdict.mismatch and finding.difference is not None and finding.difference:
        side = "more" if finding.difference > 0 else "less"
        recorded, difference = format_quantity(finding.recorded), format_quantity(abs(finding.difference))
        print_line(f"  The state records {recorded}, that is {difference} {side} than the sum of the entries.")
    if finding.reason:
        print_line(f"  {_capitalise(round_decimals(finding.reason))}.")
    for remark in finding.remarks:
        print_line(f"  {_capitalise(round_decimals(remark))}.")
    first = finding.first_break
    if first is None:
        return
    if finding.verdict is Verdict.mismatch:
        _print_first_break(proof.journal, finding, first)
    if len(finding.breaks) > _MAX_BREAKS:
        _print_sums(finding)
        return
    for item in finding.breaks:
        _print_break(item)


def _print_first_break(journal: Journal, finding: Finding, first: Break) -> None:
    number = first.first_entry
    if number is None:
        print_line("  The balance became wrong without an entry, between the two balances below.")
        return
    print_line("  The balance is wrong after the entry marked below:")
    touching = [index for index, _ in journal.get_movements(finding.accounts)]
    before = [index for index in touching if index < number][-1:]
    after = [index for index in touching if index > number][:1]
    neighbours = [*before, number, *after]
    for index in neighbours:
        entry = journal.entries[index]
        mark = ">" if index == number else " "
        change = entry.get_change(finding.accounts)
        moved = format_quantity_change(change) if change else "(does not change this balance)"
        print_line(f"  {mark} {index:>5}  {entry.time:%Y-%m-%d %H:%M:%S}  {entry.description}: {moved}")


def _print_break(item: Break) -> None:
    change = item.change
    start = "the beginning" if change.before is None else _describe(change.before)
    print_line(f"  Between {start} and {_describe(change.after)}:")
    for text, causes in _group(item.causes):
        amount = sum((cause.amount for cause in causes), Decimal(0))
        print_line(f"    {format_quantity_change(amount)}: {text}")
    for note in item.notes:
        print_line(f"      {round_decimals(note)}")


def _describe(checkpoint: Checkpoint) -> str:
    when = "" if checkpoint.time is None else f" of {checkpoint.time:%Y-%m-%d %H:%M:%S}"
    return f"{checkpoint.source}{when} ({format_quantity(checkpoint.amount)})"


def _group(causes: Iterable[Cause]) -> Iterator[tuple[str, list[Cause]]]:
    """Yield the causes with a description; causes of the same kind are grouped by trades."""
    groups: dict[CauseKind, list[Cause]] = {}
    for cause in causes:
        groups.setdefault(cause.kind, []).append(cause)
    for kind, members in groups.items():
        numbers = [cause.trade_id for cause in members if cause.trade_id is not None]
        if kind is CauseKind.unspent_kept and len(members) > 1:
            yield f"capital that {_list_trades(numbers)} allocated and did not spend was not returned", members
        else:
            yield from ((cause.text, [cause]) for cause in members)


def _list_trades(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"#{number}" for number in numbers[:_MAX_LISTED])
    more = f" and {len(numbers) - _MAX_LISTED} more" if len(numbers) > _MAX_LISTED else ""
    return f"trades {shown}{more}"


_SUMMARIES = {
    CauseKind.unspent_kept: "capital that a purchase allocated and did not spend was not returned",
    CauseKind.refund_missing: "the capital of a failed trade was not returned",
    CauseKind.refund_repeated: "the capital of a failed trade was returned more than once",
    CauseKind.plan_booked: "the planned quantity was booked instead of the executed one",
    CauseKind.not_booked: "an entry did not change the recorded balance",
    CauseKind.booked_twice: "an entry changed the recorded balance twice",
    CauseKind.restored: "the difference was corrected without an entry of its own",
    CauseKind.unexplained: "unexplained: no entry and no known bookkeeping error has this amount",
}


def _print_sums(finding: Finding) -> None:
    """Print repeated causes as sums, and the first of each kind in full."""
    groups: dict[CauseKind, list[tuple[Break, Cause]]] = {}
    for item in finding.breaks:
        for cause in item.causes:
            groups.setdefault(cause.kind, []).append((item, cause))
    print_line(f"  The recorded balance changed {len(finding.breaks)} times without an entry:")
    for kind, members in groups.items():
        amount = sum((cause.amount for _, cause in members), Decimal(0))
        times = [item.change.after.time for item, _ in members if item.change.after.time is not None]
        often = "once" if len(members) == 1 else f"{len(members)} times"
        print_line(f"    {often}, {format_quantity(amount)} in total{_format_range(times)}: {_SUMMARIES[kind]}")
    print_line("  The first of each kind (--json has all):")
    firsts = {id(members[0][0]): members[0][0] for members in groups.values()}
    for item in firsts.values():
        _print_break(item)


def _format_range(times: Sequence[datetime.datetime]) -> str:
    if not times:
        return ""
    first, last = min(times), max(times)
    return f", {first:%Y-%m-%d}" if first.date() == last.date() else f", {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
