"""Evidence as a forest plot: every estimate with its interval, on axes that can be compared.

A figure is drawn where a method gives an estimate. What answers different questions stands in panels of its own: "from
here", "trained anew", and facts. All panels in the unit of the loss share one scale, so that zero and the margin stand
in one line from the first to the last; an interval that would squeeze the others is cut, and an arrow says so.

Positions are shares of the width in percent, so a plot fits any width without being stretched.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from addcat.report import rows
from addcat.verbs.advise.result import Evidence, Gain

LOSS = "loss"
TITLES = {
    "trained anew": "If trained anew",
    "from here": "From here",
    "fact": "About the network as it is",
}
"""Questions in the order of their panels."""
GLOSSES = {
    "structure": "read from the graph",
    "forward": "activations, no labels",
    "order": "errors that know the order",
    "kernel": "an infinitely wide layer",
    "score": "gradient of untying",
    "tie": "tied by regression",
    "swap": "branches exchanged",
    "refit": "branches frozen",
    "heads": "heads on these branches",
    "finetune": "nothing frozen",
    "warm": "trained branches kept",
    "short": "a share of the steps",
    "tied": "both start as Add",
    "other arm": "beside this network",
    "factorial": "several merges at once",
    "retrain": "both from scratch",
}
CUT = 3.0
"""An interval may reach this many times as far as the farthest estimate (or the margin) before it is cut."""
ROOM = 0.06
"""Share of the axis left free at either end."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of a plot.

    Attributes:
        label: The method.
        gloss: What it does, in three words.
        estimate: The figure as text.
        interval: Its interval as text.
        level: Its confidence as text.
        stands: Where the interval lies against the margin: "above", "below", "across"; "" where that has no meaning.
        low: Left end, in percent of the width.
        middle: The estimate, in percent.
        high: Right end, in percent.
        cut_low: Whether the interval goes on to the left of the plot.
        cut_high: Whether it goes on to the right.
        final: Whether the verdict's gain is this one.
    """

    label: str
    gloss: str
    estimate: str
    interval: str
    level: str
    stands: str
    low: float
    middle: float
    high: float
    cut_low: bool
    cut_high: bool
    final: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lanes on one axis.

    Attributes:
        title: The question they answer.
        unit: Of the axis.
        lanes: From top to bottom.
        ticks: Position in percent and text of each.
        zero: Where zero is, in percent.
        margin: Where the margin is, in percent; None where it has no meaning.
    """

    title: str
    unit: str
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    margin: float | None


Figure = tuple[float, float | None, float | None]


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float

    def at(self, value: float) -> float:
        return round(100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low), 2)


_SHARE = _Axis(-ROOM, 1 + ROOM)


def forest(evidence: Sequence[Evidence], *, margin: float | None = None, gain: Gain | None = None) -> list[Panel]:
    """Lay out the plot of a merge.

    Args:
        evidence: What the methods found; those without a finite estimate are not drawn.
        margin: Gain below which Add is chosen, in units of the loss.
        gain: The verdict's; the method that it comes from is marked.

    Returns:
        One panel for each question and unit that has figures.

    Examples:
        >>> from addcat.evidence.result import Evidence as Found
        >>> found = Found("refit", "from here", 0.03, 0.01, 0.05, 0.95, "loss", 400, 2.1, "A gain.")
        >>> (panel,) = forest([found], margin=0.008)
        >>> panel.title, panel.lanes[0].estimate, panel.lanes[0].stands
        ('From here', '+0.0300', 'above')
    """
    drawn = [
        (one, (one.estimate, one.low, one.high))
        for one in evidence
        if one.estimate is not None and math.isfinite(one.estimate)
    ]
    shared = _axis([figure for one, figure in drawn if one.unit == LOSS], margin or 0.0)
    rests_on = None if gain is None else (gain.estimate, gain.low, gain.high)
    panels: list[Panel] = []
    for question, title in TITLES.items():
        for unit in dict.fromkeys(one.unit for one, _ in drawn if one.question == question):
            those = [(one, figure) for one, figure in drawn if (one.question, one.unit) == (question, unit)]
            figures = [figure for _, figure in those]
            axis = shared if unit == LOSS else _SHARE if unit.startswith("share") else _axis(figures, 0.0)
            bar = margin if unit == LOSS and question != "fact" else None
            lanes = tuple(_lane(one, figure, axis, bar, final=figure == rests_on) for one, figure in those)
            panels.append(_panel(title, unit, lanes, axis, bar))
    return panels


def _axis(figures: Iterable[Figure], margin: float) -> _Axis:
    listed = list(figures)
    ends = [end for _, low, high in listed for end in (low, high) if end is not None and math.isfinite(end)]
    core = max((abs(value) for value in (*(figure[0] for figure in listed), margin)), default=0.0)
    reach = CUT * core or max(map(abs, ends), default=0.0) or 1.0
    inside = [min(max(value, -reach), reach) for value in (0.0, margin, *(f[0] for f in listed), *ends)]
    low, high = min(inside), max(inside)
    room = ROOM * (high - low or 2.0)
    return _Axis(low - room, high + room)


def _lane(one: Evidence, figure: Figure, axis: _Axis, margin: float | None, *, final: bool) -> Lane:
    estimate, low, high = figure
    left = estimate if low is None or math.isnan(low) else low
    right = estimate if high is None or math.isnan(high) else high
    stands = ""
    if margin is not None and low is not None and high is not None:
        stands = "above" if low > margin else "below" if high < margin else "across"
    return Lane(
        label=one.method,
        gloss=GLOSSES.get(one.method, ""),
        estimate=rows.signed(estimate),
        interval=rows.NONE if low is None and high is None else rows.interval_text(low, high),
        level=rows.percent(one.level),
        stands=stands,
        low=axis.at(left),
        middle=axis.at(estimate),
        high=axis.at(right),
        cut_low=left < axis.low,
        cut_high=right > axis.high,
        final=final,
    )


def _panel(title: str, unit: str, lanes: tuple[Lane, ...], axis: _Axis, margin: float | None) -> Panel:
    ticks = tuple((axis.at(value), rows.decimal(value, digits=1)) for value in _ticks(axis.low, axis.high))
    return Panel(title, unit, lanes, ticks, axis.at(0.0), None if margin is None else axis.at(margin))


def _ticks(low: float, high: float) -> list[float]:
    """Zero and a few round values around it, each with one significant digit.

    Examples:
        >>> _ticks(-0.011, 0.052)
        [0.0, 0.02, 0.04]
        >>> _ticks(-0.06, 1.06)
        [0.0, 0.5, 1.0]
    """
    reach = max(high, -low)
    power = 10.0 ** math.floor(math.log10(reach))
    lead = reach / power
    step = 0.5 if lead < 2 else 1 if lead < 5 else 2
    found = [place * step for place in range(-10, 11)]
    single = [value for value in found if value in (-0.5, 0.5) or value == int(value)]
    return [round(value * power, 12) for value in single if low <= value * power <= high]
