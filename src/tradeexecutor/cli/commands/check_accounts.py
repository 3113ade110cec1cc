"""``tradeexecutor check-accounts``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.state_file import StateFile, load_state

if TYPE_CHECKING:
    from tradeexecutor.state.state import State
    from tradeexecutor.strategy.accounts.balance_source import RecordedBalances

EXAMPLES = (
    "tradeexecutor check-accounts state.json --write-balances balances.csv",
    "tradeexecutor check-accounts state.json --balances balances.csv",
    "tradeexecutor check-accounts state.json --balances balances.csv --at 2024-05-01T12:00",
    "tradeexecutor check-accounts state.json --balances history.json --find-first-divergence",
)

BalancesOption = Annotated[
    Path | None,
    typer.Option(
        "--balances", metavar="FILE", help="Balances that were read: a .csv or .json file.", show_default=False
    ),
]
HolderOption = Annotated[
    str | None,
    typer.Option("--address", metavar="0x...", help="Only what this address holds.", show_default="all addresses"),
]

ToleranceOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRACTION", help="How much may differ, such as 0.001 or 0.1%.", show_default="0.05%, 0.5% for USDC"
    ),
]


def check_accounts(
    state_file: StateFile,
    balances: BalancesOption = None,
    address: HolderOption = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only balances that were read until then (UTC).", show_default="all"),
    ] = None,
    tolerance: ToleranceOption = None,
    find_first_divergence: Annotated[
        bool,
        typer.Option("--find-first-divergence", help="Find the first event after which books and balances part."),
    ] = False,
    write_balances: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what should be held, as a model of such a file.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="List assets of which nothing is held, too.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what a state says is held with balances that were read outside.

    The file of balances has a record for each token that an address holds:

    time, block, chain_id, address, token, symbol, amount

    Needed are chain_id, token (its contract) and amount (in tokens, not raw
    units). What several addresses hold is added up. Balances may be older than
    the state: they are compared with what the ledger says for their time. One
    file may have balances of several times; the latest of each token is checked.

    --find-first-divergence holds all of them against the ledger, and shows the
    first event after which they part: between the last balance that agrees and
    the first one that does not. The more balances, the narrower the answer.

    Hypercore vaults and exchange accounts have no token balance and are not
    checked. Nothing is changed. The exit code is 1 when a balance does not match,
    or was not read.
    """
    state = load_state(state_file)
    if write_balances is not None:
        _write_model(state, write_balances, address, json_)
        if balances is None:
            return
    if balances is None:
        raise typer.BadParameter("say where the balances are: --balances FILE", param_hint="--balances")
    recorded = read_balances(state, balances, address, at)
    if find_first_divergence:
        is_clean = _find(state, recorded, json_)
    else:
        is_clean = _check(state, state_file, recorded, read_tolerance(tolerance), all_, json_)
    if not is_clean:
        raise typer.Exit(EXIT_FAILURE)


def read_tolerance(text: str | None) -> float | None:
    """Read the option; None leaves each asset its own."""
    from tradeexecutor.cli.option_values import parse_fraction, read_option

    return None if text is None else read_option("--tolerance", parse_fraction, text)


def read_balances(state: "State", path: Path, address: str | None, at: str | None = None) -> "RecordedBalances":
    """Read a file of balances; tokens that the state knows get its names."""
    from tradeexecutor.state.clock import utc_now
    from tradeexecutor.strategy.accounts.balance_source import read_balance_file
    from tradeexecutor.strategy.accounts.record_file import to_naive_utc
    from tradeexecutor.strategy.asset import get_relevant_assets

    known = get_relevant_assets(None, [], state)
    recorded = read_balance_file(path, utc_now(), known, address)
    if at is None:
        return recorded
    try:
        return recorded.until(to_naive_utc(at))
    except ValueError as error:
        from tradeexecutor.state.errors import RecordFileError

        if isinstance(error, RecordFileError):
            raise
        raise typer.BadParameter(f"{at!r} is no time, write e.g. 2024-05-01T12:00", param_hint="--at") from None


def _check(
    state: "State", state_file: Path, recorded: "RecordedBalances", tolerance: float | None, all_: bool, json_: bool
) -> bool:
    import shlex

    from tradeexecutor.cli.output import print_json, print_next_steps
    from tradeexecutor.cli.printers.accounts import comparison_to_json, print_comparison
    from tradeexecutor.state.errors import UncleanState
    from tradeexecutor.strategy.accounts.account_check import compare_accounts

    try:
        state.check_if_clean()
    except UncleanState as error:
        raise CommandFailed(
            f"nobody knows what should be held: {error}", f"To repair them: tradeexecutor repair {state_file}"
        ) from error
    result = compare_accounts(state, recorded, assets=recorded.get_assets(), relative_epsilon=tolerance, as_of=True)
    if json_:
        print_json(comparison_to_json(result))
        return result.is_clean
    print_comparison(result, state, all_)
    if any(check.is_unclean() for check in result.checks):
        files = [str(state_file), "--balances", recorded.name]
        steps = {
            "Find the event after which they part": [
                "tradeexecutor",
                "check-accounts",
                *files,
                "--find-first-divergence",
            ],
            "Book the differences": ["tradeexecutor", "correct-accounts", *files, "--dry-run"],
        }
        print_next_steps({purpose: shlex.join(command) for purpose, command in steps.items()})
    return result.is_clean


def _find(state: "State", recorded: "RecordedBalances", json_: bool) -> bool:
    from tradeexecutor.cli.output import print_json
    from tradeexecutor.cli.printers.accounts import divergence_to_json, print_divergences
    from tradeexecutor.ledger.divergence import find_first_divergence

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
        _print_inner_breaks(state, bool(found))
    return not found


def _print_inner_breaks(state: "State", is_found: bool) -> None:
    """Say so when the books of the state do not add up in themselves: then the ledger is not what it says it holds."""
    from tradeexecutor.cli.output import print_line
    from tradeexecutor.ledger.proof import prove

    if is_found and prove(state).is_parted:
        print_line()
        print_line(
            "The balances in the state itself are not the sum of its ledger: see tradeexecutor audit first.", "yellow"
        )


def _write_model(state: "State", path: Path, address: str | None, json_: bool) -> None:
    from tradeexecutor.cli.output import print_line
    from tradeexecutor.state.clock import utc_now
    from tradeexecutor.strategy.accounts.balance_source import write_balance_file
    from tradeexecutor.strategy.asset import build_expected_asset_map

    if path.exists():
        raise CommandFailed(f"{path} exists", "Choose another name, or remove it.")
    expected = build_expected_asset_map(state.portfolio)
    write_balance_file(path, utc_now(), {asset: mapping.quantity for asset, mapping in expected.items()}, address)
    if not json_:
        print_line(
            f"{path} has {len(expected):,} balances, as they should be. Put in what is really there.", "bold green"
        )
