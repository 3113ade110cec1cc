"""One strategy file in a backtest, on paper and with real money on a local chain: the same decisions, the same tree.

What may differ is listed here by name, with its reason; docs/three-ways.md explains it.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ethereum.three_ways import CASH, DAY, FEE, HOUR, LiveMarket, Scenario
from tests.kit.markets import START, Bar
from tests.kit.soak import SOAK
from tests.support import REPOSITORY
from tradeexecutor.analysis.compare.attribution import attribute_difference
from tradeexecutor.analysis.compare.causes import Cause
from tradeexecutor.analysis.compare.states import compare_states
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.state import State

#: Candles of each strategy; `make soak-live` has more.
DAYS = {"levels": 9, "rebalancing": 13, "credit": 13, "short": 13}

EXAMPLES = REPOSITORY / "examples"

LEVELS = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    slippage_tolerance = 0.02


def decide_trades(input):
    manager = input.get_position_manager()
    if manager.is_any_open():
        return []
    return manager.open_spot(input.get_default_pair(), 5_000, stop_loss_pct=0.97, take_profit_pct=1.02)
"""


def make_bars(seed: int, days: int) -> list[Bar]:
    """Candles without wicks, whose high and low are open and close.

    They are shorter than the distance of a trailing stop loss: in longer ones a backtest assumes that the price came
    back, because it does not know when the extremes were.
    """
    moves = np.clip(np.random.default_rng(seed).normal(0, 0.02, days), -0.04, 0.04)
    prices = (100 * np.exp(np.r_[0.0, np.cumsum(moves)])).tolist()
    return [(open, max(open, close), min(open, close), close) for open, close in itertools.pairwise(prices)]


@pytest.fixture(params=DAYS)
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    return make_scenario(request.param, tmp_path, DAYS[request.param] if SOAK == 1 else 24)


def make_scenario(name: str, folder: Path, days: int) -> Scenario:
    two = {"BTC": make_bars(1, days), "ETH": make_bars(2, days)}
    if name == "levels":
        (folder / "levels.py").write_text(LEVELS)
        return Scenario(folder / "levels.py", {}, {"BTC": make_bars(6, days)}, START + 2 * DAY)
    if name == "rebalancing":
        windows = {"volatility_window": 4, "momentum_window": 4}
        return Scenario(EXAMPLES / "rebalancing.py", windows, two, START + 6 * DAY)
    if name == "credit":
        return Scenario(EXAMPLES / "idle_cash_in_credit.py", {"window": 4}, two, START + 5 * DAY, has_lending=True)
    chosen = {"fast": 2, "slow": 4, "trailing_stop_loss": 0.95}
    bars = {"BTC": make_bars(147, days)}
    return Scenario(EXAMPLES / "short_downtrend.py", chosen, bars, START + 9 * DAY, has_lending=True)


@pytest.fixture
def market(scenario: Scenario, tmp_path: Path) -> Iterator[LiveMarket]:
    try:
        chain = DevChain(start_at=scenario.start - 2 * HOUR)
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    with chain:
        yield LiveMarket(chain, scenario, tmp_path)


# --- What may differ

#: Names of a chain, and of what is on it.
_IDENTITY = "chain_id address internal_id pool_address exchange_address exchange_name reverse_token_order".split()

#: Transactions, blocks and gas, which only a chain has.
_CHAIN = (
    "blockchain_transactions block_number last_updated_block_number cost_of_gas native_token_price token_in token_out "
    "deployment last_block_scanned last_sync_block scanned_blocks tx_hash log_index"
).split()

#: Times by the clock of the machine.
_CLOCK = "broadcasted_at last_updated_at cycles_completed_at"

#: What only one of them records: valuations and levels at every look, the range of prices within a position, the copy
#: of positions in the last distribution of interest, and what a program notes about its own run.
_RECORDS = (
    "name created_at backtest_data other_data valuation_updates trigger_updates long_short_metrics_latest "
    "market_feed_delay last_distribution stats_refresh_completed initialised_at last_cycle_at"
).split()

#: What is recorded at each look at levels and loans, which a program does more often than a candle ends.
_LOOKS = ["balance_updates", "next_balance_update_id", "stats.portfolio"]

_SKIPPED = {*_IDENTITY, *_CHAIN, *_CLOCK.split(), *_RECORDS}

