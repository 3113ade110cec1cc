"""A fleet of paper strategies in accelerated time: are decisions on time, is memory bounded, is nothing lost by a kill?

The fleet is the one of `tradeexecutor fleet`: a process for each strategy, started again when it is killed. The example
strategies decide every four hours, some every hour or every day, on invented prices. A clock that all processes share
makes a month pass in minutes. At regular times one of the processes, the next in turn, is killed.

A decision is *on time* if it was made and saved before the next tick of its strategy. The time for that is real: in a
month that takes eight minutes, an hour is 0.7 s, and that is all the time that all strategies together have for their
decisions of the hour.
"""

import datetime
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.sources import REPOSITORY
from tradeexecutor.backtest.feeds.interface import CandleFeed
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.feeds.series import cut
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.fleet import ACTIVE, FLEET_VARIABLE, Fleet, FleetSettings, Member, MemberReport
from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.market_data import Candles, to_us
from tradeexecutor.strategy.strategy_module import read_strategy_module

__all__ = ["FleetRun", "StrategyResult", "measure", "run"]

#: First decision, and length of a candle.
_START, _HOUR = datetime.datetime(2026, 1, 1), datetime.timedelta(hours=1)

#: Candles before the first decision.
_WARM_UP = 24 * 14

_MARKETS = ("BTC", "ETH", "SOL", "ADA")

#: Example, number of its markets, and the parameters that are counted in candles.
_KINDS: tuple[tuple[str, int, dict[str, int]], ...] = (
    ("trend_following", 1, {"fast": 8, "slow": 24}),
    ("rebalancing", 4, {"volatility_window": 24, "momentum_window": 48}),
    ("mean_reversion", 3, {"trend_window": 100}),
    ("idle_cash_in_credit", 2, {"window": 48}),
    ("momentum_rotation", 4, {"window": 72, "skipped": 4}),
    ("short_downtrend", 1, {"fast": 12, "slow": 48}),
    ("long_short", 4, {"window": 72}),
)

#: Cycles of the strategies, in turn.
_CYCLES = (*[CycleDuration.cycle_4h] * 3, CycleDuration.cycle_1h, *[CycleDuration.cycle_4h] * 3, CycleDuration.cycle_1d)

#: Accelerated time between two readings of the market.
_POLL = datetime.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class FleetRun:
    """Size of a run.

    Attributes
    ----------
    strategies, days
        Number of strategies, and the accelerated time.
    seconds
        The real time in which the days pass, after the processes have started.
    kills
        How many processes are killed.
    start_up
        Real time before the first tick, in which the processes start, seconds.
    """

    strategies: int = 20
    days: int = 30
    seconds: float = 480.0
    kills: int = 20
    start_up: float = 30.0

    @property
    def end(self) -> datetime.datetime:
        """Time of the end, which is no decision."""
        return _START + datetime.timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """What became of a strategy.

    Attributes
    ----------
    name, cycle
        Its name, and the time between its decisions.
    due, made, on_time
        Number of decisions that were due, that were made, and that were made before the next tick.
    usual_delay, longest_delay
        Median and maximum of the real time between a tick and the end of its save, seconds.
    restarts, memory
        Number of restarts, and largest memory of its process, bytes.
    trades, state_size
        Number of trades, and bytes of its state.
    """

    name: str
    cycle: datetime.timedelta
    due: int
    made: int
    on_time: int
    usual_delay: float
    longest_delay: float
    restarts: int
    memory: int
    trades: int
    state_size: int


class _Clock:
    """Accelerated time, the same in all processes: it begins at a moment of the clock of the machine."""

    def __init__(self, begin: float, speed: float):
        self.begin, self.speed = begin, speed

    @staticmethod
    def read(folder: Path) -> "_Clock":
        content = json.loads((folder / "clock.json").read_text(encoding="utf-8"))
        return _Clock(content["begin"], content["speed"])

    def __call__(self) -> datetime.datetime:
        return _START + datetime.timedelta(seconds=(time.time() - self.begin) * self.speed)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)


# --- The markets


