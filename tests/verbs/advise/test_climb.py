"""How far the ladder is climbed, and the sentence for each step."""

import sys
import time
from dataclasses import replace

import pytest
from advices import evidence
from problems import encoded_pair, linear_pair, problem, set_weights, two_inputs

from addcat.errors import DataError
from addcat.verbs.advise.climb import EFFORTS, climb

module = sys.modules["addcat.verbs.advise.climb"]  # the package has a function of this name
DATA = two_inputs(60, lambda x, y: x[:, 0] - y[:, 0])


def site(net, **options):
    return problem(net, DATA, DATA, steps=2, **options)


@pytest.fixture
def instant(monkeypatch):
    """Methods that take no time: each gives evidence of its name, or refuses where a sentence is set for it."""
    refusals = {}

    def stand_in(name):
        def method(_, *__):
            if name in refusals:
                raise DataError(refusals[name])
            return evidence(name, "from here", 0.1, 0.05, 0.15, n=8, choice="concat")

        return method

    for name in ("forward", "swap", "score", "refit", "finetune", "retrain"):
        monkeypatch.setattr(module, name, stand_in(name))
    return refusals


def methods(made):
    return [one.method for one in made.evidence]


def test_auto_reads_the_facts_and_trains_anew(instant):
    made = climb(site(linear_pair("add", 4)), "auto", 0.02)
    assert methods(made) == ["structure", "forward", "retrain"]
    assert made.path == ["Training both arms anew answers the question itself. It was decided after 8 pairs."]
    assert made.get("score") is None
    assert made.get("retrain").n == 8


def test_auto_exchanges_branches_that_share_their_weights(instant):
    assert methods(climb(site(encoded_pair("concat")), "auto", 0.02)) == ["structure", "forward", "swap", "retrain"]
    assert methods(climb(site(encoded_pair("add")), "auto", 0.02)) == ["structure", "forward", "retrain"]


@pytest.mark.parametrize(
    ("merge", "rest"), [("add", ["score", "refit", "finetune"]), ("concat", ["refit", "finetune"])]
)
def test_auto_measures_from_here_where_training_anew_is_out_of_reach(instant, merge, rest):
    instant["retrain"] = "'merge': training both arms anew takes 2 h 0 min at least, more than is left."
    made = climb(site(linear_pair(merge, 4)), "auto", 0.02)
    assert methods(made) == ["structure", "forward", *rest]
    assert made.path == [instant["retrain"], "So what a switch would do from here is measured instead."]


def test_a_method_that_does_not_apply_leaves_its_sentence(instant):
    instant.update(retrain="No time.", score="Too few.", forward="Too wide.")
    made = climb(site(linear_pair("add", 4)), "auto", 0.02)
    assert methods(made) == ["structure", "refit", "finetune"]
    assert made.path == [
        "Too wide.",
        "No time.",
        "So what a switch would do from here is measured instead.",
        "Too few.",
    ]


def test_the_time_limit_ends_the_climb(instant):
    instant["retrain"] = "No time."
    made = climb(site(linear_pair("add", 4), deadline=time.monotonic() - 1), "auto", 0.02)
    assert methods(made) == ["structure", "forward"]
    assert made.path[-1] == "The time limit is reached."


def test_nothing_is_measured_where_nothing_has_to_be(instant):
    kernel = [[1.0], [2.0], [3.0], [4.0]] * 2
    made = climb(site(set_weights(linear_pair("concat", 4), head=(kernel, [0.0]))), "auto", 0.02)
    assert methods(made) == ["structure"]
    assert made.path == ["The merge already computes what the other one would, so nothing had to be measured."]


@pytest.mark.parametrize(
    ("pairs", "choice", "sentence"),
    [
        (4, "add", "It was decided after 4 pairs."),
        (5, "undecided", "The time limit came after 5 pairs."),
        (32, "undecided", "All 32 pairs are used up."),
    ],
)
def test_why_training_anew_stopped(monkeypatch, instant, pairs, choice, sentence):
    monkeypatch.setattr(
        module, "retrain", lambda *_: evidence("retrain", "trained anew", 0.0, 0.0, 0.0, n=pairs, choice=choice)
    )
    made = climb(site(linear_pair("add", 4)), "auto", 0.02)
    assert made.path == [f"Training both arms anew answers the question itself. {sentence}"]


@pytest.mark.parametrize("effort", [effort for effort in EFFORTS if effort not in ("auto", "structure")])
def test_a_named_effort_runs_that_method_alone(instant, effort):
    made = climb(site(linear_pair("concat", 4)), effort, 0.02)
    assert methods(made) == ["structure", effort]
    assert made.path == [f"Only {effort} was asked for."]


def test_structure_alone(instant):
    made = climb(site(linear_pair("add", 4)), "structure", 0.02)
    assert (methods(made), made.path) == (["structure"], [])


def test_a_named_effort_that_does_not_apply_is_an_error():
    with pytest.raises(DataError) as caught:
        climb(site(linear_pair("concat", 4)), "score", 0.02)
    assert str(caught.value) == "'merge' is a Concatenate; 'score' asks whether an Add should be untied."


def test_progress_is_told(instant):
    said = []
    climb(replace(site(linear_pair("add", 4)), tell=said.append), "auto", 0.02)
    assert said == ["merge", "merge"]
