"""The lending pool of a chain: what it refuses."""

import pytest

from tests.kit.trader import A_USDC, WETH_USDC
from tradeexecutor.ethereum.lending import AaveLending
from tradeexecutor.state.errors import UnsupportedPairKind


def test_a_leveraged_long_is_refused_on_a_chain():
    pool = AaveLending(pool="0x1", collateral=A_USDC, debts={})
    with pytest.raises(UnsupportedPairKind, match="leveraged longs are simulated, not traded on a chain"):
        pool.make_long_pair(WETH_USDC)
