"""How a command trades on a chain: it shows what it is going to send, asks, sends, and prints the outcomes.

Commands import this module in their bodies, because it needs web3.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from tradeexecutor.cli.chain_options import ChainAccess, open_chain, open_wallet
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import (
    Column,
    format_price,
    format_quantity,
    print_json,
    print_line,
    print_problem,
    print_table,
)
from tradeexecutor.ethereum.hot_wallet import FeeRules
from tradeexecutor.operations.chain_trading import (
    ChainBooks,
    execute_triggers,
    open_for_resolution,
    open_live_books,
    plan_triggers,
)
from tradeexecutor.operations.close_position import CloseRequest
from tradeexecutor.operations.live_trading import PlannedSale, plan_sales, sell_positions
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.repair import RepairResult
from tradeexecutor.state.trade import TradeExecution

__all__ = [
    "check_triggers_on_chain",
    "close_on_chain",
    "open_books",
    "print_left_alone",
    "resolve_on_chain",
    "trade_after_question",
]


@contextmanager
def open_books(place: StateLocation, access: ChainAccess, *, dry_run: bool) -> Generator[ChainBooks]:
    """Open a state for trades on its chain; see :func:`~tradeexecutor.operations.chain_trading.open_live_books`."""
    settings, connection = open_chain(access.chain, access.rpc)
    with open_live_books(
        place,
        settings,
        connection,
        open_wallet(access.keystore, access.password_file),
        preview_only=dry_run,
        fee_rules=FeeRules(max_fee=access.max_fee),
    ) as books:
        yield books


def resolve_on_chain(place: StateLocation, access: ChainAccess, *, yes: bool) -> None:
    """Ask, find out the outcomes of trades that an earlier process has sent, and print them.

    Raises
    ------
    typer.Exit
        The user answered no; exit code 1.
    """
    settings, connection = open_chain(access.chain, access.rpc)
    wallet = open_wallet(access.keystore, access.password_file)
    with open_for_resolution(place, settings, connection, wallet) as resolve:
        if not yes and not _confirm("Ask the chain, and send again what it has dropped?"):
            print_line("Nothing was asked.")
            raise typer.Exit(EXIT_FAILURE)
        found = resolve()
    if found:
        _print_trades(found)
    else:
        print_line("No trade was under way.")


def check_triggers_on_chain(
    place: StateLocation, access: ChainAccess, *, yes: bool, dry_run: bool, json_: bool
) -> None:
    """Execute the triggers that the market has reached; raises as `trade_after_question`."""
    with open_books(place, access, dry_run=dry_run) as books:
        planned = plan_triggers(books)
        if json_ and (dry_run or not planned):
            print_json({"planned": [_trade_to_json(trade) for trade in planned]})
        elif not planned:
            print_line("The market has reached no trigger.")
        elif not json_:
            _print_planned(planned)
        if planned:
            trade_after_question(lambda: execute_triggers(books), yes=yes, dry_run=dry_run, json_=json_)


def _print_planned(trades: Sequence[TradeExecution]) -> None:
    columns = (Column("Trade"), Column("Why"), Column("Quantity", right=True), Column("Price, USD", right=True))
    rows = [
        (
            trade.pair.get_ticker(),
            trade.trade_type.value,
            format_quantity(trade.planned_quantity),
            format_price(trade.planned_price),
        )
        for trade in trades
    ]
    print_table(columns, rows)


def trade_after_question(
    trade: Callable[[], Sequence[TradeExecution]], *, yes: bool, dry_run: bool, json_: bool
) -> None:
    """Ask, trade, and print the outcomes.

    Raises
    ------
    typer.BadParameter
        ``--json`` was given without ``--yes`` or ``--dry-run``, so the command cannot ask.
    typer.Exit
        The user answered no, or a trade failed; exit code 1.
    """
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    if dry_run:
        if not json_:
            print_line("Dry run: nothing was sent.", "bold")
        return
    if not yes and not _confirm():
        print_line("Nothing was sent.")
        raise typer.Exit(EXIT_FAILURE)
    done = trade()
    if json_:
        print_json({"trades": [_trade_to_json(item) for item in done]})
    else:
        _print_trades(done)
    if not done or not all(item.is_success() for item in done):
        raise typer.Exit(EXIT_FAILURE)


def _confirm(question: str = "Send the transactions? They cannot be undone") -> bool:
    """Return True if the user confirms; False if the input has ended or was interrupted."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        typer.echo()
        return False


def print_left_alone(result: RepairResult) -> None:
    """Print to standard error which failed trades were not sent again, and why."""
    for number, reason in result.left_alone.items():
        print_problem(f"trade #{number} was not sent again: {reason}", "yellow")


def close_on_chain(
    place: StateLocation, access: ChainAccess, request: CloseRequest, *, yes: bool, dry_run: bool, json_: bool
) -> None:
    """Sell positions on the chain; raises as `trade_after_question`."""
    with open_books(place, access, dry_run=dry_run) as books:
        sales = plan_sales(books, request)
        if json_ and dry_run:
            print_json({"sales": [_sale_to_json(sale) for sale in sales]})
        if not json_:
            _print_sales(sales)
        if sales:
            trade_after_question(lambda: sell_positions(books, sales), yes=yes, dry_run=dry_run, json_=json_)


def _print_sales(sales: Sequence[PlannedSale]) -> None:
    if not sales:
        print_line("There is no position to close.")
        return
    columns = (
        Column("Position"),
        Column("Sells", right=True),
        Column("Price, USD", right=True),
        Column("Brings in about", right=True),
    )
    rows = [
        (
            f"#{sale.position.position_id} {sale.position.pair.get_ticker()}",
            format_quantity(sale.quantity),
            format_price(sale.pricing.price),
            f"{sale.proceeds:,.2f} {sale.position.pair.quote.token_symbol}",
        )
        for sale in sales
    ]
    print_table(columns, rows)


def _sale_to_json(sale: PlannedSale) -> dict[str, Any]:
    return {
        "position_id": sale.position.position_id,
        "ticker": sale.position.pair.get_ticker(),
        "quantity": sale.quantity,
        "price": sale.pricing.price,
        "proceeds": sale.proceeds,
    }


def _print_trades(trades: Sequence[TradeExecution]) -> None:
    columns = (
        Column("Trade"),
        Column("Result"),
        Column("Quantity", right=True),
        Column("Price, USD", right=True),
        Column("Transaction", is_text=True),
    )
    rows = [
        (
            f"#{trade.trade_id} {trade.pair.get_ticker()}",
            trade.get_status().value if trade.is_success() else f"failed: {trade.get_revert_reason()}",
            format_quantity(trade.executed_quantity),
            format_price(trade.executed_price),
            (trade.blockchain_transactions[-1].tx_hash or "") if trade.blockchain_transactions else "",
        )
        for trade in trades
    ]
    print_table(columns, rows, ["" if trade.is_success() else "red" for trade in trades])


def _trade_to_json(trade: TradeExecution) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "position_id": trade.position_id,
        "status": trade.get_status().value,
        "executed_quantity": trade.executed_quantity,
        "executed_price": trade.executed_price,
        "executed_reserve": trade.executed_reserve,
        "transactions": [tx.tx_hash for tx in trade.blockchain_transactions],
        "failure": trade.get_revert_reason() if trade.is_failed() else None,
    }
