"""The report of a comparison: the answers first, then pictures, then the tables and what was asked.

One file without scripts that loads nothing: a browser shows it in light or dark, on a desk or a phone.
"""

import math
from functools import cache
from html import escape
from importlib.resources import files

from addcat.report import html, rows
from addcat.report.page import Bullets, Heading, Page, Paragraph, Table
from addcat.verbs.compare.html.plot import Plot, around
from addcat.verbs.compare.page import FINDINGS, METRICS, answers, arms_table, finding_row, metric_row, reading
from addcat.verbs.compare.result import Comparison, Finding
from addcat.verbs.compare.settings import Settings

COLOURS = 6
"""Kinds of lines that the style sheet knows; more arms take them again."""
MOST_ARMS = 12
"""Arms whose curves are drawn; a design of many rows would only be a tangle."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(found: Comparison) -> str:
    """The report as text.

    Args:
        found: The comparison.

    Returns:
        A whole HTML document; every name in it is escaped.
    """
    title = f"addcat compare: {found.settings.title}"
    sections = "".join(part for part in (*_pictures(found), _tables(found), _asked(found)) if part)
    said = "".join(f"<p>{html.words(answer)}</p>" for answer in answers(found))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><header><p class=brand>addcat compare</p>"
        f"<h1>{escape(found.settings.question)}</h1><p class=soft>{escape(found.settings.title)}</p></header>"
        f"<main><section class=answer>{said}</section>{sections}</main>"
        "<footer>addcat</footer></body></html>\n"
    )


def _pictures(found: Comparison) -> list[str]:
    drawn = [_curves(found)]
    for finding in found.findings:
        if finding.differences:
            drawn += [_differences(found.settings, finding), _sequence(found.settings, finding)]
    drawn.append(_forest(found))
    return drawn


def _figure(heading: str, plot: Plot, caption: str, legend: str = "") -> str:
    return (
        f"<section><h2>{escape(heading)}</h2><figure>{legend}{plot.svg()}"
        f"<figcaption>{escape(caption)}</figcaption></figure></section>"
    )


def _curves(found: Comparison) -> str:
    """Held-out loss of every trial over its evaluations."""
    arms = [arm.name for arm in found.settings.arms]
    trials = [trial for trial in found.trials if len(trial.curve) > 1 and trial.arm in arms]
    if not trials or len(arms) > MOST_ARMS:
        return ""
    values = sorted(float(value) for trial in trials for value in trial.curve if math.isfinite(value))
    if not values:
        return ""
    low, high = values[0], values[min(len(values) - 1, int(0.98 * len(values)))]
    longest = max(len(trial.curve) for trial in trials)
    plot = Plot("Held-out loss of every trial", (1, longest), around([low, high]), "evaluation", found.settings.unit)
    for trial in trials:
        points = [(place, plot.cut(float(value))) for place, value in enumerate(trial.curve, 1)
                  if math.isfinite(value)]  # fmt: skip
        plot.line(points, f"curve arm{arms.index(trial.arm) % COLOURS}")
    legend = "".join(
        f'<li><svg viewBox="0 0 24 8" class="key" aria-hidden="true"><line class="curve arm{place % COLOURS}" '
        f'x1="0" x2="24" y1="4" y2="4"/></svg>{escape(name)}</li>'
        for place, name in enumerate(arms)
    )
    caption = f"Every line is a trial, {rows.integer(len(trials))} in all; what lies above the frame is cut."
    return _figure("Curves of all seeds", plot, caption, f'<ul class="legend">{legend}</ul>')


def _differences(settings: Settings, finding: Finding) -> str:
    """The gain of each pair, their mean and its interval."""
    values, gain = list(finding.differences), finding.gain
    ends = [gain.low, gain.high] if gain is not None else []
    plot = Plot(
        f"Gain of each pair: {finding.name}",
        (0.5, len(values) + 0.5),
        around([*values, *ends, 0.0, finding.margin, -finding.margin]),
        "pair",
        f"gain in {settings.unit}",
    )
    if gain is not None:
        edges = plot.x
        plot.band([(x, gain.low) for x in edges], [(x, gain.high) for x in edges], "band")
    _margins(plot, finding)
    if gain is not None:
        plot.level(gain.estimate, "mean", f"mean {rows.signed(gain.estimate)}")
    for place, value in enumerate(values, 1):
        kind = "dot arm1" if value > 0 else "dot arm0"
        plot.dot(place, value, kind, f"pair {place}: {rows.signed(value)}")
    first, second = finding.choices
    caption = f"Above zero {second} is better, below it {first}. The band is the 95 % interval of the mean."
    return _figure(f"Paired differences: {finding.name}", plot, caption)


def _sequence(settings: Settings, finding: Finding) -> str:
    """The interval after each pair, valid however often one looks."""
    looks = [look for look in finding.path if math.isfinite(look[2])]
    if len(looks) < 2:
        return ""
    ends = [end for look in looks[1:] for end in look[2:]]
    plot = Plot(
        f"The sequence over pairs: {finding.name}",
        (looks[0][0], looks[-1][0]),
        around([*ends, 0.0, finding.margin]),
        "pairs",
        f"gain in {settings.unit}",
    )
    plot.band([(n, low) for n, _, low, _ in looks], [(n, high) for n, _, _, high in looks], "band")
    _margins(plot, finding)
    plot.line([(n, estimate) for n, estimate, _, _ in looks], "mean")
    caption = "The band holds the gain with 95 % confidence, at all numbers of pairs together."
    return _figure(f"The sequence over pairs: {finding.name}", plot, caption)


def _margins(plot: Plot, finding: Finding) -> None:
    plot.level(0.0, "zero")
    plot.level(finding.margin, "margin", "margin", at_start=True)  # at the end stands the mean, which may be as large
    plot.level(-finding.margin, "margin")


def _forest(found: Comparison) -> str:
    """Every question's gain, one above the other: budgets, arms or merges."""
    listed = [f for f in (*found.findings, *([found.together] if found.together else [])) if f.gain is not None]
    if len(listed) < 2:
        return ""
    ends = [end for f in listed if f.gain is not None for end in (f.gain.low, f.gain.high)]
    low, high = around([*ends, 0.0])
    lines: list[str] = []
    for finding in listed:
        gain = finding.gain
        assert gain is not None  # noqa: S101  (just asked)
        at = [100 * (value - low) / (high - low) for value in (gain.low, gain.high, gain.estimate, 0.0)]
        lines.append(
            f'<div class="row"><span class="name">{escape(finding.name)}</span><span class="track" role="img" '
            f'aria-label="{escape(rows.signed(gain.estimate))} '
            f'{escape(rows.interval_text(gain.low, gain.high))}">'
            f'<i class="nought" style="left:{at[3]:.2f}%"></i>'
            f'<i class="bar" style="left:{at[0]:.2f}%;width:{at[1] - at[0]:.2f}%"></i>'
            f'<i class="point" style="left:{at[2]:.2f}%"></i></span>'
            f'<span class="figures">{escape(rows.signed(gain.estimate))}</span></div>'
        )
    return (
        f'<section><h2>Every question</h2><div class="forest">{"".join(lines)}</div>'
        f"<p class=soft>Gain in {escape(found.settings.unit)} with its 95 % interval; the thin line is zero.</p>"
        "</section>"
    )


