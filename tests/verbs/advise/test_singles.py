"""Single merges from one design: who asks for it, what the rows say, and what happens where it cannot be paid."""

import sys
from dataclasses import replace

import pytest
from advices import advice, sketch
from networks import Input, keras, layers
from problems import two_inputs

import addcat
from addcat.verbs.advise.page import site_words

module = sys.modules["addcat.verbs.advise.singles"]
DATA = two_inputs(300, lambda x, y: x[:, 0] - y[:, 0], noise=0.1)
ARRAYS = [*DATA.inputs], DATA.targets[0]


@pytest.fixture(scope="module")
def net():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(6, name="encoder")
    first = layers.Add(name="first")([encoder(x), encoder(y)])
    hidden = layers.Dense(6, activation="relu", name="hidden")(first)
    second = layers.Add(name="second")([hidden, layers.Dense(6, name="more")(hidden)])
    made = keras.Model([x, y], layers.Dense(1, name="head")(second), name="two_merges")
    made.compile(keras.optimizers.Adam(0.02), "mse")
    keras.utils.set_random_seed(0)
    made.fit(*ARRAYS, epochs=100, verbose=0)
    return made


@pytest.mark.slow
def test_every_merge_from_one_design(net):
    found = addcat.advise(net, ARRAYS, validation=ARRAYS, sites="each", budget="4x", metric="mse")
    assert [verdict.site for verdict in found.verdicts] == ["first", "second"]
    first, second = found.verdicts
    assert (first.choice, first.averaged, second.averaged) == ("concat", ("second",), ("first",))
    assert first.question == "merge 'first', the others either way"
    assert [one.method for one in first.evidence][-1] == "factorial"
    assert [look.method for look in first.looks][-1] == "factorial"
    assert first.probability > 0.9
    assert not first.certain
    assert (
        "4 pairs of one design over 2 merges, 20 % of the steps from the trained branches: " in first.evidence[-1].words
    )
    assert found.trainings <= 4
    assert first.gain.estimate > 5 * abs(second.gain.estimate)
    (squares,) = first.metrics
    assert (squares.pairs, squares.share_of_steps) == (4, 0.2)
    assert squares.difference.high < 0 < second.metrics[0].difference.high


def test_where_a_design_cannot_be_paid_each_has_a_ladder(net):
    found = addcat.advise(net, ARRAYS, validation=ARRAYS, sites=["first", "second"], budget="0.1x")
    assert [verdict.averaged for verdict in found.verdicts] == [(), ()]
    assert found.notes[-1].startswith(
        "Each merge was asked about by itself. The budget does not allow one design for all of them, which costs "
    )


def test_rows_say_which_question_they_answer():
    verdict = advice(sketch()).verdicts[0]
    assert site_words(replace(verdict, averaged=("a",))) == "codes (others either way)"


def test_a_family_that_leaves_something_is_taken_apart(net, monkeypatch):
    """Only where the user gave a budget: the default is for the family."""
    verdict = replace(advice(sketch()).verdicts[0], sites=("a", "b"))

    class Ready:
        class allowed:  # noqa: N801
            given = True

        class asked:  # noqa: N801
            effort = "auto"

            class wanted:  # noqa: N801
                regret = 0.005

    assert module.leaves_something(Ready, verdict)
    assert not module.leaves_something(Ready, replace(verdict, sites=("a",)))
    assert not module.leaves_something(Ready, replace(verdict, gain=None))
    assert not module.leaves_something(Ready, replace(verdict, choice="add"))
    monkeypatch.setattr(Ready.allowed, "given", False)
    assert not module.leaves_something(Ready, verdict)
