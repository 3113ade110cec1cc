"""What the public JavaScript client requires of the answers, on real files, backtests and made states."""

import datetime
import gzip
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest

from tests.kit.client_rules import find_refused
from tests.kit.web import Browser, browse
from tests.support import REPOSITORY
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web import reference
from tradeexecutor.web.caching import BUDGET, Computations
from tradeexecutor.web.encoding import _get_zstd
from tradeexecutor.web.public_state import CLIENT_CHAINS, make_public
from tradeexecutor.web.summary import Description

KEY_METRICS = """cagr profitability total_equity started_at decision_cycle_duration trades_per_month sharpe sortino
    max_drawdown""".split()

#: Series that the client asks for.
CHARTS = ("compounding_unrealised_trading_profitability_sampled", "share_price_based_return", "total_equity", "netflow")


@pytest.fixture(scope="module", params=["trend_following", "rebalancing"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, State]]:
    folder = tmp_path_factory.mktemp("demo")
    result = run_backtest_for_module(REPOSITORY / "examples" / f"{request.param}.py", progress=False)
    with JSONFileStore(folder / "demo.json") as store:
        store.sync(result.state)
    with browse(folder) as browser:
        yield browser, State.read_json_file(folder / "demo.json")


@pytest.fixture(scope="module")
def real(state_file: Path) -> Iterator[Browser]:
    with browse(state_file) as browser:
        yield browser


def check_points(points: list[Any]) -> None:
    times = [at for at, _ in points]
    assert times == sorted(set(times))
    assert all(at >= 0 and isinstance(value, (int, float)) for at, value in points)


def check_metric(kind: str, metric: dict[str, Any]) -> None:
    assert metric["kind"] == kind
    assert metric["source"] in ("backtesting", "live_trading", "missing")
    assert metric["value"] is None or isinstance(metric["value"], (int, float, str))
    assert metric["help_link"] is None or metric["help_link"].startswith("https://")
    assert metric["calculation_method"] in ("historical_data", "latest_value", None)


def check_summary(summary: dict[str, Any]) -> None:
    assert isinstance(summary["calculated_at"], (int, float))
    assert set(KEY_METRICS) <= set(summary["key_metrics"])
    for kind, metric in summary["key_metrics"].items():
        check_metric(kind, metric)
    cycle = summary["key_metrics"]["decision_cycle_duration"]["value"]
    assert cycle is None or re.fullmatch(r"\d+[hd]", cycle)
    check_points(summary["compounding_unrealised_trading_profitability"])


def check_metadata(found: dict[str, Any]) -> None:
    assert found["name"]
    chain = found["on_chain_data"]
    assert chain["chain_id"] in CLIENT_CHAINS
    assert chain["asset_management_mode"] in ("hot_wallet", "enzyme", "velvet", "lagoon", "hyperliquid")
    assert isinstance(chain["smart_contracts"], dict)
    assert found["started_at"] > 0
    assert type(found["executor_running"]) is bool
    assert type(found["frozen_positions"]) is int
    assert type(found["badges"]) is type(found["tags"]) is list
    assert all(isinstance(fee, (int, float)) for fee in found["fees"].values())
    assert type(found["sort_priority"]) is int
    assert found["icon_url"] is None or found["icon_url"].startswith("https://")
    check_summary(found["summary_statistics"])


