"""All errors that `tradeexecutor` raises on purpose, in one tree.

::

    TradeExecutorError
    |-- StateFileError                  a state file cannot be read or written
    |   |-- InvalidStateFile            malformed JSON, wrong types, values a constructor refuses
    |   |   |-- NewerStateFile          written by a newer version of the program
    |   |   `-- DamagedStateFile        not what was saved: the checksum does not match
    |   |-- BadStateData                the state contains a value that must not be saved
    |   |   `-- UnencodableValue        the value itself, before its path is known
    |   |-- SaveFailed                  the disk refused a save
    |   |-- StoreLocked                 another process writes to the same file
    |   |-- StoreChanged                somebody else saved since this store loaded
    |   |-- StoreMoved                  the opened file is no longer at its path
    |   |-- StoreUnavailable            a database cannot be reached or opened
    |   |-- RevisionNotFound            no such save, or it is no longer kept
    |   |-- CopyFailed                  a state cannot be copied there
    |   |-- NothingToRecover            no intact copy of the file is left
    |   |-- ArchiveError                details removed from a state cannot be restored
    |   |   |-- ArchiveMissing          its file is not beside the state
    |   |   |-- DamagedArchive          the file is not what was written
    |   |   `-- ArchiveMismatch         it does not fit the state
    |   `-- PatchFailed                 a JSON Patch does not fit the document
    |-- InvalidValue                    a constructor or setter was given a wrong value
    |-- AccountingError                 an operation was refused; the state is as it was before
    |   |-- InvalidTrade                a trade that is not valid
    |   |   |-- TooSmallTrade           below the dust limit of the asset
    |   |   |-- NotEnoughTokens         sells more than the position holds
    |   |   `-- UnsupportedPairKind     this kind of instrument cannot be traded this way
    |   |-- WrongTradeStatus            the trade is not in the status the transition needs
    |   |-- NotEnoughMoney              not enough cash or bridge capital
    |   |-- ReserveMissing              no such reserve, or not exactly one
    |   |-- ReserveAlreadyInitialised
    |   |-- PositionNotFound
    |   |-- TradeNotFound
    |   |-- WrongPositionStatus         e.g. a trade on a closed position
    |   |-- NonceAlreadyUsed
    |   |-- MultipleOpenPositionsWithAsset
    |   |-- NotSinglePair
    |   |-- BalanceUpdateEventAlreadyAdded
    |   |-- UnexecutedTrades
    |   |-- HypercoreDuplicateCloseError   the two positions are not, or no longer, a position and its duplicate
    |   |-- NotAvailable                the figure does not exist for this position or trade
    |   |-- LiquidationRisked           the loan would be too close to its liquidation
    |   |-- InterestRefused             interest cannot be booked
    |   |   `-- UnlikelyInterestGain    a balance changed by more than interest can
    |   |-- UnexpectedAccountingCorrectionIssue   the difference of a balance cannot be corrected
    |   |-- TreasuryEventRefused        a deposit, redemption or other event is not possible
    |   |-- PriceImpactToleranceExceeded   the trade would move the market too much
    |   `-- IntegrityError              ids of the tree contradict each other
    |-- ConcurrentUse                   threads use a state in a way that could tear it
    |   |-- WrongThread                 the state belongs to another thread
    |   `-- ChangedMeanwhile            another thread changed the state while it was encoded
    |-- ReadOnlyState                   the state of a snapshot cannot be changed or saved
    |-- RecordFileError                 a file of recorded balances or events is not valid
    |-- NothingToDraw                   a chart has nothing to show
    |-- ImageFailed                     a chart cannot become an image file
    |-- PrintingFailed                  a report cannot be printed to PDF
    |-- MissingDependency               an optional package is not installed
    |-- NotInThisLibrary                code of the framework imports what is done in another way here
    |-- OperationRefused                a request of the operator is refused; nothing has changed
    |-- RevaluationFailed               a position could not be valued; no price has changed
    |-- MethodRemoved                   existing programs know the method; the message names what replaced it
    |-- UncleanState                    a trade was left between broadcast and confirmation
    |-- AccountingCorrectionAborted     the user declined; nothing has changed
    |-- RepairAborted                   the user declined; nothing has changed
    `-- LegacyDataException             old data did not record the figure

Errors have the numbers in their message as attributes, so that a program need not parse the text.
An error also derives from ``AssertionError`` if it replaces an assertion that existing callers catch.
"""

