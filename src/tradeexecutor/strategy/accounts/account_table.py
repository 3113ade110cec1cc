"""An account check as a table, for logs and notebooks."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.types import BlockNumber
from tradeexecutor.strategy.accounts.account_check import AccountingBalanceCheck, find_account_corrections
from tradeexecutor.strategy.accounts.balance_source import BalanceSource
from tradeexecutor.strategy.asset import Holder, PairUniverse, sort_holders

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_accounts", "describe_holders", "is_blacklisted", "make_account_table"]


def check_accounts(
    pair_universe: PairUniverse | None,
    reserve_assets: Collection[AssetIdentifier],
    state: State,
    sync_model: BalanceSource,
    block_identifier: BlockNumber | None = None,
) -> "tuple[bool, pd.DataFrame]":
    """Compare all balances, and return the result with a table.

    Returns
    -------
    tuple
        Whether the accounts are clean, and the table of `make_account_table`.

    Raises
    ------
    UncleanState
        A trade was broadcasted, and its outcome was not recorded, so the expected balances are unknown.
    InvalidValue, BalanceNotReadable
        As `find_account_corrections`.
    """
    state.check_if_clean()
    checks = find_account_corrections(
        state,
        sync_model,
        reserve_assets,
        pair_universe=pair_universe,
        all_balances=True,
        block_identifier=block_identifier,
    )
    return not any(check.is_unclean() for check in checks), make_account_table(checks, state)


_COLUMNS = (
    "Address", "Position", "Actual", "Expected", "Diff", "Dusty", "Lowval", "Misma", "Dust eps.", "Rel eps", "USD diff",
    "Blacklisted",
)  # fmt: skip


def make_account_table(checks: Collection[AccountingBalanceCheck], state: State) -> "pd.DataFrame":
    """Return checks as a table, indexed by token symbol.

    Columns: Address, Position (see `describe_holders`), Actual, Expected and Diff (exact, token units), Dusty and
    Lowval ("Y" or "N"), Misma ("N", the difference as a percentage of the expected amount, or "Y" when that is zero),
    Dust eps. (token units), Rel eps (fraction), USD diff, and Blacklisted.
    """
    import pandas as pd

    rows = [
        (
            check.asset.address,
            describe_holders(check.positions),
            check.actual_amount,
            check.expected_amount,
            check.quantity,
            "Y" if check.is_dusty() else "N",
            "Y" if check.is_usd_low_value_diff() else "N",
            _describe_mismatch(check),
            float(check.dust_epsilon),
            check.relative_epsilon,
            "" if check.usd_value is None else f"{check.usd_value:.2f}",
            "Y" if is_blacklisted(state, check.asset) else "",
        )
        for check in checks
    ]
    index = pd.Index([check.asset.token_symbol for check in checks], name="Asset", dtype="object")
    return pd.DataFrame(rows, columns=list(_COLUMNS), index=index)


def describe_holders(holders: Collection[Holder]) -> str:
    """Return e.g. ``Reserves``, the name of a vault, a ticker, ``No open position``; several are joined by commas."""
    names: list[str] = []
    for holder in sort_holders(holders):
        if isinstance(holder, ReservePosition):
            names.append("Reserves")
        elif holder.closed_at is not None:
            names.append("No open position")
        else:
            pair = holder.pair
            names.append((pair.get_vault_name() if pair.kind.is_vault() else None) or pair.get_ticker())
    return ", ".join(names) or "No open position"


def is_blacklisted(state: State, asset: AssetIdentifier) -> bool:
    """Return True if an asset is blacklisted."""
    return (
        bool({asset.get_identifier(), asset.address} & set(state.asset_blacklist)) or asset in state.blacklisted_assets
    )


def _describe_mismatch(check: AccountingBalanceCheck) -> str:
    if not check.mismatch:
        return "N"
    return f"{check.quantity / check.expected_amount:.2%}" if check.expected_amount else "Y"
