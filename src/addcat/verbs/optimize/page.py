"""The record of `optimize` as a page: what changed, where, by how much, and how it was checked."""

from collections.abc import Sequence

from addcat.doors.timing import Ratio
from addcat.report.page import Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone
from addcat.report.rows import NONE, bytes_text, count, counted, decimal, integer, seconds_text
from addcat.verbs.optimize.result import (
    KEPT,
    OUTCOMES,
    UNSURE,
    UNWRITTEN,
    WRONG,
    Attempt,
    Optimized,
    OptimizeRecord,
    Point,
    Precision,
    Totals,
    Verification,
)

MOST_STEPS = 40
TONES: dict[str, Tone] = {KEPT: "good", WRONG: "bad", UNWRITTEN: "bad", UNSURE: "bad"}


def page_of(result: Optimized) -> Page:
    """The page of a result."""
    record = result.record
    return Page.of(
        Heading(f"Optimised for {record.goal}"),
        Paragraph(_summary(record)),
        _prices(record),
        Heading("Rewrites tried") if record.steps else None,
        _steps(record.steps) if record.steps else None,
        Heading("Models of which none is better in everything") if result.pareto else None,
        _points(result.pareto) if result.pareto else None,
        Heading("Verification") if record.verification else None,
        Paragraph(_verified(record.verification)) if record.verification else None,
        Paragraph(_chosen(record.precision)) if record.precision else None,
        Bullets(record.notes) if record.notes else None,
    )


def _summary(record: OptimizeRecord) -> str:
    kept = sum(step.outcome == KEPT for step in record.steps)
    tried = f"{kept} of {counted(len(record.steps), 'candidate')} kept in {seconds_text(record.seconds)}."
    if record.ratio is None:
        return f"{tried} {_untimed(record)}."
    runs = "thread" if record.threads == 1 else "threads"
    interval = f"{decimal(record.ratio.low)} to {decimal(record.ratio.high)}"
    chosen = "" if record.precision is None else f" in {record.precision.used}"
    return (
        f"{tried} It takes {decimal(record.ratio.estimate)} of the time ({interval}) in {record.runtime}{chosen} on "
        f"{record.threads} {runs}: {seconds_text(record.ratio.new)} after {seconds_text(record.ratio.old)}."
    )


def _untimed(record: OptimizeRecord) -> str:
    if not record.runtime:
        return "Nothing was measured"
    return "Its time was not decided" if record.verification else "Under this goal the time is the original's"


def _prices(record: OptimizeRecord) -> Table:
    columns = (Column(""), Column("before", number=True), Column("after", number=True))
    before, after = _cells(record.before), _cells(record.after)
    rows = [(name, before[name], after[name]) for name in before if before[name] != NONE]
    return Table(columns, tuple(rows))


def _cells(price: Totals) -> dict[str, str]:
    return {
        "operations": integer(price.nodes),
        "parameters": count(price.parameters),
        "multiply-adds": count(price.multiply_adds),
        "peak of live activations": bytes_text(price.peak),
        "growth of the process": NONE if price.process is None else bytes_text(price.process),
    }


def _steps(steps: Sequence[Attempt]) -> Table:
    columns = (
        Column("site", whole=False),
        Column("rules", whole=False),
        Column("outcome"),
        Column("time", number=True),
        Column("reason", at_least=100, whole=False),
    )
    # what was kept first; of the rest the first few, in the order tried
    ordered = sorted(steps, key=lambda step: list(OUTCOMES).index(step.outcome) if step.outcome in TONES else 9)
    rows = tuple(
        (
            step.site,
            " + ".join(step.rules),
            Cell(step.outcome, TONES.get(step.outcome, "muted")),
            NONE if step.ratio is None else decimal(step.ratio.estimate),
            step.reason,
        )
        for step in ordered[:MOST_STEPS]
    )
    more = len(steps) - len(rows)
    last = ((f"and {more} more, in the JSON", "", "", "", ""),) if more else ()
    return Table(columns, rows + last)


def _points(points: Sequence[Point]) -> Table:
    columns = (
        Column("found for"),
        Column("time", number=True),
        Column("peak", number=True),
        Column("parameters", number=True),
    )

    def time(ratio: Ratio | None) -> str:
        return NONE if ratio is None else decimal(ratio.estimate)

    rows = [(p.goal, time(p.ratio), bytes_text(p.price.peak), count(p.price.parameters)) for p in points]
    return Table(columns, tuple(rows))


def _verified(found: Verification) -> str:
    inputs = "set" if found.runs == 1 else "sets"
    text = (
        f"On {found.runs} {inputs} of {_inputs(found.given)} in {found.precision} the outputs differ by at most "
        f"{decimal(found.error)} of their largest value; the original itself differs by {decimal(found.noise)} "
        f"where it is computed otherwise."
    )
    if found.reference is None or found.reference_original is None:
        return text
    return (
        f"{text} Against float64 the new model is off by {decimal(found.reference)}, "
        f"the original by {decimal(found.reference_original)}."
    )


def _chosen(found: Precision) -> str:
    return (
        f"Timed in {found.used}, which the runtime chose: there the outputs are {decimal(found.difference)} of their "
        f"largest value away from the original's in float32, and the original's own {decimal(found.original)}."
    )


def _inputs(given: Sequence[str]) -> str:
    return f"inputs, {', '.join(given)} as given," if given else "random inputs"
