"""The addresses that clients of the reference use, with the rules that the public client has for the answers."""

from typing import Annotated, Any, Literal

import msgspec

from tradeexecutor.analysis.memo import share_results
from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.types import to_epoch
from tradeexecutor.visual.web_chart import WebChartSource, WebChartType
from tradeexecutor.web.caching import Body
from tradeexecutor.web.drawings import draw, draw_figure, draw_picture, list_charts, make_icon, make_report_page
from tradeexecutor.web.endpoints import Endpoint, Parameter, Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.public_state import keep_known_samples, make_public
from tradeexecutor.web.series import make_ascending, render_client_chart
from tradeexecutor.web.summary import make_metadata, make_status
from tradeexecutor.web.v1 import ChartName, Number

__all__ = ["ENDPOINTS"]

#: Tables of positions.
_TABLES = ("open", "frozen", "closed", "pending", "expired")

_HISTORY_THERE = "Prices that the state has recorded are available."
_HISTORY_MISSING = "The state has recorded no prices of this position."


class ClientChart(msgspec.Struct, frozen=True, kw_only=True):
    """A time series for a chart: pairs of epoch seconds and value, ascending."""

    data: list[tuple[float, float]]
    title: str
    help_link: str
    source: Literal["live_trading", "backtest"]


class PositionChart(msgspec.Struct, frozen=True, kw_only=True):
    """Prices, trades and samples of a position."""

    position_number: int
    price_history: list[tuple[float, float]]
    price_history_status_message: str
    position_statistics: list[dict[str, Any]]
    trades: list[dict[str, Any]]
    warnings: list[str]


class ChartEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A chart that can be drawn."""

    id: str
    name: str
    kind: Literal[
        "indicator_single_pair",
        "indicator_multi_pair",
        "indicator_universe",
        "universe_state",
        "state_single_pair",
        "state_single_vault_pair",
    ]
    description: str


class ChartPairs(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs that charts can be drawn of."""

    default_pairs: list[dict[str, Any]]
    all_pairs: list[dict[str, Any]]


def make_client_metadata(question: Question) -> Body:
    """Return the description of the strategy with its headline figures."""
    site, strategy = question.site, question.strategy
    with share_results():
        return encode(make_metadata(strategy, question.saved, site.describe(strategy), site.statuses.get(strategy.id)))


def make_client_state(question: Question) -> Body:
    """Return the whole state with values that the public client accepts."""
    return Body(dump(make_public(question.tree)))


def make_client_status(question: Question) -> Body:
    """Return what is known about the process of the strategy."""
    site, strategy = question.site, question.strategy
    with share_results():
        return encode(make_status(strategy, question.saved, site.describe(strategy), site.statuses.get(strategy.id)))


def make_client_chart(question: Question) -> Body:
    """Return a time series; the growth of backtests is that of the net asset value."""
    state = question.saved.state
    source = WebChartSource(question["source"])
    if source is WebChartSource.backtest and state.backtest_data is None:
        raise ProblemRaised(404, "there is no backtest of this strategy")
    chart = render_client_chart(state, WebChartType(question["type"]), source)
    return encode(ClientChart(data=chart.data, title=chart.title, help_link=chart.help_link or "", source=source.value))


def make_position_chart(question: Question) -> Body:
    """Return prices, trades and samples of a position."""
    number = question["position_number"]
    portfolio = question.saved.state.portfolio
    waiting = portfolio.pending_positions.get(number) or portfolio.expired_positions.get(number)
    position = waiting or portfolio.get_position_by_id(number)
    tables = [question.tree["portfolio"].get(f"{name}_positions") or {} for name in _TABLES]
    samples = (question.tree["stats"].get("positions") or {}).get(str(number), [])
    shown = make_public({"position": next(table[str(number)] for table in tables if str(number) in table)})["position"]
    prices = make_ascending(list_prices(position))
    names = ("internal_share_price", "underlying_price")
    return encode(
        PositionChart(
            position_number=number,
            price_history=prices,
            price_history_status_message=_HISTORY_THERE if prices else _HISTORY_MISSING,
            position_statistics=[{**dict.fromkeys(names), **sample} for sample in keep_known_samples(samples)],
            trades=list(shown["trades"].values()),
            warnings=[] if prices else [_HISTORY_MISSING],
        )
    )


def list_prices(position: TradingPosition) -> list[tuple[float, float]]:
    """Return the prices that a position has recorded: at trades, valuations and the last pricing; USD."""
    points = [
        (to_epoch(trade.executed_at), trade.executed_price)
        for trade in position.trades.values()
        if trade.executed_at is not None and trade.executed_price
    ]
    points += [
        (to_epoch(update.valued_at), update.new_price) for update in position.valuation_updates if update.new_price
    ]
    if position.last_token_price:
        points.append((to_epoch(position.last_pricing_at), position.last_token_price))
    return points


def make_logs(question: Question) -> Body:
    """Return the latest log messages of the process, oldest first; empty unless it runs the strategy."""
    return encode(list(question.site.logs) if question.strategy.is_live else [])


