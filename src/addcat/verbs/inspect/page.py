"""An inspection as a page: the table of merges, what was found, and the totals."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from addcat.graph import Refusal
from addcat.graph.operations import OPS
from addcat.merges.oddities import OWN_CODE, Finding
from addcat.report import rows
from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table
from addcat.verbs.inspect.result import InspectedMerge, Inspection

COLUMNS = (
    Column("site", whole=False),
    Column("merge"),
    Column("role"),
    Column("branches", at_least=100),
    Column("made by", at_least=160, whole=False),
    Column("shape"),
    Column("written", number=True, at_least=100),
    Column("parameters"),
    Column("multiply-adds", at_least=110),
    Column("switch"),
)
MOST_ROWS = 400
MOST_SITES = 4


def inspection_page(found: Inspection) -> Page:
    """Lay out an inspection.

    Args:
        found: What `inspect` returned.

    Returns:
        A page for the terminal and for notebooks.
    """
    blocks: list[Block] = [Heading(f"Merges of {found.model}"), Paragraph(_summary(found))]
    if found.merges:
        lines = tuple(_row(merge) for merge in found.merges[:MOST_ROWS])
        blocks.append(Table(_columns(lines), lines))
        blocks.append(Paragraph(_legend(found), "muted"))
    if found.findings:
        blocks.append(Heading("Findings"))
        blocks.append(Bullets(tuple(_findings(found.findings))))
    if code := _first_code(found):
        words = f"`addcat explain {code}` says what that code means and what to do; so for every other."
        blocks.append(Paragraph(words, "muted"))
    blocks.extend([Heading("Totals, for one example"), _totals(found)])
    if found.totals.uncounted:
        names = ", ".join(found.totals.uncounted[:3]) + (", ..." if len(found.totals.uncounted) > 3 else "")
        layers = rows.counted(len(found.totals.uncounted), "layer")
        words = f"Not in the multiply-adds: {layers} that addcat does not look into ({names})."
        blocks.append(Paragraph(words, "muted"))
    return Page(tuple(blocks))


def _first_code(found: Inspection) -> str:
    """A code that the page shows; "" where it shows none."""
    refused = [merge.switch.code for merge in found.merges if isinstance(merge.switch, Refusal)]
    return next(iter([*refused, *(finding.code for finding in found.findings)]), "")


def _columns(lines: tuple[tuple[str | Cell, ...], ...]) -> tuple[Column, ...]:
    """The columns; on a narrow page the shape gives way before the names of sites are broken."""
    texts = [[cell if isinstance(cell, str) else cell.text for cell in line] for line in lines]
    widths = [max(len(column.title), *map(len, cells)) for column, *cells in zip(COLUMNS, *texts, strict=True)]
    kept = [width for column, width in zip(COLUMNS, widths, strict=True) if not column.at_least]
    needed = sum(kept) + 3 * (len(kept) - 1)
    return tuple(replace(c, at_least=min(needed, 100)) if c.title == "shape" else c for c in COLUMNS)


def _summary(found: Inspection) -> str:
    counts = Counter(merge.merge.op for merge in found.merges)
    listed = ", ".join(f"{number} {OPS[op].label}" for op, number in counts.most_common())
    hidden = sum(finding.code == "AC210" for finding in found.findings)
    more = f" {hidden} more hidden inside other layers." if hidden else ""
    if own := sum(finding.code == OWN_CODE for finding in found.findings):
        words = "merges in code of its own, or may" if own == 1 else "merge in code of their own, or may"
        more += f" {rows.counted(own, 'layer')} {words}."
    return (f"{listed}." if listed else "No merge.") + more


def _findings(findings: tuple[Finding, ...]) -> Iterator[str]:
    """One sentence for all sites of which the same is to be said."""
    alike: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        alike.setdefault((finding.code, finding.words), []).append(finding.site)
    for (code, words), sites in alike.items():
        more = f" and {len(sites) - MOST_SITES} more" if len(sites) > MOST_SITES else ""
        yield f"{code} {', '.join(sites[:MOST_SITES])}{more}: {words}"


def _row(inspected: InspectedMerge) -> tuple[str | Cell, ...]:
    merge, price = inspected.merge, inspected.price
    after = inspected.switched or price.after
    return (
        merge.site,
        merge.label,
        merge.role,
        " + ".join(rows.size_text(b.channels) for b in merge.branches),
        ", ".join(b.producer for b in merge.branches),
        rows.shape_text(merge.shape),
        rows.bytes_text(price.now.bytes),
        rows.count(price.now.parameters) if after is None else _change(price.now.parameters, after.parameters),
        rows.count(price.now.multiply_adds) if after is None else _change(price.now.multiply_adds, after.multiply_adds),
        _switch(inspected),
    )


def _change(now: int | None, after: int | None) -> str:
    return f"{rows.count(now)} -> {rows.count(after)}"


def _switch(inspected: InspectedMerge) -> Cell:
    if isinstance(inspected.switch, Refusal):
        return Cell(inspected.switch.code, "muted")
    return Cell(inspected.switch, "good")


def _legend(found: Inspection) -> str:
    words = ["parameters, multiply-adds: of the layers that read the merge, now `->` after a switch to the other one."]
    forms = {merge.switch for merge in found.merges if isinstance(merge.switch, str)}
    meaning = {
        "tie": "`tie` repeats the consumers' kernels for each branch",
        "project": "`project` adds a 1x1 layer behind the Concatenate",
        "absorb": "`absorb` folds the consumer into the branches",
        "equal parts": "`equal parts` keeps one of the kernel's parts, which are equal",
        "twice": "`twice` adds the kernel's parts, which read one tensor",
    }
    listed = [words for form, words in meaning.items() if form in forms]
    if listed:
        words.append(f"Switches that keep the function: {'; '.join(listed)}.")
    if any(merge.switched is not None and (merge.switched.parameters or 0) < 0 for merge in found.merges):
        words.append("What the branches' own layers lose by it counts too, so less than nothing can be left.")
    refusals = {m.switch.code: m.switch for m in found.merges if isinstance(m.switch, Refusal)}
    words.extend(f"{code}, as at {refusals[code].site}: {refusals[code].reason}." for code in sorted(refusals))
    if len(found.merges) > MOST_ROWS:
        words.append(f"{rows.counted(len(found.merges) - MOST_ROWS, 'more merge')}: see --json.")
    return " ".join(words)


def _totals(found: Inspection) -> Table:
    totals = found.totals
    peak = None
    if totals.peak is not None and totals.peak_without_merges is not None:
        peak = totals.peak - totals.peak_without_merges
    lines = (
        ("parameters", rows.integer(totals.parameters), rows.count(totals.merge_parameters),
         _share(totals.merge_parameters, totals.parameters)),
        ("multiply-adds", rows.count(totals.multiply_adds), rows.count(totals.merge_multiply_adds),
         _share(totals.merge_multiply_adds, totals.multiply_adds)),
        ("activations written", rows.bytes_text(totals.activations), rows.bytes_text(totals.merge_activations),
         _share(totals.merge_activations, totals.activations)),
        (f"peak of live activations{_at(totals.peak_at)}", rows.bytes_text(totals.peak), rows.bytes_text(peak),
         _share(peak, totals.peak)),
    )  # fmt: skip
    columns = (
        Column("", whole=False),
        Column("model", number=True),
        Column("by merges", number=True),
        Column("share", number=True),
    )
    return Table(columns, lines)


def _at(node: str) -> str:
    return f", at {node}" if node else ""


def _share(part: int | None, whole: int | None) -> str:
    return rows.percent(None if part is None or whole is None else part / whole if whole else 0.0)
