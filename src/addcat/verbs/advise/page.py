"""Advice as a page: the answer in a sentence and a picture, what each method added for what it cost, how to switch."""

from collections.abc import Sequence

from addcat.evidence.result import Evidence
from addcat.graph.operations import OPS
from addcat.merges.left_out import left_out
from addcat.report import rows
from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone
from addcat.verbs.advise.html.verdicts import headline
from addcat.verbs.advise.result import Advice, Look, Verdict

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
GAINS = tuple(column for column in VERDICTS if column.title not in ("right", "regret"))
"""The same under the picture, which has these."""
BAR, MARKS = 24, {"add": "█", "either": "░", "concat": "▒"}
SAME = {
    "widths": "At equal widths",
    "parameters": "With as many parameters in both arms",
    "multiply_adds": "With as many multiply-adds in both arms",
}
PICTURE = (
    Column("question", whole=False),
    Column("Add █ either ░ concat ▒"),
    Column("right", number=True),
    Column("regret", number=True),
    Column("halves the doubt", at_least=90),
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
        blocks.extend(_left_out(advice))
        return Page(tuple(blocks))
    blocks.append(Paragraph(answer_words(advice.verdicts), "strong"))
    blocks.append(Table(PICTURE, tuple(picture_row(verdict) for verdict in advice.verdicts)))
    kept = [place for place, column in enumerate(VERDICTS) if column in GAINS]
    gains = [verdict_row(verdict) for verdict in advice.verdicts]
    blocks.append(Table(GAINS, tuple(tuple(row[place] for place in kept) for row in gains)))
    blocks.append(Bullets(tuple(f"{verdict.site}: {verdict.reason}" for verdict in advice.verdicts)))
    budgets = [f"{verdict.site}: {words}" for verdict in advice.verdicts if (words := budget_words(verdict))]
    if budgets:
        blocks.append(Bullets(tuple(budgets)))
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
    if left := _left_out(advice):
        blocks.extend([Heading("Not asked"), *left])
    blocks.append(Paragraph(" ".join([_data(advice), *advice.notes]), "muted"))
    return Page(tuple(blocks))


def _left_out(advice: Advice) -> list[Block]:
    reasons = left_out([inspected.merge for inspected in advice.inspection.merges], advice.inspection.findings)
    return [Bullets(reasons)] if reasons else []


def answer_words(verdicts: Sequence[Verdict]) -> str:
    """The answer to all questions: what to take, how sure that is, what it gives away, and what more would cost."""
    worst = max(verdict.regret.share for verdict in verdicts)
    many = ", at most" if len(verdicts) > 1 else ""
    gives = f"Following this gives away {rows.percent(worst)} of the loss on average{many}."
    doubtful = max(verdicts, key=lambda verdict: verdict.regret.share)
    more = more_words(doubtful)
    where = f" at {doubtful.site}" if many and more else ""
    return " ".join(
        filter(None, [headline(verdicts), gives, _swayed(verdicts), f"{more[:-1]}{where}." if more else ""])
    )


def _swayed(verdicts: Sequence[Verdict]) -> str:
    """Where another budget would have the other merge; "" where none would."""
    found: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.other is not None and verdict.disagree:
            found.setdefault((verdict.other.match, verdict.other.choice), []).append(verdict.site)
    return " ".join(
        f"{SAME[match]}, {OPS[choice].label} would be the choice at {' and '.join(sites)}."
        for (match, choice), sites in found.items()
    )


def picture_row(verdict: Verdict) -> tuple[str, ...]:
    """The odds of a verdict as a bar, as cells under `PICTURE`."""
    more = verdict.more
    cost = rows.NONE
    if more is not None and more_words(verdict):
        time = "" if more.seconds is None else f", {rows.seconds_text(more.seconds)}"
        cost = f"{rows.counted(more.pairs, 'pair')}{time}"
    return site_words(verdict), bar(verdict), sure_words(verdict), rows.percent(verdict.regret.share), cost


def bar(verdict: Verdict) -> str:
    """The three odds side by side, each as long as it is likely, rounded so that they fill the bar."""
    ends = [round(BAR * share) for share in (verdict.odds.add, verdict.odds.add + verdict.odds.either)]
    parts = zip(MARKS.values(), [0, *ends], [*ends, BAR], strict=True)
    return "".join(mark * (end - start) for mark, start, end in parts)


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
    return right_words(verdict)


def right_words(found: Verdict | Look) -> str:
    """How sure a verdict, or a look, is in a word."""
    if found.certain:
        return "certain"
    return "either" if found.either else rows.probability(found.probability)


def more_words(verdict: Verdict) -> str:
    """What more evidence would cost; "" where there is nothing left to learn."""
    more = verdict.more
    if more is None or verdict.certain or verdict.wanting:
        return ""
    pairs = rows.counted(more.pairs, "more pair")
    time = "" if more.seconds is None else f", about {rows.seconds_text(more.seconds)}"
    return f"{pairs} ({rows.decimal(more.trainings)} trainings{time}) would halve the doubt."


def budget_words(verdict: Verdict) -> str:
    """Whether Concatenate's gain is its parameters'; "" where the two budgets agree and nothing was asked."""
    other = verdict.other
    if other is None or not (verdict.disagree or other.measured):
        return ""
    sure = "certain" if other.certain else rows.probability(other.probability)
    label, less_likely = OPS[other.choice].label, not other.certain and other.probability < 0.5
    if less_likely and verdict.disagree:
        how = "measured" if other.measured else "reckoned"
        return f"{SAME[other.match]}, {label} would be the safer choice ({how}; {sure} likely the better)."
    if not verdict.disagree:
        still = "still the safer choice" if less_likely else "still better"
        return f"With as many parameters in both arms, {label} is {still} ({sure})."
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
            right_words(look),
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
