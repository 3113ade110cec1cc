"""Metrics in the text format of Prometheus."""

import datetime
import math
from collections.abc import Iterable, Mapping

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import Strategy

__all__ = ["format_metrics"]

_METRICS = {
    "tradeexecutor_up": "Whether the state of the strategy can be read.",
    "tradeexecutor_revision": "Number of the latest save.",
    "tradeexecutor_saved_timestamp_seconds": "Time of the latest save.",
    "tradeexecutor_cycle": "Number of the next decision cycle.",
    "tradeexecutor_net_asset_value_usd": "Net asset value.",
    "tradeexecutor_cash_usd": "Cash.",
    "tradeexecutor_open_positions": "Open positions.",
    "tradeexecutor_frozen_positions": "Frozen positions.",
    "tradeexecutor_closed_positions": "Closed positions.",
}


def format_metrics(site: Site, answers: Mapping[int, int]) -> str:
    """Return all metrics. Reads the disk, so it is called in a thread.

    Parameters
    ----------
    answers
        Number of answers by status.
    """
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in _METRICS}
    for strategy in site.catalogue.list():
        label = f'{{strategy="{strategy.id}"}}'
        for name, value in _measure(strategy):
            values[name].append((label, value))
    lines = [line for name, text in _METRICS.items() for line in _format(name, "gauge", text, values[name])]
    by_status = [(f'{{status="{status}"}}', float(count)) for status, count in sorted(answers.items())]
    lines += _format("tradeexecutor_http_answers_total", "counter", "Answers by status.", by_status)
    kept = [("", float(site.computations.size))]
    lines += _format("tradeexecutor_http_kept_bytes", "gauge", "Memory of kept answers.", kept)
    return "\n".join(lines) + "\n"


def _measure(strategy: Strategy) -> Iterable[tuple[str, float]]:
    try:
        saved = strategy.read()
        state = saved.state
    except (TradeExecutorError, OSError):
        return [("tradeexecutor_up", 0.0)]
    portfolio = state.portfolio
    saved_at = saved.saved_at or datetime.datetime(1970, 1, 1)
    found = {
        "tradeexecutor_up": 1.0,
        "tradeexecutor_revision": saved.snapshot.revision,
        "tradeexecutor_saved_timestamp_seconds": to_epoch(saved_at),
        "tradeexecutor_cycle": state.cycle,
        "tradeexecutor_open_positions": len(portfolio.open_positions),
        "tradeexecutor_frozen_positions": len(portfolio.frozen_positions),
        "tradeexecutor_closed_positions": len(portfolio.closed_positions),
    }
    if portfolio.reserves:
        found["tradeexecutor_cash_usd"] = portfolio.get_cash()
        found["tradeexecutor_net_asset_value_usd"] = portfolio.get_net_asset_value()
    return [(name, float(value)) for name, value in found.items() if math.isfinite(value)]


def _format(name: str, kind: str, text: str, values: Iterable[tuple[str, float]]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(f"{name}{label} {value!r}" for label, value in values)]
