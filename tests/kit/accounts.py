"""A state with a few trades, and a file of balances that were read outside."""

import csv
import datetime
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tests.kit.every_kind_trader import Driver
from tests.kit.trader import LINK_USDC, SECOND, asset
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

D = Decimal

BALANCE_COLUMNS = ["time", "block", "chain_id", "address", "token", "symbol", "amount"]

SCAM = asset("SCAM", 18, 77)

Rows = Sequence[tuple[datetime.datetime | None, AssetIdentifier, Decimal]]


#: Writes a file of balances.
WriteBalances = Callable[[Mapping[AssetIdentifier, str | int] | Rows], Path]


class SlowDriver(Driver):
    def tick(self):
        self.ts += 59 * SECOND
        return super().tick()


def make_state() -> State:
    """Cash 6,000, 0.5 WETH at 2,000, 100 LINK bought and sold at 10."""
    driver = SlowDriver(10_000)
    driver.buy(1_000)
    driver.buy(1_000, LINK_USDC, 10.0)
    driver.redeem(2_000)
    driver.sell("100", LINK_USDC, 10.0)
    driver.redeem(250)
    driver.deposit(250)
    driver.redeem(1_000)
    return driver.state


def save_accounts(folder: Path) -> Path:
    """Write the state to a file."""
    path = folder / "state.json"
    with JSONFileStore(path) as store:
        store.sync(make_state())
    return path


def write_balances(folder: Path, balances: Mapping[AssetIdentifier, str | int] | Rows) -> Path:
    """Write a file of balances: of now by asset, or rows with times."""
    path = folder / "balances.csv"
    rows = [(None, item, D(amount)) for item, amount in balances.items()] if isinstance(balances, Mapping) else balances
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BALANCE_COLUMNS)
        for time, item, amount in rows:
            when = "" if time is None else time.isoformat()
            writer.writerow([when, "", item.chain_id, "0xabc", item.address, item.token_symbol, f"{amount:f}"])
    return path
