"""Account checks and divergences, as ``check-accounts`` and ``correct-accounts`` print them."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_percent,
    format_quantity,
    format_quantity_change,
    format_time,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.ledger.divergence import Divergence, Step, Suspicion
from tradeexecutor.state.identifier.dust import DEFAULT_USD_LOW_VALUE_THRESHOLD
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.account_check import AccountComparison, AccountingBalanceCheck
from tradeexecutor.strategy.accounts.account_table import is_blacklisted
from tradeexecutor.strategy.asset import AssetToPositionsMapping, Holder, sort_holders

_COLUMNS = (
    Column("Asset"),
    Column("Held by", is_text=True),
    Column("Expected", right=True),
    Column("Actual", right=True),
    Column("Difference", right=True),
    Column("USD", right=True),
    Column("Result"),
    Column("Read at", priority=2),
    Column("Block", right=True, priority=4),
    Column("Contract", priority=3),
)

_LEGEND = {
    "Expected": "the balance of the state at the time the actual balance was read",
    "Difference": "actual minus expected: + is more than in the state, - is less",
    "USD": "value of the difference; more debt than in the state is negative",
    "dust, low value": f"too small to matter: rounding, or worth less than {DEFAULT_USD_LOW_VALUE_THRESHOLD:.2f} USD",
    "tolerated": "a small fraction of the balance: {tolerance}",
    "not read": "the file has no balance of it; write 0 if the balance is zero",
}

_STEP_COLUMNS = (
    Column("", is_text=False),
    Column("When"),
    Column("Event", is_text=True),
    Column("Change", right=True),
    Column("Expected after", right=True),
)

#: Number of events that are shown before and after a suspected one.
_MAX_STEPS = 8

_EXPLANATIONS = {
    Suspicion.did_not_happen: "the balance is as if it had not happened",
    Suspicion.happened_twice: "the balance is as if it had happened twice",
    Suspicion.other_amount: "it is the only event in between, and the actual amount differs from the booked one",
}


def describe_holder(holders: Iterable[Holder]) -> str:
    """Return e.g. ``cash``, ``#3 WETH-USDC``, ``none``."""
    names = [
        "cash"
        if isinstance(holder, ReservePosition)
        else f"#{holder.position_id} {holder.pair.get_ticker()}{' (closed)' if holder.closed_at is not None else ''}"
        for holder in sort_holders(holders)
    ]
    return ", ".join(names) or "no position"


def get_result(check: AccountingBalanceCheck) -> str:
    """Return one of ``match``, ``dust``, ``tolerated``, ``low value`` and ``MISMATCH``."""
    if check.is_unclean():
        return "MISMATCH"
    if check.mismatch:
        return "low value"
    if not check.quantity:
        return "match"
    return "dust" if abs(check.quantity) < check.dust_epsilon or check.is_usd_low_value_diff() else "tolerated"


def print_comparison(result: AccountComparison, state: State, *, all_: bool) -> None:
    """Print the table of an account check, and what its columns mean."""
    shown = [check for check in result.checks if all_ or check.mismatch or check.expected_amount or check.actual_amount]
    unclean = sum(check.is_unclean() for check in result.checks)
    print_heading("Accounts")
    rows = [_make_row(check, state) for check in shown] + [_make_unread_row(mapping) for mapping in result.unread]
    styles = ["red" if check.is_unclean() else "" for check in shown] + ["yellow"] * len(result.unread)
    if rows:
        print_table(_COLUMNS, rows, styles)
    hidden = len(result.checks) - len(shown)
    if hidden:
        print_line(f"{hidden:,} more assets with an expected and actual balance of zero; --all lists them", "dim")
    print_line()
    print_facts(_get_legend(result, shown))
    print_line()
    problems = [f"{unclean:,} balance{'s do' if unclean > 1 else ' does'} not match"] if unclean else []
    if result.unread:
        problems.append(f"{len(result.unread):,} balance{'s were' if len(result.unread) > 1 else ' was'} not read")
    if problems:
        print_line(f"Not clean: {', '.join(problems)}.", "bold red")
    else:
        print_line(f"Clean: {len(result.checks):,} balances match.", "bold green")


