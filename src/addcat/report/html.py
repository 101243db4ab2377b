"""A page as HTML, a piece for notebooks or a whole document. Every text is escaped: names come from model files."""

import re
from functools import cache
from html import escape
from importlib.resources import files

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


def document(page: Page, title: str) -> str:
    """Write a page as one HTML document that needs nothing but itself, light and dark.

    Args:
        page: What to write; its first heading is the document's.
        title: Of the window.

    Examples:
        >>> text = document(Page.of(Heading("Merges of <b>")), "m.onnx & co")
        >>> text[:15], "<title>m.onnx &amp; co</title>" in text, "<h1>Merges of &lt;b&gt;</h1>" in text
        ('<!doctype html>', True, True)
    """
    body, level = list[str](), 1
    for block in page.blocks:
        match block:
            case Heading(text):
                body.append(f"<h{level}>{words(text)}</h{level}>")
                level = 2
            case Table():
                body.append(f'<div class="scroll">{_table(block)}</div>')
            case _:
                body.append(_block(block))
    return _DOCUMENT.format(title=escape(title), style=style(), body="\n".join(body))


_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main class="page">
{body}
</main>
</body>
</html>
"""


@cache
def style() -> str:
    """The style sheet that all our documents share."""
    return (files("addcat.report") / "style.css").read_text(encoding="utf-8").strip()


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
