"""A plot as SVG: axes with few ticks, lines, bands and dots; the style sheet gives the colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from addcat.report import rows

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 84, 14, 18, 52
TICKS = 5

Point = tuple[float, float]


@dataclass(slots=True)
class Plot:
    """A plot in the making.

    Attributes:
        title: What it shows, for readers who do not see it.
        x: Range of the horizontal axis.
        y: Range of the vertical axis.
        x_label: Words under the horizontal axis.
        y_label: Words at the vertical axis.
        whole: Whether the horizontal axis counts things.
        parts: What was drawn.
    """

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    whole: bool = True
    parts: list[str] = field(default_factory=list[str])

    def line(self, points: Sequence[Point], kind: str) -> None:
        """A line through points; broken where a value is not finite."""
        for piece in _pieces(points):
            path = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in piece)
            self.parts.append(f'<polyline class="{kind}" points="{path}"/>')

    def band(self, low: Sequence[Point], high: Sequence[Point], kind: str) -> None:
        """The area between two lines over the same places; ends without limit are cut at the frame."""
        edge = [*((x, y) for x, y in low), *((x, y) for x, y in reversed(high))]
        path = " ".join(f"{self.across(x):.1f},{self.up(self.cut(y)):.1f}" for x, y in edge)
        self.parts.append(f'<polygon class="{kind}" points="{path}"/>')

    def dot(self, x: float, y: float, kind: str, words: str = "") -> None:
        """A dot; `words` show where a pointer rests."""
        place = f'cx="{self.across(x):.1f}" cy="{self.up(self.cut(y)):.1f}" r="4.5"'
        self.parts.append(f'<circle class="{kind}" {place}><title>{escape(words)}</title></circle>')

    def level(self, y: float, kind: str, words: str = "", *, at_start: bool = False) -> None:
        """A horizontal line across the plot, with words at its end or its start."""
        if not self.y[0] <= y <= self.y[1]:
            return
        place = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.up(y):.1f}" y2="{self.up(y):.1f}"'
        self.parts.append(f'<line class="{kind}" {place}/>')
        if words:
            self.words(self.x[0 if at_start else 1], y, words, "start" if at_start else "end", -4)

    def words(self, x: float, y: float, text: str, anchor: str = "start", shift: float = 0.0) -> None:
        """Words in the plot."""
        place = f'x="{self.across(x):.1f}" y="{self.up(y) + shift:.1f}" text-anchor="{anchor}"'
        self.parts.append(f"<text {place}>{escape(text)}</text>")

    def across(self, x: float) -> float:
        """Place of a value on the horizontal axis."""
        low, high = self.x
        return LEFT + (x - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)

    def up(self, y: float) -> float:
        """Place of a value on the vertical axis."""
        low, high = self.y
        return HEIGHT - BOTTOM - (y - low) / ((high - low) or 1.0) * (HEIGHT - TOP - BOTTOM)

    def cut(self, y: float) -> float:
        """A value within the frame."""
        return min(max(y, self.y[0]), self.y[1])

    def svg(self) -> str:
        """The plot as markup."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">'
            f"{self._axes()}{''.join(self.parts)}</svg>"
        )

    def _axes(self) -> str:
        drawn: list[str] = []
        for value in ticks(*self.y):
            y = self.up(value)
            drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            drawn.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
        for value in ticks(*self.x, whole=self.whole):
            place = f'x="{self.across(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
            drawn.append(f'<text class="tick" {place}>{_tick(value)}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        drawn.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(self.x_label)}</text>')
        place = f'transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle"'
        drawn.append(f"<text {place}>{escape(self.y_label)}</text>")
        return "".join(drawn)


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round values in a range, about five.

    Examples:
        >>> ticks(0.0, 1.0), ticks(1, 8, whole=True)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [2.0, 4.0, 6.0, 8.0])
    """
    if not high > low:
        return [low]
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    if whole:
        step = float(max(1, round(step)))
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def around(values: Sequence[float], *, share: float = 0.08) -> tuple[float, float]:
    """A range that holds all finite values, with some room; [0, 1] where there are none.

    Examples:
        >>> around([1.0, 3.0, float("inf")], share=0.5)
        (0.0, 4.0)
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    pieces: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _tick(value: float) -> str:
    return rows.tick(value)