# Longer than 500 lines: all errors are in one place, below the drawing of their tree.

from decimal import Decimal
from pathlib import Path
from typing import Any

from tradeexecutor.accounting.values import abbreviate


class TradeExecutorError(Exception):
    """Root of all errors that are raised on purpose."""


class StateFileError(TradeExecutorError):
    """A state file cannot be read or written."""


class InvalidStateFile(StateFileError, ValueError):
    """The text is not a state: malformed JSON, a wrong type, or a value that a constructor refuses.

    Attributes
    ----------
    path
        File that was read, or address in a database; None for a text from elsewhere.
    """

    def __init__(self, message: str, path: Path | str | None = None):
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class NewerStateFile(InvalidStateFile):
    """The file was written by a newer version of the program. It is never read in part.

    Attributes
    ----------
    file_version, supported_version
        Schema version of the file, and the newest version that this program reads.
    """

    def __init__(self, file_version: int, supported_version: int, path: Path | str | None = None):
        super().__init__(
            f"written with schema version {file_version}, this program reads up to {supported_version}; "
            "upgrade tradeexecutor to open it",
            path,
        )
        self.file_version = file_version
        self.supported_version = supported_version


class DamagedStateFile(InvalidStateFile):
    """The text is not what was saved: its checksum does not match.

    Either the disk has lost data, or another program than a store has changed the file.

    Attributes
    ----------
    reason
        Description of the problem, without the name of the file and without advice.
    """

    def __init__(self, reason: str, path: Path | str | None = None, advice: str = ""):
        advice = advice or (
            "`tradeexecutor store generations FILE` lists the copies that are intact (did you edit it yourself? "
            'then remove "seal", its first member, and it is accepted as it is)'
        )
        super().__init__(f"{reason}; {advice}", path)
        self.reason = reason


class BadStateData(StateFileError, ValueError):
    """The state contains a value that must not be saved: NaN, infinity, an unknown type, a huge integer.

    Attributes
    ----------
    path
        Path of the value, e.g. ``portfolio.open_positions[3].last_token_price``; empty when unknown.
    """

    def __init__(self, message: str, path: str = ""):
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class UnencodableValue(BadStateData):
    """A single value cannot be written; its path is collected while the error is raised through the tree.

    Attributes
    ----------
    value, reason
        The refused value and the reason.
    """

    def __init__(self, value: object, reason: str):
        super().__init__(f"{abbreviate(value)} ({type(value).__name__}): {reason}")
        self.value = value
        self.reason = reason
        self.steps: list[str | int] = []

    def prepend(self, step: str | int) -> None:
        """Add the field name, key or index of the next outer level to the path."""
        self.steps.append(step)

    def located(self) -> BadStateData:
        """Return the error to show, which contains the collected path."""
        path = ""
        for step in reversed(self.steps):
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return BadStateData(str(self), path)


class StoreLocked(StateFileError, RuntimeError):
    """Another process holds the writer lock of the store.

    Attributes
    ----------
    path, holder
        The state file, or address in a database, and a description of the writer, e.g. ``process 12 on alpha``.
    """

    def __init__(self, path: Path | str, holder: str):
        super().__init__(f"{path} is being written by {holder}; stop that process first")
        self.path = path
        self.holder = holder


class StoreChanged(StateFileError, RuntimeError):
    """Another process saved after this store loaded; a save now would undo that.

    Attributes
    ----------
    path
        The state file, or address in a database.
    """

    def __init__(self, path: Path | str):
        super().__init__(
            f"{path} was saved by somebody else after it was loaded here; load it again and repeat what you did"
        )
        self.path = path


