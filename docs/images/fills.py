"""Draw the pictures of docs/fills.md: `python docs/images/fills.py`.

What fills in a picture is what the program fills: each path of a candle is walked by the same code as in a backtest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

from tradeexecutor.backtest.universe import create_pair, create_reserve_asset
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.types import EPOCH
from tradeexecutor.strategy.candle_path import Book, Condition, Hit, PriceRange, RestingOrder, Walk, walk_path

FOLDER = Path(__file__).resolve().parent / "fills"

USD = create_reserve_asset()
PAIR = create_pair("BTC", USD, 1)

INK, GREY, PALE, GREEN, RED, BLUE, GOLD = "#24292f", "#8c959f", "#eaeef2", "#1a7f37", "#cf222e", "#0969da", "#9a6700"
PANEL, HEIGHT, MARGIN = 360, 250, 46


@dataclass(frozen=True)
class Order:
    """A waiting order: units (bought positive) and levels with the side from which the price comes."""

    units: float
    levels: Sequence[tuple[float, str]]
    lapses: bool = False


@dataclass(frozen=True)
class Picture:
    """A candle and what rests in it: both ways are drawn, the one that counts is framed."""

    name: str
    candle: tuple[float, float, float, float]
    held: float = 0
    stop: float | None = None
    target: float | None = None
    trailing: float | None = None
    orders: Sequence[Order] = ()


@dataclass(frozen=True)
class Line:
    """Candles one after the other, with marks: (candle, 0 for its open to 1 for its close, price, text, colour)."""

    name: str
    candles: Sequence[tuple[float, float, float, float] | None]
    labels: Sequence[str]
    marks: Sequence[tuple[int, float, float, str, str]]
    levels: Sequence[tuple[float, str, str]] = field(default_factory=tuple)


PICTURES: list[Picture | Line] = [
    Picture("stop-and-target", (100, 125, 85, 110), held=10, stop=90, target=120),
    Line(
        "gap",
        [(100, 103, 97, 101), (84, 92, 80, 88)],
        ["candle 1", "candle 2"],
        [(1, 0.0, 84, "sell 10 at the open of 84", RED)],
        [(90, "stop loss 90", RED)],
    ),
    Picture("ladder", (100, 125, 96, 103), held=10, orders=[Order(-5, [(110, "rise")]), Order(-5, [(120, "rise")])]),
    Picture("ladder-and-stop", (100, 115, 92, 104), held=10, stop=95, orders=[Order(-5, [(110, "rise")])]),
    Picture("entry-then-stop", (105, 112, 90, 91), stop=95, orders=[Order(10, [(110, "rise")])]),
    Picture("entry-then-target", (105, 120, 104, 118), target=115, orders=[Order(10, [(110, "rise")])]),
    Picture("entry-and-perhaps-stop", (105, 114, 94, 108), stop=97, orders=[Order(10, [(110, "rise")])]),
    Picture("entry-and-perhaps-target", (98, 104, 92, 99), target=102, orders=[Order(10, [(95, "fall")])]),
    Picture("trailing", (100, 124, 98, 107), held=10, stop=90, trailing=0.9),
    Picture("trailing-open", (103, 118, 101, 115), held=10, stop=92, trailing=0.9),
    Picture("oco", (100, 107, 93, 100), orders=[Order(10, [(95, "fall"), (105, "rise")])]),
    Picture("lapses", (98, 101, 92, 97), orders=[Order(10, [(95, "fall")], lapses=True)]),
    Line(
        "next-open",
        [(100, 112, 98, 110), (110, 114, 108, 112)],
        ["day 1", "day 2"],
        [
            (0, 0.55, 100, "noon: buy, but the open of 100 is old", GREY),
            (1, 0.0, 110, "filled at the open of 110", BLUE),
        ],
    ),
    Line(
        "halt",
        [(100, 103, 98, 100), None, None, (62, 66, 58, 60)],
        ["Friday", "halted", "halted", "Thursday"],
        [(2, 0.3, 100, "sell: valued at 100, waits", GREY), (3, 0.0, 62, "sold at the open of 62", RED)],
    ),
    Line(
        "time",
        [(100, 104, 99, 103), (103, 106, 102, 105), (105, 107, 101, 102), (102, 105, 100, 104)],
        ["candle 1", "candle 2", "candle 3", "candle 4"],
        [
            (0, 0.0, 100, "buy at 100, to be closed after 3 candles", BLUE),
            (3, 0.0, 102, "sold at the open of candle 4", GOLD),
        ],
    ),
]  # fmt: skip


# --- What fills ------------------------------------------------------------------------------------


def make_book(picture: Picture) -> Book:
    """Return the book of a picture, with orders that wait as trades of an invented position."""
    position = TradingPosition(
        position_id=1,
        pair=PAIR,
        opened_at=EPOCH,
        last_pricing_at=EPOCH,
        last_token_price=picture.candle[0],
        last_reserve_price=1.0,
        reserve_currency=USD,
    )
    book = Book(position, picture.held, picture.stop, picture.target, picture.trailing)
    for number, order in enumerate(picture.orders, start=1):
        level = order.levels[0][0]
        units = Decimal(str(order.units))
        value = abs(units) * Decimal(str(level))
        trade = TradeExecution(number, 1, TradeType.rebalance, PAIR, EPOCH, units, value, level, USD)
        conditions = tuple(Condition(float(price), side == "rise") for price, side in order.levels)
        amount = float(value) if order.units > 0 else -order.units
        book.orders.append(RestingOrder(trade, conditions, amount, may_expire=order.lapses))
    return book


def walk_both(picture: Picture) -> list[tuple[tuple[float, ...], Walk, str]]:
    """Return each path with its outcome and its title; an order that may expire does so in one and not in the other."""
    open, high, low, close = picture.candle
    down, up = PriceRange(open, high, low, close, EPOCH).get_paths()
    book = make_book(picture)
    if any(order.lapses for order in picture.orders):
        return [
            (down, walk_path([book], down), "filled before it lapses"),
            (down, walk_path([book], down, fills_expiring=False), "lapsed before the low"),
        ]
    return [(down, walk_path([book], down), "low first"), (up, walk_path([book], up), "high first")]


# --- Drawing ---------------------------------------------------------------------------------------


class Scale:
    """Prices to heights."""

    def __init__(self, prices: Sequence[float]):
        low, high = min(prices), max(prices)
        pad = (high - low) * 0.12
        self.low, self.high = low - pad, high + pad

    def y(self, price: float) -> float:
        """Return the height of a price in the picture."""
        return 34 + (self.high - price) / (self.high - self.low) * (HEIGHT - 84)


def text(x: float, y: float, words: str, colour: str = INK, anchor: str = "start", size: int = 12) -> str:
    """Return a text element."""
    halo = 'paint-order="stroke" stroke="white" stroke-width="3" stroke-linejoin="round"'
    style = f'fill="{colour}" font-size="{size}" text-anchor="{anchor}" {halo}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> str:
    """Return a line element."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def dot(x: float, y: float, colour: str) -> str:
    """Return a mark of a fill."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}" stroke="white" stroke-width="1.5"/>'


def price_text(price: float) -> str:
    """Return a price without needless digits."""
    return f"{price:.1f}".removesuffix(".0")


def candle_shape(x: float, scale: Scale, candle: tuple[float, float, float, float]) -> Iterator[str]:
    """Draw a candle around x."""
    open, high, low, close = candle
    colour = GREEN if close >= open else RED
    yield line(x, scale.y(high), x, scale.y(low), colour, 2)
    top, bottom = scale.y(max(open, close)), scale.y(min(open, close))
    yield (
        f'<rect x="{x - 9:.1f}" y="{top:.1f}" width="18" height="{max(bottom - top, 1.5):.1f}" fill="{colour}" '
        'fill-opacity="0.25" '
        f'stroke="{colour}" stroke-width="1.5"/>'
    )


def get_levels(picture: Picture) -> Iterator[tuple[float, str, str]]:
    """Yield the levels of a picture with words and colour."""
    if picture.stop is not None:
        words = "stop loss" if picture.trailing is None else "trailing, from"
        yield picture.stop, f"{words} {price_text(picture.stop)}", RED
    if picture.target is not None:
        yield picture.target, f"take profit {price_text(picture.target)}", GREEN
    for order in picture.orders:
        for price, side in order.levels:
            if order.units > 0:
                yield price, f"{'stop' if side == 'rise' else 'limit'} buy {price_text(price)}", BLUE
            else:
                yield price, f"sell {price_text(-order.units)} at {price_text(price)}", GREEN


def describe_fill(walk: Walk, number: int) -> tuple[str, str]:
    """Return the words and the colour of a fill."""
    hit = walk.hits[number]
    if hit.order is not None and hit.order.trade.is_buy():
        return "buy", BLUE
    return ("stop", RED) if hit.trade_type is TradeType.stop_loss else ("sell", GREEN)


def draw_panel(
    picture: Picture, x: float, path: tuple[float, ...], walk: Walk, title: str, remark: str
) -> Iterator[str]:
    """Draw one path with the candle, its levels and the fills on the path; framed with a remark why it counts."""
    counts = bool(remark)
    scale = Scale([*picture.candle, *(price for price, _, _ in get_levels(picture))])
    frame = f'stroke="{INK if counts else PALE}" stroke-width="{2 if counts else 1}"'
    yield f'<rect x="{x + 3:.1f}" y="3" width="{PANEL - 6}" height="{HEIGHT - 6}" rx="6" fill="white" {frame}/>'
    yield text(x + 16, 22, title, INK if counts else GREY, size=13)
    yield from candle_shape(x + 30, scale, picture.candle)
    left, right = x + 58, x + PANEL - 112
    for price, words, colour in get_levels(picture):
        yield line(left - 8, scale.y(price), right + 10, scale.y(price), colour, 1, "4 3")
        yield text(right + 14, scale.y(price) + 4, words, colour, size=11)
    step = (right - left) / (len(path) - 1)
    points = [(left + number * step, price) for number, price in enumerate(path)]
    corners = " ".join(f"{px:.1f},{scale.y(price):.1f}" for px, price in points)
    yield f'<polyline points="{corners}" fill="none" stroke="{INK if counts else GREY}" stroke-width="1.6"/>'
    for number, name in enumerate(("open", "", "", "close")):
        if name:
            yield text(points[number][0], HEIGHT - 36, f"{name} {price_text(path[number])}", GREY, "middle", 11)
    segment, at = 0, path[0]
    for number, hit in enumerate(walk.hits):
        segment, at = find_segment(path, segment, at, hit)
        begin, end = points[segment], points[segment + 1]
        share = 0.0 if end[1] == begin[1] else (hit.price - begin[1]) / (end[1] - begin[1])
        px = begin[0] + share * (end[0] - begin[0])
        words, colour = describe_fill(walk, number)
        yield dot(px, scale.y(hit.price), colour)
        yield text(px + 7, scale.y(hit.price) - 7, f"{words} {price_text(hit.price)}", colour, size=11)
    worth = f"worth at the close: {walk.value:,.0f}{remark}"
    yield text(x + PANEL - 16, HEIGHT - 14, worth, INK if counts else GREY, "end")


def find_segment(path: Sequence[float], segment: int, at: float, hit: Hit) -> tuple[int, float]:
    """Return in which part of a path a fill lies, looking on from a part and a price in it."""
    for number in range(segment, len(path) - 1):
        begin, end = at if number == segment else path[number], path[number + 1]
        moves_there = begin == hit.price or (end > begin) is hit.condition.rising
        if moves_there and min(begin, end) <= hit.price <= max(begin, end):
            return number, hit.price
    raise ValueError(f"{hit.price} is not on the path {path}")


def draw_paths(picture: Picture) -> str:
    """Draw both ways side by side."""
    walks = walk_both(picture)
    worst = min(walk.value for _, walk, _ in walks)
    is_certain = all(abs(walk.value - worst) < 1e-6 for _, walk, _ in walks)
    parts: list[str] = []
    for number, (path, walk, title) in enumerate(walks):
        remark = ", either path" if is_certain else ", this one counts" if walk.value == worst else ""
        parts += draw_panel(picture, number * PANEL, path, walk, title, remark)
    return wrap(2 * PANEL, parts)


def draw_line(picture: Line) -> str:
    """Draw candles one after the other, with marks."""
    shown = [candle for candle in picture.candles if candle is not None]
    scale = Scale([price for candle in shown for price in candle] + [price for price, _, _ in picture.levels])
    width = 2 * PANEL
    slot = (width - (220 if picture.levels else 2 * MARGIN)) / len(picture.candles)
    parts = [f'<rect x="3" y="3" width="{width - 6}" height="{HEIGHT - 6}" rx="6" fill="white" stroke="{PALE}"/>']
    for price, words, colour in picture.levels:
        parts.append(line(20, scale.y(price), width - 130, scale.y(price), colour, 1, "4 3"))
        parts.append(text(width - 124, scale.y(price) + 4, words, colour, size=11))
    for number, (candle, label) in enumerate(zip(picture.candles, picture.labels, strict=True)):
        begin = MARGIN + number * slot
        parts.append(line(begin, HEIGHT - 44, begin, HEIGHT - 38, GREY))
        parts.append(text(begin + slot / 2, HEIGHT - 22, label, GREY, "middle"))
        if candle is not None:
            parts += candle_shape(begin + slot / 2, scale, candle)
    parts.append(line(MARGIN, HEIGHT - 41, MARGIN + slot * len(picture.candles), HEIGHT - 41, GREY))
    for number, share, price, words, colour in picture.marks:
        px = MARGIN + (number + share) * slot
        parts.append(dot(px, scale.y(price), colour))
        parts.append(line(px, scale.y(price), px, HEIGHT - 41, colour, 0.7, "2 3"))
        anchor = "end" if number else "start"
        parts.append(text(px + (8 if anchor == "start" else -8), scale.y(price) - 8, words, colour, anchor))
    return wrap(width, parts)


def wrap(width: float, parts: Sequence[str]) -> str:
    """Return a whole SVG file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}" font-family="Helvetica, Arial, sans-serif">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def draw(picture: Picture | Line) -> str:
    """Return a picture as SVG."""
    return draw_paths(picture) if isinstance(picture, Picture) else draw_line(picture)


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture.name}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main()
