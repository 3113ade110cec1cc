"""How objects look in a notebook: bounded, escaped, and whatever state they are in."""

import datetime
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state
from tradeexecutor.state.display.html_repr import MAX_ROWS
from tradeexecutor.state.state import State


class Reader(HTMLParser):
    """Collects the tags and texts of a page, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def test_every_object_of_every_real_state_has_a_table(state_file: Path):
    state = State.read_json_file(state_file)
    positions = [position for table in state.portfolio.get_position_tables() for position in table.values()]
    for item in (state, state.portfolio, *positions):
        reader = read(item._repr_html_())
        assert "table" in reader.tags
        assert set(reader.tags) <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_new_state_shows_what_there_is():
    texts = read(State(name="fresh")._repr_html_()).texts
    assert "fresh" in texts
    assert "0 open, 0 frozen, 0 pending, 0 closed" in texts


def test_a_portfolio_shows_cash_value_and_positions():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_open(state, 100.0, START + 2 * DAY, price_now=125.0)
    texts = read(state.portfolio._repr_html_()).texts
    assert "1,035.00 USD" in texts
    assert "910 USD" in texts
    assert texts.count("COIN-USD") == 2
    assert "25.00 %" in texts
    assert "10.00 %" in texts


def test_a_position_shows_its_trades():
    state = make_state()
    position = add_closed(state, 100.0, 110.0, START, 1)
    texts = read(position._repr_html_()).texts
    assert "Position #1 COIN-USD" in texts
    assert "2024-01-02 00:00, after 1 d" in texts
    assert texts.count("buy") == texts.count("sell") == 1


def test_names_from_a_file_are_text():
    state = make_state()
    state.name = "<script>alert(1)</script>"
    add_open(state, 100.0, START)
    pair = next(iter(state.portfolio.open_positions.values())).pair
    symbol = pair.base.token_symbol
    pair.base.token_symbol = '"><img src=x onerror=alert(1)>'
    try:
        for item in (state, *state.portfolio.open_positions.values()):
            reader = read(item._repr_html_())
            assert not {"script", "img"} & set(reader.tags)
            assert '"><img src=x onerror=alert(1)>-USD' in "".join(reader.texts)
    finally:
        pair.base.token_symbol = symbol  # shared by all tests


def test_rows_are_bounded_and_what_is_left_out_is_said():
    state = make_state(10**9)
    for number in range(30):
        add_closed(state, 100.0, 110.0, START + number * DAY, 0.5)
    page = state._repr_html_()
    assert f"the latest {MAX_ROWS} of 30" in page
    assert len(re.findall("COIN-USD", page)) == MAX_ROWS
    assert "2024-01-30 00:00" in page


@pytest.mark.slow
def test_a_long_history_costs_no_more_than_a_short_one():
    def measure(positions: int) -> float:
        state = make_state(10**9)
        for number in range(positions):
            add_closed(state, 100.0, 110.0, START + number * datetime.timedelta(hours=1), 0.01)
        state._repr_html_()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            state._repr_html_()
            times.append(time.perf_counter() - start)
        return min(times)

    assert measure(2_000) < 20 * measure(MAX_ROWS)
