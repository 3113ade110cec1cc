"""Made-up lending markets for tests, in the shape that :mod:`tradeexecutor.strategy.data_client` reads."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.identifier import AssetIdentifier

__all__ = [
    "LendingCandles",
    "LendingMetric",
    "LendingReserve",
    "LendingReserves",
    "generate_lending_reserve",
    "generate_lending_universe",
]


@dataclass(frozen=True, slots=True)
class LendingReserve:
    """A token that can be lent and borrowed; the attributes are those of the token."""

    reserve_id: int
    chain_id: int
    asset_address: str
    asset_symbol: str
    asset_decimals: int


@dataclass(frozen=True, slots=True)
class LendingReserves:
    """All tokens of a lending market, by their number."""

    reserves: dict[int, LendingReserve]


@dataclass(frozen=True, slots=True)
class LendingMetric:
    """Candles of one rate of all tokens, in percent."""

    df: pd.DataFrame


@dataclass(frozen=True, slots=True)
class LendingCandles:
    """The rates of a lending market."""

    supply_apr: LendingMetric
    variable_borrow_apr: LendingMetric


def generate_lending_reserve(asset: AssetIdentifier, chain_id: Any, reserve_id: int) -> LendingReserve:
    """Return the entry of a token in a lending market."""
    chain = int(getattr(chain_id, "value", chain_id))
    return LendingReserve(reserve_id, chain, asset.address, asset.token_symbol, asset.decimals)


def generate_lending_universe(
    bucket: Any,
    start: datetime.datetime,
    end: datetime.datetime,
    reserves: Iterable[LendingReserve],
    aprs: dict[str, float],
) -> tuple[LendingReserves, LendingCandles]:
    """Return tokens, and constant rates of all of them.

    Parameters
    ----------
    bucket
        Length of a candle: a ``timedelta`` or a time bucket.
    start, end
        Period, naive UTC; `end` is exclusive.
    reserves
        Tokens.
    aprs
        ``{"supply": 2, "variable": 5}``: percent per year.
    """
    tokens = {reserve.reserve_id: reserve for reserve in reserves}
    length = bucket if isinstance(bucket, datetime.timedelta) else TimeBucket(bucket.value).to_timedelta()
    starts = pd.date_range(start, end, freq=pd.Timedelta(length), inclusive="left")

    def make_metric(rate: float) -> LendingMetric:
        columns = dict.fromkeys(("open", "high", "low", "close"), float(rate))
        frames = [pd.DataFrame({"timestamp": starts, "reserve_id": number, **columns}) for number in tokens]
        return LendingMetric(pd.concat(frames, ignore_index=True))

    return LendingReserves(tokens), LendingCandles(make_metric(aprs["supply"]), make_metric(aprs["variable"]))
