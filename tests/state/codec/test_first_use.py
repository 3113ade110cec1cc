"""The first state that is read, in several threads at the same moment."""

import subprocess
import sys

FIRST_USE = """
import sys, threading
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.state import State
sys.setswitchinterval(1e-6)
state = new_state()
Trader(state).buy(WETH_USDC, "1", 100.0)
text = state.to_json()
barrier, results = threading.Barrier(8), []
def read():
    barrier.wait()
    results.append(State.read_json_blob(text).to_json() == text)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(results == [True] * 8)
"""


def test_threads_read_their_first_state_at_the_same_time():
    """It was a segmentation fault each time, so it has a process of its own."""
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
