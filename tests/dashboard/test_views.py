"""What the pages show is what the accessors say of the same state, for states of every kind."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.kit.chart_states import DAY, GOLD_PAIR, PAIR, START, make_traded
from tests.kit.every_kind_trader import everything
from tests.kit.nasty import make_nasty_state
from tests.kit.web import Browser, browse
from tests.kit.whole import make_whole_state
from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.operator_commands import record_action
from tradeexecutor.operations.validate import validate_state
from tradeexecutor.state.benchmark import Benchmark
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.types import to_epoch
from tradeexecutor.state.visualisation import PlotKind, PlotShape
from tradeexecutor.web.views.tables import TABLES

VIEWS = ("summary", "process", "equity", "attention", "statistics", "charts", "plots", "ledger", "checks", "actions")
OF_POSITION = tuple(name for name in TABLES if name.startswith("position-"))
OF_STATE = tuple(name for name in TABLES if name not in OF_POSITION)


def make_plotted() -> State:
    """Two pairs with plots on the price, below it, and on those; messages, and prices of what could be held."""
    state = make_traded()
    plots = state.visualisation
    for day in range(10):
        at = START + day * DAY
        plots.plot_indicator(at, "SMA <b>", PlotKind.technical_indicator_on_price, 100.0 + day, "orange", pair=PAIR)
        plots.plot_indicator(at, "Gold <i>", PlotKind.technical_indicator_on_price, 50.0, "no colour", pair=GOLD_PAIR)
        rsi = None if day == 4 else 50.0 + day
        plots.plot_indicator(at, "RSI", PlotKind.technical_indicator_detached, rsi)
        overlay = PlotKind.technical_indicator_overlay_on_detached
        plots.plot_indicator(at, "Limit", overlay, 70.0, "red", PlotShape.markers, "RSI")
    plots.add_message(START, "=first")
    plots.add_message(START + DAY, "second")
    record_action(state, START, "Alice", "pause", reason="-1")
    for position in state.portfolio.get_all_positions():
        next(iter(position.trades.values())).notes = "breakout"
    prices = [2.0, 2.0, 2.5, 4.0]
    times = [int(to_epoch(START + day * DAY)) for day in (0, 5, 6, 10)]
    state.backtest_data = BacktestData(START, START + 10 * DAY, CycleDuration.cycle_1d)
    state.backtest_data.benchmarks = [Benchmark("COIN-USD", 1, times, prices)]
    return state


def make_states() -> dict[str, State]:
    return {
        "traded": make_traded(),
        "plotted": make_plotted(),
        "everything": everything(),
        "whole": make_whole_state(),
        "nasty": make_nasty_state()[0],
        "empty": State(name="Empty"),
    }


STATES = list(make_states())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("served")
    for name, state in make_states().items():
        with JSONFileStore(folder / f"{name}.json") as store:
            store.sync(state)
    with browse(folder) as browser:
        yield browser


def get_state(served: Browser, name: str) -> State:
    strategy = served.site.catalogue.find(name)
    assert strategy is not None
    return strategy.read().state


def all_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(all_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(all_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("name", STATES)
def test_every_view_answers_for_every_kind_of_state(served: Browser, name: str):
    for view in (*VIEWS, "comparison?other=traded", *(f"tables/{table}" for table in OF_STATE)):
        assert all_finite(served.read(f"/v1/{name}/views/{view}")), view
    state = get_state(served, name)
    for position in state.portfolio.get_all_positions(pending=True):
        found = served.read(f"/v1/{name}/views/positions/{position.position_id}")
        assert found["position_id"] == position.position_id
        assert all_finite(found)


@pytest.mark.slow
def test_every_view_answers_for_real_files(state_files: list[Path]):
    for path in state_files:
        with browse(path) as served:
            (strategy,) = served.site.catalogue.list()
            base = f"/v1/{strategy.id}/views"
            for view in (*VIEWS, "tables/open", "tables/closed", "tables/trades", "tables/deposits"):
                assert all_finite(served.read(f"{base}/{view}")), (path.name, view)
            for position in strategy.read().state.portfolio.get_all_positions(pending=True):
                served.read(f"{base}/positions/{position.position_id}")


@pytest.mark.parametrize("name", STATES)
def test_the_summary_is_that_of_the_command_line(served: Browser, name: str):
    state, view = get_state(served, name), served.read(f"/v1/{name}/views/summary")
    figures = summarise_performance(state)
    assert view["value"] == figures.final_equity
    assert view["total_return"] == figures.total_return
    assert view["max_drawdown"] == figures.max_drawdown
    assert view["issues"] == len(find_issues(state))
    assert view["open_positions"] == len(state.portfolio.open_positions)


def test_the_line_of_the_value_ends_where_the_summary_is(served: Browser):
    equity = served.read("/v1/traded/views/equity")
    summary = served.read("/v1/traded/views/summary")
    assert equity["growth"]["values"][-1] == pytest.approx(summary["total_return"])
    assert min(equity["drawdown"]["values"]) == pytest.approx(summary["max_drawdown"])
    assert equity["samples"] == len(equity["value"]["times"])


def test_buy_and_hold_beside_the_value_has_the_same_capital_and_deposits(served: Browser):
    equity = served.read("/v1/plotted/views/equity")
    held = equity["benchmark_value"]
    # 1000 USD buy 500 at 2; on day 6 500 USD buy 200 at 2.5; at the end 700 are worth 4 each.
    assert held["values"] == [1000.0, 1000.0, 1750.0, 2800.0]
    assert held["times"] == equity["benchmark"]["times"]
    assert equity["benchmark"]["values"] == [0.0, 0.0, 0.25, 1.0]
    assert served.read("/v1/traded/views/equity")["benchmark_value"] is None


def test_a_deposit_is_no_profit_of_its_month(served: Browser):
    statistics = served.read("/v1/plotted/views/statistics")
    summary = served.read("/v1/plotted/views/summary")
    # The value went from 1000 to 1530, of which 500 were deposited.
    assert sum(month["profit"] for month in statistics["months"]) == pytest.approx(30.0)
    assert sum(year["profit"] for year in statistics["years"]) == pytest.approx(30.0)
    assert summary["months"] == statistics["months"][-2:]


# --- Plots of the strategy


def test_plots_stand_where_the_strategy_has_put_them(served: Browser):
    view = served.read("/v1/plotted/views/plots")
    assert view["pair"] == "COIN-USD"
    price, rsi = view["rows"]
    assert [line["name"] for line in price["lines"]] == ["Price", "SMA <b>"]
    assert price["is_price"]
    assert [(mark["side"], mark["price"]) for mark in price["marks"]] == [
        ("buy", 100.0), ("sell", 120.0), ("buy", 110.0), ("sell", 90.0),
    ]  # fmt: skip
    assert (rsi["title"], [line["name"] for line in rsi["lines"]]) == ("RSI", ["RSI", "Limit"])
    assert [line["shape"] for line in rsi["lines"]] == ["line", "markers"]
    assert rsi["lines"][0]["values"][4] is None
    # A value that a decision is based on is that of the candle before the decision.
    assert rsi["lines"][0]["times"][0] == to_epoch(START - DAY)
    gold = served.read("/v1/plotted/views/plots?pair=GOLD-USD")
    assert [line["name"] for line in gold["rows"][0]["lines"]] == ["Price", "Gold <i>"]
    assert served.get("/v1/plotted/views/plots?pair=NOTHING-USD").status_code == 404


def test_a_range_of_the_plots_has_every_point(served: Browser):
    whole = served.read("/v1/plotted/views/plots?points=10")["rows"][0]["lines"][1]
    assert whole["points"] == 10
    start, end = to_epoch(START + 3 * DAY), to_epoch(START + 5 * DAY)
    part = served.read(f"/v1/plotted/views/plots?points=10&start={start}&end={end}")["rows"][0]
    assert part["lines"][1]["points"] == 3
    assert set(part["lines"][1]["times"]) >= {start, start + 86_400, end}
    assert [mark["price"] for mark in part["marks"]] == [120.0, 110.0, 90.0]


def test_all_points_are_in_the_file_as_they_were_recorded(served: Browser):
    columns = served.read("/v1/plotted/views/tables/plots")["columns"]
    times, names, pairs, values = (column["values"] for column in columns)
    plots = get_state(served, "plotted").visualisation.plots
    assert len(times) == sum(len(plot.points) for plot in plots.values())
    assert [value for name, value in zip(names, values, strict=True) if name == "RSI"][4] is None
    assert times[0] == to_epoch(START) * 1000
    assert pairs[0] == "COIN-USD"


# --- Checks


@pytest.mark.parametrize("name", ["traded", "whole"])
def test_the_checks_are_those_of_the_command_line(served: Browser, name: str):
    view = served.read(f"/v1/{name}/views/checks")
    strategy = served.site.catalogue.find(name)
    assert strategy is not None
    state, runs = strategy.read().state, {run["name"]: run for run in view["runs"]}
    assert isinstance(strategy.place, Path)
    validation = validate_state(strategy.place)
    assert isinstance(strategy.place, Path)
    assert [(item["name"], item["passed"], item["detail"]) for item in runs["validate"]["results"]] == [
        (check.name, check.passed, check.detail.replace(f"{strategy.place.parent}/", "")) for check in validation.checks
    ]
    assert str(strategy.place.parent) not in served.get(f"/v1/{name}/views/checks").text
    assert runs["validate"]["passed"] is validation.passed
    assert len(runs["check-trades"]["results"]) == len(find_issues(state))
    proof = prove(state)
    assert runs["audit"]["passed"] is not (proof.has_mismatch or bool(proof.impossible))
    assert view["passed"] is all(run["passed"] for run in runs.values())
    assert runs["audit"]["command"] == f"tradeexecutor audit {name}.json"


def test_a_shorter_range_has_every_point(served: Browser):
    whole = served.read("/v1/traded/views/equity?points=10")["value"]["times"]
    start, end = whole[0], whole[-1]
    part = served.read(f"/v1/traded/views/equity?start={start}&end={(start + end) / 2}")
    full = served.read("/v1/traded/views/equity")
    inside = [at for at in full["value"]["times"] if at <= (start + end) / 2]
    assert part["value"]["times"][: len(inside)] == inside


def test_closed_positions_have_their_results(served: Browser):
    state, table = get_state(served, "traded"), served.read("/v1/traded/views/tables/closed")
    columns = {column["name"]: column["values"] for column in table["columns"]}
    for number, profit, share in zip(columns["#"], columns["Profit, USD"], columns["Profit"], strict=True):
        assert (profit, share) == get_net_result(state.portfolio.closed_positions[number])


@pytest.mark.parametrize("table", TABLES)
def test_files_of_a_table_have_what_the_page_has(served: Browser, table: str):
    name = "whole" if table in ("deposits", "ledger", "attention", *OF_POSITION) else "plotted"
    path, query = f"/v1/{name}/views/tables/{table}", "?"
    if table in OF_POSITION:
        query = f"?position={find_position_with(served, name, table)}&"
    shown = served.read(path + query)["columns"]
    rows = list(csv.reader(io.StringIO(served.get(f"{path}/file{query}").text)))
    assert rows[0] == [column["name"] for column in shown]
    assert len(rows) - 1 == len(shown[0]["values"])
    assert len(rows) > 1
    answer = served.get(f"{path}/file{query}format=parquet")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}-{table}.parquet"'
    read = pq.read_table(io.BytesIO(answer.content))
    assert read.column_names == rows[0]
    for column in shown:
        if column["kind"] not in ("time", "span"):
            assert read[column["name"]].to_pylist() == column["values"]


def find_position_with(served: Browser, name: str, table: str) -> int:
    """A position of which a table has rows."""
    for position in get_state(served, name).portfolio.get_all_positions():
        found = served.read(f"/v1/{name}/views/tables/{table}?position={position.position_id}")
        if found["columns"][0]["values"]:
            return position.position_id
    raise AssertionError(f"no position has {table}")


def test_a_table_of_a_position_needs_one_that_exists(served: Browser):
    for query in ("", "?position=999999"):
        assert served.get(f"/v1/whole/views/tables/position-trades{query}").status_code == 404


def test_tables_of_a_comparison_and_of_changes_are_files(served: Browser):
    view = served.read("/v1/traded/views/comparison?other=everything")
    lengths = {
        "figures": sum(len(group["figures"]) for group in view["groups"]),
        "causes": len(view["causes"]),
        "trades": len(view["differing"]["columns"][0]["values"]),
    }
    for table, length in lengths.items():
        path = f"/v1/traded/views/comparison/{table}/file?other=everything"
        assert len(list(csv.reader(io.StringIO(served.get(path).text)))) == length + 1
        assert pq.read_table(io.BytesIO(served.get(f"{path}&format=parquet").content)).num_rows == length
        assert served.get(path.replace("everything", "nothing")).status_code == 404


def test_cells_of_a_csv_file_are_no_formulas(served: Browser):
    text = served.get("/v1/nasty/views/tables/trades/file").text
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+@\t") or (cell[:1] == "-" and not _is_number(cell))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_a_position_has_its_trades_marked_at_their_prices(served: Browser):
    state = get_state(served, "traded")
    for position in state.portfolio.get_all_positions():
        view = served.read(f"/v1/traded/views/positions/{position.position_id}")
        expected = [trade.executed_price for trade in position.trades.values() if trade.is_success()]
        assert [mark["price"] for mark in view["marks"]] == expected
        assert set(expected) <= set(view["prices"]["values"])


def test_neighbours_of_a_position_lead_through_all(served: Browser):
    number, seen = (
        min(p.position_id for p in get_state(served, "everything").portfolio.get_all_positions(pending=True)),
        [],
    )
    while number is not None:
        view = served.read(f"/v1/everything/views/positions/{number}")
        assert view["before"] == (seen[-1] if seen else None)
        seen.append(number)
        number = view["after"]
    assert len(seen) == len(set(seen))


def test_an_issue_comes_with_the_command_that_mends_it(served: Browser):
    state = get_state(served, "whole")
    issues = find_issues(state)
    items = served.read("/v1/whole/views/attention")["items"]
    commands = [item["command"] for item in items if item["command"]]
    assert len([issue for issue in issues if issue.command]) <= len(commands)
    assert not [command for command in commands if "STATE_FILE" in command or "/" in command.split()[2]]
    levels = [item["level"] for item in items]
    assert levels == sorted(levels, key=["blocking", "error", "warning", "note"].index)


def test_a_chart_of_a_range_is_drawn_in_full(served: Browser):
    whole = served.read("/v1/traded/views/charts/equity")
    assert whole["data"]
    assert whole["layout"]["title"]["text"] == "<b>Equity</b>"
    dark = served.read("/v1/traded/views/charts/equity?theme=dark")
    assert whole["layout"]["paper_bgcolor"] != dark["layout"]["paper_bgcolor"]
    assert served.get("/v1/traded/views/charts/nothing").status_code == 404
    assert served.get("/v1/empty/views/charts/equity").status_code == 422
    assert served.get("/v1/traded/views/charts/price?pair=NOTHING-USD").status_code == 404


def test_earlier_saves_have_the_same_views(tmp_path: Path):
    with JSONFileStore(tmp_path / "mine.json") as store:
        state = store.create("First name")
        store.sync(state)
        state.name = "Second name"
        store.sync(state)
    with browse(tmp_path / "mine.json") as served:
        newest = served.read("/v1/mine/views/summary")
        assert newest["name"] == "Second name"
        earlier = next(save["revision"] for save in served.read("/v1/mine/history")["saves"])
        assert served.read(f"/v1/mine/views/summary?at={earlier}")["name"] == "First name"


def test_the_ledger_names_the_first_entry_that_does_not_fit(tmp_path: Path):
    state = everything()
    state.portfolio.get_default_reserve_position().quantity += 1
    with JSONFileStore(tmp_path / "wrong.json") as store:
        store.sync(state)
    with browse(tmp_path / "wrong.json") as served:
        ledger = served.read("/v1/wrong/views/ledger")
        assert ledger["has_mismatch"]
        assert ledger["lines"][0]["verdict"] == "mismatch"
        assert ledger["lines"][0]["difference"] == "1"
        assert not [line for line in ledger["lines"] if "E" in (line["derived"] or "")]


def test_the_causes_of_a_difference_add_up_to_it(served: Browser):
    view = served.read("/v1/traded/views/comparison?other=everything")
    values = {name: summarise_performance(get_state(served, name)).final_equity for name in ("traded", "everything")}
    difference = values["everything"] - values["traded"]
    assert sum(cause["usd"] for cause in view["causes"]) == pytest.approx(difference, abs=0.011)
    same = served.read("/v1/traded/views/comparison?other=traded")
    assert same["causes"] == []
    assert same["differing"]["columns"][0]["values"] == []
    assert served.get("/v1/traded/views/comparison?other=nothing").status_code == 404
