"""``tradeexecutor demo-live``."""

import importlib.util
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.commands.audit import audit
from tradeexecutor.cli.commands.check_accounts import check_accounts
from tradeexecutor.cli.commands.compare import compare
from tradeexecutor.cli.example_files import find_example
from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.output import print_command, print_heading, print_line, print_next_steps, print_problem

EXAMPLES = (
    "tradeexecutor demo-live",
    "tradeexecutor demo-live --output /tmp/demo-live",
)

#: The live program decides at the open of a candle, a backtest books a stop loss at the end of the candle; between the
#: two there may be a holiday.
_TIME_TOLERANCE = "4d"

#: The pool is quoted by the exchange, and the stop loss is noticed slightly below its level.
_PRICE_TOLERANCE = "0.5%"


def demo_live(
    *,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the results; those of an earlier demo are replaced.")
    ] = Path("backtests/demo-live"),
) -> None:
    """Trade live on a chain of this machine, through a crash and a reorganisation.

    A pool on a local chain is moved along recorded prices of Google shares, and
    the example strategy trades with it as `tradeexecutor start` does. Money is
    deposited and redeemed. A reorganisation removes a deposit that was booked, and
    the program is killed while its transaction waits for a block. At the end the
    books are proven, compared with the chain, and compared with a backtest of the
    same prices.

    The first run installs the chain with npm. Where that is not possible, the
    reason is printed, and nothing is done. No other network is used, and no real
    money.
    """
    if importlib.util.find_spec("web3") is None:
        raise CommandFailed("the local chain needs more packages", 'pip install "tradeexecutor[devchain]"')
    from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable, install_packages
    from tradeexecutor.operations.demo_live import open_live_demo

    strategy = find_example("trend_following.py")
    print_line("Installing the local chain, unless it is there already ...")
    started = time.monotonic()
    try:
        install_packages()
    except DevChainUnavailable as error:
        print_problem(f"Skipped: {error}", "yellow")
        return
    _make_empty(output)
    print_heading(f"Live: {strategy.name}, April to October 2006")
    try:
        with open_live_demo(strategy, output, print_line) as demo:
            demo.replay()
            is_clean = _check(demo.state_file, demo.chain_file, demo.chain.anvil.url)
            print_heading("The same strategy in a backtest of the same prices")
            demo.run_backtest()
    except DevChainUnavailable as error:
        print_problem(f"Skipped: {error}", "yellow")
        return
    is_clean &= _run(
        f"compare {demo.backtest_file} {demo.state_file} --time-tolerance {_TIME_TOLERANCE} "
        f"--price-tolerance {_PRICE_TOLERANCE}",
        lambda: compare(
            demo.backtest_file,
            demo.state_file,
            time_tolerance=_TIME_TOLERANCE,
            price_tolerance=_PRICE_TOLERANCE,
        ),
    )
    _print_end(demo.state_file, time.monotonic() - started, is_clean=is_clean)
    if not is_clean:
        raise typer.Exit(EXIT_FAILURE)


def _make_empty(folder: Path) -> None:
    """Empty the folder of an earlier demo; another folder is refused unless it is empty."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "chain.json").exists():
            raise CommandFailed(f"{folder} is not empty, and not of an earlier demo", "choose another --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _check(state_file: Path, chain_file: Path, url: str) -> bool:
    """Prove the books, and compare them with the chain; return True if both are right."""
    print_heading("Do the books add up, and do they agree with the chain?")
    is_proven = _run(f"audit {state_file}", lambda: audit(state_file))
    is_equal = _run(
        f"check-accounts {state_file} --chain {chain_file} --rpc {url}",
        lambda: check_accounts(state_file, chain=chain_file, rpc=[url]),
    )
    return is_proven and is_equal


def _run(text: str, command: Callable[[], None]) -> bool:
    """Show a command and run it; return True if its exit code is 0."""
    print_command(f"tradeexecutor {text}")
    try:
        command()
    except typer.Exit as end:
        return end.exit_code == 0
    finally:
        print_line()
    return True


def _print_end(state_file: Path, seconds: float, *, is_clean: bool) -> None:
    if is_clean:
        print_line(f"Everything agrees, after {seconds:.0f} seconds.", "bold green")
    else:
        print_problem(f"Something does not agree, see above ({seconds:.0f} seconds).")
    state = shlex.quote(str(state_file))
    print_next_steps(
        {
            "Trades and their transactions": f"tradeexecutor show-positions {state} --position-type all",
            "Everything on one page": f"tradeexecutor report {state} -o report.html",
            "Trade with real money": "tradeexecutor start --help",
        }
    )
