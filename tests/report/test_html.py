"""A page as a whole document: headings, tables that scroll, nothing from outside, every text escaped."""

import re

from advices import advice, sketch

from addcat.report.html import document, style
from addcat.report.page import Bullets, Column, Heading, Page, Paragraph, Table
from addcat.verbs.advise.html.document import report_html

PAGE = Page.of(
    Heading("Merges of <b>"),
    Paragraph("Add is `W (x + y)` & more.", "warn"),
    Heading("Totals"),
    Table((Column("site"), Column("peak", number=True)), (("<script>", "1"),)),
    Bullets(("one", "two")),
)


def test_the_document():
    text = document(PAGE, "a & b")
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert text.count("<h1>") == 1
    body = text[text.index("<main") : text.index("</main>")].split("\n")
    assert body[1:-1] == [
        "<h1>Merges of &lt;b&gt;</h1>",
        '<p style="color:#8a5a00">Add is <code>W (x + y)</code> &amp; more.</p>',
        "<h2>Totals</h2>",
        '<div class="scroll"><table><thead><tr><th style="text-align:left">site</th>'
        '<th style="text-align:right">peak</th></tr></thead><tbody><tr><td style="text-align:left">'
        '&lt;script&gt;</td><td style="text-align:right">1</td></tr></tbody></table></div>',
        "<ul><li>one</li><li>two</li></ul>",
    ]
    assert "<title>a &amp; b</title>" in text
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert not re.search(r"//|src=|href=|url\(|<script", text)


def test_one_style_sheet_serves_every_document():
    graph = sketch()
    assert style() in document(PAGE, "x")
    assert style() in report_html(advice(graph), graph)
