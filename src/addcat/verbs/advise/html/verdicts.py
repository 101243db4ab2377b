"""Verdicts in words: what each asks for, all of them in one sentence, and what a switch costs."""

from collections.abc import Sequence
from typing import Literal

from addcat.graph.operations import OPS
from addcat.report import rows
from addcat.report.page import Column, Table
from addcat.verbs.advise.result import Verdict

Action = Literal["keep", "switch"]
MOST_NAMES = 3
"""A headline names so many merges; of more it gives the number."""


def action(verdict: Verdict) -> Action:
    """What a verdict asks for: "switch" where the other merge is recommended, "keep" where the one that is there is."""
    return "keep" if verdict.choice == verdict.now else "switch"


def verdict_words(verdict: Verdict) -> str:
    """A verdict in some words: "keep Add, certain", "switch to Concatenate, right with 84 %"."""
    doing = f"{'keep' if action(verdict) == 'keep' else 'switch to'} {OPS[verdict.choice].label}"
    return f"{doing}, {odds_words(verdict)}"


def odds_words(verdict: Verdict) -> str:
    """How sure: "certain", "either will do", "84 % likely the better"; and why, where another merge is likelier."""
    less_likely = verdict.probability < 0.5
    if verdict.certain:
        margin = rows.percent(verdict.margin / abs(verdict.loss)) if verdict.loss else "the margin"
        return f"certain: Concatenate gains less than {margin}" if less_likely else "certain"
    likely = f"{rows.probability(verdict.probability)} likely the better"
    if verdict.wanting:
        return f"for want of evidence, {likely}"
    if verdict.either:
        return "either will do"
    return f"the safer choice, {likely}" if less_likely else likely


def headline(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in one sentence; names stand in backticks, and where there are many, numbers in their place.

    Args:
        verdicts: In the order of the model.
    """
    if not verdicts:
        return "There is no Add or Concatenate to judge."
    total = len(verdicts)
    said: list[str] = []
    for op in ("concat", "add"):
        for doing in ("switch", "keep"):
            those = [v for v in verdicts if v.choice == op and action(v) == doing]
            if those:
                names = _names([_asked(v) for v in those], total, first=not said)
                words = (
                    f"switch {names} to {OPS[op].label}" if doing == "switch" else f"keep {OPS[op].label} at {names}"
                )
                said.append(f"{words} ({_sure(those)})")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _asked(verdict: Verdict) -> str:
    many = len(verdict.sites)
    return verdict.site if many == 1 else f"{verdict.site} x {rows.integer(many)}"


def _sure(verdicts: Sequence[Verdict]) -> str:
    """How sure some verdicts are: in the words of one, or the least sure of several."""
    least = min(verdicts, key=lambda v: (v.certain, v.probability))
    if len(verdicts) == 1:
        return odds_words(least)
    return "certain" if least.certain else f"at least: {odds_words(least)}"


def _names(sites: Sequence[str], total: int, *, first: bool) -> str:
    if len(sites) > MOST_NAMES:
        number = "all" if len(sites) == total else rows.integer(len(sites))
        return f"{number}{'' if number == 'all' else f' of {rows.integer(total)}'} merges" if first else number
    *others, last = [f"`{site.replace('`', chr(39))}`" for site in sites]
    return f"{', '.join(others)} and {last}" if others else last


def price_table(verdict: Verdict) -> Table:
    """What a merge costs now and after a switch, for a batch of one.

    Args:
        verdict: Of the merge.
    """
    now, after = verdict.price.now, verdict.price.after
    other = OPS["concat" if verdict.now == "add" else "add"].label
    columns = [Column("for one example"), Column(f"{OPS[verdict.now].label} (now)", number=True)]
    lines = [
        ["parameters", rows.integer(now.parameters)],
        ["multiply-adds", rows.count(now.multiply_adds)],
        ["merged tensor", rows.bytes_text(now.bytes)],
    ]
    if after is not None:
        columns += [Column(other, number=True), Column("times", number=True)]
        lines[0] += [rows.integer(after.parameters), _times(now.parameters, after.parameters)]
        lines[1] += [rows.count(after.multiply_adds), _times(now.multiply_adds, after.multiply_adds)]
        lines[2] += [rows.bytes_text(after.bytes), _times(now.bytes, after.bytes)]
    return Table(tuple(columns), tuple(map(tuple, lines)))


def _times(now: int | None, after: int | None) -> str:
    if now is None or after is None:
        return rows.UNKNOWN
    return rows.ratio(after / now) if now else rows.NONE
