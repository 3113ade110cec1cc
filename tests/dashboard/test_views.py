"""What the pages show is what the accessors say of the same state, for states of every kind."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.kit.chart_states import make_traded
from tests.kit.every_kind_trader import everything
from tests.kit.nasty import make_nasty_state
from tests.kit.web import Browser, browse
from tests.kit.whole import make_whole_state
from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

VIEWS = ("summary", "process", "equity", "attention", "statistics", "charts", "ledger", "actions")
TABLES = ("open", "closed", "trades", "deposits")


def make_states() -> dict[str, State]:
    return {
        "traded": make_traded(),
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
    for view in (*VIEWS, "comparison?other=traded", *(f"tables/{table}" for table in TABLES)):
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
            for view in (*VIEWS, *(f"tables/{table}" for table in TABLES)):
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
    shown = served.read(f"/v1/whole/views/tables/{table}")["columns"]
    rows = list(csv.reader(io.StringIO(served.get(f"/v1/whole/views/tables/{table}/file").text)))
    assert rows[0] == [column["name"] for column in shown]
    assert len(rows) - 1 == len(shown[0]["values"])
    answer = served.get(f"/v1/whole/views/tables/{table}/file?format=parquet")
    assert answer.headers["content-disposition"] == f'attachment; filename="whole-{table}.parquet"'
    read = pq.read_table(io.BytesIO(answer.content))
    assert read.column_names == rows[0]
    for column in shown:
        if column["kind"] not in ("time", "span"):
            assert read[column["name"]].to_pylist() == column["values"]


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
