"""``tradeexecutor perform-test-trade``."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from tradeexecutor.cli.chain_options import (
    ChainAccess,
    ChainOption,
    KeystoreOption,
    MaxGasPriceOption,
    PasswordFileOption,
    RpcOption,
    require_chain_packages,
)
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_line
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption
from tradeexecutor.cli.state_file import StateFile

EXAMPLES = (
    "tradeexecutor perform-test-trade state.json --chain base.json --rpc https://mainnet.base.org",
    "tradeexecutor perform-test-trade state.json --chain base.json --rpc URL --pair WETH-USDC --amount 5 --yes",
)


def perform_test_trade(
    state_file: StateFile,
    *,
    chain: ChainOption,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    pair: Annotated[
        str | None,
        typer.Option(metavar="SYMBOL", help="Pair to trade, e.g. WETH-USDC.", show_default="the first of the settings"),
    ] = None,
    amount: Annotated[str, typer.Option(metavar="AMOUNT", help="Reserve currency to spend.")] = "1",
    max_gas_price: MaxGasPriceOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Buy a little of a pair and sell it again, with real money.

    It shows that key, gas, node, pool and settings work, for the price of two fees.
    The strategy must not be running. The trades are in the state like all others,
    marked as test trades.

    The exit code is 1 when a trade failed.
    """
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import open_books, trade_after_question
    from tradeexecutor.operations.chain_trading import make_test_trade

    money = _parse_amount(amount)
    with open_books(
        state_file, ChainAccess(chain, rpc, keystore, max_gas_price, password_file), dry_run=dry_run
    ) as books:
        known = {item.get_ticker(): item for item in books.settings.pairs}
        chosen = next(iter(known.values())) if pair is None else known.get(pair)
        if chosen is None:
            raise CommandFailed(f"{chain} has no pair {pair}", f"It has: {', '.join(known)}.")
        if not json_:
            print_line(f"Buys {chosen.base.token_symbol} for {money} {chosen.quote.token_symbol}, and sells it again.")
        trade_after_question(lambda: make_test_trade(books, chosen, money), yes=yes, dry_run=dry_run, json_=json_)


def _parse_amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint="--amount") from None
    if not amount.is_finite() or amount <= 0:
        raise typer.BadParameter("must be above zero", param_hint="--amount")
    return amount
