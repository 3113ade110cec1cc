"""The versioned interface: parts of a state, figures, time travel."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.web import Browser, browse
from tests.support import REPOSITORY
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture(scope="module")
def long(state_files: list[Path]) -> Iterator[tuple[Browser, State]]:
    path = next(path for path in state_files if path.stem == "cli--show-positions-long")
    with browse(path) as browser:
        yield browser, State.read_json_file(path)


BASE = "/v1/cli--show-positions-long"


def test_the_whole_state(long: tuple[Browser, State]):
    browser, state = long
    assert State.from_json(json.dumps(browser.read(f"{BASE}/state"))).to_json() == state.to_json()


@pytest.mark.slow
def test_a_file_of_another_program_has_the_form_of_ours(tmp_path: Path):
    """Older programs have written amounts as numbers and prices as text, which no client has to know."""
    saved = run_backtest_for_module(REPOSITORY / "examples" / "rebalancing.py", progress=False).state.to_dict()
    tree = json.loads(json.dumps(saved))
    (position,) = list(tree["portfolio"]["closed_positions"].values())[:1]
    trade = next(iter(position["trades"].values()))
    trade["fee_tier"], trade["executed_price"] = str(trade["fee_tier"]), str(trade["executed_price"])
    (reserve,) = tree["portfolio"]["reserves"].values()
    reserve["quantity"] = float(reserve["quantity"])
    tree["unknown"] = {"kept": [1]}
    (tmp_path / "old.json").write_text(json.dumps(tree))
    with browse(tmp_path / "old.json") as browser:
        stored, shown = browser.read("/v1/old/state"), browser.read("/state")
    assert stored == json.loads(State.read_json_file(tmp_path / "old.json").to_json())
    for answer in (stored, shown):
        assert answer["unknown"] == {"kept": [1]}
        (reserve,) = answer["portfolio"]["reserves"].values()
        assert isinstance(reserve["quantity"], str)
        trade = next(iter(next(iter(answer["portfolio"]["closed_positions"].values()))["trades"].values()))
        assert isinstance(trade["executed_price"], float)


def test_a_file_that_is_no_state_for_this_program_is_shown_as_it_is(tmp_path: Path):
    """Its parts may still be of use, and what clients would draw as 0 is left out."""
    tree = State(name="Old").to_dict()
    sample = {"calculated_at": 1, "value": 1.0, "profitability": 0.1}
    tree["stats"]["positions"] = {"1": [sample, {**sample, "value": None}]}
    (tmp_path / "old.json").write_text(json.dumps(tree))
    with browse(tmp_path / "old.json") as browser:
        assert browser.read("/v1/old/state") == tree
        assert browser.read("/state")["stats"]["positions"] == {"1": [sample]}
        assert browser.get("/metadata").status_code == 503


def test_pages_together_are_everything(long: tuple[Browser, State]):
    browser, state = long
    expected = {
        "positions": [position.position_id for position in state.portfolio.get_all_positions(pending=True)],
        "trades": [trade.trade_id for trade in state.portfolio.get_all_trades()],
    }
    for name, key in (("positions", "position_id"), ("trades", "trade_id")):
        page = browser.read(f"{BASE}/{name}?limit=7")
        seen = [item[key] for item in page["items"]]
        while page["cursor"] is not None:
            page = browser.read(f"{BASE}/{name}?limit=7&cursor={page['cursor']}")
            assert len(page["items"]) <= 7
            seen += [item[key] for item in page["items"]]
        assert seen == sorted(expected[name])
        assert page["total"] == len(seen)


def test_positions_of_one_table_and_trades_of_one_position(long: tuple[Browser, State]):
    browser, state = long
    closed = browser.read(f"{BASE}/positions?status=closed&limit=1000")["items"]
    assert {item["position_id"] for item in closed} == set(state.portfolio.closed_positions)
    number = closed[0]["position_id"]
    one = browser.read(f"{BASE}/positions/{number}")
    assert one["status"] == "closed"
    trades = browser.read(f"{BASE}/trades?position={number}")["items"]
    assert [trade["trade_id"] for trade in trades] == sorted(map(int, one["trades"]))


def test_figures(long: tuple[Browser, State]):
    browser, state = long
    found = browser.read(f"{BASE}/statistics")
    figures = summarise_performance(state)
    assert found["adjusted"]["total_return"] == figures.total_return
    assert found["adjusted"]["risk"]["volatility"] == figures.risk.volatility
    ledger = browser.read(f"{BASE}/ledger")
    proof = prove(state)
    assert ledger["is_balanced"] == proof.is_balanced
    assert [item["verdict"] for item in ledger["findings"]] == [item.verdict.value for item in proof.findings]


def test_samples_in_a_range_and_at_a_resolution(long: tuple[Browser, State]):
    browser, state = long
    everything = browser.read(f"{BASE}/statistics/samples")["samples"]
    assert len(everything) == len(state.stats.portfolio)
    times = [sample["at"] for sample in everything]
    part = browser.read(f"{BASE}/statistics/samples?start={times[5]}&end={times[20]}")["samples"]
    assert [sample["at"] for sample in part] == [at for at in times if times[5] <= at <= times[20]]
    daily = browser.read(f"{BASE}/statistics/samples?resolution=1d")["samples"]
    last = {at // 86_400: sample for at, sample in zip(times, everything, strict=True)}
    assert daily == list(last.values())


def make_saves(store: JSONFileStore | SQLStateStore, count: int) -> list[str]:
    """Save a growing state; returns the text of each save."""
    texts: list[str] = []
    state = State(name="Growing")
    for cycle in range(1, count + 1):
        state.cycle = cycle
        state.portfolio.next_trade_id = cycle
        store.sync(state)
        texts.append(state.to_json())
    return texts


def check_history(browser: Browser, base: str, texts: list[str]) -> None:
    saves = browser.read(f"{base}/history")["saves"]
    numbers = [save["revision"] for save in saves]
    assert numbers[-1] == len(texts)
    assert [save["is_newest"] for save in saves] == [False] * (len(saves) - 1) + [True]
    trees = {number: browser.read(f"{base}/state?at={number}") for number in numbers}
    assert trees == {number: json.loads(texts[number - 1]) for number in numbers}
    found = browser.read(f"{base}/diff?before={numbers[0]}")
    assert apply_patch(trees[numbers[0]], found["patch"]) == trees[numbers[-1]]
    # Going back over the old values leads to where it began.
    before = [{**item, "op": "replace", "value": item["old"]} for item in found["patch"] if item["op"] == "replace"]
    assert before
    assert all(("old" in item) is (item["op"] != "add") for item in found["patch"])
    if len(before) == len(found["patch"]):
        assert apply_patch(trees[numbers[-1]], before[::-1]) == trees[numbers[0]]
    rows = browser.get(f"{base}/views/changes/file?before={numbers[0]}").text.splitlines()
    assert rows[0] == "What,Where,Old value,New value"
    assert len(rows) - 1 == len(found["patch"])
    assert browser.get(f"{base}/state?at=999").status_code == 404
    assert browser.get(f"{base}/state?at=2001-01-01").status_code == 404
    assert browser.get(f"{base}/state?at=tomorrow").status_code == 400
    assert browser.read(f"{base}/state?at=2100-01-01") == trees[numbers[-1]]


def test_time_travel_in_backups(tmp_path: Path):
    with JSONFileStore(tmp_path / "growing.json") as store:
        texts = make_saves(store, 5)
        with browse(tmp_path / "growing.json") as browser:
            check_history(browser, "/v1/growing", texts)


def test_time_travel_in_a_database(tmp_path: Path):
    address = DatabaseAddress.parse(f"sqlite:///{tmp_path}/trading.db#growing")
    with SQLStateStore(address) as store:
        texts = make_saves(store, 5)
    with browse(DatabaseAddress.parse(f"sqlite:///{tmp_path}/trading.db")) as browser:
        check_history(browser, "/v1/growing", texts)
        assert browser.read("/state")["name"] == "Growing"


def test_a_folder_shows_new_states_and_no_copies(tmp_path: Path):
    (tmp_path / "one.json").write_text(State(name="One").to_json())
    (tmp_path / "one.repair-backup-1.json").write_text(State(name="Copy").to_json())
    (tmp_path / "broken.json").write_text("{")
    nested = tmp_path / "two"
    nested.mkdir()
    (nested / "state.json").write_text(State(name="Two").to_json())
    with browse(tmp_path) as browser:
        found = {entry["id"]: entry for entry in browser.read("/v1/strategies")["strategies"]}
        assert set(found) == {"one", "broken", "two"}
        assert found["two"]["name"] == "Two"
        assert found["broken"]["problem"] == "the file is not a state"
        assert browser.read("/v1/health")["unreadable"] == ["broken"]
        assert browser.get("/v1/ready").status_code == 503
        assert browser.get("/v1/broken/state").status_code == 503
        assert browser.get("/state").status_code == 404  # which of them?
        assert browser.read("/strategies/one/state")["name"] == "One"


def test_metrics(long: tuple[Browser, State]):
    browser, state = long
    text = browser.get("/metrics").text
    label = '{strategy="cli--show-positions-long"}'
    assert f"tradeexecutor_up{label} 1.0" in text
    assert f"tradeexecutor_net_asset_value_usd{label} {state.portfolio.get_net_asset_value()!r}" in text
    assert "tradeexecutor_http_answers_total" in text