def _tables(found: Comparison) -> str:
    listed = [*found.findings, *([found.together] if found.together else [])]
    page = Page.of(
        Heading("Figures"),
        Table(FINDINGS, tuple(finding_row(found.settings, finding) for finding in listed)),
        Paragraph(reading(found.settings), "plain"),
        Heading("Arms"),
        arms_table(found),
        Heading("Further metrics") if found.measured else None,
        Table(METRICS, tuple(metric_row(one) for one in found.measured)) if found.measured else None,
        Heading("What to know") if found.notes else None,
        Bullets(found.notes) if found.notes else None,
    )
    return f"<section>{html.fragment(page)}</section>"


def _asked(found: Comparison) -> str:
    """The command, the versions and the machines."""
    versions = sorted({f"{name} {number}" for trial in found.trials for name, number in trial.versions.items()})
    hosts = sorted({trial.host for trial in found.trials if trial.host})
    settings = found.settings
    lines = [
        ("Asked by", settings.command or "a call of addcat.compare"),
        ("Pairs", f"{rows.integer(found.pairs)} of {rows.integer(len(settings.seeds))}, stop {settings.stop}"),
        ("Training", rows.seconds_text(found.seconds)),
        ("Versions", ", ".join(versions) or rows.NONE),
        ("Ran on", ", ".join(hosts) or rows.NONE),
        ("Kept in", found.store or "nowhere"),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in lines)
    return f"<section><h2>How it was asked</h2><dl>{listed}</dl></section>"


@cache
def _style() -> str:
    return (files("addcat.verbs.compare.html") / "templates" / "comparison.css").read_text(encoding="utf-8").strip()
