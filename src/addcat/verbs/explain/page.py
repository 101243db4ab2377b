"""The page of `explain`: what comes out of each merge, what it costs, and what it means."""

from addcat.graph import Shape
from addcat.merges.mismatch import differing_axes, join_words
from addcat.report.page import Bullets, Cell, Column, Heading, Page, Paragraph, Table
from addcat.report.rows import NONE, bytes_text, count, integer, ratio, shape_text, size_text
from addcat.verbs.explain.result import Arm, Consumers, Explanation, GuideLine, Outcome


def page_of(explanation: Explanation) -> Page:
    """Lay an explanation out for people."""
    shapes = [shape_text(shape, batch=False) for shape in explanation.shapes]
    consumer = explanation.consumer
    return Page.of(
        Heading(f"Add or concatenate {join_words(shapes)}?"),
        Paragraph(axis_sentence(explanation)),
        _outcomes(explanation),
        *_troubles(explanation),
        *(_consumers(consumer) if consumer else ()),
        Heading("What it means"),
        Bullets(explanation.identity),
        Heading(f"The guide: {explanation.guide.what}"),
        Paragraph(_guide(explanation.guide)),
    )


def _guide(line: GuideLine) -> str:
    return f'{line.text} More: docs/answer.md, "{line.heading}".' if line.heading else line.text


def axis_sentence(explanation: Explanation) -> str:
    """Which axis was taken and why, and what Keras calls it."""
    axis = explanation.axis
    why = {
        "given": "as asked for",
        "differs": "the only one on which the sizes differ",
        "last": f"the last, as Keras has it by default ({_undecided(explanation.shapes)})",
    }[explanation.axis_reason]
    return (
        f"Merge axis {axis}: {why}. Axes count the shapes as written, without batch; Keras counts the batch too and "
        f"says axis={axis + 1}."
    )


def _undecided(shapes: tuple[Shape, ...]) -> str:
    if len(set(map(len, shapes))) > 1:
        return "the ranks differ"
    differing = differing_axes(shapes)
    return f"the sizes differ on axes {join_words(differing)}" if differing else "the sizes agree on every axis"


def _outcomes(explanation: Explanation) -> Table:
    columns = (Column("Merge"), Column("Possible"), Column("Result"), Column("Memory (float32)", number=True))
    rows = [("Add", explanation.add), ("Concatenate", explanation.concat)]
    return Table(columns, tuple(_outcome(name, outcome) for name, outcome in rows))


def _outcome(name: str, outcome: Outcome) -> tuple[str | Cell, ...]:
    possible = Cell("yes", "good") if outcome.possible else Cell("no", "bad")
    memory = bytes_text(outcome.bytes) if outcome.possible else NONE
    return (name, possible, shape_text(outcome.shape, batch=False), memory)


def _troubles(explanation: Explanation) -> list[Paragraph | Bullets]:
    add, concat = explanation.add, explanation.concat
    if add.ways_out and add.ways_out == concat.ways_out:
        reasons = Paragraph(
            f"Add is not possible: {add.reason}. Nor is Concatenate: {concat.reason}. Ways out for both:"
        )
        return [reasons, _ways(add)]
    return [block for name, outcome in (("Add", add), ("Concatenate", concat)) for block in _trouble(name, outcome)]


def _trouble(name: str, outcome: Outcome) -> list[Paragraph | Bullets]:
    if outcome.note:
        return [Paragraph(f"{name}, beware: {outcome.note}.")]
    if outcome.possible:
        return []
    return [Paragraph(f"{name} is not possible: {outcome.reason}. Ways out:"), _ways(outcome)]


def _ways(outcome: Outcome) -> Bullets:
    return Bullets(tuple(way.text for way in outcome.ways_out))


def _consumers(consumers: Consumers) -> list[Heading | Paragraph | Table]:
    arms = [
        ("Add", consumers.add),
        ("Add, projected", consumers.projected_add),
        ("Concatenate", consumers.concat),
    ]
    rows = [_arm(name, arm) for name, arm in arms if arm]
    heading = Heading(f"Followed by {consumers.text}")
    if not rows:
        return [heading, Paragraph("Neither merge is possible, so there is nothing for it to read yet.")]
    over = consumers.ratio()
    if over:
        rows.append(
            ("Concatenate / Add", "", "", "", "", "", ratio(over["parameters"]), ratio(over["multiply_adds"])),
        )
    columns = (
        Column("Merge"),
        Column("Channels", number=True),
        Column("Output", at_least=72),
        Column("Projection", number=True, at_least=100),
        Column("Weights", number=True, at_least=100),
        Column("Bias", number=True, at_least=100),
        Column("Parameters", number=True),
        Column("Multiply-adds", number=True),
    )
    table = Table(columns, tuple(rows), totals=1 if over else 0)
    return [heading, Paragraph(_terms(consumers)), table]


def _arm(name: str, arm: Arm) -> tuple[str | Cell, ...]:
    return (
        name,
        size_text(arm.channels),
        shape_text(arm.shape, batch=False),
        integer(arm.projection.parameters) if arm.projection else NONE,
        integer(arm.consumer.weights),
        integer(arm.consumer.bias),
        integer(arm.price.parameters),
        count(arm.price.multiply_adds),
    )


def _terms(consumers: Consumers) -> str:
    terms = ["For one example, with bias"]
    if consumers.text.lower().startswith("conv"):
        terms.append('"same" padding')
    if consumers.stride > 1:
        terms.append(f"stride {consumers.stride}")
    if consumers.projected_add:
        terms.append("the projection in front of Add counted in")
    note = f" {consumers.note}" if consumers.note else ""
    return f"{', '.join(terms)}.{note}"
