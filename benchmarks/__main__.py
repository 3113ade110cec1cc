"""Run all benchmarks, or those named on the command line."""

import platform
import sys
import timeit
from collections.abc import Callable

from benchmarks import backtest, imports, serialisation, trades

BENCHMARKS: dict[str, Callable[[], None]] = {
    "serialisation": serialisation.run,
    "trades": trades.run,
    "backtest": backtest.run,
    "imports": imports.run,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks; return the exit status."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    loop = min(timeit.repeat("for i in range(100_000): pass", number=1, repeat=20)) * 1e4
    print(f"Python {platform.python_version()} on {platform.machine()}, an empty loop takes {loop:.0f} ns per turn")
    for name in names or BENCHMARKS:
        print(f"\n== {name}")
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
