"""Runs of one workload, on an executor: known ones are read from a journal, new ones are computed and recorded."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, make_module, make_universe
from tradeexecutor.research.executors import RunExecutor
from tradeexecutor.research.journal import RunJournal
from tradeexecutor.research.run_figures import Objective
from tradeexecutor.research.run_key import (
    fingerprint_engine,
    fingerprint_file,
    fingerprint_function,
    fingerprint_universe,
    make_key,
)
from tradeexecutor.research.samplers import RunSampler
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["Period", "RunQueue"]

#: First decision (inclusive) and end (exclusive), naive UTC; None for those of the workload.
Period = tuple[datetime.datetime | None, datetime.datetime | None]


@dataclass(slots=True)
class RunQueue:
    """Computes runs of a workload.

    Attributes
    ----------
    workload, executor
        What to run, and where.
    journal
        Where finished runs are recorded; None records none.
    ignores_known
        Whether to compute runs again that the journal has.
    known
        Number of rows that were not computed, because the journal had them.
    """

    workload: Workload
    executor: RunExecutor
    journal: RunJournal | None = None
    ignores_known: bool = False
    known: int = 0
    _shared: dict[str, object] = field(init=False)
    #: Digests of universes by identity; the universes are kept, so that no other gets their identity.
    _digests: dict[int, tuple[TradingStrategyUniverse, str]] = field(
        default_factory=dict[int, tuple[TradingStrategyUniverse, str]]
    )

    def __post_init__(self) -> None:
        self._shared = _describe_workload(self.workload)

    def run(
        self,
        sampler: RunSampler,
        period: Period = (None, None),
        *,
        accepts: Callable[[RunResult], bool] = lambda row: not row.is_failed,
        on_row: Callable[[RunResult], None] | None = None,
    ) -> list[RunResult]:
        """Run what a sampler chooses, and return the rows by number.

        Parameters
        ----------
        period
            Period of the backtests.
        accepts
            Tells whether a row meets the requirements.
        on_row
            Called with each row as it is completed.
        """
        rows: list[RunResult] = []
        # A sampler that uses results chooses when a worker is free; others keep the workers busy meanwhile.
        limit = self.executor.jobs * (1 if sampler.learns else 2)
        pending: dict[int, RunRequest] = {}
        keys: dict[int, str] = {}
        number, has_more = 0, True

        def complete(row: RunResult) -> None:
            rows.append(row)
            sampler.tell(row, is_accepted=accepts(row))
            if on_row is not None:
                on_row(row)

        while has_more or pending:
            while has_more and len(pending) < limit:
                parameters = sampler.ask()
                if parameters is None:
                    has_more = False
                    break
                number += 1
                request = RunRequest(number, parameters, *period)
                key = keys[number] = self.make_key(request)
                row = self._find(key, request)
                if row is not None:
                    complete(row)
                    continue
                pending[number] = request
                self.executor.submit(request)
            if pending:
                row = self.executor.get_completed()
                request = pending.pop(row.number)
                complete(self._record(row, keys[row.number], request))
        return sorted(rows, key=lambda row: row.number)

    def run_all(self, requests: list[RunRequest]) -> list[RunResult]:
        """Return the rows of requests, which have different numbers, in their order."""
        rows: dict[int, RunResult] = {}
        keys = {request.number: self.make_key(request) for request in requests}
        by_number = {request.number: request for request in requests}
        for request in requests:
            row = None if request.wants_state else self._find(keys[request.number], request)
            if row is None:
                self.executor.submit(request)
            else:
                rows[request.number] = row
        while len(rows) < len(requests):
            row = self.executor.get_completed()
            rows[row.number] = self._record(row, keys[row.number], by_number[row.number])
        return [rows[request.number] for request in requests]

    def _find(self, key: str, request: RunRequest) -> RunResult | None:
        if not key or self.journal is None or self.ignores_known:
            return None
        row = self.journal.find(key, request)
        self.known += row is not None
        return row

    def _record(self, row: RunResult, key: str, request: RunRequest) -> RunResult:
        # The parameters of the request itself: a sampler finds its choice by them.
        row = dataclasses.replace(row, key=key, parameters=request.parameters)
        if key and self.journal is not None:
            self.journal.append(row)
        return row

    # --- Keys

    def make_key(self, request: RunRequest) -> str:
        """Return the key of a run; empty if its market data cannot be made, which the run will report."""
        universe = self.workload.universe
        if universe is None:
            try:
                module = make_module(self.workload, request.parameters)
                universe = make_universe(self.workload, module)
            except Exception:  # of the code of the strategy: anything
                return ""
        options = self.workload.options
        parts = {
            "data": self._fingerprint(universe),
            "parameters": _describe_values({**self.workload.parameters, **request.parameters}),
            "period": (request.start_at or options.start_at, request.end_at or options.end_at),
        }
        return make_key(self._shared | parts)

    def _fingerprint(self, universe: TradingStrategyUniverse) -> str:
        found = self._digests.get(id(universe))
        if found is None:
            found = self._digests[id(universe)] = (universe, fingerprint_universe(universe))
        return found[1]


def _describe_values(values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((name, type(value).__name__, repr(value)) for name, value in values.items())


def _describe_workload(workload: Workload) -> dict[str, object]:
    """Return the parts of a key that all runs share."""
    strategy = workload.strategy
    settings = {
        item.name: _describe_setting(getattr(workload.options, item.name))
        for item in dataclasses.fields(workload.options)
        if item.name not in ("progress", "optimiser", "start_at", "end_at")
    }
    return {
        "engine": fingerprint_engine(),
        "code": _describe_module(strategy) if isinstance(strategy, StrategyModule) else fingerprint_file(strategy),
        "settings": sorted(settings.items()),
        "fee": workload.fee,
        "cycle": workload.cycle_duration,
        "objectives": [_describe_objective(item) for item in workload.objectives],
    }


def _describe_setting(value: object) -> str:
    return fingerprint_function(value) if callable(value) and hasattr(value, "__code__") else repr(value)


def _describe_objective(objective: Objective) -> tuple[str, str]:
    function = objective.function
    return (objective.name, "" if function is None else fingerprint_function(function))


def _describe_module(module: StrategyModule) -> list[tuple[str, str]]:
    return [(item.name, _describe_setting(getattr(module, item.name))) for item in dataclasses.fields(module)]
