"""chart: a picture of a state file, or one line that says why there is none."""

import json
from pathlib import Path

import pytest

from tests.kit.chart_states import make_candles, make_traded
from tests.kit.command_runner import Run
from tests.kit.portfolios import make_state
from tradeexecutor.visual.charts import CHARTS


@pytest.fixture
def traded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state.json"
    path.write_text(make_traded().to_json())
    return path


def write_candles(tmp_path: Path, name: str, base: float = 100.0) -> Path:
    path = tmp_path / name
    make_candles(base=base).to_csv(path, index_label="timestamp")
    return path


def read_figure(path: Path) -> dict:
    return json.loads(path.read_text())


def get_names(path: Path) -> list[str]:
    return [trace.get("name") for trace in read_figure(path)["data"]]


def get_notes(path: Path) -> str:
    return read_figure(path)["layout"]["title"]["subtitle"]["text"].replace("<br>", " ")


def test_the_list_says_what_to_read(run: Run):
    result = run("chart", "--list")
    assert result.exit_code == 0
    for chart in CHARTS.values():
        assert chart.name in result.stdout
        assert chart.description in result.stdout
    listed = json.loads(run("chart", "--list", "--json").stdout)
    assert [item["name"] for item in listed] == list(CHARTS)


def test_a_page_in_the_current_folder(run: Run, traded: Path):
    before = traded.read_bytes()
    result = run("chart", "equity", traded)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Wrote equity.html\n"
    page = Path("equity.html").read_text()
    assert "<title>Equity - by hand</title>" in page
    assert traded.read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["equity.html", "state.json"]


def test_a_page_of_ours_is_replaced_and_nothing_else(run: Run, traded: Path):
    assert run("chart", "equity", traded).exit_code == 0
    assert run("chart", "equity", traded).exit_code == 0
    Path("equity.html").write_text("my notes")
    result = run("chart", "equity", traded)
    assert result.exit_code == 1
    assert "equity.html exists, and this command did not write it" in result.stderr
    assert Path("equity.html").read_text() == "my notes"
    assert run("chart", "equity", traded, "-o", "equity.html").exit_code == 0


def test_a_folder_gets_the_page(run: Run, traded: Path):
    Path("charts").mkdir()
    assert "charts/drawdown.html" in run("chart", "drawdown", traded, "-o", "charts").stdout
    assert Path("charts/drawdown.html").is_file()


def test_underscores_and_capitals_are_understood(run: Run, traded: Path):
    assert run("chart", "Monthly_Returns", traded, "-o", "x.json").exit_code == 0


def test_options_reach_the_chart(run: Run, traded: Path):
    looks = ("--theme", "dark", "--height", 700)
    time = ("--start", "2024-01-03", "--end", "2024-01-05")
    result = run("chart", "equity", traded, "-o", "e.json", *looks, *time, "--json")
    assert json.loads(result.stdout) == {"chart": "equity", "file": "e.json", "nothing_to_draw": None}
    figure = read_figure(Path("e.json"))
    assert figure["layout"]["paper_bgcolor"] == "#14181f"
    assert figure["layout"]["height"] == 700
    assert "2024-01-03 to 2024-01-05" in get_notes(Path("e.json"))


def test_candles_by_the_name_of_their_file(run: Run, traded: Path, tmp_path: Path):
    candles = write_candles(tmp_path, "exchange-COINUSD-1d.csv")
    assert run("chart", "price", traded, "--candles", candles, "-o", "p.json").exit_code == 0
    assert read_figure(Path("p.json"))["data"][1]["type"] == "candlestick"
    assert "recorded" not in get_notes(Path("p.json"))


def test_dates_of_candles_need_an_option_when_no_row_decides(run: Run, traded: Path, tmp_path: Path):
    candles = tmp_path / "COIN-USD.csv"
    make_candles().iloc[:5].to_csv(candles, index_label="date", date_format="%d/%m/%Y")
    result = run("chart", "price", traded, "--candles", candles, "-o", "p.json")
    assert result.exit_code == 1
    assert "--date-format" in result.stderr
    arguments = ("--candles", candles, "--date-format", "day-first", "--time-frame", "1d", "-o", "p.json")
    assert run("chart", "price", traded, *arguments).exit_code == 0
    result = run("chart", "price", traded, "--date-format", "day-first", "-o", "p.json")
    assert result.exit_code == 2
    assert "--date-format" in result.stderr


