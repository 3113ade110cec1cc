"""Options of commands that talk to a chain."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed

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
    "RpcOption",
    "open_chain",
    "open_wallet",
    "require_chain_packages",
]

_PASSWORD_VARIABLE = "KEYSTORE_PASSWORD"
_RPC_VARIABLE = "JSON_RPC"

_CHAIN = typer.Option(metavar="FILE", help="Chain, pairs and exchanges to trade on (JSON).", show_default=False)

ChainOption = Annotated[Path, _CHAIN]
OptionalChainOption = Annotated[
    Path | None,
    typer.Option(
        "--chain", metavar="FILE", help="Ask the chain of this settings file, the one of `start`.", show_default=False
    ),
]
RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar=_RPC_VARIABLE,
        metavar="URL",
        help="URL of a node. May be repeated: when one does not answer, the next one is used.",
        show_default=False,
    ),
]
KeystoreOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Encrypted key of the wallet; its password is in the environment variable {_PASSWORD_VARIABLE}.",
        show_default="the key in PRIVATE_KEY",
    ),
]
MaxGasPriceOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="GWEI", help="Never pay more for a unit of gas.", show_default="no limit"),
]


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """The options of a command that sends transactions."""

    chain: Path
    rpc: list[str] | None
    keystore: Path | None
    max_gas_price: float | None

    @property
    def max_fee(self) -> int | None:
        """The limit for a unit of gas, wei; None for no limit."""
        return None if self.max_gas_price is None else int(self.max_gas_price * 1e9)


def require_chain_packages() -> None:
    """Raise `CommandFailed` if the packages for chains are not installed."""
    if importlib.util.find_spec("web3") is None:
        raise CommandFailed("talking to a chain needs more packages", 'pip install "tradeexecutor[ethereum]"')


def open_chain(chain: Path, rpc: list[str] | None) -> "tuple[ChainFile, ChainConnection]":
    """Return the settings of a chain and a connection to it.

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
    if not rpc:
        raise typer.BadParameter(
            f"is missing; give it here or in the environment variable {_RPC_VARIABLE}", param_hint="--rpc"
        )
    from tradeexecutor.ethereum.chain_file import read_chain_file
    from tradeexecutor.ethereum.live import connect

    settings = read_chain_file(chain)
    return settings, connect(settings, rpc)


def open_wallet(keystore: Path | None) -> "HotWallet":
    """Return the wallet with the key in a keystore file, or in the environment.

    Raises
    ------
    CommandFailed
        The password of the file is not in the environment.
    InvalidKey, OSError
        There is no valid key.
    """
    from tradeexecutor.ethereum.hot_wallet import HotWallet

    if keystore is None:
        return HotWallet.from_environment()
    password = os.environ.get(_PASSWORD_VARIABLE)
    if password is None:
        raise CommandFailed(f"the environment variable {_PASSWORD_VARIABLE} must have the password of {keystore}")
    return HotWallet.from_keystore(keystore, password)
