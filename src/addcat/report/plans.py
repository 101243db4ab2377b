"""The page of a plan: what would be done and what it would cost, before anything is."""

from collections.abc import Sequence

from addcat.report.page import Bullets, Heading, Page, Paragraph, Table


def plan_page(title: str, sentences: Sequence[str], table: Table, notes: Sequence[str] = ()) -> Page:
    """Lay out a plan.

    Args:
        title: What is planned.
        sentences: What to know first.
        table: What each part costs.
        notes: What the reader should know of model and data.

    Examples:
        >>> [type(block).__name__ for block in plan_page("a comparison", ["8 pairs."], Table((), ())).blocks]
        ['Heading', 'Bullets', 'Table', 'Paragraph']
    """
    return Page.of(
        Heading(f"Plan: {title}"),
        Bullets(tuple(sentences)),
        table,
        Bullets(tuple(notes)) if notes else None,
        Paragraph("Nothing was trained.", "muted"),
    )
