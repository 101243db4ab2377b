"""`explain` ends with the line of the guide that fits the shapes."""

import re
from pathlib import Path

import pytest

import addcat
from addcat.verbs.explain.guide import guide

ANSWER = Path(__file__).parents[3] / "docs" / "answer.md"


@pytest.mark.parametrize(
    ("shapes", "options", "case"),
    [
        (["64", "64"], {}, "vectors"),
        (["20x64", "20x64"], {}, "sequences"),
        (["?x64", "?x64", "?x64"], {}, "sequences"),
        (["8x8x64", "8x8x64"], {}, "maps"),
        (["64x8x8", "64x8x8"], {"axis": 0}, "maps"),
        (["64x128x128", "32x128x128"], {}, "widths"),
        (["64", "32"], {}, "widths"),
        (["8x8x64", "8x8x1"], {}, "widths"),
        (["8x8x16", "1x1x16"], {}, "repeated"),
        (["20x64", "64"], {}, "repeated"),
        (["88x88x64", "89x89x64"], {}, "grid"),
        (["1x8x64", "8x9x64"], {}, "grid"),
        (["8x8x64", "8x8x64"], {"axis": 1}, "other_axis"),
        (["5x16", "7x16"], {"consumer": "dense:3"}, "other_axis"),
    ],
)
def test_the_case(shapes, options, case):
    assert addcat.explain(shapes, **options).guide.case == case


def test_every_case_is_met():
    met = {mark.args[1][n][2] for mark in test_the_case.pytestmark for n in range(len(mark.args[1]))}
    assert met == set(guide())


def test_the_page_ends_with_it():
    explained = addcat.explain(["64", "64"])
    text = " ".join(str(explained).split())
    said = f'{guide()["vectors"].text} More: docs/answer.md, "{guide()["vectors"].heading}".'
    assert text.endswith(" ".join(said.replace("`", "").split()))
    assert explained.to_dict()["guide"] == {
        "case": "vectors",
        "what": "vectors of one size",
        "text": guide()["vectors"].text,
        "heading": guide()["vectors"].heading,
    }


def missing_headings(lines, text):
    """Headings that the lines refer to and a page does not have."""
    there = set(re.findall(r"^#+ (.*?)\s*$", text, flags=re.MULTILINE))
    return {line.heading for line in lines if line.heading} - there


def test_headings_are_those_of_the_guide():
    assert not missing_headings(guide().values(), ANSWER.read_text(encoding="utf-8") if ANSWER.exists() else "")


def test_a_heading_that_is_not_there_is_noticed():
    from dataclasses import replace

    line = replace(guide()["maps"], heading="Skips")
    assert missing_headings([line], "# Answer\n\n## Links\n") == {"Skips"}
    assert not missing_headings([line], "# Answer\n\n## Skips\n")


def unknown_options(text):
    """What a text says to type and the command line does not take."""
    import typer

    from addcat.cli import app

    verbs = typer.main.get_command(app).commands
    for words in (command.split() for command in re.findall(r"`addcat (.*?)`", text)):
        known = {option for one in verbs[words[0]].params for option in one.opts} if words[0] in verbs else set()
        if words[0] not in verbs:
            yield words[0]
        yield from (word for word in words[1:] if word.startswith("--") and word not in known)


def test_what_tables_say_to_type_exists():
    from addcat.verbs.explain.codes import codes

    said = [line.text for line in guide().values()]
    said += [f"{code.meaning} {code.why} {code.remedy}" for code in codes().values()]
    assert [wrong for text in said for wrong in unknown_options(text)] == []
    assert sum(text.count("`addcat ") for text in said) >= 8


def test_an_option_that_does_not_exist_is_noticed():
    assert list(unknown_options("Ask `addcat compare --match x` or `addcat tell`.")) == ["--match", "tell"]