def check_status(found: dict[str, Any]) -> None:
    assert {"executor_id", "last_refreshed_at", "started_at", "executor_running"} <= set(found)
    assert {"hot_wallet_gas", "hot_wallet_gas_warning_level"} <= set(found)
    assert found["version"]["tag"].startswith("v")
    assert found["hot_wallet_address"] is None or found["hot_wallet_address"].startswith("0x")
    check_summary(found["summary_statistics"])


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from walk(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from walk(value)


def check_state(tree: dict[str, Any]) -> None:
    assert "seal" not in tree
    assert tree["cycle"] >= 1
    assert tree["portfolio"]["reserves"]
    for item in walk(tree):
        assert item.get("chain_id") is None or item["chain_id"] > 0
        assert item.get("internal_id") != 0
        assert item.get("info_url") != ""
        assert item.get("kind") not in ("cctp_bridge", "freqtrade", "spot_market_rebalancing token")
        for name in ("tx_hash", "signed_bytes", "pool_address"):
            assert item.get(name) is None or re.fullmatch("0x[0-9a-fA-F]*", item[name]), (name, item[name])
        assert not isinstance(item.get("log_index"), int)


def check_everything(browser: Browser) -> None:
    check_metadata(browser.read("/metadata"))
    check_status(browser.read("/status"))
    state = browser.read("/state")
    check_state(state)
    for name in CHARTS:
        chart = browser.read(f"/chart?type={name}&source=live_trading")
        assert set(chart) == {"data", "title", "help_link", "source"}
        assert chart["title"]
        assert chart["help_link"].startswith("https://")
        assert chart["source"] == "live_trading"
        check_points(chart["data"])
    for table in ("open_positions", "closed_positions"):
        for number in list(state["portfolio"][table])[:3]:
            found = browser.read(f"/position-chart/{number}")
            assert found["position_number"] == int(number)
            check_points(found["price_history"])
            assert [trade["trade_id"] for trade in found["trades"]]
            assert found["price_history_status_message"]
            for sample in found["position_statistics"]:
                assert {"calculated_at", "internal_share_price", "underlying_price"} <= set(sample)
    kinds = {entry["kind"] for entry in browser.read("/chart-registry")}
    assert kinds <= {"universe_state", "state_single_pair"}
    pairs = browser.read("/chart-registry/pairs")
    assert all(pair["internal_id"] >= 1 for pair in pairs["all_pairs"])
    assert browser.read("/logs") == []


@pytest.mark.slow
def test_real_files(real: Browser):
    check_everything(real)


@pytest.mark.slow
def test_backtests(demo: tuple[Browser, State]):
    check_everything(demo[0])


@pytest.mark.slow
def test_headlines_are_the_figures_of_show_statistics(demo: tuple[Browser, State]):
    browser, state = demo
    figures = summarise_performance(state)
    summary = browser.read("/metadata")["summary_statistics"]
    metrics = summary["key_metrics"]
    assert figures.total_return is not None
    assert figures.total_return > 1.0
    assert figures.max_drawdown is not None
    assert metrics["profitability"]["value"] == pytest.approx(figures.total_return, rel=1e-12)
    assert metrics["cagr"]["value"] == pytest.approx(figures.cagr, rel=1e-12)
    assert metrics["sharpe"]["value"] == pytest.approx(figures.sharpe, rel=1e-12)
    assert metrics["sortino"]["value"] == pytest.approx(figures.sortino, rel=1e-12)
    assert metrics["max_drawdown"]["value"] == pytest.approx(-figures.max_drawdown, rel=1e-12)
    assert metrics["total_equity"]["value"] == figures.final_equity
    points = summary["compounding_unrealised_trading_profitability"]
    assert points[-1][1] == pytest.approx(figures.total_return, rel=1e-9)
    # The client computes a yearly return of its own from the first and the last point.
    years = (points[-1][0] - points[0][0]) / 86_400 / 365
    assert (1 + points[-1][1]) ** (1 / years) - 1 == pytest.approx(figures.cagr, abs=1e-3)


@pytest.mark.slow
def test_the_charts_of_a_backtest_are_not_empty(demo: tuple[Browser, State]):
    browser, state = demo
    for name in CHARTS[:2]:
        data = browser.read(f"/chart?type={name}&source=backtest")["data"]
        assert len(data) > 1_000
        assert data[-1][1] == pytest.approx(summarise_performance(state).total_return, rel=1e-9)


@pytest.mark.slow
def test_recorded_definitions_keep_their_names(demo: tuple[Browser, State]):
    browser, _ = demo
    found = browser.read("/v1/demo/statistics")
    assert found["recorded"]["profitability"]["value"] != found["adjusted"]["total_return"]
    assert found["recorded"]["cagr"]["kind"] == "cagr"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Browser]:
    with JSONFileStore(tmp_path / "small.json") as store:
        store.sync(State(name="Small"))
    with browse(tmp_path / "small.json") as browser:
        yield browser


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_compression(small: Browser, encoding: str):
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": _get_zstd().decompress}[encoding]
    headers, content = small.read_raw("/v1/small/state", encoding)
    assert headers["content-encoding"] == encoding
    assert headers["vary"] == "Accept-Encoding"
    assert json.loads(unpack(content)) == small.read("/v1/small/state")


def test_node_gets_gzip_and_others_plain_text(small: Browser):
    assert small.read_raw("/state", "gzip, deflate")[0]["content-encoding"] == "gzip"
    assert "content-encoding" not in small.read_raw("/state", "identity")[0]


