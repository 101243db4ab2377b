"""A comparison as a page: the answers, the arms and what they cost, further metrics, and what to know."""

from addcat.report import rows
from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone
from addcat.statistics import Interval
from addcat.verbs.compare.result import Comparison, Finding, Measured
from addcat.verbs.compare.settings import Settings

FINDINGS = (
    Column("question", whole=False),
    Column("verdict"),
    Column("lean"),
    Column("gain", number=True),
    Column("95 % interval"),
    Column("margin", number=True, at_least=90),
    Column("pairs", number=True),
    Column("p", number=True, at_least=100),
    Column("effect", number=True, at_least=110),
)
ARMS = (
    Column("arm", whole=False),
    Column("mean", number=True),
    Column("trials", number=True),
    Column("parameters", number=True),
    Column("mult-adds", number=True),
    Column("weights", number=True, at_least=100),
    Column("peak", number=True, at_least=110),
    Column("a step", number=True, at_least=90),
    Column("a trial", number=True),
)
METRICS = (
    Column("metric", whole=False),
    Column("question", whole=False),
    Column("first", number=True),
    Column("second", number=True),
    Column("difference", number=True),
    Column("95 % interval"),
)


def comparison_page(found: Comparison) -> Page:
    """Lay out a comparison.

    Args:
        found: What `compare` returned.

    Returns:
        A page for the terminal and for notebooks.
    """
    settings = found.settings
    blocks: list[Block] = [Heading(settings.question), Bullets(tuple(answers(found)))]
    listed = [*found.findings, *([found.together] if found.together else [])]
    blocks.append(Table(FINDINGS, tuple(finding_row(settings, finding) for finding in listed)))
    blocks.append(Paragraph(reading(settings), "muted"))
    if found.interactions:
        blocks.append(Paragraph(_interactions(found)))
    blocks += [Heading("Arms"), arms_table(found)]
    if found.measured:
        blocks += [Heading("Further metrics"), Table(METRICS, tuple(metric_row(one) for one in found.measured))]
    blocks.append(Bullets(found.notes))
    blocks.append(Paragraph(_ran(found), "muted"))
    return Page(tuple(block for block in blocks if not isinstance(block, Bullets) or block.items))


def answers(found: Comparison) -> list[str]:
    """One sentence for each question, as a colleague would say it."""
    said = [answer(found.settings, finding) for finding in found.findings]
    if found.together is not None:
        said.append(answer(found.settings, found.together))
    if found.cheapest:
        said.append(f"{found.cheapest} is the cheapest that is not worse than the best by more than the margin.")
    return said


def answer(settings: Settings, finding: Finding) -> str:
    """What one finding says."""
    first, second = finding.choices
    unit = settings.unit
    if finding.gain is None:
        return f"{finding.name}: undecided, too few pairs yet."
    if settings.self_check:
        right = "as it must be" if not finding.differs else "which happens to one self-check in twenty"
        word = "differ" if finding.differs else "do not differ"
        figures = _figures(settings, finding)
        return (
            f"{finding.name}: the arm and itself {word}, {right}: {figures} over {rows.counted(finding.pairs, 'pair')}."
        )
    odds = f"{second} is better with probability {rows.probability(finding.better)}"
    gains = f"{second} gains {_figures(settings, finding)} of {unit} over {first}"
    match finding.verdict:
        case "undecided":
            rest = (
                f"undecided; the lean is {finding.lean}, right with probability {rows.probability(finding.probability)}"
            )
        case "equal":
            rest = f"equal within the margin of {rows.decimal(finding.margin)}; {odds}"
        case choice if choice == second:
            rest = f"take {choice}; {odds}"
        case choice:
            rest = f"keep {choice}: the gain is below the margin of {rows.decimal(finding.margin)}; {odds}"
    return f"{finding.name}: {rest}. Over {rows.counted(finding.pairs, 'pair')} {gains}."


def deciding(settings: Settings, finding: Finding) -> Interval | None:
    """The interval that a verdict rests on: the sequence where one may stop by it, else that of the fixed number."""
    return finding.sequence if settings.stop == "sequential" else finding.gain