def make_source(question: Question) -> Body:
    """Return the program of the strategy; empty if it is unknown or closed."""
    site, strategy = question.site, question.strategy
    is_closed = "closed_source" in site.describe(strategy).tags
    text = "" if is_closed else site.sources.get(strategy.id, "")
    return Body(text.encode(), "text/plain; charset=utf-8")


def make_visualisation(question: Question) -> Body:
    """Return a picture of the equity; needs the extra `images` and a browser on the server."""
    width, height = (512, 512) if question["type"] == "small" else (1200, 800)
    figure = draw_figure(question.saved.state, "equity", {}, theme=question["theme"])
    return draw_picture(figure, question["format"], width=width, height=height)


def make_file(question: Question) -> Body:
    """Return the report of the strategy as a page; other files are not there."""
    if question["type"] != "html":
        raise ProblemRaised(404, f"there is no {question['type']} of this strategy")
    return make_report_page(question.saved.state, question.strategy.id)


def make_client_icon(question: Question) -> Body:
    """Return the icon."""
    return make_icon()


def make_chart_registry(question: Question) -> Body:
    """Return the charts that can be drawn, those that the strategy defines first."""
    return encode(list_charts(question.site.charts.get(question.strategy.id, {})))


def make_chart_pairs(question: Question) -> Body:
    """Return the pairs that were traded."""
    pairs = [pair.to_dict() for pair in list_pairs(question.saved.state)]
    for number, pair in enumerate(pairs, 1):
        pair["internal_id"] = pair.get("internal_id") or number  # the client asks for charts by it
    pairs = [make_public({"pair": pair})["pair"] for pair in pairs]
    return encode(ChartPairs(default_pairs=pairs[:1], all_pairs=pairs))


def list_pairs(state: State) -> list[TradingPairIdentifier]:
    """Return the traded pairs, those with most positions first."""
    counts: dict[TradingPairIdentifier, int] = {}
    for position in state.portfolio.get_all_positions():
        counts[position.pair] = counts.get(position.pair, 0) + 1
    return sorted(counts, key=lambda pair: -counts[pair])


def make_chart_picture(question: Question) -> Body:
    """Return a chart as a picture, or as a page where pictures cannot be made."""
    pairs = list_pairs(question.saved.state)
    by_id = {str(pair.internal_id or number): pair for number, pair in enumerate(pairs, 1)}
    wanted = [text for text in question["pair_ids"].split(",") if text]
    unknown = [text for text in wanted if text not in by_id]
    if unknown:
        raise ProblemRaised(404, f"there is no pair {unknown[0]}")
    author = question.site.charts.get(question.strategy.id, {})
    pair = by_id[wanted[0]] if wanted else None
    return draw(question.saved.state, question["chart_id"], author, format=question["format"], pair=pair)


_THEME = Parameter("theme", Literal["light", "dark"], "Colours.", "light")
_FORMAT = Parameter("format", Literal["png", "svg"], "Format of the picture.", "png")
_TEXT = ("text/plain; charset=utf-8",)
_PICTURES = ("image/png", "image/svg+xml", "text/html; charset=utf-8")


#: Below the address of a strategy, without ``/v1``.
ENDPOINTS = (
    Endpoint.of("/metadata", dict[str, Any], make_client_metadata, is_stable=False),
    Endpoint.of("/state", dict[str, Any], make_client_state),
    Endpoint.of("/status", dict[str, Any], make_client_status, is_stable=False),
    Endpoint.of(
        "/chart",
        ClientChart,
        make_client_chart,
        Parameter("type", ChartName, "Name of the series."),
        Parameter("source", Literal["live_trading", "backtest"], "Which state.", "live_trading"),
    ),
    Endpoint.of(
        "/position-chart/{position_number}",
        PositionChart,
        make_position_chart,
        Parameter("position_number", Number, "Id of the position.", in_path=True),
    ),
    Endpoint.of("/logs", list[dict[str, Any]], make_logs, is_stable=False),
    Endpoint.of("/source", str, make_source, media_types=_TEXT, is_stable=False),
    Endpoint.of(
        "/visualisation",
        bytes,
        make_visualisation,
        Parameter("type", Literal["small", "large"], "Size.", "small"),
        _THEME,
        _FORMAT,
        media_types=_PICTURES[:2],
        is_slow=True,
        problems=(422, 501),
    ),
    Endpoint.of(
        "/file",
        str,
        make_file,
        Parameter("type", Literal["html", "notebook", "deployment-report"], "Which file."),
        media_types=("text/html; charset=utf-8",),
        is_slow=True,
    ),
    Endpoint.of("/icon", bytes, make_client_icon, media_types=("image/png",)),
    Endpoint.of("/chart-registry", list[ChartEntry], make_chart_registry, is_stable=False),
    Endpoint.of("/chart-registry/pairs", ChartPairs, make_chart_pairs),
    Endpoint.of(
        "/chart-registry/render",
        bytes,
        make_chart_picture,
        Parameter("chart_id", Annotated[str, msgspec.Meta(max_length=100)], "Id of the chart."),
        Parameter("pair_ids", Annotated[str, msgspec.Meta(max_length=400)], "Ids of pairs, separated by commas.", ""),
        _FORMAT,
        media_types=_PICTURES,
        is_slow=True,
        problems=(422,),
    ),
)