def _get_legend(result: AccountComparison, shown: Sequence[AccountingBalanceCheck]) -> dict[str, str]:
    """Return explanations of the columns, and of the results that occur, by name."""
    tolerances = sorted({check.relative_epsilon for check in shown if get_result(check) == "tolerated"})
    absent = {
        name
        for name, occurs in (
            ("not read", result.unread),
            ("tolerated", tolerances),
            ("dust, low value", any(get_result(check) in ("dust", "low value") for check in shown)),
        )
        if not occurs
    }
    up_to = f"up to {format_percent(tolerances[-1])}, --tolerance 0 shows it as a mismatch" if tolerances else ""
    return {name: text.format(tolerance=up_to) for name, text in _LEGEND.items() if name not in absent}


def _make_row(check: AccountingBalanceCheck, state: State) -> list[str]:
    result = get_result(check)
    return [
        check.asset.token_symbol,
        describe_holder(check.positions),
        format_quantity(check.expected_amount),
        format_quantity(check.actual_amount),
        format_quantity_change(check.quantity) if check.quantity else "",
        format_usd(check.usd_value) if check.quantity else "",
        f"{result}, blacklisted" if is_blacklisted(state, check.asset) else result,
        format_time(check.timestamp, seconds=True),
        "" if check.block_number is None else f"{check.block_number:,}",
        check.asset.get_identifier(),
    ]


def _make_unread_row(mapping: AssetToPositionsMapping) -> list[str]:
    asset = mapping.asset
    holder = describe_holder(mapping.positions)
    amount = format_quantity(mapping.quantity)
    return [asset.token_symbol, holder, amount, NOTHING, "", "", "not read", "", "", asset.get_identifier()]


def check_to_json(check: AccountingBalanceCheck) -> dict[str, Any]:
    """Return a check as plain data."""
    return {
        "asset": check.asset.get_identifier(),
        "symbol": check.asset.token_symbol,
        "held_by": describe_holder(check.positions),
        "position_ids": [
            holder.position_id for holder in sort_holders(check.positions) if not isinstance(holder, ReservePosition)
        ],
        "is_reserve": check.reserve_asset,
        "expected": check.expected_amount,
        "actual": check.actual_amount,
        "difference": check.quantity,
        "usd_value": check.usd_value,
        "price": check.price,
        "result": get_result(check).lower(),
        "dust_epsilon": float(check.dust_epsilon),
        "relative_epsilon": check.relative_epsilon,
        "time": check.timestamp,
        "block": check.block_number,
        "address": check.holding_address,
    }


def account_comparison_to_json(result: AccountComparison) -> dict[str, Any]:
    """Return an account check as plain data."""
    return {
        "clean": result.is_clean,
        "checks": [check_to_json(check) for check in result.checks],
        "unread": [
            {
                "asset": mapping.asset.get_identifier(),
                "symbol": mapping.asset.token_symbol,
                "held_by": describe_holder(mapping.positions),
                "expected": mapping.quantity,
            }
            for mapping in result.unread
        ],
    }


# --- Divergences


def print_divergences(found: Sequence[Divergence], read: int, times: Sequence[datetime.datetime]) -> None:
    """Print the first differences between ledger and balances by asset, earliest first."""
    print_heading("Where ledger and balances differ")
    span = format_time(times[0], seconds=True)
    if len(times) > 1:
        span += f" to {format_time(times[-1], seconds=True)}"
    if not found:
        print_line(f"Nowhere: the ledger explains all balances of {read:,} assets ({span}).", "bold green")
        return
    for item in found:
        _print_divergence(item)


