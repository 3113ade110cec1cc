"""Further tables of a state: recorded statistics of positions, and the postings of the ledger.

Columns, types and units follow :mod:`tradeexecutor.analysis.frames`.
"""

# pyarrow has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, overload

import pandas as pd
import pyarrow as pa

from tradeexecutor.analysis.frames.frames import Column, make_table
from tradeexecutor.ledger.entry import Account, Entry
from tradeexecutor.ledger.journal import derive
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics

__all__ = ["ledger_to_frame", "position_statistics_to_frame"]


@dataclass(frozen=True, slots=True)
class _Sample:
    position_id: int
    statistics: PositionStatistics


def _of_sample(name: str) -> Callable[[_Sample], Any]:
    return lambda row: getattr(row.statistics, name)


_SAMPLE_COLUMNS = (
    Column("position_id", "number", lambda row: row.position_id),
    Column("calculated_at", "time", _of_sample("calculated_at")),
    Column("valued_at", "time", _of_sample("last_valuation_at")),
    Column("value", "real", _of_sample("value"), "USD"),
    Column("quantity", "real", _of_sample("quantity"), "token units"),
    Column("profit", "real", _of_sample("profit_usd"), "USD"),
    Column("profitability", "real", _of_sample("profitability"), "fraction"),
    Column("share_price", "real", _of_sample("internal_share_price"), "USD per share"),
    Column("share_supply", "real", _of_sample("internal_total_supply"), "shares"),
    Column("share_profit", "real", _of_sample("internal_profit_usd"), "USD"),
    Column("share_profit_fraction", "real", _of_sample("internal_profit_pct"), "fraction"),
    Column("underlying_price", "real", _of_sample("underlying_price"), "USD per token"),
)


@overload
def position_statistics_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def position_statistics_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def position_statistics_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per recorded sample of a position, by position id, oldest first.

    `quantity` is a rounded number, as it was recorded.
    """
    samples = state.stats.positions
    rows = (_Sample(number, sample) for number in sorted(samples) for sample in samples[number])
    return make_table(_SAMPLE_COLUMNS, rows, as_arrow=as_arrow)


@dataclass(frozen=True, slots=True)
class _PostingRow:
    number: int
    entry: Entry
    account: Account
    symbol: str
    amount: Decimal


def _of_entry(name: str) -> Callable[[_PostingRow], Any]:
    return lambda row: getattr(row.entry, name)


_LEDGER_COLUMNS = (
    Column("entry", "number", lambda row: row.number),
    Column("time", "time", _of_entry("time")),
    Column("kind", "text", lambda row: row.entry.kind.value),
    Column("account", "text", lambda row: row.account.kind.value),
    Column("position_id", "number", lambda row: row.account.position_id),
    Column("asset", "text", lambda row: row.symbol),
    Column("asset_identifier", "text", lambda row: row.account.asset),
    Column("amount", "tokens", lambda row: row.amount, "token units"),
    Column("trade_id", "number", _of_entry("trade_id")),
    Column("balance_update_id", "number", _of_entry("balance_update_id")),
    Column("description", "text", _of_entry("description")),
)


def _iterate_postings(state: State) -> Iterator[_PostingRow]:
    journal = derive(state)
    for number, entry in enumerate(journal.entries):
        for account, amount in entry.postings:
            yield _PostingRow(number, entry, account, journal.get_symbol(account.asset), amount)


@overload
def ledger_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def ledger_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def ledger_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per posting, in the order of the entries.

    The amounts of one entry and one asset add up to zero; + is into the account. `entry` numbers the entries from 0.
    """
    return make_table(_LEDGER_COLUMNS, _iterate_postings(state), as_arrow=as_arrow)
