"""Files of real strategies, written by many versions of the reference implementation, survive load and save.

"Survive" is strict: every key and every value of the original is in what we write, except for the changes that
`ALLOWED` lists, each with its reason.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.whole import decimal_texts, iterate_typed
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

PICKLED_NONE = ("80044e2e", "80054e2e")


def is_pickled_none_now_null(before: Any, after: Any) -> bool:
    return before in PICKLED_NONE and after is None


def is_text_of_integer(before: Any, after: Any) -> bool:
    return type(before) is int and after == str(before)


def is_sorted(before: Any, after: Any) -> bool:
    def key(item: Any) -> str:
        return json.dumps(item, sort_keys=True)

    return type(before) is type(after) is list and sorted(before, key=key) == sorted(after, key=key)


def is_recomputed(before: Any, after: Any) -> bool:
    return isinstance(before, (int, float)) and isinstance(after, float)


#: Path, and the test whether the change is the expected one.
ALLOWED: list[tuple[str, Callable[[Any, Any], bool]]] = [
    # The hex of a pickled None says the same as null.
    (r"blockchain_transactions\[\]\.(transaction|wrapped)_args$", is_pickled_none_now_null),
    # Arguments may be larger than any JSON reader's integers: text, as later versions of the reference write them.
    (r"blockchain_transactions\[\]\.args(\[\])+$", is_text_of_integer),
    # Trades repaired by hand hold the JSON integer 0 in Decimal fields.
    (r"trades\.\w+\.(planned_reserve|executed_quantity|executed_reserve)$", is_text_of_integer),
    # Sets have no order; ours is sorted.
    (r"\.flags$|^\.asset_blacklist$|^\.blacklisted_assets$|\.assets$", is_sorted),
    # Computed from the other fields at every load.
    (r"\.summary\.(return_percent|annualised_return_percent)$", is_recomputed),
]


def compare(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield what is lost or changed.  Numbers are compared by value: 0 and 0.0 are the same JSON number."""
    if any(re.search(pattern, path) and expected(before, after) for pattern, expected in ALLOWED):
        return
    numbers = (int, float)
    if type(before) is not type(after) and not (type(before) in numbers and type(after) in numbers):
        yield f"{path}: {before!r} became {after!r}"
    elif isinstance(before, dict):
        for key, value in before.items():
            if key in after:
                yield from compare(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: lost"
    elif isinstance(before, list):
        if len(before) != len(after):
            yield f"{path}: {len(before)} items became {len(after)}"
        else:
            for one, other in zip(before, after, strict=True):
                yield from compare(one, other, f"{path}[]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.fixture(scope="module")
def original(state_file: Path) -> dict[str, Any]:
    return json.loads(state_file.read_text())


@pytest.fixture(scope="module")
def state(state_file: Path) -> State:
    return State.read_json_file(state_file)


@pytest.fixture(scope="module")
def text(state: State) -> str:
    return state.to_json()


def test_the_ids_add_up_and_no_trade_is_unfinished(state: State):
    state.perform_integrity_check()
    state.check_if_clean()


def test_nothing_is_lost(original: dict[str, Any], text: str):
    differences = list(compare(original, json.loads(text)))
    assert differences[:20] == []


def test_a_second_save_is_byte_identical(text: str):
    assert State.read_json_blob(text).to_json() == text


def test_saving_twice_gives_the_same_text(state: State, text: str):
    assert state.to_json() == text


def test_nothing_is_added_but_declared_keys(original: dict[str, Any], text: str):
    """Keys that the original does not have are fields of our classes, at the places of those classes."""
    saved = json.loads(text)
    assert set(saved) - set(original) <= {"schema_version"} | set(State.__dataclass_fields__)
    typed = {path for path, _, _ in iterate_typed(saved, State)}

    def added(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        if isinstance(before, dict) and isinstance(after, dict):
            for key, value in after.items():
                if key in before:
                    yield from added(before[key], value, (*path, key))
                elif (*path, key) not in typed:
                    yield (*path, key)
        elif isinstance(before, list) and isinstance(after, list):
            for index, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from added(one, other, (*path, index))

    assert list(added(original, saved, ())) == [("schema_version",)]


@pytest.mark.slow
def test_every_token_amount_keeps_its_text(original: dict[str, Any], text: str):
    before = Counter(decimal_texts(original))
    assert before
    assert before - Counter(decimal_texts(json.loads(text))) == Counter()


def test_summaries_are_recomputed_from_their_own_figures(original: dict[str, Any], state: State):
    for stored, sample in zip(original["stats"]["portfolio"], state.stats.portfolio, strict=True):
        summary = stored.get("summary")
        if summary is None:
            continue
        assert sample.summary is not None
        initial, duration = summary["initial_cash"], summary["duration"]
        if initial and duration:
            gain = (summary["open_value"] + summary["uninvested_cash"] - initial) / initial
            assert sample.summary.return_percent == pytest.approx(gain, rel=1e-12)
            annual = gain * 365 * 24 * 60 * 60 / duration
            assert sample.summary.annualised_return_percent == (pytest.approx(annual, rel=1e-12) if gain else None)
        else:
            assert sample.summary.annualised_return_percent in (None, 0)


#: What is in each file: positions, trades, transactions, balance updates, valuation updates, portfolio samples,
#: position samples, final statistics and plots.
COUNTS = {
    "arbitrum-btc-usd-sls-binance-data-1h": (78, 156, 156, 1, 0, 5712, 444, 78, 3),
    "cli--show-positions-long": (5, 11, 12, 4, 0, 208, 15, 1, 468),
    "hyperliquid--state--hyperai-cleanup": (1, 2, 3, 2, 0, 22, 22, 0, 0),
    "legacy--legacy-repair-dump": (54, 105, 105, 0, 0, 793, 1362, 50, 2),
    "legacy--legacy-state-dump": (7, 14, 14, 0, 0, 74, 19, 7, 2),
    "legacy--trade-missing-tx": (4, 13, 7, 33, 62, 298, 60, 2, 4),
    "legacy--zero-quantity-positions": (11, 23, 2, 4, 2, 3, 3, 1, 0),
    "mainnet_fork--ausdc-broken-position": (10, 20, 16, 7, 0, 37, 18, 10, 0),
    "mainnet_fork--correct_history_outliers--gmx-ai-current-state": (1, 1, 0, 471, 479, 519, 519, 0, 0),
}


def count(state: State) -> tuple[int, ...]:
    portfolio = state.portfolio
    positions = [position for table in portfolio.get_position_tables() for position in table.values()]
    trades = {
        (position.position_id, trade.trade_id): trade
        for position in positions
        for table in (position.trades, position.pending_trades, position.expired_trades)
        for trade in table.values()
    }
    return (
        len(positions),
        len(trades),
        sum(len(trade.blockchain_transactions) for trade in trades.values()),
        sum(len(holder.balance_updates) for holder in (*positions, *portfolio.reserves.values())),
        sum(len(position.valuation_updates) for position in positions),
        len(state.stats.portfolio),
        sum(len(samples) for samples in state.stats.positions.values()),
        len(state.stats.closed_positions),
        len(state.visualisation.plots),
    )


def test_everything_is_there(state_file: Path, state: State):
    if state_file.stem not in COUNTS:
        pytest.skip(f"{state_file.stem} has no recorded counts")
    assert count(state) == COUNTS[state_file.stem]
