"""The page of advice: the same characters everywhere, at any width."""

import json
from dataclasses import replace

import pytest
from advices import advice, sketch

from addcat.report.text import render


@pytest.mark.parametrize("width", [80, 120])
def test_the_page(golden, width):
    text = render(advice(sketch(), ("concat", "add", "undecided")).page(), width=width)
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"advise_{width}.txt", text)


def test_a_model_without_merges(golden):
    none = replace(advice(sketch(), most=0), together=None)
    golden.check("advise_none_80.txt", render(none.page(), width=80))


def test_notebooks_show_the_same_page():
    html = advice(sketch("a<b>"))._repr_html_()
    assert "<table" in html
    assert "a&lt;b&gt;" in html
    assert "<b>" not in html


def test_json_has_every_field():
    made = advice(sketch())
    found = json.loads(json.dumps(made.to_dict()))
    assert list(found) == ["model", "verdicts", "together", "notes", "loss", "examples", "seconds"]
    assert found["examples"] == {"fit": 898, "judge": 899}
    first = found["verdicts"][0]
    assert list(first) == [
        *("site", "now", "choice", "gain", "margin", "loss", "price", "evidence", "reason", "path", "command"),
    ]
    assert first["gain"] == {"estimate": 0.0588, "low": 0.0341, "high": 0.0835}
    assert [one["method"] for one in first["evidence"]] == ["structure", "forward", "score", "refit", "retrain"]
    assert found["verdicts"][2]["gain"] is None