class _Markets(CandleFeed):
    """Candles of invented prices, with the one in progress, of which only the open is known."""

    def __init__(self, names: Sequence[str], days: int):
        count = _WARM_UP + 24 * days + 1
        first = to_us(_START - _WARM_UP * _HOUR)
        starts = first + np.arange(count, dtype=np.int64) * (_HOUR // datetime.timedelta(microseconds=1))
        self.candles: dict[str, Candles] = {}
        for name in names:
            random = np.random.default_rng(_MARKETS.index(name))
            close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
            opens = np.r_[100.0, close[:-1]]
            prices = opens, np.maximum(opens, close), np.minimum(opens, close), close
            self.candles[f"{name}-USD"] = Candles(starts, *prices, bucket=_HOUR, source=name)

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        found: dict[str, Candles] = {}
        for name, candles in self.candles.items():
            known = cut(candles, now)
            assert known is not None, "the warm-up is over"
            columns = [known.get_column(column).copy() for column in ("open", "high", "low", "close")]
            for column in columns[1:]:
                column[-1] = columns[0][-1]
            found[name] = Candles(known.starts, *columns, bucket=_HOUR, source=name)
        return found


# --- One strategy


def _describe(number: int) -> tuple[str, tuple[str, ...], CycleDuration, dict[str, int]]:
    """Return example, markets, cycle and parameters of a strategy."""
    example, count, parameters = _KINDS[number % len(_KINDS)]
    turn = number // len(_KINDS)
    markets = tuple(_MARKETS[(turn + index) % len(_MARKETS)] for index in range(count))
    return example, markets, _CYCLES[number % len(_CYCLES)], parameters


def _name(number: int) -> str:
    return f"{_describe(number)[0]}-{number}"


def _trade(folder: Path, number: int, end: datetime.datetime) -> None:
    """Trade on paper until a time; the program of a process."""
    example, markets, cycle, parameters = _describe(number)
    clock, name = _Clock.read(folder), _name(number)
    fleet = os.environ[FLEET_VARIABLE]
    module = read_strategy_module(REPOSITORY / "examples" / f"{example}.py")
    module.apply_parameters({"cycle_duration": cycle, **parameters})
    path, last = folder / f"{name}.json", end - cycle.to_timedelta()
    feed = _Markets(markets, (end - _START).days)
    settings = PaperSettings(cycle, poll=_POLL, max_data_delay=None)
    started: list[State] = []
    with JSONFileStore(path, backups=None) as store, (folder / f"{name}.log").open("a", encoding="utf-8") as log:
        if not path.exists():
            create_paper_state(store, name, Decimal(100_000), _START, cycle)

        def note(job: str, error: Exception | None) -> None:
            (state,) = started
            if error is None and state.last_cycle_at is not None:
                print((state.last_cycle_at - _START).total_seconds(), (clock() - _START).total_seconds(), file=log)
                log.flush()

        def should_stop() -> bool:
            is_done = bool(started) and started[0].last_cycle_at is not None and started[0].last_cycle_at >= last
            return is_done or str(os.getppid()) != fleet

        loop = PaperLoop(module, store, GrowingMarket(feed), settings, name, clock, clock.wait)
        loop.on_start, loop.on_job, loop.should_stop = started.append, note, should_stop
        loop.run()


# --- The fleet


class _Watch:
    """Remembers the memory of the processes and what they print, and kills some."""

    def __init__(self, run: FleetRun, clock: _Clock):
        self.run, self.clock = run, clock
        self.memory: dict[str, int] = {}
        self.lines: dict[str, list[str]] = {}
        self.reports: list[MemberReport] = []
        self.kills = 0
        self.is_over = threading.Event()

    def note(self, reports: list[MemberReport]) -> None:
        self.reports = reports
        for report in reports:
            self.memory[report.name] = max(self.memory.get(report.name, 0), report.memory or 0)

    def note_line(self, name: str, line: str) -> None:
        self.lines.setdefault(name, []).append(line)

    def work(self) -> None:
        """Kill processes until the fleet has ended; the program of a thread."""
        while not self.is_over.wait(0.02):
            share = (self.clock() - _START) / (self.run.end - _START)
            # The last one is killed when a tenth of the time is left.
            if self.kills < min(int(self.run.kills * share / 0.9), self.run.kills):
                self._kill(self.kills % self.run.strategies)

    def _kill(self, number: int) -> None:
        self.kills += 1
        report = next((item for item in self.reports if item.name == _name(number)), None)
        if report is not None and report.pid is not None and report.status in ACTIVE:
            os.kill(report.pid, signal.SIGKILL)


def measure(run: FleetRun, folder: Path) -> list[StrategyResult]:
    """Run a fleet and return what became of each strategy.

    Raises
    ------
    RuntimeError
        A strategy did not make its decisions, or made one twice, or its books do not add up.
    """
    begin = time.time() + run.start_up
    clock = _Clock(begin, run.days * 86_400 / run.seconds)
    (folder / "clock.json").write_text(json.dumps({"begin": begin, "speed": clock.speed}), encoding="utf-8")
    watch = _Watch(run, clock)
    program = (sys.executable, "-m", "benchmarks.fleet", str(folder))
    members = [
        Member(_name(number), (*program, str(number), run.end.isoformat()), REPOSITORY)
        for number in range(run.strategies)
    ]
    settings = FleetSettings(first_pause=0.1, longest_pause=1.0, stop_timeout=30.0)
    fleet = Fleet(members, settings, on_line=watch.note_line, on_report=watch.note)
    thread = threading.Thread(target=watch.work, daemon=True)
    # Whatever happens: the fleet is stopped some time after it should have ended.
    limit = threading.Timer(run.start_up + 2 * run.seconds + 120.0, fleet.stop)
    limit.daemon = True
    thread.start()
    limit.start()
    try:
        reports = fleet.run()
    finally:
        watch.is_over.set()
        limit.cancel()
        thread.join()
    return [_judge(run, folder, watch, number, report) for number, report in enumerate(reports)]


def _judge(run: FleetRun, folder: Path, watch: _Watch, number: int, report: MemberReport) -> StrategyResult:
    cycle = _describe(number)[2].to_timedelta()
    state = State.read_json_file(folder / f"{report.name}.json")
    due = int(datetime.timedelta(days=run.days) / cycle)
    made = sorted(state.uptime.cycles_completed_at.values())
    if made != [_START + turn * cycle for turn in range(due)]:
        said = "\n".join(watch.lines.get(report.name, ())[-20:])
        raise RuntimeError(f"{report.name} made {len(made)} decisions of {due}, {report.status}:\n{said}")
    if not prove(state).is_balanced:
        raise RuntimeError(f"the books of {report.name} do not add up")
    lines = (folder / f"{report.name}.log").read_text(encoding="utf-8").splitlines()
    delays = {float(tick): float(now) - float(tick) for tick, now in map(str.split, lines)}
    # A process that was killed between its save and its line has no line; that decision counts as late.
    real = np.array(list(delays.values())) / watch.clock.speed
    return StrategyResult(
        name=report.name,
        cycle=cycle,
        due=due,
        made=len(made),
        on_time=sum(delay < cycle.total_seconds() for delay in delays.values()),
        usual_delay=float(np.median(real)),
        longest_delay=float(real.max()),
        restarts=report.restarts,
        memory=watch.memory[report.name],
        trades=len(list(state.portfolio.get_all_trades())),
        state_size=(folder / f"{report.name}.json").stat().st_size,
    )


def run(size: FleetRun | None = None) -> None:
    """Run a fleet and print a table."""
    size = size or FleetRun()
    hour = size.seconds / size.days / 24
    print(f"{size.strategies} strategies, {size.days} days in {size.seconds:g} s: an hour is {hour:.2f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        begin = os.times()
        results = measure(size, Path(folder))
        spent = os.times().children_user + os.times().children_system - begin.children_user - begin.children_system
    print(
        "strategy                 cycle   due  made  on time  delay (s) usual longest  restarts     MB  trades     kB"
    )
    for item in results:
        hours, megabytes, kilobytes = item.cycle.total_seconds() / 3600, item.memory / 1e6, item.state_size / 1e3
        print(
            f"{item.name:24} {hours:4.0f}h {item.due:5} {item.made:5} {item.on_time:8} {item.usual_delay:15.2f} "
            f"{item.longest_delay:7.2f} {item.restarts:9} {megabytes:6.0f} {item.trades:7} {kilobytes:6.0f}"
        )
    due, on_time = sum(item.due for item in results), sum(item.on_time for item in results)
    restarts, memory = sum(item.restarts for item in results), max(item.memory for item in results) / 1e6
    print(
        f"all: {due:,} decisions, each made once; {on_time / due:.1%} on time; {restarts} restarts; {memory:.0f} MB at "
        f"most; {spent / due * 1e3:.0f} ms of processor time for each, with starts and readings of the market"
    )


def _main(words: Sequence[str]) -> None:
    folder, number, end = words
    _trade(Path(folder), int(number), datetime.datetime.fromisoformat(end))


if __name__ == "__main__":
    _main(sys.argv[1:])
