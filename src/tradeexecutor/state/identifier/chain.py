"""Chain numbers for `Deployment.chain_id`.

Every other ``chain_id`` in the state is a plain integer that is not checked against this list.
"""

from tradeexecutor.state.types import StateIntEnum


class ChainId(StateIntEnum):
    """EVM chain ids, and negative or other unused numbers for venues that are not chains."""

    ethereum = 1
    bsc = 56
    binance = 56
    polygon = 137
    avalanche = 43114
    arbitrum = 42161
    base = 8453
    mantle = 5000
    berachain = 80094
    unichain = 130
    ethereum_classic = 61
    mode = 34443
    hyperliquid = 999
    hyperliquid_testnet = 998
    blast = 81457
    celo = 42220
    soneium = 1868
    optimism = 10
    zksync = 324
    gnosis = 100
    ink = 57073
    sonic = 146
    abstract = 2741
    katana = 747474
    plasma = 9745
    tac = 239
    hemi = 43111
    linea = 59144
    zora = 7777777
    megaeth = 4326
    megaeth_testnet = 6342
    ganache = 1337
    anvil = 31337
    unknown = 0
    centralised_exchange = -1
    cross_chain = -2
    osmosis = -100
    ethereum_tester = 131277322940537
    arbitrum_sepolia = 421614
    base_sepolia = 84532
    monad_testnet = 10143
    monad = 143
    hypercore = 9999
    lighter = 9998
    hibachi = 9997
    grvt = 325
    derive = 957

    def get_name(self) -> str:
        """Return the display name, e.g. ``Arbitrum``."""
        return self.name.replace("_", " ").title()


def describe_chain(chain_id: int) -> str:
    """Return the display name of a chain, or its number when it has none."""
    try:
        return ChainId(chain_id).get_name()
    except ValueError:
        return str(chain_id)
