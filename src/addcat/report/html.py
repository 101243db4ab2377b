"""A page as a piece of HTML, for notebooks and for reports. Every text is escaped: names come from model files."""

import re
from html import escape

from addcat.report.page import Block, Bullets, Heading, Page, Paragraph, Table, visible

WIDE = 10_000
COLOURS = {"good": "#1a7f4b", "bad": "#b3261e", "warn": "#8a5a00", "muted": "#6b7280"}


def fragment(page: Page) -> str:
    """Write a page as HTML without head or body.

    Args:
        page: What to write.

    Returns:
        Markup that needs no style sheet and no network.

    Examples:
        >>> fragment(Page.of(Heading("Merges of <b>")))
        '<div class="addcat"><h3>Merges of &lt;b&gt;</h3></div>'
    """
    return f'<div class="addcat">{"".join(map(_block, page.blocks))}</div>'


def words(text: str) -> str:
    """Escape a sentence; what stands in backticks becomes code.

    Examples:
        >>> words("`W [x; y]` < 3")
        '<code>W [x; y]</code> &lt; 3'
    """
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h3>{words(text)}</h3>"
        case Paragraph(text, tone):
            return f"<p{_style(tone)}>{words(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{words(item)}</li>" for item in items) + "</ul>"
        case Table():
            return _table(block)


def _style(tone: str, *more: str) -> str:
    rules = [*more, *([f"color:{COLOURS[tone]}"] if tone in COLOURS else [])]
    if tone == "strong":
        rules.append("font-weight:600")
    return f' style="{";".join(rules)}"' if rules else ""


def _table(table: Table) -> str:
    columns, lines = visible(table, WIDE)
    align = ["text-align:right" if column.number else "text-align:left" for column in columns]
    head = "".join(f"<th{_style('', side)}>{escape(c.title)}</th>" for c, side in zip(columns, align, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_style(cell.tone, side)}>{escape(cell.text)}</td>" for cell, side in zip(row, align, strict=True)
        )
        + "</tr>"
        for row in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
