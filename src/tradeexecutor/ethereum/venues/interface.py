"""Interface of venues, and functions that all venues share, such as reading token flows from receipts."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ethereum.abi import ERC20_ALLOWANCE, ERC20_APPROVE, ERC20_BALANCE_OF, ERC20_DECIMALS, TRANSFER_TOPIC
from tradeexecutor.ethereum.connection import ChainConnection, Log, Receipt
from tradeexecutor.ethereum.errors import NotTradeable, PartlyExecuted, RpcError, WrongChain
from tradeexecutor.ethereum.transactions import Call
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.pair_metadata import ERC4626Feature
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import JSONObject

__all__ = [
    "Limits",
    "Outcome",
    "Quote",
    "Venue",
    "make_limits",
    "make_vault_pair",
    "parse_transfer",
    "read_spot_outcome",
    "sum_flows",
]

#: Gas limit of an approval, units; tokens behind a proxy use 60,000.
APPROVAL_GAS = 100_000

#: A sale may exceed the balance of the wallet by this much, token units; the excess is a rounding error and is not
#: sold.
SELL_EPSILON = Decimal(10) ** -9


@dataclass(frozen=True, slots=True)
class Quote:
    """Result that a trade would have now.

    Attributes
    ----------
    given, taken
        Amounts paid and received, token units.
    mid_price
        Quote tokens per base token, without fees and impact.
    fee
        Fee fraction, already contained in the amounts.
    block_number
        Block of the quote.
    """

    given: Decimal
    taken: Decimal
    mid_price: float
    fee: float
    block_number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of an executed trade.

    Attributes
    ----------
    quantity
        Base token units, positive when bought, negative when sold.
    reserve
        Reserve token units paid or received, >= 0.
    price
        USD per base token.
    lp_fees
        USD; None when unknown.
    collateral_consumption, collateral_allocation
        Amounts of a short, see `State.mark_trade_success`; None for other kinds.
    """

    quantity: Decimal
    reserve: Decimal
    price: float
    lp_fees: float | None = None
    collateral_consumption: Decimal | None = None
    collateral_allocation: Decimal | None = None


