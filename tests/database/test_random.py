"""Random histories, saved after every step: every save can be loaded to the byte, the change feed leads from any save
to the newest one, and giving up old saves changes neither."""

import copy
import datetime
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.faults.mutate import mutate
from tests.kit.soak import SOAK, scaled
from tests.kit.trading_machine import Trading
from tests.kit.whole import make_whole_state
from tradeexecutor.database.compaction import compact
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.codec.codec import dump, parse
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.errors import BadStateData, InvalidStateFile
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.visualisation import PlotKind


def check_history(store: SQLStateStore, texts: dict[int, bytes]) -> None:
    """`texts` are what was saved, by number; the store keeps just these."""
    assert [revision.number for revision in store.history()] == list(texts)
    newest = max(texts)
    documents: dict[int, Any] = {}
    for number, text in texts.items():
        revision, saved = store.read(number)
        assert saved == text
        assert revision.size == len(text)
        documents[number] = parse(text)
    feed = store.changes(since=min(texts))
    assert feed.snapshot is None
    assert [change.revision for change in feed.changes] == list(texts)[1:]
    # One step from each save, and all steps from the oldest, which is the way from each save to the newest.
    document = documents[min(texts)]
    for change in feed.changes:
        stepped = apply_patch(documents[change.revision - 1], change.patch)
        assert dump(stepped) == texts[change.revision], change.patch
        document = apply_patch(document, change.patch)
    assert dump(document) == texts[newest]
    (check,) = verify_database(store.address)
    assert check.is_good
    assert check.intact == list(texts)


def check_and_compact(store: SQLStateStore, texts: dict[int, bytes], keep: int) -> None:
    check_history(store, texts)
    compact(store, keep=keep)
    check_history(store, {number: texts[number] for number in list(texts)[-keep:]})


class SavedTrading(Trading):
    """Trading in every kind of instrument, with statistics and plots, saved after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.store = SQLStateStore(f"sqlite:///{self.folder.name}/trading.db#demo")
        self.texts: dict[int, bytes] = {}

    @rule(count=st.integers(1, 70))
    def record(self, count: int) -> None:
        """As at the end of a cycle, or of many."""
        for _ in range(count):
            now = self.ts + datetime.timedelta(minutes=len(self.state.stats.portfolio))
            self.state.stats.portfolio.append(PortfolioStatistics(now, float(count)))
            self.state.visualisation.plot_indicator(now, "price", PlotKind.technical_indicator_on_price, float(count))
            self.state.uptime.cycles_completed_at[len(self.state.uptime.cycles_completed_at)] = now
        self.state.cycle += 1

    @rule(count=st.integers(1, 10))
    def forget_samples(self, count: int) -> None:
        del self.state.stats.portfolio[:count]

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = SQLStateStore(self.store.address)
        self.store.load() if self.texts else None

    @invariant()
    def it_is_saved(self) -> None:
        self.store.sync(self.state)
        self.texts[len(self.texts) + 1] = self.state.to_json_bytes()

    def teardown(self) -> None:
        try:
            if self.texts:
                check_and_compact(self.store, self.texts, keep=len(self.texts) // 2 + 1)
        finally:
            self.store.close()
            self.folder.cleanup()


SavedTrading.TestCase.settings = settings(
    max_examples=6 * SOAK,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
class TestSavedTrading(SavedTrading.TestCase):
    pass


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
def test_states_changed_at_random(memory: Path):
    """Changes no strategy makes: anywhere in the tree, keys in another order, containers that vanish."""
    original = json.loads(json.dumps(make_whole_state().to_dict()))
    saves = 0
    for seed in range(scaled(6)):
        randomness = random.Random(seed)
        tree = copy.deepcopy(original)
        texts: dict[int, bytes] = {}
        with SQLStateStore(f"sqlite:///{memory}/trading.db", f"demo-{seed}") as store:
            for _ in range(25):
                changed = copy.deepcopy(tree)
                try:
                    text = mutate(changed, randomness, "trap")
                    if randomness.random() < 0.3:
                        text = json.dumps(shuffle(json.loads(text), randomness)).encode()
                    state = State.read_json_blob(text)
                    store.sync(state)
                except (InvalidStateFile, BadStateData, ValueError, RecursionError):
                    continue
                tree = changed
                texts[len(texts) + 1] = state.to_json_bytes()
            if texts:
                check_and_compact(store, texts, keep=len(texts) // 2 + 1)
        saves += len(texts)
    assert saves > scaled(30)


def shuffle(value: Any, randomness: random.Random) -> Any:
    """Dicts in another order, those with a fixed order included."""
    if isinstance(value, dict):
        keys = list(value)
        if randomness.random() < 0.3:
            randomness.shuffle(keys)
        return {key: shuffle(value[key], randomness) for key in keys}
    if isinstance(value, list):
        return [shuffle(item, randomness) for item in value]
    return value
