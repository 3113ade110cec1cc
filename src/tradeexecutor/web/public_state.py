"""The state as the JavaScript client of the reference accepts it.

That client checks a whole file against its schema, and one value that it does not know leaves all its pages empty.
Values that only a newer program knows are replaced by the nearest value that it knows; the real value is kept beside
it under a name that begins with ``original_``, which the client ignores. ``/v1/{id}/state`` is not changed.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeType

__all__ = ["CLIENT_CHAINS", "get_client_chain", "keep_known_samples", "make_public"]

Tree = dict[str, Any]

#: Chains that the client has a name for.
CLIENT_CHAINS = frozenset(
    {
        ChainId.ethereum,
        ChainId.bsc,
        ChainId.polygon,
        ChainId.avalanche,
        ChainId.arbitrum,
        ChainId.base,
        ChainId.optimism,
        ChainId.hyperliquid,
    }
)

#: Chain under which the client shows strategies of exchanges and of simulations.
_ELSEWHERE = int(ChainId.arbitrum)

_CHAINS = {
    int(ChainId.hyperliquid_testnet): int(ChainId.hyperliquid),
    int(ChainId.hypercore): int(ChainId.hyperliquid),
    int(ChainId.arbitrum_sepolia): int(ChainId.arbitrum),
    int(ChainId.base_sepolia): int(ChainId.base),
    int(ChainId.ganache): int(ChainId.ethereum),
    int(ChainId.anvil): int(ChainId.ethereum),
}

_KINDS = {
    "cctp_bridge": "cash",
    "freqtrade": "exchange_account",
    "spot_market_rebalancing token": "spot_market_hold_rebalancing_token",
}

_TRADE_TYPES = frozenset(kind.value for kind in TradeType)

#: Tables of positions, the most telling first.
_TABLES = ("open_positions", "frozen_positions", "closed_positions", "pending_positions", "expired_positions")

_NUMBERS = frozenset({int, float})

_HEX = re.compile(r"0x[0-9a-fA-F]*")


def get_client_chain(chain_id: object) -> int:
    """Return the id of a chain that the client knows, for the summary of a strategy.

    >>> get_client_chain(42161), get_client_chain(-1), get_client_chain(31337)
    (42161, 42161, 1)
    """
    if type(chain_id) is not int:
        return _ELSEWHERE
    if chain_id in CLIENT_CHAINS:
        return chain_id
    return _CHAINS.get(chain_id, _ELSEWHERE)


def make_public(tree: Tree) -> Tree:
    """Return a copy of the tree of a state with values that the client accepts; the given tree is not changed.

    Parameters
    ----------
    tree
        JSON tree without the checksum header.
    """
    tree = _copy_repaired(tree)
    if not tree.get("cycle") or tree["cycle"] < 1:
        tree["cycle"] = 1
    backtest = tree.get("backtest_data")
    if isinstance(backtest, dict) and cast(Tree, backtest).get("decision_cycle_duration") is None:
        del tree["backtest_data"]  # may be absent, but not incomplete
    stats = tree.get("stats")
    if isinstance(stats, dict):
        _drop_incomplete_table(cast(Tree, stats))
        samples = cast(Tree, stats).get("positions")
        if isinstance(samples, dict):
            stats["positions"] = {
                number: keep_known_samples(cast(list[Any], item)) for number, item in cast(Tree, samples).items()
            }
    portfolio = tree.get("portfolio")
    if isinstance(portfolio, dict):
        _complete_portfolio(cast(Tree, portfolio), tree.get("created_at"))
    return tree


def keep_known_samples(samples: list[Any]) -> list[Any]:
    """Return the samples of a position whose value and profitability are known; the client draws unknown ones as 0."""
    return [item for item in samples if item.get("value") is not None and item.get("profitability") is not None]


def _complete_portfolio(portfolio: Tree, created_at: Any) -> None:
    """Add what the client needs: a reserve, the time of its last processing, and the prices of positions."""
    positions = list(_list_positions(portfolio))
    reserves = cast(Tree, portfolio.get("reserves") or {})
    if not reserves:
        asset = next((item["reserve_currency"] for item in positions if item.get("reserve_currency")), None)
        portfolio["reserves"] = reserves = _make_empty_reserve(asset, created_at)
    for reserve in reserves.values():
        if isinstance(reserve, dict) and cast(Tree, reserve).get("last_sync_at") is None:
            reserve["last_sync_at"] = created_at
    for position in positions:
        if "last_token_price" in position and position["last_token_price"] is None:
            position["last_token_price"] = _find_last_price(position)


def _list_positions(portfolio: Tree) -> Iterator[Tree]:
    for name in _TABLES:
        table = portfolio.get(name)
        if isinstance(table, dict):
            yield from cast(dict[str, Tree], table).values()


def _make_empty_reserve(asset: Tree | None, created_at: Any) -> Tree:
    """Return reserves of a state that has none, because a page of the client shows the first one.

    Parameters
    ----------
    asset
        Currency of a position; None if there is no position.
    created_at
        Creation of the state, epoch seconds.
    """
    money = AssetIdentifier(_ELSEWHERE, "0x" + "0" * 40, "USD", 6)
    reserve: Tree = ReservePosition(money, Decimal(0), None, 1.0, None, Decimal(0), 1.0).to_dict()
    reserve |= {"last_sync_at": created_at, "last_pricing_at": created_at, "is_placeholder": True}
    if asset is not None:
        reserve["asset"] = asset
    return {f"{reserve['asset']['chain_id']}-{reserve['asset']['address']}": reserve}


def _find_last_price(position: Tree) -> Any:
    """Return the newest price that a position has recorded, USD; None if there is none."""
    for update in reversed(position.get("valuation_updates") or []):
        if update.get("new_price") is not None:
            return update["new_price"]
    trades = list(cast(dict[str, Tree], position.get("trades") or {}).values())
    prices = (trade.get(name) for trade in reversed(trades) for name in ("executed_price", "planned_price"))
    return next((price for price in prices if price is not None), None)


def _drop_incomplete_table(stats: Tree) -> None:
    """Remove the table of long and short positions unless it has both parts, which the client shows together."""
    table = stats.get("long_short_metrics_latest")
    if isinstance(table, dict):
        parts = cast(Tree, table)
        if any(parts.get(name) is None for name in ("live_stats", "backtested_stats") if name in parts):
            stats["long_short_metrics_latest"] = None


def _copy_repaired(root: Tree) -> Tree:
    """Return a copy of a tree with values replaced at any depth."""
    copy = root.copy()
    waiting: list[Any] = [copy]
    while waiting:
        item = waiting.pop()
        places: Any = list(cast(Tree, item).items()) if type(item) is dict else enumerate(cast(list[Any], item))
        for place, value in places:
            if type(value) is dict or type(value) is list:
                item[place] = child = cast(Any, value).copy()
                waiting.append(child)
            elif place in _RULES:
                _RULES[place](item, place, value)
            elif type(value) in _NUMBERS and value < 0 and str(place).endswith(("_at", "timestamp")):
                _replace(item, place, value, 0)  # a time before 1970
    return copy


def _replace(item: Tree, key: str, value: Any, new: Any) -> None:
    item[key] = new
    if value is not None:
        item[f"original_{key}"] = value


def _chain(item: Tree, key: str, value: Any) -> None:
    if type(value) is int and value <= 0:
        _replace(item, key, value, _ELSEWHERE)


def _kind(item: Tree, key: str, value: Any) -> None:
    if isinstance(value, str) and value in _KINDS:
        _replace(item, key, value, _KINDS[value])


def _internal_id(item: Tree, key: str, value: Any) -> None:
    if type(value) is int and value <= 0:
        _replace(item, key, value, None)


def _info_url(item: Tree, key: str, value: Any) -> None:
    if value == "":
        item[key] = None


def _pool_address(item: Tree, key: str, value: Any) -> None:
    if isinstance(value, str) and not _HEX.fullmatch(value):
        _replace(item, key, value, "0x" + value.encode().hex())


def _log_index(item: Tree, key: str, value: Any) -> None:
    if type(value) is int:
        item[key] = hex(value)


def _hash(item: Tree, key: str, value: Any) -> None:
    if isinstance(value, str) and not _HEX.fullmatch(value):
        _replace(item, key, value, f"0x{value}" if _HEX.fullmatch(f"0x{value}") else None)


def _delay(item: Tree, key: str, value: Any) -> None:
    if type(value) in (int, float) and value < 0:
        _replace(item, key, value, 0)


def _trade_type(item: Tree, key: str, value: Any) -> None:
    if isinstance(value, str) and value not in _TRADE_TYPES:
        _replace(item, key, value, "rebalance")


def _number(item: Tree, key: str, value: Any) -> None:
    if isinstance(value, str):
        text = value.removeprefix("+")
        if text.lower() in ("nan", "infinity", "-infinity", "inf", "-inf"):
            _replace(item, key, value, None)
        elif text != value:
            _replace(item, key, value, text)


def _nonce(item: Tree, key: str, value: Any) -> None:
    if value is None:
        item[key] = 0


_RULES: dict[str, Callable[[Tree, str, Any], None]] = {
    "chain_id": _chain,
    "kind": _kind,
    "internal_id": _internal_id,
    "internal_exchange_id": _internal_id,
    "info_url": _info_url,
    "pool_address": _pool_address,
    "log_index": _log_index,
    "tx_hash": _hash,
    "owner_address": _hash,
    "signed_bytes": _hash,
    "market_feed_delay": _delay,
    "trade_type": _trade_type,
    "nonce": _nonce,
    "quantity": _number,
    "planned_quantity": _number,
    "planned_reserve": _number,
    "executed_quantity": _number,
    "executed_reserve": _number,
}