def _figures(settings: Settings, finding: Finding) -> str:
    gain = deciding(settings, finding)
    if gain is None:
        return rows.NONE
    return f"{rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)}"


def finding_row(settings: Settings, finding: Finding) -> tuple[str | Cell, ...]:
    """A finding as cells under `FINDINGS`."""
    gain = deciding(settings, finding)
    tone: Tone = "muted" if finding.verdict == "undecided" else "good" if finding.verdict != "equal" else "plain"
    return (
        finding.name,
        Cell(finding.verdict, tone),
        f"{finding.lean} {rows.probability(finding.probability)}",
        rows.NONE if finding.gain is None else rows.signed(finding.gain.estimate),
        rows.NONE if gain is None else rows.interval_text(gain.low, gain.high),
        rows.decimal(finding.margin),
        rows.integer(finding.pairs),
        rows.NONE if finding.p is None else rows.decimal(finding.p, digits=2),
        rows.NONE if finding.effect is None else rows.signed(finding.effect),
    )


def arms_table(found: Comparison) -> Table:
    """The arms under those of `ARMS` that say something: of a command nobody knows the parameters."""
    listed = _arm_rows(found)
    said = [place for place in range(len(ARMS)) if any(row[place] != rows.NONE for row in listed)]
    return Table(tuple(ARMS[place] for place in said), tuple(tuple(row[place] for place in said) for row in listed))


def _arm_rows(found: Comparison) -> list[tuple[str, ...]]:
    known = {arm.name: arm for arm in found.settings.arms}
    listed: list[tuple[str, ...]] = []
    for result in found.arms:
        arm = known.get(result.name)
        lost = "".join(
            f", {rows.integer(number)} {word}"
            for number, word in ((result.diverged, "diverged"), (result.failed, "failed"))
            if number
        )
        listed.append(
            (
                result.name,
                rows.NONE if result.loss is None else rows.decimal(result.loss),
                f"{rows.integer(result.trials)}{lost}",
                *(
                    rows.NONE if value is None else write(value)
                    for value, write in (
                        (arm and arm.parameters, rows.count),
                        (arm and arm.multiply_adds, rows.count),
                        (arm and arm.bytes, rows.bytes_text),
                        (arm and arm.peak, rows.bytes_text),
                    )
                ),
                rows.NONE if arm is None or arm.step_seconds is None else rows.seconds_text(arm.step_seconds),
                rows.seconds_text(result.seconds),
            )
        )
    return listed


def reading(settings: Settings) -> str:
    """How to read the gains."""
    said = f"gain: what the second choice has over the first in {settings.unit}, positive where it is better."
    if settings.stop == "sequential":
        said += " The interval holds however often one looks."
    if settings.factorial is not None:
        said += " Every pair answers every question: a main effect, averaged over the other merges."
    if settings.redrawn:
        said += " It is about data of this kind, and wider for draws that overlap."
    return said


def _interactions(found: Comparison) -> str:
    clear = [(name, gain) for name, gain, p in found.interactions if p < 0.05]
    if not clear:
        return f"No two of the merges are seen to depend on each other ({len(found.interactions)} effects looked at)."
    named = "; ".join(
        f"{name} {rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)}" for name, gain in clear
    )
    return f"These depend on each other (change of a gain, halved): {named}."


def metric_row(one: Measured) -> tuple[str, ...]:
    """A metric as cells under `METRICS`."""
    difference = one.difference
    return (
        one.metric,
        one.finding,
        rows.decimal(one.base),
        rows.decimal(one.other),
        rows.signed(one.other - one.base),
        rows.NONE if difference is None else rows.interval_text(difference.low, difference.high),
    )


def _ran(found: Comparison) -> str:
    settings = found.settings
    said = (
        f"{rows.integer(found.pairs)} of {rows.counted(len(settings.seeds), 'pair')}, "
        f"{rows.counted(len(found.trials), 'trial')}, {rows.seconds_text(found.seconds)} of training."
    )
    if found.decided and found.pairs < len(settings.seeds):
        said += " The sequence has decided; more pairs are not needed."
    if found.store:
        said += f" Kept in {found.store}."
    if settings.command:
        said += f" Asked by: {settings.command}"
    return said
