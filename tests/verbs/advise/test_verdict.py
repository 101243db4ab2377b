"""From beliefs to a verdict: each rule, each reason as it is read."""

from dataclasses import replace

import numpy as np
import pytest
from advices import evidence
from networks import Input, keras, layers
from problems import linear_pair, problem, set_weights, two_inputs

from addcat.evidence.readings import prior
from addcat.merges import find_merges
from addcat.statistics.belief import Belief, Reading
from addcat.statistics.interval import Noise
from addcat.verbs.advise.climbed import Climb, odds_of
from addcat.verbs.advise.html.verdicts import headline, odds_words
from addcat.verbs.advise.page import more_words, right_words
from addcat.verbs.advise.result import Look
from addcat.verbs.advise.verdict import question_of, verdict_of, whole_price

DATA = two_inputs(20, lambda x, y: x[:, 0])
FACTS = {"equal_power": False, "shared_branches": False, "disguised": False}


def structure(**facts):
    return evidence("structure", "fact", None, None, None, unit="", n=0, **{**FACTS, **facts})


def believing(gain, spread, degrees=50):
    return Belief.around(Reading(gain, Noise(spread**2, degrees)))


def decided(belief, *found, merge="add", margin=0.02, proved=None, path=(), loss=0.5, **facts):
    model = linear_pair(merge, 4)
    if merge == "concat" and facts.get("disguised"):
        model = set_weights(model, head=(np.ones((8, 1)), np.zeros(1)))
    site = problem(model, DATA, DATA)
    look = Look("retrain", 1.0, 1.0, "add", 0.5, 0.1)
    made = Climb([structure(**facts), *found], list(path), [look], belief, proved, loss, 2.0, 3.0, 0.0016)
    return verdict_of(site, made, margin, 0.8)


def retrained(choice="undecided", n=8, **fields):
    return evidence("retrain", "trained anew", 0.1, 0.06, 0.14, n=n, choice=choice, reference_loss=0.5, **fields)


def test_a_proof_that_concatenate_is_better():
    found = decided(believing(0.223, 0.02), retrained("concat"), proved="concat")
    assert (found.choice, found.certain, found.command) == (
        "concat", True, "addcat switch MODEL --set merge=concat -o switched.keras"
    )  # fmt: skip
    assert found.reason == (
        "Concatenate lowers the loss by +0.0999 [+0.0833, +0.115], 20 % of Add's 0.500, trained anew over 8 pairs."
    )
    assert found.probability > 0.999
    assert found.regret.loss == pytest.approx(0, abs=1e-6)
    assert (found.loss, found.margin) == (0.5, pytest.approx(0.01))


@pytest.mark.parametrize(
    ("merge", "gain", "reason"),
    [
        (
            "concat", 0.002,
            "Concatenate gains too little to pay for itself, +0.000995 [-0.00304, +0.00497] against a margin of "
            "0.0100, trained anew over 8 pairs; Add saves 4 parameters.",
        ),
        (
            "add", -0.04,
            "Concatenate does worse, -0.0204 [-0.0247, -0.0163] against a margin of 0.0100, trained anew over 8 pairs; "
            "Concatenate would cost 4 parameters.",
        ),
    ],
)  # fmt: skip
def test_a_proof_that_add_will_do(merge, gain, reason):
    found = decided(believing(gain, 0.004), retrained("add"), merge=merge, proved="add")
    assert (found.choice, found.certain, found.reason) == ("add", True, reason)


@pytest.mark.parametrize(
    ("proved", "gain", "reason"),
    [
        ("concat", (0.1, 0.06, 0.14), "Concatenate lowers the loss by +0.100 [+0.0600, +0.140], 20 % of Add's 0.500"),
        (
            "add",
            (0.002, -0.001, 0.005),
            "Concatenate gains too little to pay for itself, +0.00200 [-0.00100, +0.00500]",
        ),
    ],
)
def test_a_proof_that_was_doubted_before_is_told_by_its_own_pairs(proved, gain, reason):
    """What was measured before pulls the belief across; "certain" beside an interval across would be no sentence."""
    full = evidence("retrain", "trained anew", *gain, n=8, choice=proved, reference_loss=0.5)
    found = decided(believing(0.05, 0.04), full, proved=proved)
    assert (found.choice, found.certain) == (proved, True)
    assert (found.gain.estimate, found.gain.low, found.gain.high) == gain
    assert found.reason.startswith(reason)