def test_an_answer_that_the_client_has_is_not_sent_again(small: Browser, tmp_path: Path):
    first = small.get("/state")
    again = small.get("/state", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["access-control-allow-origin"] == "*"
    with JSONFileStore(tmp_path / "small.json") as store:
        state = store.load()
        state.cycle += 1
        store.sync(state)
    changed = small.get("/state", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["cycle"] == 2


@pytest.mark.parametrize("path", ["/state", "/metadata", "/nothing", "/chart", "/position-chart/9", "/file?type=x"])
def test_every_answer_may_be_read_by_pages_of_other_origins(small: Browser, path: str):
    headers = small.get(path).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-frame-options" not in headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/state/", 404),
        ("/api", 404),
        ("/chart", 400),
        ("/chart?type=nonsense", 400),
        ("/chart?type=netflow&source=backtest", 404),
        ("/position-chart/x", 404),
        ("/position-chart/7", 404),
        ("/file?type=notebook", 404),
        ("/chart-registry/render?chart_id=nonsense", 404),
        ("/chart-registry/render?chart_id=drawdown&pair_ids=", 422),
        ("/strategies/other/state", 404),
    ],
)
def test_errors_have_the_right_status(small: Browser, path: str, status: int):
    response = small.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["detail"]


def test_other_methods(small: Browser):
    assert small.get("/state", method="POST").status_code == 405
    head = small.get("/state", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    preflight = small.get("/state", method="OPTIONS")
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert "GET" in preflight.headers["access-control-allow-methods"]


@pytest.mark.slow
def test_the_report_tells_its_height_and_runs_only_its_own_scripts(small: Browser):
    response = small.get("/file?type=html")
    assert response.headers["content-type"].startswith("text/html")
    assert "iframeContentHeight" in response.text
    assert "setInterval(tell" in response.text
    policy = response.headers["content-security-policy"]
    scripts = policy.split("script-src ")[1].split(";")[0]
    assert "'unsafe-inline'" not in scripts
    assert scripts.count("'sha256-") >= 3  # those of the page, the height message and plotly


def test_what_is_told_about_a_strategy(tmp_path: Path):
    (tmp_path / "mine.json").write_text(State(name="Mine").to_json())
    told = Description(name="My strategy", tags=["live", "closed_source"], fees={"management_fee": 0.02})
    with browse(tmp_path / "mine.json", descriptions={"mine": told}, sources={"mine": "secret"}) as browser:
        found = browser.read("/metadata")
        assert (found["name"], found["tags"], found["fees"]) == (
            "My strategy",
            ["live", "closed_source"],
            {"management_fee": 0.02},
        )
        assert browser.get("/source").text == ""


def test_values_that_the_client_does_not_know():
    pair = {"kind": "cctp_bridge", "chain_id": -1, "pool_address": "desk", "internal_id": 0, "info_url": ""}
    event = {"log_index": 17, "tx_hash": "1234", "owner_address": "Alice", "quantity": "+1"}
    tree = {"cycle": 0, "pair": pair, "event": event, "stats": {}, "portfolio": {"reserves": {}}}
    found = make_public(tree)
    assert found["cycle"] == 1
    assert (found["pair"]["kind"], found["pair"]["original_kind"]) == ("cash", "cctp_bridge")
    assert found["pair"]["chain_id"] in CLIENT_CHAINS
    assert found["pair"]["pool_address"] == "0x6465736b"
    assert (found["pair"]["internal_id"], found["pair"]["info_url"]) == (None, None)
    assert found["event"]["log_index"] == "0x11"
    assert found["event"]["tx_hash"] == "0x1234"
    assert (found["event"]["owner_address"], found["event"]["original_owner_address"]) == (None, "Alice")
    assert found["event"]["quantity"] == "1"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("kind", "freqtrade", "exchange_account"),
        ("kind", "spot_market_rebalancing token", "spot_market_hold_rebalancing_token"),
        ("signed_bytes", "f86b", "0xf86b"),
        ("tx_hash", "by hand", None),
        ("nonce", None, 0),
        ("market_feed_delay", -3.5, 0),
        ("trade_type", "of tomorrow", "rebalance"),
        ("executed_quantity", "NaN", None),
        ("planned_reserve", "+2.5", "2.5"),
        ("opened_at", -86_400, 0),
        ("timestamp", -0.5, 0),
        ("executed_price", -0.5, -0.5),
        ("internal_exchange_id", 0, None),
    ],
)
def test_one_value_that_the_client_refuses_at_any_depth(key: str, value: Any, shown: Any):
    """The traps of a client that checks the whole file, and then shows nothing of it."""
    tree = {"cycle": 1, "deep": [{"er": {key: value, "other": "text"}}]}
    found = make_public(tree)["deep"][0]["er"]
    assert found[key] == shown
    assert found["other"] == "text"
    assert set(found) <= {key, "other", f"original_{key}"}
    assert tree["deep"] == [{"er": {key: value, "other": "text"}}]  # others share the tree


