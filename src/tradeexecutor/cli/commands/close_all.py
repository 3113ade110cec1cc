"""``tradeexecutor close-all``."""

from tradeexecutor.cli.chain_options import (
    ChainAccess,
    ChainOption,
    KeystoreOption,
    MaxGasPriceOption,
    PasswordFileOption,
    RpcOption,
    require_chain_packages,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import load_state

EXAMPLES = (
    "tradeexecutor close-all state.json --chain base.json --rpc https://mainnet.base.org --dry-run",
    "tradeexecutor close-all state.json --chain base.json --rpc URL --keystore wallet.json --yes",
)


def close_all(
    state_file: StateFile,
    *,
    chain: ChainOption,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    max_gas_price: MaxGasPriceOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Sell all open positions on the chain, with real money.

    The strategy must not be running. The sales are shown at present prices before
    anything is sent. They are made one after the other, with the same protection
    against crashes as those of `tradeexecutor start`; they cannot be undone. A sale
    that is reverted freezes its position.

    The exit code is 1 when a sale failed.
    """
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import close_on_chain
    from tradeexecutor.operations.close_position import CloseRequest

    portfolio = load_state(state_file).portfolio
    request = CloseRequest(position_ids=tuple(position.position_id for position in portfolio.get_open_positions()))
    access = ChainAccess(chain, rpc, keystore, max_gas_price, password_file)
    close_on_chain(state_file, access, request, yes=yes, dry_run=dry_run, json_=json_)
