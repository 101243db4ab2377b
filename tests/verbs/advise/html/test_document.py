"""The report as a file: what it says, that it loads nothing, and that no name gets out of its place."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from advices import advice, sketch

from addcat.errors import OptionError
from addcat.merges.price import Cost, Price
from addcat.report import rows
from addcat.report.page import Table
from addcat.verbs.advise.html import document
from addcat.verbs.advise.html.document import MOST_OPEN, report_html, write_report
from addcat.verbs.advise.html.odds import ladder, odds_bar
from addcat.verbs.advise.html.verdicts import action, headline, price_table, verdict_words
from addcat.verbs.advise.page import GAINS

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = ("<script>alert(1)</script>", '"</script><img src=x onerror=alert(2)>', "`{{ 7 * 7 }}`'-->]]>")


class Reader(HTMLParser):
    """Elements with their attributes, text by element, and whatever is not closed as it was opened."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.crooked, self.texts = [], [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crooked.append(tag)

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


@pytest.fixture(scope="module")
def small():
    graph = sketch()
    made = advice(graph)
    text = report_html(made, graph)
    return made, text, Reader(text)


def plain(text):
    """A page's words, without markup."""
    return " ".join(re.sub("<[^>]*>", " ", re.sub("(?s)<(style|script).*?</\\1>", "", text)).split())


def test_the_markup_is_well_formed(small):
    _, text, reader = small
    assert text.startswith("<!doctype html>")
    assert not reader.open
    assert not reader.crooked
    names = [attrs["id"] for _, attrs in reader.elements if "id" in attrs]
    assert len(names) == len(set(names))
    for _, attrs in reader.elements:
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in names


def test_the_guard_of_the_markup_can_fail():
    assert Reader("<p><b></p>").crooked == ["p"]
    assert Reader("<div><p></p>").open == ["div"]


def test_nothing_is_loaded_from_anywhere(small):
    _, text, reader = small
    for tag, attrs in reader.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, name, attrs[name])
    assert not re.search(r"url\((?!#)|@import|sourceMappingURL|\bfetch\(|XMLHttpRequest|import\(", text)
    policy = next(a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_table_is_the_terminals(small):
    made, _, reader = small
    table = next(block for block in made.page().blocks if isinstance(block, Table) and block.columns == GAINS)
    said = {text.strip() for tag in ("td", "th", "a", "span") for text in reader.texts[tag]}
    for row in table.rows:
        for cell in row:
            assert (cell if isinstance(cell, str) else cell.text) in said
    for column in table.columns:
        assert column.title in said


def test_every_figure_of_a_verdict_is_there(small):
    made, text, _ = small
    words = plain(text)
    for verdict in made.verdicts:
        assert verdict.site in words
        for one in verdict.evidence:
            assert rows.seconds_text(one.seconds) in words
            if one.estimate is not None:
                assert rows.signed(one.estimate) in words
                assert rows.interval_text(one.low, one.high) in words
        for row in price_table(verdict).rows:
            assert all(cell in words for cell in row)
        assert verdict.command in words
    assert "examples to fit 898 examples to judge 899 spent 16.4 trainings, 1 min 31 s budget 10 min" in words
    assert "sparse_categorical_crossentropy" in words


def test_each_section_shows_its_own_merge(small):
    made, text, _ = small
    sections = dict(re.findall(r'<details[^>]* id="(merge-\d+)"(.*?)</details>', text, flags=re.DOTALL))
    merges = {found.merge.site: found.merge for found in made.inspection.merges}
    assert len(sections) == len(made.verdicts) > 1
    for verdict, section in zip(made.verdicts, sections.values(), strict=True):
        merge = merges[verdict.sites[0]]
        branches = [f"{branch.producer} ({branch.channels})" for branch in merge.branches]
        assert f"{merge.label} of {', '.join(branches[:-1])} and {branches[-1]}, {merge.role}" in plain(section)


def test_names_stay_texts():
    graph = sketch(*HOSTILE)
    made = advice(graph)
    text = report_html(made, graph)
    reader, calm = Reader(text), Reader(report_html(advice(sketch()), sketch()))
    assert [tag for tag, _ in reader.elements if tag != "code"] == [tag for tag, _ in calm.elements if tag != "code"]
    assert not reader.open
    assert not reader.crooked
    assert not [name for _, attrs in reader.elements for name in attrs if name.startswith("on")]
    assert "alert(1)</script>" not in text
    data = json.loads(next(text for text in reader.texts["script"] if text.startswith("{")))
    assert [node["title"] for node in data["nodes"] if node["kind"] == "merge"] == list(HOSTILE)
    assert "".join(reader.texts["h3"]).count(HOSTILE[0]) == 1


def test_only_its_own_scripts_may_run(small):
    _, text, reader = small
    policy = next(a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    scripts = re.findall("(?s)<script>(.*?)</script>", text)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_the_librarys_licence_travels_with_it(small):
    _, text, _ = small
    assert "dagre 3.1.3" in text
    assert "Copyright (c) 2012-2014 Chris Pettitt" in text
    assert "The above copyright notice and this permission notice shall be included in" in text


def test_sizes(small):
    _, text, _ = small
    folder = Path(document.__file__).parent / "templates"
    assert (folder / "dagre.min.js").stat().st_size < 60_000
    assert len(text.encode()) < 200_000


def test_a_long_report_opens_with_its_first_switches():
    graph = sketch()
    made = advice(graph, ("concat",))
    few = report_html(made, graph)
    assert few.count(" open>") == len(made.verdicts)
    many = replace(
        made, verdicts=tuple(replace(v, site=f"{v.site}{n}") for n in range(MOST_OPEN) for v in made.verdicts)
    )
    text = report_html(many, graph)
    assert sum(action(v) == "switch" for v in many.verdicts) > MOST_OPEN
    assert text.count(" open>") == MOST_OPEN


def test_no_verdicts():
    graph = sketch()
    text = report_html(advice(graph, most=0), graph)
    reader = Reader(text)
    assert not reader.crooked
    assert "There is no Add or Concatenate to judge." in plain(text)


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (
            ("concat", "concat", "open"),
            "Switch `codes` and `late` to Concatenate (at least: 58 % likely the better); keep Concatenate at `skip` "
            "(certain).",
        ),
        (
            ("add", "add", "concat"),
            "Switch `late` to Concatenate (certain); switch `skip` to Add (either will do); keep Add at `codes` "
            "(either will do).",
        ),
        (
            ("add", "concat", "add"),
            "Keep Concatenate at `skip` (certain); keep Add at `codes` and `late` (at least: either will do).",
        ),
    ],
)
def test_headline(kinds, text):
    assert headline(advice(sketch(), kinds).verdicts) == text


