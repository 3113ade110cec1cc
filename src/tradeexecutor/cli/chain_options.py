"""Options of commands that talk to a chain."""

import dataclasses
import getpass
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_problem
from tradeexecutor.operations.create_state import is_contract_address

if TYPE_CHECKING:
    from tradeexecutor.ethereum.chain_file import ChainFile
    from tradeexecutor.ethereum.connection import ChainConnection
    from tradeexecutor.ethereum.hot_wallet import HotWallet

__all__ = [
    "ChainAccess",
    "ChainOption",
    "KeystoreOption",
    "MaxGasPriceOption",
    "OptionalChainOption",
    "OptionalStartChainOption",
    "PasswordFileOption",
    "RpcOption",
    "VaultOption",
    "open_chain",
    "open_wallet",
    "require_chain_packages",
]

_PASSWORD_VARIABLE = "KEYSTORE_PASSWORD"

#: Names of chains in variables such as ``JSON_RPC_BASE``, by chain id.
_CHAIN_NAMES = {
    1: "ETHEREUM",
    56: "BINANCE",
    137: "POLYGON",
    143: "MONAD",
    957: "DERIVE",
    998: "HYPERLIQUID_TESTNET",
    999: "HYPERLIQUID",
    8453: "BASE",
    31337: "ANVIL",
    42161: "ARBITRUM",
    43114: "AVALANCHE",
    84532: "BASE_SEPOLIA",
    421614: "ARBITRUM_SEPOLIA",
}

_CHAIN = typer.Option(metavar="FILE", help="Chain, pairs and exchanges to trade on (JSON).", show_default=False)

ChainOption = Annotated[Path, _CHAIN]
OptionalStartChainOption = Annotated[Path | None, _CHAIN]
OptionalChainOption = Annotated[
    Path | None,
    typer.Option(
        "--chain", metavar="FILE", help="Ask the chain of this settings file, the one of `start`.", show_default=False
    ),
]
RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="URL of a node. May be repeated: when one does not answer, the next one is used. Without it, the variable "
        "of the chain counts, e.g. JSON_RPC_BASE.",
        show_default=False,
    ),
]
KeystoreOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Encrypted key of the wallet. Its password is in --password-file or in the environment variable "
        f"{_PASSWORD_VARIABLE}; otherwise the terminal asks for it.",
        show_default="the key in PRIVATE_KEY",
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="File with the password of the keystore.", show_default=False),
]
MaxGasPriceOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="GWEI", help="Never pay more for a unit of gas.", show_default="no limit"),
]


def _check_address(value: str | None) -> str | None:
    if value is not None and not is_contract_address(value):
        raise typer.BadParameter(f"{value} is not an address, or its checksum is wrong")
    return value


VaultOption = Annotated[
    str | None,
    typer.Option(
        "--vault",
        metavar="0x...",
        callback=_check_address,
        help="Contract of a vault whose share holders own the money of the wallet: its shares and requests are "
        "recorded. It is stored in the state.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """The options of a command that sends transactions."""

    chain: Path
    rpc: list[str] | None
    keystore: Path | None
    max_gas_price: float | None
    password_file: Path | None = None

    @property
    def max_fee(self) -> int | None:
        """The limit for a unit of gas, wei; None for no limit."""
        return None if self.max_gas_price is None else int(self.max_gas_price * 1e9)


def require_chain_packages() -> None:
    """Raise `CommandFailed` if the packages for chains are not installed."""
    if importlib.util.find_spec("web3") is None:
        raise CommandFailed("talking to a chain needs more packages", 'pip install "tradeexecutor[ethereum]"')


def open_chain(
    chain: Path, rpc: list[str] | None, confirmations: int | None = None
) -> "tuple[ChainFile, ChainConnection]":
    """Return the settings of a chain and a connection to it; `confirmations` is stronger than the settings.

    Raises
    ------
    CommandFailed
        The packages for chains are not installed.
    typer.BadParameter
        No node is given.
    ChainFileNotValid, OSError
        The settings cannot be read.
    """
    require_chain_packages()
    from tradeexecutor.ethereum.chain_file import read_chain_file
    from tradeexecutor.ethereum.live import connect

    if not rpc and not _list_chain_variables(None):
        raise _refuse_without_node("JSON_RPC")
    settings = read_chain_file(chain)
    if confirmations is not None:
        settings = dataclasses.replace(settings, confirmations=confirmations)
    nodes = rpc or _list_chain_variables(settings.chain_id)
    if not nodes:
        raise _refuse_without_node(f"JSON_RPC_{_CHAIN_NAMES.get(settings.chain_id, '')}".rstrip("_"))
    return settings, connect(settings, nodes)


def _list_chain_variables(chain_id: int | None) -> list[str]:
    """Return the nodes in the variable of a chain, or of all chains."""
    names = _CHAIN_NAMES.values() if chain_id is None else [_CHAIN_NAMES.get(chain_id, "")]
    return [node for name in names if name for node in os.environ.get(f"JSON_RPC_{name}", "").split()]


def _refuse_without_node(variable: str) -> typer.BadParameter:
    return typer.BadParameter(f"is missing; give it here or in the environment variable {variable}", param_hint="--rpc")


def open_wallet(keystore: Path | None, password_file: Path | None = None) -> "HotWallet":
    """Return the wallet with the key in a keystore file, or in the environment.

    The password of the file comes from `password_file`, the environment, or the terminal.

    Raises
    ------
    CommandFailed
        There is a password without a keystore, or no password and no terminal that could be asked for it.
    InvalidKey, OSError
        There is no valid key.
    """
    from tradeexecutor.ethereum.hot_wallet import HotWallet

    if keystore is None:
        if password_file is not None:
            raise CommandFailed("--password-file is the password of a keystore, and there is no --keystore")
        return HotWallet.from_environment()
    return HotWallet.from_keystore(keystore, _read_password(keystore, password_file))


def _read_password(keystore: Path, password_file: Path | None) -> str:
    if password_file is not None:
        if password_file.stat().st_mode & 0o077:
            print_problem(f"{password_file} can be read by other users of this machine: chmod 600 {password_file}")
        # Editors end the last line; a password that ends with a line break cannot be typed anyway.
        return password_file.read_text(encoding="utf-8").rstrip("\r\n")
    password = os.environ.get(_PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"there is no password of {keystore}, and no terminal to ask for it",
            f"give --password-file, or set the environment variable {_PASSWORD_VARIABLE}",
        )
    return getpass.getpass(f"Password of {keystore}: ")