class StoreMoved(StateFileError, RuntimeError):
    """The opened file was deleted, renamed or replaced, or a link in its path leads to another file now.

    The save is not acknowledged, because the saved state would not be at the path given by the user. The state is still
    in memory.

    Attributes
    ----------
    path
        The file, or address in a database.
    reason
        Description of the problem, with advice if possible.
    """

    def __init__(self, path: Path | str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class SaveFailed(StateFileError, OSError):
    """The operating system refused a step of a save.

    Attributes
    ----------
    errno, strerror
        Error of the operating system, as in `OSError`.
    path
        The state file, or address in a database.
    in_place
        False when the file has not changed. True when the file contains the new state, but a power cut may still undo
        it, because flushing the folder failed.
    advice
        Advice for the user.
    """

    def __init__(self, path: Path | str, error: OSError, *, in_place: bool, advice: str):
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
        super().__init__(error.errno, f"{error.strerror or error}{where}", str(path))
        self.path = path
        self.in_place = in_place
        self.advice = advice

    def __str__(self) -> str:
        outcome = (
            "the new state is in the file, but a power cut may undo it"
            if self.in_place
            else "what was saved before is as it was, the state is only in memory"
        )
        return f"{self.path} could not be saved: {self.strerror}; {outcome}; {self.advice}"


class StoreUnavailable(StateFileError, OSError):
    """A database cannot be reached or opened, or the operating system refuses to read it.

    Attributes
    ----------
    address
        Address of the database.
    errno, strerror
        Number and description of the problem.
    """

    def __init__(self, address: str, reason: str, code: int = 0):
        super().__init__(code, reason)
        self.address = address

    def __str__(self) -> str:
        return f"{self.address} cannot be read: {self.strerror}"


class RevisionNotFound(StateFileError, LookupError):
    """There is no such save, or it is no longer kept.

    Attributes
    ----------
    address, wanted
        Address of the strategy, and the requested save.
    oldest, newest
        First and last number of the saves that are kept.
    """

    def __init__(self, address: str, wanted: str, oldest: int, newest: int):
        super().__init__(f"{address} has no save {wanted}; it keeps saves {oldest:,} to {newest:,}")
        self.address = address
        self.wanted = wanted
        self.oldest = oldest
        self.newest = newest


class CopyFailed(StateFileError, RuntimeError):
    """A state cannot be copied to this place, or the copy differs from the original."""


class NothingToRecover(StateFileError, LookupError):
    """There is no intact copy of the state file.

    Attributes
    ----------
    path
        The state file, or address in a database.
    """

    def __init__(self, path: Path | str, message: str):
        super().__init__(f"{path}: {message}")
        self.path = path


class ArchiveError(StateFileError):
    """Details that were removed from a state cannot be restored; nothing has changed.

    Attributes
    ----------
    path
        File of the archive.
    """

    def __init__(self, path: Path, message: str):
        super().__init__(f"{message}: {path}")
        self.path = path


class ArchiveMissing(ArchiveError, LookupError):
    """The file of the archive does not exist."""


class DamagedArchive(ArchiveError, ValueError):
    """The file is not what was written: its checksum does not match, or it is not an archive."""


class ArchiveMismatch(ArchiveError, ValueError):
    """The state has changed at the place of the details, or they were never part of this state."""


class PatchFailed(StateFileError, ValueError):
    """A JSON Patch was made for another document.

    Attributes
    ----------
    number
        Index of the operation that does not fit, from 0.
    path
        JSON Pointer of that operation.
    """

    def __init__(self, number: int, path: str, reason: str):
        super().__init__(f"operation {number} of the patch does not fit the document at {path or 'its root'}: {reason}")
        self.number = number
        self.path = path


class InvalidValue(TradeExecutorError, ValueError, AssertionError):
    """A constructor, setter or method was given a value that it must not accept."""


class AccountingError(TradeExecutorError):
    """An operation was refused; the state is as it was before the call."""


class InvalidTrade(AccountingError, ValueError, AssertionError):
    """The requested trade is not valid."""


class TooSmallTrade(InvalidTrade):
    """The quantity is at or below the dust limit of the asset.

    Attributes
    ----------
    quantity, limit
        Planned quantity and dust limit, token units.
    """

    def __init__(self, message: str, quantity: Decimal | None = None, limit: Decimal | float | None = None):
        super().__init__(message)
        self.quantity = quantity
        self.limit = limit


class NotEnoughTokens(InvalidTrade):
    """A trade sells more than the position holds, or more than other trades leave.

    Attributes
    ----------
    available, needed
        Base token units.
    """

    def __init__(self, message: str, available: Decimal | None = None, needed: Decimal | None = None):
        super().__init__(message)
        self.available = available
        self.needed = needed


class UnsupportedPairKind(InvalidTrade, NotImplementedError):
    """The kind of trading pair cannot be used in this operation."""


class WrongTradeStatus(AccountingError, RuntimeError, AssertionError):
    """The trade is not in the status that the transition needs.

    Attributes
    ----------
    trade_id, status
        Id and present status of the trade.
    """

    def __init__(self, message: str, trade_id: int | None = None, status: Any = None):
        super().__init__(message)
        self.trade_id = trade_id
        self.status = status


class NotEnoughMoney(AccountingError, ValueError):
    """Not enough cash, or not enough capital on the other side of a bridge.

    Attributes
    ----------
    available, needed
        Token units of the funding asset.
    """

    def __init__(self, message: str, available: Decimal | None = None, needed: Decimal | None = None):
        super().__init__(message)
        self.available = available
        self.needed = needed


class ReserveMissing(AccountingError, LookupError):
    """The reserve currency does not exist, or there is not exactly one when one is expected."""


class ReserveAlreadyInitialised(AccountingError, RuntimeError, AssertionError):
    """The portfolio already has a reserve currency."""


class PositionNotFound(AccountingError, LookupError, AssertionError):
    """No position with this id or pair in the tables that were searched."""


class TradeNotFound(AccountingError, LookupError, AssertionError):
    """No trade with this id in the tables that were searched."""


class WrongPositionStatus(AccountingError, RuntimeError, AssertionError):
    """The position does not have the status that the operation needs, e.g. it is closed or not pending."""


class NonceAlreadyUsed(AccountingError, RuntimeError, AssertionError):
    """A blockchain transaction with this nonce already exists.

    Attributes
    ----------
    nonce, trade_id
        The nonce and the trade that already uses it.
    """

    def __init__(self, message: str, nonce: int, trade_id: int):
        super().__init__(message)
        self.nonce = nonce
        self.trade_id = trade_id


class MultipleOpenPositionsWithAsset(AccountingError, LookupError):
    """More than one open position holds the asset."""


class NotSinglePair(AccountingError, LookupError):
    """The strategy traded no pair, or more than one."""


class BalanceUpdateEventAlreadyAdded(AccountingError, ValueError):
    """A balance update with this id is already booked on the position."""


class UnexecutedTrades(AccountingError, RuntimeError, AssertionError):
    """The operation is not allowed while trades are started or broadcasted."""


class HypercoreDuplicateCloseError(AccountingError, RuntimeError):
    """The two positions are not, or no longer, a position and its duplicate.

    Attributes
    ----------
    position_id
        Id of the position that should be closed as the duplicate.
    """

    def __init__(self, message: str, position_id: int):
        super().__init__(message)
        self.position_id = position_id


class NotAvailable(AccountingError, LookupError, AssertionError):
    """The figure does not exist for this object, e.g. the opening price of a position that never traded."""


class LiquidationRisked(AccountingError, ValueError):
    """The loan is, or would be, too close to its liquidation.

    Attributes
    ----------
    health_factor, desired_health_factor
        The health factor (a loan can be liquidated below 1), and the value that it has to exceed.
    """

    def __init__(self, message: str, health_factor: float | None = None, desired_health_factor: float | None = None):
        super().__init__(message)
        self.health_factor = health_factor
        self.desired_health_factor = desired_health_factor


class UnexpectedAccountingCorrectionIssue(AccountingError, RuntimeError):
    """Recorded and real balance differ in a way that cannot be corrected, or with which trading must not continue.

    Attributes
    ----------
    asset, expected, actual
        Identifier of the asset, and expected and actual balance in token units; None for other problems.
    reason
        Reason without the numbers.
    """

    def __init__(
        self,
        message: str,
        asset: str | None = None,
        expected: Decimal | None = None,
        actual: Decimal | None = None,
        reason: str = "",
    ):
        super().__init__(message)
        self.asset = asset
        self.expected = expected
        self.actual = actual
        self.reason = reason or message


class TreasuryEventRefused(AccountingError, ValueError):
    """A deposit, redemption, flow or settlement is not possible as reported.

    Attributes
    ----------
    event
        Description of the event, e.g. ``redemption of 500 USDC in 0xab.., log 3``.
    available, needed
        Token units, when the outflow exceeds the balance; otherwise None.
    """

    def __init__(self, message: str, event: str, available: Decimal | None = None, needed: Decimal | None = None):
        super().__init__(message)
        self.event = event
        self.available = available
        self.needed = needed


class PriceImpactToleranceExceeded(AccountingError, ValueError):
    """The trade would move the market price by more than the tolerance.

    Attributes
    ----------
    price_impact, tolerance
        Fractions, 0.01 is 1 %.
    """

    def __init__(self, message: str, price_impact: float | None = None, tolerance: float | None = None):
        super().__init__(message)
        self.price_impact = price_impact
        self.tolerance = tolerance


class InterestRefused(AccountingError, ValueError, AssertionError):
    """Interest cannot be booked: wrong position, asset or time; nothing has changed."""


class UnlikelyInterestGain(InterestRefused):
    """A balance changed by more than is possible for interest.

    Attributes
    ----------
    gained, old_quantity, new_quantity
        Token units.
    max_interest_gain
        Smallest change that is refused, as a fraction of the old quantity.
    """

    def __init__(
        self,
        asset: object,
        gained: Decimal,
        old_quantity: Decimal,
        new_quantity: Decimal,
        max_interest_gain: float,
    ):
        difference = abs(gained / old_quantity) * 100 if old_quantity else Decimal("Infinity")
        super().__init__(
            f"Unlikely gained_interest for {asset}: {gained} (diff {difference:.2f}%, "
            f"threshold {max_interest_gain * 100}%), old quantity: {old_quantity}, new quantity: {new_quantity}"
        )
        self.gained = gained
        self.old_quantity = old_quantity
        self.new_quantity = new_quantity
        self.max_interest_gain = max_interest_gain


class IntegrityError(AccountingError, RuntimeError, AssertionError):
    """Ids in the state contradict each other."""


class RecordFileError(TradeExecutorError, ValueError):
    """A file of recorded balances or events is not valid.

    Attributes
    ----------
    path
        The file.
    row
        Number of the record, from 1, without the header; None when the problem concerns the whole file.
    """

    def __init__(self, path: Path | str, message: str, row: int | None = None):
        super().__init__(f"{path}{'' if row is None else f', record {row}'}: {message}")
        self.path = path
        self.row = row


class NothingToDraw(TradeExecutorError):
    """A state has nothing that a chart can show; the message contains what is missing."""


class ConcurrentUse(TradeExecutorError, RuntimeError):
    """Threads use a state in a way that could tear it. ``docs/concurrency.md`` describes what is allowed."""


class WrongThread(ConcurrentUse):
    """A thread changes, encodes, copies or saves a state that belongs to another thread; nothing has changed.

    Attributes
    ----------
    owner, caller
        Names of the thread to which the state belongs, and of the thread that was refused.
    """

    def __init__(self, action: str, *, owner: str, caller: str):
        super().__init__(
            f"thread {caller!r} {action} a state that belongs to thread {owner!r}; read `store.snapshot()` instead, "
            f"or call `state.hand_over()` in thread {owner!r} before another thread takes the state over"
        )
        self.owner = owner
        self.caller = caller


class ChangedMeanwhile(ConcurrentUse):
    """Another thread changed a state while it was encoded; nothing was saved."""

    def __init__(self) -> None:
        super().__init__(
            "another thread changed the state while it was encoded; change, encode and save a state in one thread, and "
            "read `store.snapshot()` in the others"
        )


class ReadOnlyState(TradeExecutorError, TypeError):
    """The state of a snapshot cannot be changed or saved; nothing has changed."""

    def __init__(self) -> None:
        super().__init__(
            "this state is part of a snapshot and shared by its readers; `State.read_json_blob(snapshot.text)` returns "
            "a state of your own"
        )


class OperationRefused(TradeExecutorError):
    """A request of the operator is refused; nothing has changed.

    Attributes
    ----------
    hint
        Additional facts, such as the possible choices; empty when there are none.
    remedy
        Value of `tradeexecutor.operations.remedy.Remedy` for what to do instead, which a command line or web page turns
        into its own words; None when there is no remedy.
    """

    def __init__(self, message: str, hint: str = "", *, remedy: str | None = None):
        super().__init__(message)
        self.hint = hint
        self.remedy = remedy


class RevaluationFailed(TradeExecutorError, RuntimeError):
    """A position could not be valued; the cause of the exception contains the reason.

    Attributes
    ----------
    position_id
        Id of the position.
    """

    def __init__(self, message: str, position_id: int):
        super().__init__(message)
        self.position_id = position_id


class MethodRemoved(TradeExecutorError, RuntimeError):
    """A method that existing programs know is gone; the message names what replaced it."""


class ImageFailed(TradeExecutorError, RuntimeError):
    """A chart cannot be converted to an image file; the message contains what has to be installed."""


class UncleanState(TradeExecutorError, RuntimeError):
    """A trade was broadcasted, and its outcome was never recorded.

    Attributes
    ----------
    trade_ids
        Ids of trades whose outcome is not known.
    """

    def __init__(self, message: str, trade_ids: list[int] | None = None):
        super().__init__(message)
        self.trade_ids = trade_ids or []


class AccountingCorrectionAborted(TradeExecutorError):
    """The user declined the correction of the accounts; nothing has changed."""


class RepairAborted(TradeExecutorError):
    """The user declined the repair; nothing has changed.

    Attributes
    ----------
    trade_ids
        Ids of trades that would have been repaired.
    """

    def __init__(self, trade_ids: list[int]):
        numbers = ", ".join(f"#{number}" for number in trade_ids)
        super().__init__(f"the repair of trades {numbers} was declined")
        self.trade_ids = trade_ids


class LegacyDataException(TradeExecutorError):
    """The requested figure is not part of old data."""


class PrintingFailed(TradeExecutorError, RuntimeError):
    """A report cannot be printed to PDF, because there is no browser or it failed."""


class MissingDependency(TradeExecutorError, ImportError):
    """An optional package is not installed.

    Attributes
    ----------
    package, extra
        The missing package, and the extra of `tradeexecutor` that contains it.
    """

    def __init__(self, purpose: str, package: str, extra: str):
        super().__init__(
            f"{purpose} needs {package}, which `pip install 'tradeexecutor[{extra}]'` brings", name=package
        )
        self.package = package
        self.extra = extra


class NotInThisLibrary(TradeExecutorError, ImportError):
    """Code written for the framework that defined the state imports something that is done in another way here.

    Attributes
    ----------
    path, advice
        What was imported, and what to use instead.
    """

    def __init__(self, path: str, advice: str):
        super().__init__(f"{path} is not part of this library: {advice}", name=path)
        self.path = path
        self.advice = advice
