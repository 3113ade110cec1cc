"""The live program of the demo: it trades when it is told to, and can be killed at any time.

It is what ``tradeexecutor start`` runs, except that the time is that of the chain, and that each job is requested by a
line on standard input. After each job a line of JSON on standard output tells what is in the state; see `Report`. The
key is in the environment variable PRIVATE_KEY.
"""

import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import read_chain_file
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.live import connect, make_live_models
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.strategy_module import read_strategy_module

__all__ = ["DECIDE", "TRIGGERS", "Report"]

#: The jobs.
DECIDE, TRIGGERS = "decide", "triggers"

#: Longer than weekends and holidays, on which the recorded market has no prices.
_MAX_DATA_DELAY = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Report:
    """State of the program after a job.

    Attributes
    ----------
    trades
        Number of executed trades.
    flows
        Amounts of all deposits (positive) and redemptions, in order of booking.
    stop_loss
        Level of the stop loss of the open position; None if there is no position or no stop loss.
    is_holding
        Whether a position is open.
    """

    trades: int
    flows: list[float]
    stop_loss: float | None
    is_holding: bool

    @classmethod
    def read(cls, state: State) -> "Report":
        """Return the report about a state."""
        portfolio = state.portfolio
        position = next(iter(portfolio.get_open_positions()), None)
        flows = [update for reserve in portfolio.reserves.values() for update in reserve.balance_updates.values()]
        return cls(
            sum(trade.is_success() for trade in portfolio.get_all_trades()),
            [float(update.quantity) for update in sorted(flows, key=lambda update: update.balance_update_id)],
            None if position is None else position.stop_loss,
            position is not None,
        )


def _say(state: State) -> None:
    sys.stdout.write(json.dumps(asdict(Report.read(state))) + "\n")
    sys.stdout.flush()


def _run(strategy: Path, state_file: Path, chain_file: Path, url: str) -> None:
    module = read_strategy_module(strategy)
    settings = read_chain_file(chain_file)
    connection = connect(settings, [url])
    with JSONFileStore(state_file) as store:
        models = make_live_models(
            settings,
            connection,
            HotWallet.from_environment(),
            store.sync,
            # Nobody competes for a place in a block of this chain: a replacement never makes it faster.
            wait_rules=WaitRules(timeout=120, poll=0.01, max_bumps=0),
        )
        if not state_file.exists():
            state = store.create(module.name or strategy.stem)
            models.sync.sync_initial(state, reserve_assets=[settings.reserve])
            store.sync(state)
        loop = LiveLoop(
            module,
            store,
            models,
            lambda now: settings.load_universe(),
            LiveSettings(cycle=module.cycle_duration or CycleDuration.cycle_1d, max_data_delay=_MAX_DATA_DELAY),
            mode=ExecutionMode.simulated_trading,
            clock=lambda: connection.get_head().timestamp,
        )
        state = loop.start()
        _say(state)
        jobs: dict[str, Callable[[], None]] = {
            DECIDE: loop.decide,
            TRIGGERS: loop.check_triggers,
        }
        for line in sys.stdin:
            jobs[line.strip()]()
            _say(state)


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