def test_headline_of_many_and_of_families():
    verdicts = advice(sketch(), ("concat", "concat", "concat")).verdicts * 12
    assert headline(verdicts) == "Switch 24 of 36 merges to Concatenate (certain); keep Concatenate at 12 (certain)."
    assert headline(verdicts[1::3]) == "Keep Concatenate at all merges (certain)."
    family = replace(verdicts[1], site="skip", sites=("a", "b", "c"))
    assert headline([family]) == "Keep Concatenate at `skip x 3` (certain)."
    assert headline([]) == "There is no Add or Concatenate to judge."


def test_verdict_words():
    verdicts = advice(sketch(), ("concat", "concat", "open")).verdicts
    assert [verdict_words(verdict) for verdict in verdicts] == [
        "switch to Concatenate, certain",
        "keep Concatenate, certain",
        "switch to Concatenate, 58 % likely the better",
    ]


def test_the_answer_shows_odds_regret_and_what_each_method_added(small):
    made, text, _ = small
    words = plain(text)
    for verdict in made.verdicts:
        assert [part.kind for part in odds_bar(verdict)] == ["add", "either", "concat"]
        assert sum(part.width for part in odds_bar(verdict)) == pytest.approx(100, abs=0.02)
        assert [step.method for step in ladder(verdict)] == [look.method for look in verdict.looks]
    assert "Add better by more than 2.0 %: 22 %" in words
    assert "Following it gives away 3.3 % of the loss on average." in words
    assert "6 more pairs (12.4 trainings, about 38.0 s) would halve the doubt." in words
    assert [step.height for step in ladder(made.verdicts[0])] == [16.0, 62.0, 99.8]


def test_price_of_what_is_not_known_and_of_what_has_no_other():
    verdict = advice(sketch()).verdicts[0]
    open_ = replace(verdict, price=Price(Cost(0, None, 64), Cost(12, 40, 128), direct=True))
    assert price_table(open_).rows == (
        ("parameters", "0", "12", "-"),
        ("multiply-adds", "?", "40", "?"),
        ("merged tensor", "64 B", "128 B", "2.0x"),
    )
    assert [column.number for column in price_table(open_).columns] == [False, True, True, True]
    alone = replace(verdict, price=Price(Cost(5, 6, 7), None, direct=False))
    assert [column.title for column in price_table(alone).columns] == ["for one example", "Add (now)"]


def test_the_file_is_whole_or_not_there(tmp_path, monkeypatch):
    graph = sketch()
    made = advice(graph)
    path = tmp_path / "report.html"
    write_report(made, graph, path)
    first = path.read_text(encoding="utf-8")
    assert first == report_html(made, graph)

    def fails(*_):
        raise RuntimeError("stopped")

    monkeypatch.setattr(document, "graph_data", fails)
    with pytest.raises(RuntimeError, match=r"^stopped$"):
        write_report(made, graph, path)
    assert path.read_text(encoding="utf-8") == first
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    with pytest.raises(OptionError, match=r"there is no folder '.*missing'\. Make it first\.$"):
        write_report(made, graph, tmp_path / "missing" / "report.html")
