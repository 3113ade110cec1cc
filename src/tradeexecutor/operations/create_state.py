"""Creating the stored state of a new strategy."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from eth_utils.address import is_checksum_address, is_checksum_formatted_address, is_hex_address

from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

__all__ = ["NewStrategy", "create_state_file", "is_contract_address"]


@dataclass(frozen=True, slots=True)
class NewStrategy:
    """Settings of a new strategy.

    Attributes
    ----------
    name
        Name of the strategy.
    reserve
        Its only reserve currency, valued at one dollar.
    deposit
        Initial cash, token units; None for none.

    Raises
    ------
    InvalidValue
        The name or the symbol is empty, or the deposit is not positive or has too many decimals.
    """

    name: str
    reserve: AssetIdentifier
    deposit: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidValue("the name of a strategy must not be empty")
        if not self.reserve.token_symbol.strip():
            raise InvalidValue("the ticker of a reserve currency must not be empty")
        if self.deposit is not None:
            _require_amount(self.deposit, self.reserve.decimals)


def _require_amount(amount: Decimal, decimals: int) -> None:
    if not amount.is_finite() or amount <= 0:
        raise InvalidValue(f"a deposit must be positive, got {amount}")
    if amount != amount.scaleb(decimals).to_integral_value().scaleb(-decimals):
        raise InvalidValue(f"{amount} has more than {decimals} decimals")


def is_contract_address(text: str) -> bool:
    """Return True if a text is an address whose checksum, if it has upper and lower case letters, is right."""
    return is_hex_address(text) and (not is_checksum_formatted_address(text) or is_checksum_address(text))


def create_state_file(path: Path, strategy: NewStrategy) -> State:
    """Create the state file of a new strategy, and return its state.

    Raises
    ------
    OperationRefused
        The file exists, or there are earlier saves of it.
    StoreLocked
        Another process is creating it.
    OSError
        The folder cannot be written to.
    """
    if path.exists():
        raise OperationRefused(f"{path} exists", remedy=Remedy.reset)
    with JSONFileStore(path) as store:
        if not store.is_pristine():
            raise OperationRefused(f"{path} is missing, but there are earlier saves of it", remedy=Remedy.recover)
        store.acquire_writer_lock()
        if path.exists():  # another process created it in the meantime
            raise OperationRefused(f"{path} exists")
        state = store.create(strategy.name)
        state.portfolio.initialise_reserves(strategy.reserve, 1.0, created_at=state.created_at)
        if strategy.deposit is not None:
            origin = EventOrigin(state.created_at, notes="Booked when the state was created")
            book_reserve_flow(state, strategy.reserve, strategy.deposit, origin)
        store.sync(state)
    return state
