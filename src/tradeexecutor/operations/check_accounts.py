"""Comparing the balances of a state with balances read from the chain or the exchange."""

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
    """Return the balances in a file; tokens that are in the state get its symbols.

    Parameters
    ----------
    address
        Only balances of this address; None for all addresses.

    Raises
    ------
    RecordFileError
        The file has the wrong format.
    """
    return read_balance_file(path, utc_now(), get_relevant_assets(None, [], state), address)


def check_state_accounts(
    state: State, balances: RecordedBalances, *, tolerance: Percent | None = None
) -> AccountComparison:
    """Compare balances with the ledger at the time they were read; nothing is changed.

    Parameters
    ----------
    tolerance
        Largest difference that is tolerated, a fraction of the amount; None uses the default of each asset.

    Raises
    ------
    OperationRefused
        The outcome of a trade is unknown, so the expected balances are unknown, too.
    """
    try:
        state.check_if_clean()
    except UncleanState as error:
        message = f"the expected balances are unknown: {error}"
        raise OperationRefused(message, remedy=Remedy.repair_first) from error
    return compare_accounts(state, balances, assets=balances.get_assets(), relative_epsilon=tolerance, as_of=True)


def write_expected_balances(state: State, path: Path, address: str | None = None) -> int:
    """Write the expected balances, as a template of a file of balances; return their number.

    Raises
    ------
    OperationRefused
        The file exists.
    """
    if path.exists():
        raise OperationRefused(f"{path} exists", "Choose another name, or remove it.")
    expected = build_expected_asset_map(state.portfolio)
    write_balance_file(path, utc_now(), {asset: mapping.quantity for asset, mapping in expected.items()}, address)
    return len(expected)
