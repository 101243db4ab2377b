"""The HTML report of an advice: one file that needs nothing but itself.

Names come from model files, so nothing in the page trusts them: every text is escaped by the template, data for the
drawing are JSON in which no `<` survives, scripts put texts in as texts, and the page's own policy lets only its own
scripts run and loads nothing from anywhere.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from addcat.doors.save import save_report
from addcat.graph import Graph
from addcat.graph.operations import OPS
from addcat.report import html, rows
from addcat.report.page import Bullets, Cell, Column, Heading, Page, Paragraph, Table, visible
from addcat.verbs.advise.html.drawing import graph_data
from addcat.verbs.advise.html.forest import forest
from addcat.verbs.advise.html.odds import ladder, odds_bar
from addcat.verbs.advise.html.verdicts import action, headline, price_table, verdict_words
from addcat.verbs.advise.page import (
    METRICS,
    VERDICTS,
    budget_words,
    metric_rows,
    more_words,
    sure_words,
    verdict_row,
)
from addcat.verbs.advise.result import Advice, Verdict

SCRIPTS = ("dagre.min.js", "layout.js", "network.js", "page.js")
NO_BREAK = "\u00a0"
MOST_OPEN = 6
"""So many sections are open at first: all of them, or of longer reports the first that ask for a switch."""


def write_report(advice: Advice, graph: Graph, path: str | Path) -> None:
    """Write the report; the file appears only once it is complete.

    Args:
        advice: What `advise` returned.
        graph: The outermost graph of the model that it speaks of.
        path: The file to write.

    Raises:
        OptionError: if the path will not do.
        SaveError: if the file cannot be written.
    """
    save_report(report_html(advice, graph), path)


def report_html(advice: Advice, graph: Graph) -> str:
    """The report as one self-contained page.

    Args:
        advice: What `advise` returned.
        graph: The outermost graph of the model that it speaks of.

    Returns:
        A whole HTML document, light and dark, without a link to anything outside it.
    """
    columns, lines = _shown(_verdicts(advice))
    opened = {verdict.site for verdict in _opened(advice.verdicts)}
    return _environment().get_template("report.html").render(
        advice=advice,
        headline=headline(advice.verdicts),
        columns=columns,
        sites=[
            {**_site(advice, place, verdict, opened=verdict.site in opened), "cells": cells}
            for place, (verdict, cells) in enumerate(zip(advice.verdicts, lines, strict=True), 1)
        ],
        network=graph_data(advice, graph),
        flow=[_flow(advice, inspected.merge.site) for inspected in advice.inspection.merges],
        inspection=_blocks(advice.inspection.page()),
        style=Markup(html.style()) + Markup("\n") + _text("report.css"),  # noqa: S704  (our own)
        first=_text("theme.js"),
        scripts=_scripts(),
        policy=_policy(),
    )  # fmt: skip


def _verdicts(advice: Advice) -> Table:
    """The rows that the terminal prints, so that both say the same."""
    return Table(VERDICTS, tuple(verdict_row(verdict) for verdict in advice.verdicts))


def _opened(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Verdicts whose sections are open at first."""
    if len(verdicts) <= MOST_OPEN:
        return verdicts
    return [verdict for verdict in verdicts if action(verdict) == "switch"][:MOST_OPEN]


def _site(advice: Advice, place: int, verdict: Verdict, *, opened: bool) -> dict[str, Any]:
    """What the section of one merge shows."""
    merge = next((i.merge for i in advice.inspection.merges if i.merge.site == verdict.sites[0]), None)
    return {
        "id": f"merge-{place}",
        "verdict": verdict,
        "action": action(verdict),
        "words": verdict_words(verdict),
        "sure": sure_words(verdict),
        "more": more_words(verdict),
        "budgets": budget_words(verdict),
        "odds": odds_bar(verdict),
        "steps": ladder(verdict),
        "now": OPS[verdict.now].label,
        "other": OPS["concat" if verdict.now == "add" else "add"].label,
        "merge": merge,
        "open": opened,
        "panels": forest(verdict.evidence, margin=verdict.margin, gain=verdict.gain),
        "price": price_table(verdict),
        "metrics": Table(METRICS[1:], tuple(row[1:] for row in metric_rows(verdict))),
    }


def _flow(advice: Advice, site: str) -> dict[str, Any]:
    """One merge in words, for readers without scripts."""
    merge = next(i.merge for i in advice.inspection.merges if i.merge.site == site)
    verdict = next((v for v in advice.verdicts if site in v.sites), None)
    return {
        "site": site,
        "label": merge.label,
        "branches": [branch.producer for branch in merge.branches],
        "readers": [consumer.node for consumer in merge.consumers if consumer.node],
        "words": "not judged" if verdict is None else verdict_words(verdict),
    }


def _blocks(page: Page) -> list[dict[str, Any]]:
    """A page's blocks, each with its kind, for the template."""
    listed: list[dict[str, Any]] = []
    for block in page.blocks:
        match block:
            case Heading(text):
                listed.append({"kind": "heading", "text": text})
            case Paragraph(text, tone):
                listed.append({"kind": "paragraph", "text": text, "tone": tone})
            case Bullets(items):
                listed.append({"kind": "bullets", "items": items})
            case Table():
                listed.append({"kind": "table", "table": block})
    return listed


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("addcat.verbs.advise.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "words": _words,
        "fact": _fact,
        "count": rows.count,
        "decimal": rows.decimal,
        "integer": rows.integer,
        "seconds": rows.seconds_text,
        "shape": rows.shape_text,
        "size": rows.size_text,
        "visible": _shown,
    }
    environment.filters.update(filters)
    functions: dict[str, Any] = {"zip": zip}
    environment.globals.update(functions)
    return environment


def _words(text: str) -> Markup:
    return Markup(html.words(text.replace(" %", f"{NO_BREAK}%")))  # noqa: S704  (escaped there)


def _shown(table: Table) -> tuple[list[Column], list[list[Cell]]]:
    return visible(table, html.WIDE)


def _fact(value: Any) -> str:
    """A further figure of a method as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return rows.integer(value)
    return rows.decimal(value) if value is None or isinstance(value, float) else str(value)


@cache
def _text(name: str) -> Markup:
    """A file beside the templates: our own or a library's, so it is not escaped."""
    return Markup((files("addcat.verbs.advise.html") / "templates" / name).read_text(encoding="utf-8").strip())  # noqa: S704


@cache
def _scripts() -> Markup:
    """Every script in one, the library's licence above it."""
    licence = Markup("/*! dagre 3.1.3, @dagrejs/dagre\n") + _text("dagre-LICENSE.txt") + Markup("\n*/\n")
    return Markup("\n").join([licence, *map(_text, SCRIPTS)])


@cache
def _policy() -> str:
    """What the page may do: run its own two scripts, and load nothing."""
    digests = [hashlib.sha256(text.encode()).digest() for text in (_text("theme.js"), _scripts())]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
