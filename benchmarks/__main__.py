"""Run all benchmarks, or those named on the command line."""

import argparse
import platform
import sys
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import (
    against,
    backtest,
    charts,
    cycle,
    dashboard,
    fleet,
    history,
    imports,
    live,
    optimise,
    report,
    saves,
    serialisation,
    statistics,
    stores,
    threads,
    trades,
    web,
)


def main(arguments: list[str]) -> int:
    """Run the named benchmarks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run: serialisation, trades, history, ...")
    parser.add_argument(
        "--trades", type=int, default=100_000, help="longest history of `trades`; 1,000,000 takes minutes and 3 GB"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="print ratios to another checkout; names: files trades backtest pairs",
    )
    parser.add_argument("--cycles", type=int, default=1_000, help="cycles of `live`; 10,000 take hours")
    parser.add_argument("--store", choices=live.STORES, help="run `live` with this store only; both by default")
    parser.add_argument("--positions", type=int, default=100_000, help="closed positions of `dashboard`")
    parser.add_argument("--turns", type=int, default=6, help="processes of each checkout with --against")
    options = parser.parse_args(arguments)
    benchmarks: dict[str, Callable[[], None]] = {
        "serialisation": serialisation.run,
        "saves": saves.run,
        "cycle": cycle.run,
        "trades": partial(trades.run, options.trades),
        "history": history.run,
        "charts": charts.run,
        "statistics": statistics.run,
        "stores": stores.run,
        "threads": threads.run,
        "report": report.run,
        "backtest": backtest.run,
        "optimise": optimise.run,
        "web": web.run,
        "dashboard": partial(dashboard.run, options.positions),
        "live": partial(live.run, options.cycles, [options.store] if options.store else live.STORES),
        "fleet": fleet.run,
        "imports": imports.run,
    }
    known: list[str] = list(benchmarks) if options.against is None else list(against.KINDS)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    loop = min(timeit.repeat("for i in range(100_000): pass", number=1, repeat=20)) * 1e4
    print(f"Python {platform.python_version()} on {platform.machine()}, an empty loop takes {loop:.0f} ns per turn")
    if options.against is not None:
        against.run(options.against.resolve(), options.names or known, options.turns)
        return 0
    for name in options.names or benchmarks:
        print(f"\n== {name}")
        benchmarks[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
