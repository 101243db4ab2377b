"""Advice as a page: the answer with its odds, what each method added for what it cost, and how to switch."""

from addcat.evidence.result import Evidence
from addcat.graph.operations import OPS
from addcat.report import rows
from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone
from addcat.verbs.advise.result import Advice, Verdict

VERDICTS = (
    Column("question", whole=False),
    Column("now", at_least=90),
    Column("take"),
    Column("right", number=True),
    Column("regret", number=True),
    Column("gain of concat", number=True),
    Column("95 % interval", at_least=90),
    Column("margin", number=True, at_least=100),
    Column("parameters", at_least=110),
)
LOOKS = (
    Column("question", whole=False),
    Column("after"),
    Column("take"),
    Column("right", number=True),
    Column("regret", number=True),
    Column("trainings", number=True),
    Column("time", number=True),
)
EVIDENCE = (
    Column("question", whole=False),
    Column("method"),
    Column("speaks of"),
    Column("estimate", number=True),
    Column("95 % interval"),
    Column("unit", at_least=90),
    Column("n", number=True, at_least=100),
    Column("time", number=True),
)
METRICS = (
    Column("question", whole=False),
    Column("metric", whole=False),
    Column("Add", number=True),
    Column("Concatenate", number=True),
    Column("difference", number=True),
    Column("95 % interval"),
    Column("pairs", number=True, at_least=100),
    Column("steps", number=True, at_least=100),
)
TONES: dict[str, Tone] = {"add": "good", "concat": "warn"}


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
    more = [
        f"{verdict.site}: {words}"
        for verdict in advice.verdicts
        for words in (budget_words(verdict), more_words(verdict))
        if words
    ]
    if more:
        blocks.append(Bullets(tuple(more)))
    looked = tuple(row for verdict in advice.verdicts for row in look_rows(verdict))
    if looked:
        blocks.extend([Heading("What each method added"), Table(LOOKS, looked)])
    blocks.append(Heading("Evidence"))
    blocks.append(Table(EVIDENCE, tuple(row for verdict in advice.verdicts for row in evidence_rows(verdict))))
    silent = tuple(f"{one.method} gives no figure: {one.words}" for one in _without_figure(advice))
    if silent:
        blocks.append(Bullets(silent))
    metrics = tuple(row for verdict in advice.verdicts for row in metric_rows(verdict))
    if metrics:
        blocks.extend([Heading("Further metrics"), Table(METRICS, metrics)])
    commands = [f"`{verdict.command}`" for verdict in advice.verdicts if verdict.command]
    if commands:
        blocks.extend([Heading("To switch"), Bullets(tuple(commands))])
    blocks.append(Paragraph(" ".join([_data(advice), *advice.notes]), "muted"))
    return Page(tuple(blocks))


def verdict_row(verdict: Verdict) -> tuple[str | Cell, ...]:
    """A verdict as cells under `VERDICTS`."""
    gain, price = verdict.gain, verdict.price
    after = price.after
    return (
        site_words(verdict),
        OPS[verdict.now].label,
        Cell(verdict.choice, TONES[verdict.choice]),
        sure_words(verdict),
        rows.percent(verdict.regret.share),
        rows.NONE if gain is None else rows.signed(gain.estimate),
        rows.NONE if gain is None else rows.interval_text(gain.low, gain.high),
        rows.decimal(verdict.margin),
        rows.count(price.now.parameters) + ("" if after is None else f" -> {rows.count(after.parameters)}"),
    )


def site_words(verdict: Verdict) -> str:
    """The question of a verdict, short: a merge's name, or a family's with the number of its members."""
    many = len(verdict.sites)
    if verdict.averaged:
        return f"{verdict.site} (others either way)"
    return verdict.site if many == 1 else f"{verdict.site} ({rows.integer(many)} together)"


def sure_words(verdict: Verdict) -> str:
    """How sure a recommendation is: certain, either, or the probability that it is right."""
    if verdict.certain:
        return "certain"
    return "either" if verdict.either else rows.percent(verdict.probability)


def more_words(verdict: Verdict) -> str:
    """What more evidence would cost; "" where there is nothing left to learn."""
    more = verdict.more
    if more is None or verdict.certain:
        return ""
    pairs = rows.counted(more.pairs, "more pair")
    time = "" if more.seconds is None else f", about {rows.seconds_text(more.seconds)}"
    return f"{pairs} ({rows.decimal(more.trainings)} trainings{time}) would halve the doubt."


def budget_words(verdict: Verdict) -> str:
    """Whether Concatenate's gain is its parameters'; "" where the two budgets agree and nothing was asked."""
    other = verdict.other
    if other is None or not (verdict.disagree or other.measured):
        return ""
    sure = "certain" if other.certain else rows.percent(other.probability)
    label = OPS[other.choice].label
    if not verdict.disagree:
        return f"With as many parameters in both arms, {label} is still better ({sure})."
    if other.match == "widths":
        words = "; its gain is its parameters'" if other.choice == "concat" else ""
        return f"At equal widths {label} would be the choice ({sure}){words}."
    if other.measured:
        return f"Concatenate's gain is its parameters': with as many in both arms, {label} is better ({sure})."
    if other.choice == "concat":
        return f"Reckoned for as many parameters in both arms, {label} would be the choice ({sure})."
    return (
        f"Concatenate's gain may be its parameters': reckoned for as many in both arms, {label} is likelier the better "
        f"({sure}). match='both' (--match both) measures it."
    )


def look_rows(verdict: Verdict) -> list[tuple[str | Cell, ...]]:
    """What was believed after each method, as cells under `LOOKS`."""
    return [
        (
            verdict.site,
            look.method,
            Cell(look.choice, TONES[look.choice]),
            rows.percent(look.probability),
            rows.percent(look.regret),
            rows.decimal(look.trainings),
            rows.seconds_text(look.seconds),
        )
        for look in verdict.looks
    ]


def metric_rows(verdict: Verdict) -> list[tuple[str, ...]]:
    """The metrics of a verdict's pairs as cells under `METRICS`."""
    return [
        (
            verdict.site,
            one.metric,
            rows.decimal(one.add),
            rows.decimal(one.concat),
            rows.signed(one.concat - one.add),
            rows.NONE if one.difference is None else rows.interval_text(one.difference.low, one.difference.high),
            rows.integer(one.pairs),
            rows.percent(one.share_of_steps),
        )
        for one in verdict.metrics
    ]


def _without_figure(advice: Advice) -> list[Evidence]:
    """Methods that were tried and do not apply."""
    found = [one for verdict in advice.verdicts for one in verdict.evidence]
    return [one for one in found if one.estimate is None and one.question != "fact"]


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
    spent = f"{rows.decimal(advice.trainings)} trainings, {rows.seconds_text(advice.seconds)}"
    return f"{fit} examples fitted, {judged} judged. Spent: {spent}, of {advice.budget}. Loss: {advice.loss}."
