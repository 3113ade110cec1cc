"""``tradeexecutor check-position-triggers``."""

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

EXAMPLES = (
    "tradeexecutor check-position-triggers state.json --chain base.json --rpc URL --dry-run",
    "tradeexecutor check-position-triggers state.json --chain base.json --rpc URL --yes",
)


def check_position_triggers(
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
    """Check stop losses, take profits and waiting orders once, with real money.

    It does what `tradeexecutor start` does between decisions: what the present prices
    have reached is shown, traded after a question, and saved. Orders whose time has
    passed expire. The strategy must not be running.

    The exit code is 1 when a trade failed.
    """
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import check_triggers_on_chain

    access = ChainAccess(chain, rpc, keystore, max_gas_price, password_file)
    check_triggers_on_chain(state_file, access, yes=yes, dry_run=dry_run, json_=json_)
