"""``tradeexecutor check-accounts``."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.chain_options import OptionalChainOption, RpcOption, open_chain
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import parse_fraction, read_option
from tradeexecutor.cli.output import print_json, print_line, print_next_steps
from tradeexecutor.cli.printers.accounts import (
    account_comparison_to_json,
    divergence_to_json,
    print_comparison,
    print_divergences,
)
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.ledger.divergence import find_first_divergence
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.check_accounts import (
    check_state_accounts,
    read_state_balances,
    write_expected_balances,
)
from tradeexecutor.operations.state_location import load_state
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.balance_source import RecordedBalances
from tradeexecutor.strategy.accounts.record_file import to_naive_utc

EXAMPLES = (
    "tradeexecutor check-accounts state.json --write-balances balances.csv",
    "tradeexecutor check-accounts state.json --balances balances.csv",
    "tradeexecutor check-accounts state.json --chain base.json --rpc https://mainnet.base.org",
    "tradeexecutor check-accounts state.json --balances balances.csv --at 2024-05-01T12:00",
    "tradeexecutor check-accounts state.json --balances history.json --find-first-divergence",
)

BalancesOption = Annotated[
    Path | None,
    typer.Option(
        "--balances",
        metavar="FILE",
        help="Balances read from the chain or the exchange: a .csv or .json file.",
        show_default=False,
    ),
]
HolderOption = Annotated[
    str | None,
    typer.Option("--address", metavar="0x...", help="Only balances of this address.", show_default="all addresses"),
]

ToleranceOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRACTION",
        help="Largest difference that is tolerated, such as 0.001 or 0.1%.",
        show_default="0.05%, 0.5% for USDC",
    ),
]


def check_accounts(
    state_file: StateFile,
    *,
    balances: BalancesOption = None,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    address: HolderOption = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only balances that were read up to this time (UTC).", show_default="all"),
    ] = None,
    tolerance: ToleranceOption = None,
    find_first_divergence: Annotated[
        bool,
        typer.Option("--find-first-divergence", help="Find the first event after which ledger and balances differ."),
    ] = False,
    write_balances: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the expected balances, as a template of such a file.", show_default=False
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also list assets with a zero balance.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the balances of a state with those of its wallet, or of a file.

    With --chain the balances of the wallet are read from its chain, as of the
    newest final block; no key is needed. With --balances they are in a file.

    The file of balances has a record for each token that an address holds:

    time, block, chain_id, address, token, symbol, amount

    The columns chain_id, token (its contract) and amount (in tokens, not raw
    units) are required. Balances of several addresses are added up. Balances may
    be older than the state: they are compared with the ledger at the time they
    were read. One file may have balances of several times; the latest of each
    token is checked.

    --find-first-divergence compares all of them with the ledger, and shows the
    first event after which they differ: between the last balance that agrees and
    the first one that does not. More balances give a narrower answer.

    Hypercore vaults and exchange accounts have no token balance and are not
    checked. Nothing is changed. The exit code is 1 when a balance does not match,
    or is missing from the file.
    """
    state = load_state(state_file)
    if write_balances is not None:
        _write_model(state, write_balances, address, json_=json_)
        if balances is None and chain is None:
            return
    recorded = obtain_balances(state, balances, address, chain, rpc, at=at)
    if find_first_divergence:
        is_clean = _find(state, recorded, json_=json_)
    else:
        source = ["--balances", str(balances)] if chain is None else ["--chain", str(chain)]
        steps = _make_steps([str(state_file), *source], can_find=chain is None)
        is_clean = _check(state, recorded, read_tolerance(tolerance), steps, all_=all_, json_=json_)
    if not is_clean:
        raise typer.Exit(EXIT_FAILURE)


def read_tolerance(text: str | None) -> float | None:
    """Return the tolerance as a fraction; None means the default of each asset. Raises ``typer.BadParameter``."""
    return None if text is None else read_option("--tolerance", parse_fraction, text)


def read_balances(state: State, path: Path, address: str | None, at: str | None = None) -> RecordedBalances:
    """Return the balances of a file up to the time of ``--at``; raises ``typer.BadParameter`` for a wrong time."""
    recorded = read_state_balances(state, path, address)
    if at is None:
        return recorded
    try:
        time = to_naive_utc(at)
    except ValueError:
        raise typer.BadParameter(f"{at!r} is not a time; write e.g. 2024-05-01T12:00", param_hint="--at") from None
    return recorded.until(time)


def obtain_balances(
    state: State,
    balances: Path | None,
    address: str | None,
    chain: Path | None,
    rpc: list[str] | None,
    *,
    at: str | None = None,
) -> RecordedBalances:
    """Return the balances of a file, or those of the wallet on its chain.

    Raises
    ------
    typer.BadParameter
        Neither or both of file and chain are given.
    """
    if (balances is None) == (chain is None):
        raise typer.BadParameter("either --balances FILE or --chain FILE is needed", param_hint="--balances")
    if balances is not None:
        return read_balances(state, balances, address, at)
    assert chain is not None, "checked above"
    if address is not None or at is not None:
        raise typer.BadParameter("--address and --at belong to --balances", param_hint="--chain")
    settings, connection = open_chain(chain, rpc)
    from tradeexecutor.operations.chain_balances import fetch_state_balances

    return fetch_state_balances(state, settings, connection)


def _check(
    state: State,
    recorded: RecordedBalances,
    tolerance: float | None,
    steps: Mapping[str, str],
    *,
    all_: bool,
    json_: bool,
) -> bool:
    result = check_state_accounts(state, recorded, tolerance=tolerance)
    if json_:
        print_json(account_comparison_to_json(result))
        return result.is_clean
    print_comparison(result, state, all_=all_)
    if any(check.is_unclean() for check in result.checks):
        print_next_steps(steps)
    return result.is_clean


def _make_steps(arguments: list[str], *, can_find: bool) -> dict[str, str]:
    """Return what to do about differences; only a file can have balances of several times."""
    steps: dict[str, str] = {}
    if can_find:
        command = ["tradeexecutor", "check-accounts", *arguments, "--find-first-divergence"]
        steps["Find the event after which they differ"] = shlex.join(command)
    steps["Book the differences"] = shlex.join(["tradeexecutor", "correct-accounts", *arguments, "--dry-run"])
    return steps


def _find(state: State, recorded: RecordedBalances, *, json_: bool) -> bool:
    assets = recorded.get_assets()
    found = find_first_divergence(state, {asset: recorded.get_observations(asset) for asset in assets})
    if json_:
        report: dict[str, Any] = {
            "explained": not found,
            "assets": len(assets),
            "times": recorded.times,
            "divergences": [divergence_to_json(item) for item in found],
        }
        print_json(report)
    else:
        print_divergences(found, len(assets), recorded.times)
        if found:
            _print_inner_breaks(state)
    return not found


def _print_inner_breaks(state: State) -> None:
    """Warn when recorded balances are not the sum of the ledger: then the comparison uses a wrong ledger."""
    if prove(state).has_mismatch:
        print_line()
        print_line(
            "The balances in the state itself are not the sum of its ledger: see tradeexecutor audit first.", "yellow"
        )


def _write_model(state: State, path: Path, address: str | None, *, json_: bool) -> None:
    count = write_expected_balances(state, path, address)
    if not json_:
        print_line(f"{path} has the {count:,} expected balances. Replace them by the actual ones.", "bold green")
