"""The page of advice: the same characters everywhere, at any width."""

import json
from dataclasses import replace

import pytest
from advices import advice, sketch

from addcat.evidence.result import Evidence
from addcat.report.text import render
from addcat.verbs.advise.page import BAR, answer_words, bar, sure_words
from addcat.verbs.advise.result import Odds, OtherBudget


@pytest.mark.parametrize("width", [80, 120])
def test_the_page(golden, width):
    text = render(advice(sketch(), ("concat", "add", "open")).page(), width=width)
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"advise_{width}.txt", text)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("kinds", [("concat",), ("add",), ("open",), ("concat", "add", "open")])
def test_the_first_screen_has_the_answer_its_odds_its_regret_and_what_more_would_cost(width, kinds):
    made = advice(sketch(), kinds, most=len(kinds))
    screen = "\n".join(render(made.page(), width=width).splitlines()[:24])
    flat = " ".join(screen.split())
    for verdict in made.verdicts:
        assert bar(verdict) in screen
        assert len(bar(verdict)) == BAR
        assert sure_words(verdict) in screen
    assert "of the loss on average" in flat
    if "open" in kinds:
        assert "6 more pairs (12.4 trainings, about 38.0 s) would halve the doubt" in flat
        assert ("6 pairs, 38.0 s" in screen) == (width == 120)


def test_the_sentence_says_where_the_budgets_disagree():
    first = advice(sketch()).verdicts[0]
    other = OtherBudget("parameters", "add", 0.9, certain=False, measured=True)
    text = answer_words([replace(first, other=other)])
    assert text == (
        "Switch `codes` to Concatenate (certain). Following this gives away <0.1 % of the loss on average. "
        "With as many parameters in both arms, Add would be the choice at codes."
    )
    assert "parameters" not in answer_words([replace(first, other=replace(other, choice="concat"))])


@pytest.mark.parametrize(
    ("odds", "drawn"),
    [
        (Odds(0.0, 0.0, 1.0), "▒" * 24),
        (Odds(0.25, 0.5, 0.25), "█" * 6 + "░" * 12 + "▒" * 6),
        (Odds(1 / 3, 1 / 3, 1 / 3), "█" * 8 + "░" * 8 + "▒" * 8),
        (Odds(0.999, 0.0005, 0.0005), "█" * 24),
    ],
)
def test_odds_as_a_bar(odds, drawn):
    assert bar(replace(advice(sketch()).verdicts[0], odds=odds)) == drawn


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
    assert list(found) == [
        "model",
        "verdicts",
        "notes",
        "loss",
        "examples",
        "seconds",
        "trainings",
        "budget",
        "resample",
    ]
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