def _print_divergence(item: Divergence) -> None:
    symbol = item.asset.token_symbol
    print_line()
    print_line(f"{symbol} ({item.asset.get_identifier()})", "bold")
    facts: dict[str, str] = {}
    if item.before is None:
        facts["Last agreeing"] = "none: the first balance that was read differs already"
    else:
        facts["Last agreeing"] = f"{format_quantity(item.before.amount)} {_describe_observation(item.before)}"
    facts["First parting"] = (
        f"{format_quantity(item.first.amount)} {_describe_observation(item.first)}, "
        f"expected {format_quantity(item.expected)}: {format_quantity_change(item.difference)} {symbol}"
    )
    same, other, fine = item.later
    if same or other or fine:
        facts["Afterwards"] = ", ".join(
            text
            for count, text in (
                (same, f"{same:,} balances differ by the same amount"),
                (other, f"{other:,} by another amount"),
                (fine, f"{fine:,} agree again"),
            )
            if count
        )
    print_facts(facts)
    if item.steps:
        _print_steps(item)
    _print_verdict(item)


def _describe_observation(observation: Any) -> str:
    block = "" if observation.block_number is None else f", block {observation.block_number:,}"
    source = f", {observation.source}" if observation.source else ""
    return f"at {format_time(observation.time, seconds=True)}{block}{source}"


def _print_steps(item: Divergence) -> None:
    suspects = [number for number, step in enumerate(item.steps) if step.suspicion is not None]
    centre = suspects[0] if suspects else 0
    first, end = max(centre - _MAX_STEPS, 0), min(centre + _MAX_STEPS + 1, len(item.steps))
    print_line(f"  Ledger events in between ({len(item.steps):,} event{'s' if len(item.steps) > 1 else ''}):")
    steps = item.steps[first:end]
    rows = [
        [
            ">" if step.suspicion is not None else "",
            format_time(step.time, seconds=True),
            step.description,
            format_quantity_change(step.change),
            format_quantity(step.expected),
        ]
        for step in steps
    ]
    print_table(_STEP_COLUMNS, rows, ["red" if step.suspicion is not None else "" for step in steps])
    if len(steps) < len(item.steps):
        print_line(f"... {len(item.steps) - len(steps):,} more; --json has all of them", "dim")


def _print_verdict(item: Divergence) -> None:
    suspects = item.suspects
    if len(suspects) == 1:
        step = suspects[0]
        assert step.suspicion is not None
        print_line(f"  They differ from: {step.description}; {_EXPLANATIONS[step.suspicion]}.", "bold red")
    elif suspects:
        print_line(f"  {len(suspects):,} events explain the difference equally well, marked with >.", "bold red")
    elif not item.steps:
        print_line(
            f"  The ledger has no event in between: {format_quantity_change(item.difference)} "
            f"{item.asset.token_symbol} moved without an event, such as a transfer or a deposit that is not booked.",
            "bold red",
        )
    else:
        print_line(
            "  No single event has this amount; more balances from this period would help to find the cause.",
            "bold red",
        )


def divergence_to_json(item: Divergence) -> dict[str, Any]:
    """Return a divergence as plain data."""
    same, other, fine = item.later
    first = item.first_step
    return {
        "asset": item.asset.get_identifier(),
        "symbol": item.asset.token_symbol,
        "last_agreeing": item.before,
        "first_parting": item.first,
        "expected": item.expected,
        "difference": item.difference,
        "first_entry": first and step_to_json(first),
        "is_explained": len(item.suspects) == 1,
        "events": [step_to_json(step) for step in item.steps],
        "later": {"off_by_the_same": same, "off_by_another_amount": other, "agreeing": fine},
    }


def step_to_json(step: Step) -> Mapping[str, Any]:
    """Return an event as plain data."""
    return {
        "entry": step.entry,
        "time": step.time,
        "description": step.description,
        "change": step.change,
        "expected_after": step.expected,
        "trade_id": step.trade_id,
        "balance_update_id": step.balance_update_id,
        "position_id": step.position_id,
        "suspicion": step.suspicion,
    }