def test_parts_that_may_be_absent_but_not_incomplete():
    tree: dict[str, Any] = {
        "cycle": 1,
        "created_at": 5,
        "backtest_data": {"start_at": 1, "decision_cycle_duration": None},
        "stats": {"long_short_metrics_latest": {"live_stats": {}, "backtested_stats": None}},
        "portfolio": {"reserves": {"a": {"last_sync_at": None}}},
    }
    found = make_public(tree)
    assert "backtest_data" not in found
    assert found["stats"]["long_short_metrics_latest"] is None
    assert found["portfolio"]["reserves"]["a"]["last_sync_at"] == 5
    assert tree["portfolio"]["reserves"]["a"]["last_sync_at"] is None


def test_a_state_without_reserves_has_an_empty_one(tmp_path: Path):
    """A page of the client shows the first reserve, and fails without one."""
    state = State(name="Mine")
    assert not state.portfolio.reserves
    (tmp_path / "mine.json").write_text(state.to_json())
    with browse(tmp_path / "mine.json") as browser:
        shown, stored = browser.read("/state"), browser.read("/v1/mine/state")
    ((key, reserve),) = shown["portfolio"]["reserves"].items()
    assert key == f"{reserve['asset']['chain_id']}-{reserve['asset']['address']}"
    assert (reserve["quantity"], reserve["is_placeholder"]) == ("0", True)
    assert reserve["last_sync_at"] == reserve["last_pricing_at"] == shown["created_at"]
    assert not list(find_refused(shown))
    assert stored["portfolio"]["reserves"] == {}
    # What is shown is a state: programs that read it find no money.
    assert State.from_dict(shown).portfolio.get_cash() == 0


def test_the_empty_reserve_is_in_the_currency_of_a_position():
    asset = {"chain_id": 10, "address": "0x1f", "token_symbol": "USDT", "decimals": 6}
    portfolio = {"reserves": None, "closed_positions": {"1": {"reserve_currency": asset}}}
    found = make_public({"cycle": 1, "created_at": 5, "portfolio": portfolio})
    assert found["portfolio"]["reserves"]["10-0x1f"]["asset"] == asset


def test_unknown_figures_are_left_out_because_the_client_draws_them_as_0():
    stored = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", progress=False).state.to_dict()
    before = stored["stats"]["positions"]
    first, second, third = list(before)[:3]
    before[first][1]["value"] = before[first][2]["profitability"] = before[second][0]["value"] = None
    stored["portfolio"]["closed_positions"][first]["last_token_price"] = None
    assert list(find_refused(stored))
    shown = make_public(stored)
    after = shown["stats"]["positions"]
    assert after[first] == [before[first][0], *before[first][3:]]
    assert after[second] == before[second][1:]
    assert after[third] == before[third]
    position = shown["portfolio"]["closed_positions"][first]
    assert position["last_token_price"] == list(position["trades"].values())[-1]["executed_price"]
    assert not list(find_refused(shown))


@pytest.mark.parametrize(
    ("position", "price"),
    [
        ({"trades": {"1": {"executed_price": 2.0}, "2": {"executed_price": None, "planned_price": 3.0}}}, 3.0),
        ({"trades": {"1": {"executed_price": 2.0, "planned_price": 2.1}}, "valuation_updates": []}, 2.0),
        ({"valuation_updates": [{"new_price": 4.0}, {"new_price": None}]}, 4.0),
        ({}, None),
    ],
)
def test_a_missing_price_is_the_newest_recorded_one(position: dict[str, Any], price: float | None):
    portfolio = {"reserves": {}, "open_positions": {"1": {"last_token_price": None, **position}}}
    found = make_public({"cycle": 1, "portfolio": portfolio})
    assert found["portfolio"]["open_positions"]["1"]["last_token_price"] == price


@pytest.mark.parametrize("name", ["profitability", "value"])
def test_an_unknown_figure_is_never_written(name: str):
    """So that it need not be left out of what is read."""
    state, now = State(), datetime.datetime(2024, 1, 1)
    sample = PositionStatistics(now, now, profitability=0.1, profit_usd=1.0, quantity=1.0, value=1.0)
    state.stats.positions[1] = [sample]
    setattr(sample, name, None)
    with pytest.raises(BadStateData, match=name):
        state.to_json()


def test_an_answer_that_takes_too_long_is_an_error_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The client gives up after five seconds; a slow figure is a 503 before, and not a page that never comes."""
    (tmp_path / "mine.json").write_text(State(name="Mine").to_json())
    with browse(tmp_path / "mine.json", computations=Computations(budget=0.05)) as browser:
        slow = threading.Event()
        monkeypatch.setattr(reference, "make_metadata", lambda *unused: slow.wait(5))
        response = browser.get("/metadata")
        slow.set()
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert BUDGET <= 5.0
