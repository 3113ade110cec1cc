"""``tradeexecutor reset-state``."""

import dataclasses
import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_change import DryRunOption, JsonOption, YesOption, mend

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor reset-state state.json --dry-run",
    "tradeexecutor reset-state state.json",
)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a reset takes away.

    Attributes
    ----------
    open_positions, frozen_positions, pending_positions, closed_positions, trades, samples, blacklisted_assets
        How many there were.
    cash_usd, net_asset_value_usd
        What the state knew of; nothing happens to the money itself.
    first, last
        From when to when the strategy has sampled its value or traded.
    """

    open_positions: int
    frozen_positions: int
    pending_positions: int
    closed_positions: int
    trades: int
    samples: int
    blacklisted_assets: int
    cash_usd: float | None
    net_asset_value_usd: float | None
    first: datetime.datetime | None
    last: datetime.datetime | None


def reset_state(
    state_file: StateFile, yes: YesOption = False, dry_run: DryRunOption = False, json_: JsonOption = False
) -> None:
    """Start a strategy anew: an empty state with the same name and reserve currency.

    Positions, trades, cash, statistics and the blacklist are no longer in the
    file; the copy that is made first has everything. What the strategy owns does
    not change, the new state just knows nothing of it: sell or withdraw first, or
    sync the treasury and correct the accounts afterwards.

    Kept are the name, the reserve currencies, and where the strategy is deployed.
    """
    mend(
        state_file,
        _reset,
        command="reset-state",
        print_result=_print,
        to_json=dataclasses.asdict,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="reset-backup",
    )


def _reset(state: "State", now: datetime.datetime) -> Loss:
    loss = _describe(state)
    from tradeexecutor.state.reserve import ReservePosition
    from tradeexecutor.state.state import State

    new = State(created_at=now, name=state.name, deployment_info=state.deployment_info)
    new.sync.deployment = state.sync.deployment
    for key, reserve in state.portfolio.reserves.items():
        empty = ReservePosition(reserve.asset, Decimal(0), None, reserve.reserve_token_price, None)
        new.portfolio.reserves[key] = empty
    for field in dataclasses.fields(new):
        setattr(state, field.name, getattr(new, field.name))
    state.unknown_keys.clear()
    return loss


def _describe(state: "State") -> Loss:
    from tradeexecutor.state.errors import TradeExecutorError

    portfolio = state.portfolio
    try:
        cash, value = portfolio.get_cash(), portfolio.get_net_asset_value()
    except TradeExecutorError:  # a state that cannot be valued can be reset all the same
        cash = value = None
    first, last = state.get_strategy_start_and_end()
    return Loss(
        len(portfolio.open_positions),
        len(portfolio.frozen_positions),
        len(portfolio.pending_positions),
        len(portfolio.closed_positions),
        sum(1 for _ in portfolio.get_all_trades()),
        len(state.stats.portfolio),
        len({asset.get_identifier() for asset in state.blacklisted_assets} | state.asset_blacklist),
        cash,
        value,
        first,
        last,
    )


def _print(loss: Loss) -> None:
    from tradeexecutor.cli.output import format_time, format_usd, print_facts, print_heading, print_line

    print_heading("What the state will not know any more")
    facts = {
        "Positions": (
            f"{loss.open_positions:,} open, {loss.frozen_positions:,} frozen, "
            f"{loss.pending_positions:,} pending, {loss.closed_positions:,} closed"
        ),
        "Trades": f"{loss.trades:,}",
        "Cash": f"{format_usd(loss.cash_usd)} USD",
        "Net asset value": f"{format_usd(loss.net_asset_value_usd)} USD",
        "History": f"{loss.samples:,} samples of the portfolio",
        "Blacklisted": f"{loss.blacklisted_assets:,}",
    }
    if loss.first is not None:
        facts["History"] += f", {format_time(loss.first)} to {format_time(loss.last)}"
    print_facts(facts)
    held = loss.open_positions + loss.frozen_positions + loss.pending_positions
    if held:
        which = "One position is" if held == 1 else f"{held:,} positions are"
        print_line(f"{which} not closed: nobody will look after what they hold.", "bold yellow")