def test_what_was_believed_after_a_method_says_why_add_is_taken():
    either, proof = Climb(belief=believing(0.004, 0.005)), Climb(belief=believing(0.012, 0.001), proved="add")
    for made in (either, proof):
        made.look("retrain", 8.0, 2.0, 0.02)
    looks = [made.looks[0] for made in (either, proof)]
    assert [(look.choice, look.certain, look.either) for look in looks] == [("add", False, True), ("add", True, False)]
    assert [look.probability < 0.5 for look in looks] == [True, True]
    assert [right_words(look) for look in looks] == ["either", "certain"]
    clear = Climb(belief=believing(0.2, 0.005))
    clear.look("retrain", 8.0, 2.0, 0.02)
    assert (clear.looks[0].choice, clear.looks[0].certain, clear.looks[0].either) == ("concat", False, False)


def test_the_words_agree_where_the_choice_is_not_the_likelier_one():
    within = decided(believing(0.012, 0.001), retrained("add"), proved="add")
    assert within.probability < 0.001
    assert odds_words(within) == "certain: Concatenate gains less than 2.0 %"
    assert headline([within]) == "Keep Add at `merge` (certain: Concatenate gains less than 2.0 %)."
    assert headline([within, within]) == "Keep Add at `merge` and `merge` (certain)."
    assert odds_words(decided(believing(-0.04, 0.001), retrained("add"), proved="add")) == "certain"
    skew = Belief.around(Reading(-0.005, Noise(0.004**2, 50)), Reading(0.6, Noise(0.1**2, 50)), weights=(0.7, 0.3))
    assert odds_words(decided(skew)) == "the safer choice, 38 % likely the better"
    wanting = decided(believing(0.01, 0.04), retrained(constant_loss=0.3, learnt=False))
    assert wanting.wanting
    assert headline([wanting]) == "Switch `merge` to Concatenate (for want of evidence, 60 % likely the better)."
    assert "for want of evidence, 60 % likely the better: neither network" in wanting.reason
    assert wanting.more is not None
    assert more_words(wanting) == ""  # beside "there is nothing to decide here"


def test_odds_are_no_less_than_none():
    beliefs = [believing(gain, spread) for gain in np.linspace(-1.5, 1.5, 61) for spread in (0.01, 0.03, 0.1)]
    assert min(min(odds.add, odds.either, odds.concat) for odds in (odds_of(one, 0.02) for one in beliefs)) >= 0


def test_without_proof_the_lower_expected_regret_is_recommended_with_its_odds():
    found = decided(believing(0.03, 0.03), retrained())
    assert (found.choice, found.certain) == ("concat", False)
    assert found.probability == pytest.approx(0.84, abs=0.01)
    assert sum((found.odds.add, found.odds.either, found.odds.concat)) == pytest.approx(1)
    assert found.regret.loss == pytest.approx(0.5 * found.regret.share)
    assert found.reason == (
        "Concatenate is better than Add with a probability of 84 %: Concatenate gains +0.0145 [-0.0154, +0.0430], "
        "trained anew over 8 pairs; following this gives away 0.3 % of the loss on average."
    )
    other = decided(believing(-0.03, 0.03), retrained())
    assert (other.choice, other.probability) == ("add", pytest.approx(0.84, abs=0.01))


def test_the_side_with_the_longer_tail_is_taken_even_where_it_is_less_likely():
    skew = Belief.around(Reading(-0.005, Noise(0.004**2, 50)), Reading(0.6, Noise(0.1**2, 50)), weights=(0.7, 0.3))
    found = decided(skew)
    assert found.choice == "concat"
    assert found.probability < 0.5


def test_where_both_will_do_add_is_taken_because_it_is_cheaper():
    found = decided(believing(0.004, 0.005), retrained())
    assert (found.choice, found.either, found.certain) == ("add", True, False)
    assert found.probability == pytest.approx(0.21, abs=0.02)
    assert found.reason == (
        "Either: take Add, it is cheaper. Concatenate gains +0.00199 [-0.00304, +0.00695], within the margin of 0.0100 "
        "with a probability of 99.9 %, trained anew over 8 pairs."
    )