class Venue(ABC):
    """A place to trade.

    Parameters
    ----------
    connection
        Connection to the chain of the venue.
    deadline
        Time after signing within which a trade must be executed. Because of it, a transaction that was stuck, or sent
        again after a crash, does not trade at an outdated price.
    """

    def __init__(self, connection: ChainConnection, deadline: datetime.timedelta = datetime.timedelta(minutes=20)):
        self.connection = connection
        self.deadline = deadline

    # --- Pairs

    @abstractmethod
    def is_traded(self, pair: TradingPairIdentifier) -> bool:
        """Return whether a pair is traded here."""

    def check(self, pair: TradingPairIdentifier) -> None:
        """Compare the data of a pair with the chain; raises `WrongChain` when they differ.

        For example, wrong decimals would make every amount wrong by powers of ten.
        """
        for asset in (pair.base, pair.quote):
            try:
                decimals = self.connection.call(asset.address, ERC20_DECIMALS)
            except RpcError as error:
                raise WrongChain(f"{asset} is no token on chain {self.connection.chain_id}: {error}") from error
            if decimals != asset.decimals:
                raise WrongChain(f"{asset} has {decimals} decimals on chain, {asset.decimals} by the settings")

    # --- Trading

    @abstractmethod
    def plan(self, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> list[Call]:
        """Return the first calls of a trade.

        Parameters
        ----------
        wallet
            Address whose tokens are traded.
        slippage_tolerance
            Fraction by which the trade may be filled at a worse price than planned; at an even worse price it has to
            revert.

        Raises
        ------
        NotTradeable
            The trade cannot be executed as planned.
        """

    def plan_next(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt]) -> list[Call]:
        """Return the next calls after all earlier calls have succeeded; empty when there are none.

        After a crash, the method must return the same calls for the same receipts.
        """
        del trade, wallet, receipts
        return []

    def plan_undo(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> list[Call]:
        """Return the next calls after one has failed, which undo what is unfinished; empty when nothing is.

        It is also empty when undoing has failed itself; `read_outcome` raises `PartlyExecuted` then.
        """
        del trade, wallet, receipts
        return []

    def read_undo_cost(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Decimal:
        """Return what it has cost to undo a trade that failed, reserve token units; negative for a gain."""
        del trade, wallet, receipts
        return Decimal(0)

    @abstractmethod
    def read_outcome(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> Outcome | None:
        """Return the result of a trade; None when it has moved no tokens, which means that it failed.

        Parameters
        ----------
        receipts
            Receipts of its transactions in order; None for one that was replaced by a transaction of another program.

        Raises
        ------
        PartlyExecuted
            Tokens have moved, but not as in a trade.
        """

    def find_obstacle(self, portfolio: Portfolio, trade: TradeExecution) -> str | None:
        """Return why a trade cannot be executed beside the other positions; None when it can."""
        del portfolio, trade
        return None

    def make_swap(self, pair: TradingPairIdentifier, wallet: str, limits: "Limits", *, is_exact_output: bool) -> Call:
        """Return a swap as a part of a trade of another venue; its approval is separate.

        Parameters
        ----------
        limits
            The amounts to pay and to receive.
        is_exact_output
            Whether exactly `Limits.raw_least` is received for at most `Limits.raw_given`; otherwise exactly
            `Limits.raw_given` is paid for at least `Limits.raw_least`.

        Raises
        ------
        NotTradeable
            There are no swaps at this venue.
        """
        del wallet, limits, is_exact_output
        raise NotTradeable(f"{pair} cannot be swapped at this venue")

    def read_ticket(self, trade: TradeExecution, wallet: str, receipts: Sequence[Receipt | None]) -> JSONObject | None:
        """Return the facts of a request that was mined and that the venue settles later; None when nothing waits."""
        del trade, wallet, receipts
        return None

    def plan_claim(self, trade: TradeExecution, wallet: str) -> list[Call]:
        """Return the calls that complete a request; empty while the venue has not settled it."""
        del trade, wallet
        return []

    # --- Prices

    @abstractmethod
    def get_mid_price(self, pair: TradingPairIdentifier) -> float:
        """Return quote tokens per base token, without fees and impact."""

    @abstractmethod
    def quote_buy(self, pair: TradingPairIdentifier, reserve: Decimal | None) -> Quote:
        """Return the result of spending `reserve` (token units); None means a negligible amount."""

    @abstractmethod
    def quote_sell(self, pair: TradingPairIdentifier, quantity: Decimal | None) -> Quote:
        """Return the result of selling `quantity` (token units); None means a negligible amount."""

    # --- Helpers

    def get_deadline(self) -> int:
        """Return the deadline of a trade that is signed now, epoch seconds of the clock of the chain."""
        head = self.connection.get_head().timestamp
        return int((head + self.deadline - datetime.datetime(1970, 1, 1)).total_seconds())

    def make_approval(self, asset: AssetIdentifier, wallet: str, spender: str, raw_amount: int) -> list[Call]:
        """Return the approval of exactly this amount; empty when the amount is approved already."""
        if self.connection.call(asset.address, ERC20_ALLOWANCE, wallet, spender) >= raw_amount:
            return []
        notes = f"Let {spender} take {asset.token_symbol}"
        return [Call(asset.address, ERC20_APPROVE, (spender, raw_amount), APPROVAL_GAS, notes)]

    def require_balance(self, asset: AssetIdentifier, wallet: str, raw_amount: int) -> None:
        """Raise `NotTradeable` when a wallet has less than an amount, e.g. after a redemption that is not final."""
        held = int(self.connection.call(asset.address, ERC20_BALANCE_OF, wallet))
        if held < raw_amount:
            raise NotTradeable(
                f"{wallet} has {asset.convert_to_decimal(held)} {asset.token_symbol}, "
                f"{asset.convert_to_decimal(raw_amount)} are needed"
            )

    def get_amount_to_sell(self, trade: TradeExecution, wallet: str) -> int:
        """Return the raw amount to sell, limited to the balance of the wallet.

        Raises
        ------
        NotTradeable
            The wallet has less than the amount of the trade by more than `SELL_EPSILON`.
        """
        base = trade.pair.base
        wanted = base.convert_to_raw_amount(-trade.planned_quantity)
        held = int(self.connection.call(base.address, ERC20_BALANCE_OF, wallet))
        if base.convert_to_decimal(wanted - held) > SELL_EPSILON:
            raise NotTradeable(
                f"{trade} sells {-trade.planned_quantity} {base.token_symbol}, {wallet} has "
                f"{base.convert_to_decimal(held)}"
            )
        return min(wanted, held)


@dataclass(frozen=True, slots=True)
class Limits:
    """Amount that a purchase or sale of tokens pays, and the least amount that it must receive.

    Attributes
    ----------
    given, taken
        Paid and received token.
    raw_given, raw_least
        Raw amount to pay, and least raw amount to receive.
    """

    given: AssetIdentifier
    taken: AssetIdentifier
    raw_given: int
    raw_least: int


def make_limits(venue: Venue, trade: TradeExecution, wallet: str, slippage_tolerance: float) -> Limits:
    """Return the amount that a spot trade pays, and the least amount that it must receive.

    Raises
    ------
    NotTradeable
        The wallet has too few tokens, or an amount is less than one raw unit.
    """
    pair = trade.pair
    keep = 1 - Decimal(str(slippage_tolerance))
    if trade.is_buy():
        given, taken = pair.quote, pair.base
        raw_given = given.convert_to_raw_amount(trade.planned_reserve)
        expected = trade.planned_quantity
        venue.require_balance(given, wallet, raw_given)
    else:
        given, taken = pair.base, pair.quote
        raw_given = venue.get_amount_to_sell(trade, wallet)
        expected = -trade.planned_quantity * Decimal(str(trade.planned_price))
    raw_least = taken.convert_to_raw_amount(expected * keep)
    if raw_given <= 0 or raw_least <= 0:
        raise NotTradeable(f"{trade} is too small: it would give {raw_given} for at least {raw_least} raw units")
    return Limits(given, taken, raw_given, raw_least)


def make_vault_pair(
    share: AssetIdentifier, asset: AssetIdentifier, internal_id: int, *, is_async: bool = False
) -> TradingPairIdentifier:
    """Return the pair of a vault: the share is the base; `is_async` is for vaults that settle requests later."""
    return TradingPairIdentifier(
        share,
        asset,
        share.address,
        share.address,
        internal_id=internal_id,
        fee=0.0,
        kind=TradingPairKind.vault,
        other_data={"vault_features": [ERC4626Feature.erc_7540_like.value]} if is_async else {},
    )


# --- Receipts


def parse_transfer(log: Log) -> tuple[str, str, int] | None:
    """Return sender, receiver (lower case) and raw amount of a token transfer; None for other logs.

    Transfers of unique tokens (NFTs) have the same first topic but one additional topic.
    """
    if len(log.topics) != 3 or log.topics[0] != TRANSFER_TOPIC or len(log.data) < 66:
        return None
    return "0x" + log.topics[1][-40:], "0x" + log.topics[2][-40:], int(log.data[:66], 16)


def sum_flows(receipts: Iterable[Receipt | None], holder: str) -> dict[str, int]:
    """Return received (+) and sent (-) raw amounts of successful transactions, by token address in lower case."""
    flows: dict[str, int] = {}
    holder = holder.lower()
    for receipt in receipts:
        if receipt is None or not receipt.succeeded:
            continue
        for log in receipt.logs:
            transfer = parse_transfer(log)
            if transfer is None:
                continue
            sender, receiver, amount = transfer
            flow = (amount if receiver == holder else 0) - (amount if sender == holder else 0)
            if flow:
                flows[log.address] = flows.get(log.address, 0) + flow
    return {address: flow for address, flow in flows.items() if flow}


def read_spot_outcome(
    trade: TradeExecution, wallet: str, receipts: Iterable[Receipt | None], fee: float
) -> Outcome | None:
    """Return the result of a purchase or sale, computed from the transfers of the wallet.

    Raises
    ------
    PartlyExecuted
        Only one of the two tokens moved, or one of them moved in the wrong direction.
    """
    flows = sum_flows(receipts, wallet)
    base, quote = trade.pair.base, trade.pair.quote
    raw_base, raw_quote = flows.get(base.address, 0), flows.get(quote.address, 0)
    if not raw_base and not raw_quote:
        return None
    if not (raw_base > 0 > raw_quote if trade.is_buy() else raw_base < 0 < raw_quote):
        raise PartlyExecuted(
            f"{trade} moved {base.convert_to_decimal(raw_base)} {base.token_symbol} and "
            f"{quote.convert_to_decimal(raw_quote)} {quote.token_symbol}; that is not what it was to do",
            trade.trade_id,
        )
    quantity = base.convert_to_decimal(raw_base)
    reserve = quote.convert_to_decimal(abs(raw_quote))
    return Outcome(quantity, reserve, float(reserve / abs(quantity)), float(reserve) * fee)
