"""The page of advice: the same characters everywhere, at any width."""

import json
from dataclasses import replace

import pytest
from advices import advice, sketch

from addcat.evidence.result import Evidence
from addcat.report.text import render


@pytest.mark.parametrize("width", [80, 120])
def test_the_page(golden, width):
    text = render(advice(sketch(), ("concat", "add", "open")).page(), width=width)
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"advise_{width}.txt", text)


def test_a_family_is_one_row():
    made = advice(sketch())
    family = replace(made.verdicts[0], site="skip", sites=("a", "b", "c"), question="the 3 skip merges together")
    text = render(replace(made, verdicts=(family,)).page(), width=120)
    assert "skip (3 together)" in text


def test_a_method_that_does_not_apply_says_why():
    made = advice(sketch())
    refused = Evidence.refused("score", "'merge' has too few examples.")
    first = replace(made.verdicts[0], evidence=(made.verdicts[0].evidence[0], refused))
    text = render(replace(made, verdicts=(first,)).page(), width=80)
    assert "- score gives no figure: 'merge' has too few examples." in text
    assert "gives no figure" not in render(made.page(), width=80)


def test_a_model_without_merges(golden):
    golden.check("advise_none_80.txt", render(advice(sketch(), most=0).page(), width=80))


def test_notebooks_show_the_same_page():
    html = advice(sketch("a<b>"))._repr_html_()
    assert "<table" in html
    assert "a&lt;b&gt;" in html
    assert "<b>" not in html


def test_json_has_every_field():
    made = advice(sketch())
    found = json.loads(json.dumps(made.to_dict()))
    assert list(found) == ["model", "verdicts", "notes", "loss", "examples", "seconds", "trainings", "budget"]
    assert found["examples"] == {"fit": 898, "judge": 899}
    first = found["verdicts"][0]
    assert list(first) == [
        *("site", "sites", "question", "now", "choice", "certain", "either", "probability", "odds", "regret", "more"),
        *("gain", "margin", "loss", "price", "evidence", "looks", "reason", "path", "command"),
        *("other_budget", "averaged", "metrics"),
    ]
    assert first["gain"] == {"estimate": 0.0588, "low": 0.0341, "high": 0.0835}
    assert first["odds"] == {"add": 0.0, "either": 0.001, "concat": 0.999}
    assert [one["method"] for one in first["looks"]] == ["structure", "score", "retrain"]
    assert [one["method"] for one in first["evidence"]] == ["structure", "forward", "score", "refit", "retrain"]
    assert found["verdicts"][2]["gain"] is None
    assert found["verdicts"][2]["more"] == {"pairs": 6, "trainings": 12.4, "seconds": 38.0}
