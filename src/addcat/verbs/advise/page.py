"""Advice as a page: a table of verdicts, the reasons, what was measured, and how to switch."""

from addcat.evidence.result import Evidence
from addcat.graph.operations import OPS
from addcat.report import rows
from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone
from addcat.verbs.advise.result import Advice, Verdict

VERDICTS = (
    Column("site", whole=False),
    Column("now"),
    Column("verdict"),
    Column("gain of concat", number=True),
    Column("95 % interval"),
    Column("margin", number=True, at_least=90),
    Column("parameters", at_least=110),
    Column("by", at_least=100),
)
EVIDENCE = (
    Column("site", whole=False),
    Column("method"),
    Column("speaks of"),
    Column("estimate", number=True),
    Column("95 % interval"),
    Column("unit", at_least=90),
    Column("n", number=True, at_least=100),
    Column("time", number=True),
)
TONES: dict[str, Tone] = {"add": "good", "concat": "warn", "undecided": "muted"}


def advice_page(advice: Advice) -> Page:
    """Lay out advice.

    Args:
        advice: What `advise` returned.

    Returns:
        A page for the terminal and for notebooks.
    """
    blocks: list[Block] = [Heading(f"Add or concatenate? {advice.model}")]
    if not advice.verdicts:
        blocks.append(Paragraph("The model has no Add or Concatenate that could be the other one."))
        return Page(tuple(blocks))
    blocks.append(Table(VERDICTS, tuple(verdict_row(verdict) for verdict in advice.verdicts)))
    blocks.append(Bullets(tuple(f"{verdict.site}: {verdict.reason}" for verdict in advice.verdicts)))
    if advice.together is not None:
        blocks.append(Paragraph(advice.together.words))
    blocks.append(Heading("Evidence"))
    blocks.append(Table(EVIDENCE, tuple(row for verdict in advice.verdicts for row in evidence_rows(verdict))))
    commands = [f"`{verdict.command}`" for verdict in advice.verdicts if verdict.command]
    if commands:
        blocks.extend([Heading("To switch"), Bullets(tuple(commands))])
    blocks.append(Paragraph(" ".join([_data(advice), *advice.notes]), "muted"))
    return Page(tuple(blocks))


def verdict_row(verdict: Verdict) -> tuple[str | Cell, ...]:
    """A verdict as cells under `VERDICTS`."""
    gain, price = verdict.gain, verdict.price
    after = price.after
    measured = [e.method for e in verdict.evidence if e.estimate is not None and e.unit == "loss"]
    return (
        verdict.site,
        OPS[verdict.now].label,
        Cell(verdict.choice, TONES[verdict.choice]),
        rows.NONE if gain is None else rows.signed(gain.estimate),
        rows.NONE if gain is None else rows.interval_text(gain.low, gain.high),
        rows.decimal(verdict.margin),
        rows.count(price.now.parameters) + ("" if after is None else f" -> {rows.count(after.parameters)}"),
        measured[-1] if measured else rows.NONE,
    )


def evidence_rows(verdict: Verdict) -> list[tuple[str, ...]]:
    """The evidence of a verdict as cells under `EVIDENCE`."""
    return [
        (
            verdict.site,
            one.method,
            one.question,
            *_figures(one),
            one.unit or rows.NONE,
            rows.count(one.n) if one.n else rows.NONE,
            rows.seconds_text(one.seconds),
        )
        for one in verdict.evidence
    ]


def _figures(one: Evidence) -> tuple[str, str]:
    """Estimate and interval; a share has no sign, a difference has."""
    if one.estimate is None:
        return rows.NONE, rows.NONE
    if one.unit.startswith("share"):
        return rows.percent(one.estimate), f"[{rows.percent(one.low)}, {rows.percent(one.high)}]"
    return rows.signed(one.estimate), rows.interval_text(one.low, one.high)


def _data(advice: Advice) -> str:
    fit, judged = (rows.count(number) for number in advice.examples)
    return f"{fit} examples fitted, {judged} judged, in {rows.seconds_text(advice.seconds)}. Loss: {advice.loss}."
