"""Comparing what a state says is held with balances that were read outside."""

from pathlib import Path

from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import OperationRefused, UncleanState
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent
from tradeexecutor.strategy.accounts.account_check import AccountComparison, compare_accounts
from tradeexecutor.strategy.accounts.balance_source import RecordedBalances, read_balance_file, write_balance_file
from tradeexecutor.strategy.asset import build_expected_asset_map, get_relevant_assets

__all__ = ["check_state_accounts", "read_state_balances", "write_expected_balances"]


def read_state_balances(state: State, path: Path, address: str | None = None) -> RecordedBalances:
    """Read a file of balances; tokens that the state knows get its names.

    Parameters
    ----------
    address
        Only what this address holds; None for all addresses.

    Raises
    ------
    RecordFileError
        The file cannot be understood.
    """
    return read_balance_file(path, utc_now(), get_relevant_assets(None, [], state), address)


def check_state_accounts(
    state: State, balances: RecordedBalances, *, tolerance: Percent | None = None
) -> AccountComparison:
    """Compare balances with what the ledger says for the time they were read; nothing is changed.

    Parameters
    ----------
    tolerance
        How much of an amount may differ, a fraction; None leaves each asset its own.

    Raises
    ------
    OperationRefused
        The outcome of a trade is not known, so what should be held is not known either.
    """
    try:
        state.check_if_clean()
    except UncleanState as error:
        message = f"nobody knows what should be held: {error}"
        raise OperationRefused(message, remedy=Remedy.repair_first) from error
    return compare_accounts(state, balances, assets=balances.get_assets(), relative_epsilon=tolerance, as_of=True)


def write_expected_balances(state: State, path: Path, address: str | None = None) -> int:
    """Write what should be held, as a model of a file of balances; returns the number of balances.

    Raises
    ------
    OperationRefused
        There is such a file.
    """
    if path.exists():
        raise OperationRefused(f"{path} exists", "Choose another name, or remove it.")
    expected = build_expected_asset_map(state.portfolio)
    write_balance_file(path, utc_now(), {asset: mapping.quantity for asset, mapping in expected.items()}, address)
    return len(expected)
