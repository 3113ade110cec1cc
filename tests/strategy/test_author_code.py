"""What the author of a strategy may not do: end the program, or come back twice."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from tradeexecutor.strategy.author_code import StrategyExited, call_author_code


def test_arguments_and_result_are_handed_on():
    assert call_author_code(divmod, 7, 2) == (3, 1)
    assert call_author_code(sorted, [1, 2], reverse=True) == [2, 1]


@pytest.mark.parametrize(("code", "shown"), [(None, ""), (0, "0"), ("why", "'why'")])
def test_ending_the_program_is_an_error(code: object, shown: str):
    with pytest.raises(StrategyExited, match=rf"sys\.exit\({shown}\)"):
        call_author_code(sys.exit, code)


def test_the_user_may_interrupt():
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_author_code(interrupt)


PROGRAM = """
import os, sys
from tradeexecutor.strategy.author_code import call_author_code

def decide():
    child = os.fork()
    if child == 0 and {ending!r} == "exit":
        sys.exit(0)
    if child == 0 and {ending!r} == "error":
        raise ValueError
    return child

try:
    child = call_author_code(decide)
    _, status = os.waitpid(child, 0)
    print("returned", os.waitstatus_to_exitcode(status), flush=True)
finally:
    print("cleaned up", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("ending", ["return", "exit", "error"])
def test_a_forked_process_does_not_come_back(ending: str):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ending=ending)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "returned 1\ncleaned up\n"
    assert done.stderr.count("Error: the strategy forked") == 1
    assert done.returncode == 0


def _square(number: int) -> int:
    return number * number


def test_worker_processes_are_allowed():
    def decide() -> list[int]:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(_square, [1, 2, 3])

    assert call_author_code(decide) == [1, 4, 9]
