"""Pictures as SVG, with words as words: lines, dots and text in colours that can be read on white and on black.

An SVG in an <img> does not see the page's theme, so there is no background, and every colour has a contrast of 4 to 1
or more against both white and #0d1117.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

ADD, CONCAT, INK = "#c8641e", "#3b82d0", "#7a7f87"
"""Orange for Add, blue for Concatenate, grey for words and lines."""
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(slots=True)
class Picture:
    """A picture that grows by its parts.

    Attributes:
        width: In pixels.
        height: In pixels.
        title: What it shows, for whoever cannot see it.
        parts: Its elements, in order.
    """

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list[str])

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, *, wide: float = 1, dash: str = ""
    ) -> None:
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line {ends} stroke="{colour}" stroke-width="{wide:g}"{dashed}/>')

    def dot(self, x: float, y: float, radius: float, colour: str, *, faint: bool = False, hollow: bool = False) -> None:
        """A dot; hollow ones are drawn as rings."""
        fill = f'fill="none" stroke="{colour}" stroke-width="1.3"' if hollow else f'fill="{colour}"'
        opacity = ' opacity="0.45"' if faint else ""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {fill}{opacity}/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = INK,
        *,
        at: str = "start",
        size: int = 12,
        bold: bool = False,
    ) -> None:
        """Words; `at` is "start", "middle" or "end" of them."""
        weight = ' font-weight="600"' if bold else ""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{at}" font-size="{size}"'
        self.parts.append(f'<text {place} fill="{colour}"{weight}>{escape(words)}</text>')

    def svg(self) -> str:
        """The picture as a file has it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="{FONT}">'
        )
        return "\n".join([head, f"<title>{escape(self.title)}</title>", *self.parts, "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers from `low` to `high` laid out from `start` to `end`; what lies outside is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a number lies."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def outside(self, value: float) -> bool:
        """Whether a number is drawn at the edge."""
        return not self.low <= value <= self.high


def percent(share: float, *, signed: bool = False) -> str:
    """A share as figures and text give it: whole percent from 10 on, else one digit.

    Examples:
        >>> percent(0.123), percent(-0.0312), percent(0.05, signed=True), percent(0.0001)
        ('12 %', '-3.1 %', '+5.0 %', '0 %')
    """
    value = 100 * share
    words = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}"
    words = "0" if float(words) == 0 else words
    return f"{'+' if signed and float(words) > 0 else ''}{words} %"


def interval(picture: Picture, axis: Axis, y: float, ends: Sequence[float], colour: str, *, wide: float = 2) -> None:
    """An interval as a line; an end beyond the picture is an arrow."""
    low, high = (axis(end) for end in ends)
    picture.line(low, y, high, y, colour, wide=wide)
    for end, x, turn in ((ends[0], low, 1), (ends[1], high, -1)):
        if axis.outside(end):
            picture.line(x, y, x + 4 * turn, y - 3, colour, wide=wide)
            picture.line(x, y, x + 4 * turn, y + 3, colour, wide=wide)