def test_more_evidence_costs_more_the_nearer_the_chances_are():
    near, far = (decided(believing(gain, 0.03), retrained()) for gain in (0.01, 0.05))
    assert near.more.pairs > far.more.pairs >= 1
    assert near.more.trainings == 2.0 * near.more.pairs
    assert near.more.seconds == 3.0 * near.more.pairs
    assert decided(believing(1.0, 1e-3)).more is None


def test_nothing_measured_is_what_other_networks_did():
    found = decided(prior(), path=["The time is up."])
    assert (found.choice, found.gain) == ("concat", None)
    assert found.reason.startswith("Take Concatenate, with a probability of ")
    assert "nothing was measured, this is what other networks did; following this gives away " in found.reason
    assert found.path == ("The time is up.",)
    skew = Belief.around(Reading(-0.005, Noise(0.004**2, 50)), Reading(0.6, Noise(0.1**2, 50)), weights=(0.7, 0.3))
    assert decided(skew).reason == (
        "Take Concatenate: nothing was measured, this is what other networks did. Add was likelier the better, with "
        "62 %, but lost more where it was not; following this gives away 0.4 % of the loss on average."
    )


def test_a_disguised_merge_is_decided_by_its_price():
    found = decided(prior(), merge="concat", disguised=True, proved="add")
    assert (found.choice, found.certain, found.gain, found.more, found.regret.share) == ("add", True, None, None, 0.0)
    assert found.reason == "This Concatenate already computes an Add, and Add is the cheaper way to write it."
    assert found.command == "addcat switch MODEL --set merge=add -o switched.keras"


def test_the_command_asks_for_data_where_an_add_has_to_be_fitted():
    found = decided(believing(-0.1, 0.02), merge="concat")
    assert found.choice == "add"
    assert found.command == "addcat switch MODEL --set merge=add --data DATA -o switched.keras"


def test_networks_that_learnt_nothing_prove_nothing():
    found = decided(believing(0.2, 0.05), retrained(constant_loss=0.3, learnt=False))
    assert not found.certain
    assert found.reason == (
        "Take Concatenate for want of evidence, >99.9 % likely the better: neither network, trained anew over 8 pairs, "
        "does better than a constant output: Add reaches 0.500, Concatenate 0.400, the constant 0.300. There is "
        "nothing to decide here."
    )


def test_a_family_is_asked_about_and_priced_together():
    x = keras_chain = Input((4,), name="x")
    for n in range(3):
        keras_chain = layers.Add(name=f"add{n}")([keras_chain, layers.Dense(4, name=f"block{n}")(keras_chain)])
    net = keras.Model(x, layers.Dense(1, name="head")(keras_chain))
    data = two_inputs(20, lambda x, y: x[:, 0])
    site = problem(net, replace(data, inputs=data.inputs[:1]), data, site="add0")
    site = replace(site, family=tuple(find_merges(site.root)))
    found = verdict_of(site, Climb([structure()], belief=believing(0.1, 0.01)), 0.02, 1.0, name="residual")
    assert (found.site, found.sites) == ("residual", ("add0", "add1", "add2"))
    assert found.question == "the 3 residual merges together"
    assert found.command == (
        "addcat switch MODEL --set add0=concat --set add1=concat --set add2=concat -o switched.keras"
    )
    alone = [whole_price(replace(site, merge=merge, family=())).now.parameters for merge in site.family]
    assert found.price.now.parameters == np.sum(alone)


def test_more_pairs_on_draws_of_the_same_data_are_worth_less():
    """Nine independent pairs' worth is the most that there is to have."""
    site = problem(linear_pair("add", 4), DATA, DATA)

    def more(gain, redrawn):
        look = Look("retrain", 1.0, 1.0, "add", 0.5, 0.1)
        made = Climb([structure()], [], [look], believing(gain, 0.03), None, 0.5, 2.0, 3.0, 0.0064)
        return verdict_of(replace(site, redrawn=redrawn), made, 0.02, 0.8).more

    assert more(0.03, 0.0).pairs < 9 < more(0.02, 0.0).pairs
    assert more(0.03, 0.9).pairs > 3 * more(0.03, 0.0).pairs
    assert more(0.02, 0.9) is None


def test_the_question_says_which_data_it_is_about():
    site = replace(problem(linear_pair("add", 4), DATA, DATA), redrawn=0.9)
    assert question_of(site, "") == "merge 'merge', on data of this kind"
    assert question_of(replace(site, family=(site.merge, site.merge)), "skip") == (
        "the 2 skip merges together, on data of this kind"
    )
