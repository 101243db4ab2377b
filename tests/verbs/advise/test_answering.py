"""One question under two budgets: when a second ladder is climbed, and what is said of both."""

import sys
from dataclasses import replace

import pytest
from advices import advice, evidence, sketch
from networks import keras
from problems import encoded_pair, set_weights, two_inputs

import addcat
from addcat.errors import OptionError
from addcat.evidence.readings import prior
from addcat.report.text import render
from addcat.statistics.belief import Reading
from addcat.statistics.interval import Noise
from addcat.verbs.advise import OtherBudget
from addcat.verbs.advise.climbed import Climb
from addcat.verbs.advise.page import budget_words

module = sys.modules["addcat.verbs.advise.answering"]


def advised(target, **options):
    examples = two_inputs(300, target, noise=0.1)
    net = keras.models.clone_model(set_weights(encoded_pair("add")))
    net.compile(keras.optimizers.Adam(0.05), "mse")
    net.optimizer.iterations.assign(60)
    data = [*examples.inputs], examples.targets[0]
    return addcat.advise(net, data, validation=data, **options).verdicts[0]


def test_both_budgets_are_climbed_where_concatenate_is_recommended():
    found = advised(lambda x, y: x[:, 0] - y[:, 0], match="both", budget="60x")
    assert (found.choice, found.other.match, found.other.measured) == ("concat", "parameters", True)
    assert found.other.choice == "concat"
    assert budget_words(found).startswith("With as many parameters in both arms, Concatenate is still better (")


def test_where_add_is_recommended_the_second_ladder_is_spared(monkeypatch):
    climbed = []

    def made(_, problem, __):
        climbed.append(problem.match)
        reading = Reading(-0.2, Noise(1e-4, 20))
        full = evidence("retrain", "trained anew", -0.2, -0.22, -0.18, n=8)
        found = [evidence("structure", "fact", None, None, None), full]
        return Climb(evidence=found, belief=prior().told(reading), readings={"fresh": reading}, loss=1.0)

    monkeypatch.setattr(module, "_climbed", made)
    found = advised(lambda x, y: x[:, 0], match="both")
    assert (found.choice, found.other.choice, found.other.measured, climbed) == ("add", "add", False, ["widths"])
    assert found.to_dict()["other_budget"]["match"] == "parameters"
    assert budget_words(found) == ""


def test_each_ladder_has_its_two_minutes(monkeypatch):
    begun = []

    def made(_, problem, share):
        begun.append(share.begun)
        reading = Reading(0.2, Noise(1e-4, 20))
        found = [evidence("structure", "fact", None, None, None), evidence("retrain", "anew", 0.2, 0.18, 0.22, n=8)]
        return Climb(evidence=found, belief=prior().told(reading), readings={"fresh": reading}, loss=1.0)

    monkeypatch.setattr(module, "_climbed", made)
    assert advised(lambda x, y: x[:, 0], match="both").other.measured
    assert begun[0] < begun[1]


def test_without_both_the_readings_are_read_again():
    found = advised(lambda x, y: x[:, 0] - y[:, 0], match="parameters", budget="20x")
    assert (found.other.match, found.other.measured) == ("widths", False)


def test_both_climbs():
    with pytest.raises(OptionError) as caught:
        advised(lambda x, y: x[:, 0], match="both", effort="score")
    assert str(caught.value) == "match='both' climbs twice, and a method alone does not climb. Leave effort out."
    with pytest.raises(OptionError) as caught:
        advised(lambda x, y: x[:, 0], match="time")
    assert str(caught.value) == (
        "match='time' does not exist. Expected one of widths, parameters, multiply_adds, both."
    )


@pytest.mark.parametrize(
    ("choice", "other", "words"),
    [
        (
            "concat",
            OtherBudget("parameters", "add", 0.99, certain=True, measured=True),
            "Concatenate's gain is its parameters': with as many in both arms, Add is better (certain).",
        ),
        (
            "concat",
            OtherBudget("parameters", "add", 0.58, certain=False, measured=False),
            "Concatenate's gain may be its parameters': reckoned for as many in both arms, Add is likelier the better "
            "(58 %). match='both' (--match both) measures it.",
        ),
        ("concat", OtherBudget("parameters", "concat", 0.8, certain=False, measured=False), ""),
        (
            "concat",
            OtherBudget("parameters", "concat", 0.8, certain=False, measured=True),
            "With as many parameters in both arms, Concatenate is still better (80 %).",
        ),
        (
            "add",
            OtherBudget("widths", "concat", 0.9, certain=False, measured=False),
            "At equal widths Concatenate would be the choice (90 %); its gain is its parameters'.",
        ),
        (
            "concat",
            OtherBudget("widths", "add", 0.6, certain=False, measured=False),
            "At equal widths Add would be the choice (60 %).",
        ),
        (
            "add",
            OtherBudget("parameters", "concat", 0.6, certain=False, measured=False),
            "Reckoned for as many parameters in both arms, Concatenate would be the choice (60 %).",
        ),
        ("add", None, ""),
    ],
)
def test_the_sentence_on_two_budgets(choice, other, words):
    made = advice(sketch())
    verdict = replace(made.verdicts[0], choice=choice, other=other)
    assert budget_words(verdict) == words
    text = " ".join(render(replace(made, verdicts=(verdict,)).page(), width=500).split())
    assert not words or f"- {verdict.site}: {words}" in text
