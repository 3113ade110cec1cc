"""Random trading in every kind of instrument: after every step all money is accounted for, exactly.

The number of examples comes from the environment variable ``SOAK``: ``make soak`` runs a hundred times as many.
"""

import pytest

from tests.kit.soak import SOAK
from tests.kit.trading_machine import Trading


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
class TestTrading(Trading.TestCase):
    pass
