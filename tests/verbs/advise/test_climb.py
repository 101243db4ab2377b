"""How far the ladder is climbed, what each step reads, and the sentence for each."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from advices import evidence
from courses import Course
from ladder import NOISE, climb, methods, module, rungs, site
from problems import encoded_pair, linear_pair, set_weights

from addcat.errors import DataError
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Stage
from addcat.graph import Refusal
from addcat.statistics.belief import Reading
from addcat.verbs.advise.climb import EFFORTS, Climber
from addcat.verbs.advise.climbed import Wanted
from addcat.verbs.advise.rungs import FEW, FULL, PLANS, WARM


def test_structure_then_the_cheap_method_then_full_pairs_until_it_is_certain(instant):
    module.Pairs.gain = 0.3
    made, meter = climb(linear_pair("add", 4), wanted=Wanted(certainty=100))
    assert methods(made) == ["structure", "score", "warm", "retrain"]
    assert [look.method for look in made.looks] == ["structure", "score", "warm 20 %", "retrain"]
    assert (made.proved, made.get("retrain").n, module.Pairs.ran) == ("concat", 4, [WARM, FULL[0]])
    assert made.looks[-1].regret < 1e-3
    assert [look.trainings for look in made.looks] == sorted(look.trainings for look in made.looks)
    assert made.looks[-1].trainings == meter.spent
    assert made.looks[1].trainings == pytest.approx(18 * 2 * 60 / (3 * 100 * 32))  # passes of a network twice as dear
    assert made.path == ["That was enough."]


def test_a_proof_is_no_less_sure_than_its_interval(instant):
    instant["swap"], instant["tie"] = 0.0, -0.3
    module.Pairs.gain = module.Heads.gain = 0.3
    module.Pairs.seeds = 1e-6
    made, _ = climb(encoded_pair("concat"), wanted=Wanted(certainty=100))
    assert (made.proved, made.get("retrain").n) == ("concat", 4)
    assert made.looks[-1].probability >= 0.9975
    assert made.sure("concat") == made.looks[-1].probability


def test_branches_that_share_weights_are_exchanged_and_their_heads_trained(instant):
    assert methods(climb(encoded_pair("concat"))[0])[:3] == ["structure", "swap", "heads"]
    assert methods(climb(encoded_pair("add"))[0])[:3] == ["structure", "order", "heads"]
    assert methods(climb(linear_pair("concat", 4))[0])[:3] == ["structure", "tie", "warm"]
    assert methods(climb(linear_pair("add", 4))[0])[:3] == ["structure", "score", "warm"]


def test_where_heads_cannot_be_paid_one_network_is_asked(instant):
    assert methods(climb(encoded_pair("concat"), trainings=0.18)[0]) == ["structure", "swap", "tie"]
    assert methods(climb(encoded_pair("add"), trainings=0.18)[0]) == ["structure", "order", "score"]
    assert [stage.pairs for stage in module.Heads.ran] == []
    climb(encoded_pair("add"), trainings=0.5)
    assert [stage.pairs for stage in module.Heads.ran] == [1]


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_what_comes_before_heads_leaves_what_a_pair_costs(instant, merge):
    cheapest = 0.2
    made, meter = climb(encoded_pair(merge), trainings=cheapest + 0.01)
    assert methods(made) == ["structure", "order" if merge == "add" else "swap", "heads"]
    assert meter.spent == pytest.approx(cheapest + 0.01)  # of the 60 examples 48, twice
    assert methods(climb(encoded_pair(merge), trainings=cheapest + 0.001)[0]) == ["structure", "heads"]


@pytest.mark.parametrize(
    ("trainings", "heads", "ran"),
    [
        (0.8, 2, []),
        (1.2, 1, [0.95]),
        (1.4, 1, [1.0]),
        (1.6, 2, [1.0]),
        (2.0, 4, [1.0]),
        (2.3, 1, [FEW[0]]),
        (3.0, 4, [FEW[0]]),
        (7.0, 4, [FEW[0], FEW[1]]),
        (9.0, 4, [FULL[0]]),
    ],
)
def test_behind_heads_what_is_left_trains_the_other_arm(instant, trainings, heads, ran):
    """A run of it costs 1.0, a pair of heads 0.2; heads gain nothing, so doubt is left."""
    stages = [one if isinstance(one, Stage) else Stage("beside", one, 1) for one in ran]
    made, _ = climb(encoded_pair("concat"), trainings=trainings, wanted=Wanted(regret=1e-5))
    assert module.Pairs.ran == stages
    assert [stage.pairs for stage in module.Heads.ran] == [heads]
    assert ("other arm" in methods(made)) == any(stage.kind == "beside" for stage in stages)


def test_how_far_heads_are_from_the_network_is_told_of_the_other_arm(instant, monkeypatch):
    """Heads at a loss of 0.1 and a network at 1.0: it was not kept at its best point."""
    told = []
    monkeypatch.setattr(module.Pairs, "reading", lambda self, stage, found, way: told.append(way) or Reading(0, NOISE))
    climb(encoded_pair("concat"), trainings=1.6, wanted=Wanted(regret=1e-5))
    assert told == [pytest.approx(math.log(0.1))]


def test_small_doubts_train_nothing(instant):
    climb(encoded_pair("concat"), trainings=9.0, wanted=Wanted(regret=0.5))
    assert module.Pairs.ran == []


def test_heads_that_are_refused_leave_their_sentence(instant, monkeypatch):
    def refused(*_):
        raise DataError("Heads cannot be had.")

    monkeypatch.setattr(rungs, "Heads", refused)
    made, _ = climb(encoded_pair("add"))
    assert methods(made)[:4] == ["structure", "order", "score", "warm"]
    assert "Heads cannot be had." in made.path


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_where_full_pairs_are_quick_no_short_cut_is_taken_beside_one_probe(instant, monkeypatch, merge):
    monkeypatch.setattr(module, "quickly", lambda *_: True)
    module.Pairs.gain = 0.3
    probe = {"add": "order", "concat": "swap"}[merge]
    made, _ = climb(encoded_pair(merge), seconds=60, wanted=Wanted(certainty=20))
    assert (methods(made), module.Pairs.ran) == (["structure", probe, "retrain"], [FULL[1]])
    climb(linear_pair(merge, 4), seconds=60, wanted=Wanted(certainty=20))
    assert module.Pairs.ran == [FULL[1]]
    monkeypatch.setattr(module.Pairs, "one_by_one", lambda *_: True)  # four are there sooner than eight
    climb(linear_pair(merge, 4), seconds=60, wanted=Wanted(certainty=20))
    assert module.Pairs.ran == [FULL[0]]
    climb(linear_pair(merge, 4), seconds=60)  # where certainty is not wanted
    assert module.Pairs.ran[0] == WARM


def test_at_equal_parameters_short_cuts_are_read_as_at_equal_widths(instant):
    module.Pairs.gain = module.Heads.gain = 0.3
    made, _ = climb(encoded_pair("concat"), trainings=2.0, match="parameters")
    heads = made.get("heads")
    assert heads.words.endswith(" Both arms have the same widths here.")
    assert module.Heads.last.match == "widths"
    same, _ = climb(encoded_pair("concat"), trainings=2.0)
    assert made.readings == same.readings
    assert made.belief.interval().estimate < same.belief.interval().estimate
    made, _ = climb(encoded_pair("concat"), trainings=20.0, match="parameters", wanted=Wanted(regret=1e-9))
    assert "full" in made.readings
    assert not made.get("retrain").words.endswith("here.")


def test_what_heads_leave_to_short_runs_is_reckoned_at_equal_widths(instant, monkeypatch):
    asked, real = [], module.heads_within
    monkeypatch.setattr(module, "heads_within", lambda heads, meter, whole: asked.append(whole) or real(heads, meter))
    climb(encoded_pair("concat"), trainings=2.0, match="parameters")
    (whole,) = asked
    beside, full = (whole.runner(stage).whole.match for stage in (Stage("beside", 1.0, 1), FEW[0]))
    assert (beside, full) == ("widths", "parameters")


def test_a_small_budget_asks_for_the_order_first_and_says_what_is_left_out(instant):
    made, meter = climb(encoded_pair("add"), trainings=0.012)
    assert methods(made) == ["structure", "order"]
    assert meter.spent == pytest.approx(2 * 57 / (3 * 100 * 32))
    assert made.path[0] == "What is left of the budget does not pay for a score."


def test_all_looks_are_taken_where_nothing_decides(instant):
    module.Pairs.gain, module.Pairs.seeds = 0.02, 0.5**2
    made, _ = climb(linear_pair("add", 4), wanted=Wanted(regret=1e-5))
    assert module.Pairs.ran == [WARM, *FULL]
    assert (made.get("retrain").n, made.proved, made.path) == (32, None, ["All stages are done."])
    assert methods(made).count("retrain") == 1


def family(merges):
    """So many Concatenates in a row, as a family; the cheap methods stand in for those of a large network."""
    one = site(linear_pair("concat", 4))
    return replace(one, family=(one.merge,) * merges)


def test_tying_costs_and_lasts_as_long_as_its_merges(instant, monkeypatch):
    monkeypatch.setattr(module, "untrained_arms", lambda _: Refusal("AC102", "m", "none"))

    def tied(merges, *, seconds=math.inf):
        one = family(merges)
        meter = Meter(one.recipe, math.inf, time.monotonic() + seconds)
        return Climber(one, meter, Wanted(), 1.0, 1.0).automatic(), meter.spent

    (_, single), (four, family_of_four) = tied(1), tied(4)
    assert "tie" in methods(four)
    assert family_of_four == pytest.approx(2.5 * single)  # (2 + 2 * 4) passes to 4
    assert "tie" in methods(tied(4, seconds=30)[0])
    hasty, _ = tied(4, seconds=6)
    assert (methods(hasty), hasty.path[0]) == (
        ["structure"],
        "The time does not allow to measure the network as it is.",
    )
    assert tied(58)[1] == pytest.approx(8.5 * single)  # of a large family 16 members
    assert tied(58, seconds=8.5)[1] == pytest.approx(1.5 * single)  # 2 of them in half of the time
    assert methods(tied(58, seconds=3)[0]) == ["structure"]


@pytest.mark.parametrize("trainings", [0.01, 0.05, 0.3, 0.5, 0.9, 1.0, 2.0, 4.0, 7.9, 20.0])
def test_never_more_than_asked_and_always_an_answer(instant, trainings):
    module.Pairs.gain = 0.005
    for net in (linear_pair("add", 4), encoded_pair("concat")):
        made, meter = climb(net, trainings=trainings)
        assert meter.spent <= trainings
        assert made.looks
        plans = [plan for plan in PLANS if module.Pairs.ran and plan[0] in module.Pairs.ran]
        assert (FULL[0] in module.Pairs.ran) or plans or module.Heads.ran or trainings < 0.5


def test_time_is_never_overrun_as_far_as_it_was_reckoned(instant):
    module.Pairs.step = 1.0
    made, _ = climb(linear_pair("add", 4), seconds=10.0)
    assert sum(stage.share * stage.pairs for stage in module.Pairs.ran) <= 12  # each look has the earlier pairs
    assert made.path[-1] in ("The budget does not allow more pairs.", "All stages are done.", "That was enough.")
    made, _ = climb(linear_pair("add", 4), seconds=-1.0)
    assert (methods(made), module.Pairs.ran) == (["structure"], [])
    assert made.path == [
        "The time does not allow to measure the network as it is.",
        "The time does not allow to compile and train both arms.",
    ]


def test_it_stops_where_the_expected_regret_is_small_enough(instant):
    instant["tie"] = -0.5
    made, _ = climb(encoded_pair("concat"), wanted=Wanted(regret=0.5))
    assert module.Pairs.ran == []
    assert made.path[-1].startswith("The expected regret, ")
    assert made.path[-1].endswith(" of the loss, is small enough.")


def test_a_method_that_does_not_apply_leaves_its_sentence_and_costs_nothing(instant):
    instant["score"] = "Too few."
    made, meter = climb(linear_pair("add", 4), trainings=0.2)
    assert (methods(made), made.path[0], meter.spent) == (["structure", "score"], "Too few.", 0)
    assert (made.evidence[1].estimate, made.evidence[1].words) == (None, "Too few.")
    assert [look.method for look in made.looks] == ["structure"]
    assert made.path[1] == "The budget does not allow to train pairs: the least costs 0.400 trainings."


def test_an_estimate_beyond_all_of_the_loss_is_not_read(instant):
    instant["score"] = 1.5
    made, _ = climb(linear_pair("add", 4), trainings=0.2)
    assert made.path[0] == (
        "The estimate by score, +1.50, is more than all of the loss, 1.00, which cannot go below zero; so it says "
        "nothing."
    )
    assert made.looks[1].probability == made.looks[0].probability


def test_an_order_that_tells_says_that_there_is_something_to_learn(instant, monkeypatch):
    silent, _ = climb(encoded_pair("add"), trainings=0.012, given=1e9)
    found = evidence("order", "fact", 0.3, 0.2, 0.4, n=8)
    tells = replace(found, facts={"p": 1e-6, "p_sizes": 0.5})
    monkeypatch.setattr(rungs, "order", lambda *_, **__: tells)
    told, _ = climb(encoded_pair("add"), trainings=0.012, given=1e9)
    assert silent.looks[-1].probability < 0.5
    assert told.looks[0].probability < 0.5
    assert told.looks[-1].probability > 0.9


def test_short_runs_that_fail_as_the_given_network_does_speak_for_add(instant, monkeypatch):
    monkeypatch.setattr(module, "learnt", lambda *_: False)
    made, _ = climb(linear_pair("add", 4), trainings=1.2, given=1e9)
    assert methods(made)[-1] == "warm"
    assert made.looks[-1].choice == "add"
    assert made.looks[-2].choice == "concat"
    assert made.belief.above(0.0) < 0.35


def test_arms_that_learn_nothing_prove_nothing(instant, monkeypatch):
    monkeypatch.setattr(module, "learnt", lambda *_: False)
    module.Pairs.gain = 0.3
    made, _ = climb(linear_pair("add", 4))
    assert made.proved is None
    assert made.get("retrain").learnt is False


@pytest.mark.parametrize(("hoped", "ran"), [(None, [WARM, FULL[0]]), (0.05, [WARM])], ids=["likely", "unlikely"])
def test_it_goes_on_to_certainty_only_where_full_pairs_may_prove(instant, monkeypatch, hoped, ran):
    if hoped is not None:
        monkeypatch.setattr(module, "provable", lambda *_, **__: hoped)
    module.Pairs.gain, module.Pairs.seeds = 0.3, 1e-6
    climb(linear_pair("add", 4), wanted=Wanted(certainty=100, regret=0.02))
    assert module.Pairs.ran == ran


def test_short_pairs_that_learn_nothing_move_no_odds(instant, monkeypatch):
    monkeypatch.setattr(module, "learnt", lambda *_: False)
    module.Pairs.gain = 0.3
    made, _ = climb(linear_pair("add", 4), trainings=1.2)
    assert module.Pairs.ran == [WARM]
    assert made.looks[-1].probability == made.looks[-2].probability


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_heads_on_branches_that_have_learnt_nothing_move_no_odds(instant, monkeypatch, merge):
    monkeypatch.setattr(module, "learnt", lambda *_: False)
    monkeypatch.setattr(module, "constant_losses", lambda _: np.full(60, 0.05))  # below what both reach
    made, _ = climb(encoded_pair(merge), trainings=0.6, given=0.2)
    assert [look.method for look in made.looks][-1] == "heads 40 %"
    assert made.looks[-1].probability == made.looks[-2].probability
    assert made.looks[-1].choice == {"add": "concat", "concat": "add"}[merge]  # an Add may be why nothing was learnt


def test_full_pairs_that_learn_nothing_speak_for_what_overfits_less(instant, monkeypatch):
    monkeypatch.setattr(module, "learnt", lambda *_: False)
    monkeypatch.setattr(module, "constant_losses", lambda _: np.full(60, 0.05))  # below what the arms reach
    module.Pairs.gain = 0.3
    made, _ = climb(linear_pair("add", 4), trainings=12, given=0.2, wanted=Wanted(regret=1e-6))
    assert made.get("retrain").learnt is False
    assert (made.proved, made.looks[-1].choice) == (None, "add")
    assert 0.65 < made.looks[-1].probability < 0.85
    assert made.looks[-1].regret < 0.005


@pytest.mark.parametrize(("kind", "instead"), [("warm", "loose"), ("tied", "fresh")])
def test_starts_that_cannot_be_tied_are_drawn_apart(instant, kind, instead, monkeypatch):
    def run(pairs, stage):
        if stage.kind in ("warm", "tied"):
            raise DataError("'merge': not so.")
        return Course.run(pairs, stage)

    monkeypatch.setattr(module.Pairs, "run", run)
    made, _ = climb(linear_pair("add", 4), trainings=4, wanted=Wanted(regret=1e-6))
    assert made.path[:2] == ["'merge': not so."] * 2
    assert instead in [stage.kind for stage in module.Pairs.ran]
    assert kind not in [stage.kind for stage in module.Pairs.ran]


def test_nothing_is_measured_where_nothing_has_to_be(instant):
    kernel = [[1.0], [2.0], [3.0], [4.0]] * 2
    made, meter = climb(set_weights(linear_pair("concat", 4), head=(kernel, [0.0])))
    assert (methods(made), meter.spent, made.proved) == (["structure"], 0, "add")
    assert made.path == ["The merge already computes what the other one would, so nothing had to be measured."]


def only(net, effort, *, named=True):
    one = site(net)
    return Climber(one, Meter(one.recipe, math.inf, math.inf), Wanted(), 0.001, 1.0).only(effort, named=named)


@pytest.mark.parametrize("effort", [effort for effort in EFFORTS if effort not in ("auto", "structure", "score")])
def test_a_named_effort_runs_that_method_alone(instant, effort):
    made = only(encoded_pair("concat"), effort)
    assert methods(made) == ["structure", effort]
    assert made.path[0] == f"Only {effort} was asked for."


def test_a_named_effort_that_does_not_apply_is_an_error_where_the_merge_was_named():
    text = "'merge' is a Concatenate; 'score' asks whether an Add should be untied."
    with pytest.raises(DataError) as caught:
        only(linear_pair("concat", 4), "score")
    assert str(caught.value) == text
    assert only(linear_pair("concat", 4), "score", named=False).path[-1] == text


def test_progress_is_told(instant):
    said = []
    one = replace(site(linear_pair("add", 4)), tell=said.append)
    Climber(one, Meter(one.recipe, 9.0, math.inf), Wanted(), 0.001, 1.0).automatic()
    assert said[:2] == ["merge: score", "merge: training 2 pairs"]


@pytest.mark.parametrize(("gain", "side"), [(0.0, "add"), (0.04, "concat")])
def test_what_few_pairs_that_are_alike_prove_is_shown_as_they_prove_it(instant, monkeypatch, gain, side):
    """What is believed of seeds beforehand would spread four pairs over the margin that they clear."""
    module.Pairs.gain, module.Pairs.seeds = gain, 1e-8
    monkeypatch.setattr(module, "quickly", lambda *_: True)
    monkeypatch.setattr(module.Pairs, "one_by_one", lambda *_: True)
    made, _ = climb(linear_pair("add", 4), trainings=8.5, seconds=60, wanted=Wanted(margin=0.02, certainty=20))
    full = made.get("retrain")
    assert (full.n, made.proved, full.choice) == (4, side, side)
    margin = 0.02 * full.reference_loss
    assert full.low > margin if side == "concat" else full.high < margin