#: Figures of dashboards, which a backtest leaves out of its samples.
_DASHBOARD = (
    "unrealised_profitability open_position_count frozen_position_count frozen_position_equity closed_position_count "
    "unrealised_profit_usd realised_profit_usd first_trade_at last_trade_at summary"
).split()

#: Largest relative difference of a number, of a fee, and of what depends on the value of a short: a backtest values its
#: debt at the sell price, as recorded files do, and a live strategy at what it costs, which is two fees more.
_CLOSE, _CLOSE_FEE, _CLOSE_SHORT = 4e-3, 5e-3, 2e-2
_OF_SHORTS = (
    "value value_at_open value_at_max total_equity net_asset_value open_position_equity portfolio_value_at_creation "
    "last_token_price underlying_price last_usd_price usd_value stop_loss"
).split()


def find_differences(a: Any, b: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the places at which the tree of a backtest and another differ beyond a difference of prices."""
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = ({_rename(key): value for key, value in tree.items()} for tree in (a, b))
        for key in (*a, *(key for key in b if key not in a)):
            if key not in _SKIPPED and not (key in _DASHBOARD and not a.get(key)):
                yield from find_differences(a.get(key), b.get(key), (*place, key))
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{'.'.join(place)}: {len(a)} and {len(b)} entries"
        for number, (x, y) in enumerate(zip(a, b, strict=False)):
            yield from find_differences(x, y, (*place, str(number)))
    elif a != b and not _is_close(a, b, place):
        yield f"{'.'.join(place)}: {a!r} and {b!r}"


def _rename(key: str) -> str:
    """Return a key without an address."""
    return "token" if "-0x" in key else key


def _is_close(a: Any, b: Any, place: tuple[str, ...]) -> bool:
    try:
        x, y = float(a), float(b)
    except ValueError:
        return re.sub(r"[\d.]+", "1", a) == re.sub(r"[\d.]+", "1", b)  # prices in a sentence
    except TypeError:
        return False
    name = next(key for key in reversed(place) if not key.isdigit())
    if name.endswith("_at"):
        return abs(x - y) <= DAY.total_seconds()
    if "profit" in name:  # small numbers, which are differences of large ones
        return abs(x - y) <= _CLOSE_SHORT * (CASH if name.endswith("usd") else 1)
    relative = _CLOSE_FEE if name.startswith("lp_fee") else _CLOSE_SHORT if name in _OF_SHORTS else _CLOSE
    # On a chain a loan bears interest for the seconds between a decision and its block, some units of the asset.
    return math.isclose(x, y, rel_tol=relative, abs_tol=5e-6 if name.endswith("accrued_interest") else 1e-6)


#: Causes of a difference in money that come from prices, and from seconds of interest.
OF_PRICES = {Cause.price, Cause.slippage, Cause.fees, Cause.timing, Cause.size, Cause.valuation, Cause.interest}


def load_tree(state: State) -> dict[str, Any]:
    return json.loads(state.to_json_safe())


# --- The test


@pytest.mark.slow
@pytest.mark.timeout(300 if SOAK == 1 else 3_600)
def test_a_strategy_does_the_same_in_a_backtest_on_paper_and_on_a_chain(market: LiveMarket, tmp_path: Path):
    scenario = market.scenario
    live = market.run()
    backtest, paper = scenario.run_backtest(), scenario.run_paper(tmp_path / "paper.json")
    assert compare_states(backtest, paper).is_equal
    assert list(find_differences(load_tree(backtest), load_tree(paper))) == []
    assert len(list(live.portfolio.get_all_trades())) >= 2
    differences = find_differences(load_tree(backtest), load_tree(live))
    has_levels = any(p.stop_loss or p.take_profit for p in live.portfolio.get_all_positions())
    looks = _LOOKS if has_levels or scenario.has_lending else []
    assert [text for text in differences if not any(name in text for name in looks)] == []
    parts = attribute_difference(backtest, live, DAY)
    assert [part for part in parts.parts if part.cause not in OF_PRICES and abs(part.amount) > 0.01] == []
    # The debt of a short that is open at the end, which costs two fees more than a backtest says.
    valuation = parts.get_part(Cause.valuation).amount
    assert abs(valuation) < 2.1 * FEE * CASH
    assert abs(parts.difference - valuation) < CASH / 1_000
    for state in (backtest, paper, live):
        assert not prove(state).get_findings(Verdict.mismatch)
    wallet = market.wallet.address
    cash = live.portfolio.get_reserve_position(market.usdc).quantity
    assert cash == market.chain.get_balance(market.usdc, wallet)
