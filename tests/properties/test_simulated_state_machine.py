"""Random decisions of every kind through the position manager and the simulator: after every step all money is there.

The number of examples comes from the environment variable ``SOAK``: ``make soak`` runs a hundred times as many.
"""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.kit.simulated_machine import SETTINGS, Simulated
from tests.kit.soak import SOAK


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
def test_random_decisions_of_every_kind():
    Simulated.seen.clear()
    run_state_machine_as_test(Simulated, settings=SETTINGS)
    missing = {
        "async vault", "cctp_bridge", "credit_supply", "funding", "lending_protocol_long", "lending_protocol_short",
        "late credit_supply", "late lending_protocol_long", "late lending_protocol_short", "late spot_market_hold",
        "level on its way", "liquidation", "lost transfer", "refused", "resting exit of a long",
        "resting exit of a short", "resting long", "resting order", "resting short", "spot_market_hold",
        "stop loss of a long", "stop loss of a short", "trade on another chain", "transfer back", "transfer on its way",
        "vault", "waiting request",
    } - {name for name, number in Simulated.seen.items() if number}  # fmt: skip
    assert not missing, f"the machine never tried {missing}"
