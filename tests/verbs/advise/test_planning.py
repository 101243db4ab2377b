"""The plan of an advice: what would be run, in the climb's own reckoning, and that nothing is trained."""

import json
import sys
from types import SimpleNamespace

import pytest
from networks import keras
from problems import encoded_pair, set_weights, two_inputs

import addcat
from addcat.errors import OptionError
from addcat.evidence.pairs import Pairs
from addcat.report.text import render
from addcat.verbs.advise import Planned

module = sys.modules["addcat.verbs.advise"]
DATA = two_inputs(300, lambda x, y: x[:, 0] - y[:, 0])
ARRAYS = [*DATA.inputs], DATA.targets[0]


@pytest.fixture
def plan(monkeypatch):
    """A plan of a small network with an Add; whatever would train fails."""
    monkeypatch.setattr(Pairs, "run", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(module, "_advice", lambda *_: pytest.fail("climbed"))

    def plan(op="add", **options):
        net = keras.models.clone_model(set_weights(encoded_pair(op)))
        net.compile(keras.optimizers.Adam(0.05), "mse")
        net.optimizer.iterations.assign(60)
        return addcat.advise(net, ARRAYS, validation=ARRAYS, plan=True, **options)

    return plan


def names(found):
    return [rung.name for rung in found.courses[0].rungs]


def test_full_pairs_where_the_budget_pays_for_four(plan):
    found = plan(budget="30x")
    assert isinstance(found, Planned)
    full = ["4 full pairs", "8 full pairs", "16 full pairs", "32 full pairs"]
    assert names(found) == ["structure", "order", "kernel", "4 pairs, heads 40 % of the steps", *full]
    rungs = found.courses[0].rungs
    assert [rung.within for rung in rungs] == [True, True, True, True, True, True, False, False]
    costs = [rung.trainings for rung in rungs]
    assert costs == sorted(costs)
    assert costs[-1] - costs[3] == pytest.approx(8 * (costs[4] - costs[3]))
    seconds = [rung.seconds for rung in rungs]
    assert seconds == sorted(seconds)
    regrets = [rung.regret for rung in rungs]
    assert regrets[0] > regrets[2] > regrets[5] > regrets[7] > 0
    assert rungs[-1].probability > rungs[0].probability + 0.1
    assert found.courses[0].why == ""


def test_what_can_be_paid_instead_and_what_more_would_buy(plan):
    found = plan("concat", budget="1x", batch_size=128)
    assert names(found)[:4] == ["structure", "swap", "kernel", "1 pair, heads 40 % of the steps"]
    assert names(found)[5:] == ["4 full pairs", "8 full pairs", "16 full pairs", "32 full pairs"]
    assert names(found)[4].startswith("1 run of the other arm, ")
    assert [rung.within for rung in found.courses[0].rungs] == [True] * 5 + [False] * 4


def test_what_is_left_behind_heads_trains_the_other_arm(plan):
    found = plan("concat", budget="1.6x", batch_size=128)
    assert names(found)[3:6] == [
        "4 pairs, heads 40 % of the steps", "1 run of the other arm", "4 full pairs"
    ]  # fmt: skip
    assert [rung.within for rung in found.courses[0].rungs] == [True] * 5 + [False] * 4
    assert found.courses[0].rungs[4].regret < found.courses[0].rungs[3].regret


def test_few_full_pairs_hold_those_before(plan):
    found = plan("concat", budget="8x", batch_size=128)
    heads, one, two, three = (rung.trainings for rung in found.courses[0].rungs[3:7])
    assert names(found)[4:8] == ["1 full pair", "2 full pairs", "3 full pairs", "4 full pairs"]
    for number, cost in ((2, two), (3, three)):
        assert cost - heads == pytest.approx(number * (one - heads))


def test_where_full_pairs_are_quick_the_plan_has_no_heads(plan, monkeypatch):
    monkeypatch.setattr("addcat.verbs.advise.planning.quickly", lambda *_: True)
    assert names(plan()) == ["structure", "order", *(f"{n} full pairs" for n in (4, 8, 16, 32))]


def test_what_is_in_the_way_is_said(plan):
    found = plan(budget="0.1x")
    assert found.courses[0].why == "the budget does not allow to train pairs."
    assert names(found)[:3] == ["structure", "kernel", "4 full pairs"]
    found = plan(budget="0.025x")
    assert found.courses[0].why == "what is left of the budget does not pay for a score."
    assert names(found)[:3] == ["structure", "order", "4 full pairs"]
    found = plan(budget="0.001s")
    assert found.courses[0].why == "the time does not allow to measure the network as it is."
    assert names(found)[:2] == ["structure", "4 full pairs"]
    assert found.courses[0].rungs[1].seconds is None


def test_page_and_json(plan):
    found = plan(budget="30x")
    text = render(found.page(), width=80)
    assert text.startswith(
        "Plan: advice on encoded_add\n\n- Budget: 30.0x for all questions; a training of the network"
    )
    assert text.endswith("Nothing was trained.\n")
    assert max(map(len, text.splitlines())) <= 80
    assert "<table" in found._repr_html_()
    read = json.loads(json.dumps(found.to_dict()))
    assert read["courses"][0]["rungs"][4]["name"] == "4 full pairs"
    assert read["regret"] == 0.005


def test_a_narrow_page_cuts_nothing_off(plan):
    """Rungs in many words are broken; the last column says what the budget reaches."""
    text = render(plan("concat", budget="1x", batch_size=128, sites="merge").page(), width=80)
    header = next(line for line in text.splitlines() if line.startswith("question"))
    assert header.split() == ["question", "rung", "trainings", "time", "right", "regret", "budget"]
    assert {line.split()[-1] for line in text.splitlines() if line.startswith("merge")} == {"within", "beyond"}


def test_one_method_alone_has_no_plan(plan):
    with pytest.raises(OptionError) as caught:
        plan(effort="score")
    assert str(caught.value) == ("A plan is of the climb, and effort='score' runs one method alone. Leave it out.")


def test_a_plan_holds_a_budget_in_trainings_to_its_time(plan, monkeypatch):
    """A training takes a minute: thirty pay for eight full pairs, but not behind probes that take most of the time."""
    slow = SimpleNamespace(at_once=1, step_seconds=lambda: {"add": 1.0, "concat": 1.0})
    monkeypatch.setattr(Pairs, "_made", lambda _: slow)
    found = plan(budget="30x")
    assert found.training_seconds == 60
    assert [rung.name for rung in found.courses[0].rungs if rung.within][-2:] == ["4 full pairs", "8 full pairs"]
    reckoning = sys.modules["addcat.verbs.advise.planning"]._Reckoning
    reckon = reckoning._reckon
    monkeypatch.setattr(reckoning, "_reckon", lambda self, cost, _: reckon(self, cost, 475.0))
    long = plan(budget="30x")
    assert [rung.name for rung in long.courses[0].rungs if rung.within][-1] == "2 full pairs"
