"""The answers about tasks of known truth: their figure and the documentation's tables are what the files give."""

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DOCS = BENCHMARKS.parent / "docs" / "advise.md"


@pytest.fixture
def rows():
    with (BENCHMARKS / "held_out.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def bank():
    return (BENCHMARKS / "advise.txt").read_text(encoding="utf-8")


def test_the_figure_is_what_the_files_give(rows, bank):
    from held_out_figure import FIGURE, figure

    assert FIGURE.read_text(encoding="utf-8") == figure(rows, bank), "run benchmarks/held_out_figure.py"
    root = ElementTree.fromstring(figure(rows, bank))  # noqa: S314  (ours)
    words = " ".join(text.text for text in root.iter("{http://www.w3.org/2000/svg}text"))
    tasks = {(row["kind"], row["task"]) for row in rows if re.search(r"seed (21|34|55|89|144|233|377)$", row["kind"])}
    assert f"held out, {len(tasks)} tasks" in words
    assert all(name in words for name in ("always Add", "always Concatenate", "SNIP", "synflow", "0.05x", "default"))


def test_another_answer_gives_another_figure(rows, bank):
    from held_out_figure import figure

    before = figure(rows, bank)
    row = next(row for row in rows if row["kind"] == "dense, seed 89" and abs(float(row["gain"])) > 0.05)
    row["said"] = "add" if row["said"] == "concat" else "concat"
    assert figure(rows, bank) != before


def test_each_point_is_what_the_tables_say(rows, bank):
    from held_out_figure import held_out, points

    found = {(point.name, point.held_out): point for point in points(held_out(rows), bank)}
    table = {line.split("  ")[0]: line.split() for line in bank.splitlines() if line.startswith(("advise", "always"))}
    for name, point in (("advise, 1x", "1x"), ("advise", "default"), ("always concat", "always Concatenate")):
        assert found[point, False].regret == float(table[name][-5])
        assert found[point, False].cost == float(table[name][-2])


def test_the_documentation_has_the_rows_that_are_printed(rows, capsys):
    from held_out import main

    main()
    printed = capsys.readouterr().out.splitlines()
    text = DOCS.read_text(encoding="utf-8").splitlines()
    judged = r".*(seed (8|21|34|55|89|144|233|377)(, kernel)?|all of 21 to 377) {2,}"
    judged = [line for line in printed if re.match(judged, line)]
    assert len(judged) > 20
    assert [line for line in judged if line not in text] == [], "copy the rows that benchmarks/held_out.py prints"