def test_candles_of_several_pairs(run: Run, traded: Path, tmp_path: Path):
    coin, gold = write_candles(tmp_path, "a.csv"), write_candles(tmp_path, "b.csv", 50)
    both = ("--candles", f"COIN-USD={coin}", "--candles", f"GOLD-USD={gold}")
    assert run("chart", "price", traded, *both, "--pair", "gold", "-o", "p.json").exit_code == 0
    assert get_names(Path("p.json"))[1] == "GOLD-USD"
    assert run("chart", "benchmark", traded, *both, "-o", "b.json").exit_code == 0
    assert get_names(Path("b.json")) == ["Hold 2 pairs", "Hold COIN-USD", "Hold GOLD-USD", "Strategy"]
    result = run("chart", "price", traded, "--candles", coin, "--candles", gold)
    assert result.exit_code == 1
    assert "the candles are of a, b, the pairs of the state are COIN-USD, GOLD-USD" in result.stderr
    assert "--candles PAIR=FILE" in result.stderr


def test_candles_of_one_other_pair_are_taken_and_checked(run: Run, traded: Path, tmp_path: Path):
    candles = write_candles(tmp_path, "WCOIN-USDT.csv")
    assert run("chart", "price", traded, "--candles", candles, "-o", "p.json").exit_code == 0
    assert "right market" not in get_notes(Path("p.json"))
    wrong = write_candles(tmp_path, "OTHER.csv", 5_000)
    assert run("chart", "price", traded, "--candles", wrong, "-o", "p.json").exit_code == 0
    assert "is this the right market?" in get_notes(Path("p.json"))


def test_benchmarks_have_the_names_given(run: Run, traded: Path, tmp_path: Path):
    index = write_candles(tmp_path, "index.csv")
    assert run("chart", "benchmark", traded, "--benchmark", f"World={index}", "-o", "b.json").exit_code == 0
    assert get_names(Path("b.json")) == ["World", "Strategy"]


def test_one_position(run: Run, traded: Path):
    assert run("chart", "position", traded, "--position", 2, "-o", "p.json").exit_code == 0
    assert read_figure(Path("p.json"))["layout"]["title"]["text"] == "<b>Position #2 COIN-USD</b>"
    result = run("chart", "position", traded, "--position", 77)
    assert result.exit_code == 1
    assert "#77" in result.stderr


def test_nothing_to_draw_writes_nothing(run: Run, traded: Path):
    result = run("chart", "interest", traded)
    assert result.exit_code == 1
    assert result.stderr == "Nothing to draw: no credit position has been closed.\n"
    assert not Path("interest.html").exists()
    traded.write_text(make_state().to_json())
    result = run("chart", "equity", traded, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["nothing_to_draw"].startswith("the state has no recorded portfolio values")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--list shows the names"),
        (("equity",), 2, "the state file is missing"),
        (("equty", "state.json"), 1, "Did you mean equity?"),
        (("state.json",), 2, "the state file is missing"),
        (("equity", "other.json"), 1, "there is no file other.json"),
        (("equity", "state.json", "-o", "x.gif"), 1, "Possible are .html, .png"),
        (("equity", "state.json", "-o", "no/x.html"), 1, "there is no folder"),
        (("equity", "state.json", "--theme", "blue"), 2, "blue"),
        (("equity", "state.json", "--start", "2024-02-01", "--end", "2024-01-01"), 2, "before the start"),
        (("equity", "state.json", "--start", "yesterday"), 2, "yesterday"),
        (("price", "state.json", "--pair", "SILVER"), 1, "it has COIN-USD, GOLD-USD"),
        (("price", "state.json", "--candles", "nowhere.csv"), 1, "neither a file nor a data set"),
        (("price", "state.json", "--candles", "us-stocks-daily"), 1, "the pairs of the state are"),
        (("price", "state.json", "--candles", "COIN=us-stocks-daily"), 1, "has 4 pairs, so it cannot be COIN"),
    ],
    ids=str,
)
def test_mistakes_are_told_in_a_line(run: Run, traded: Path, arguments: tuple[str, ...], code: int, message: str):
    result = run("chart", *arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert sorted(path.name for path in Path().iterdir()) == ["state.json"]
