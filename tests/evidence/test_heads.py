"""Heads on branches that stay as they are: what they tell, what they cost, and when they are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Input, keras, layers
from problems import problem, set_weights, two_inputs
from small import assert_untouched, state
from torch import nn

from addcat.data.examples import Examples
from addcat.doors import keras as door
from addcat.doors.base import door_for
from addcat.doors.torch.training.settings import Training
from addcat.errors import DataError
from addcat.evidence.heads import Heads
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import CAREFUL, Stage
from addcat.evidence.problem import Given, Problem
from addcat.merges import find_merges

RATE = keras.optimizers.Adam(0.03)
FULL = Stage("heads", 1.0, 2)


def apart(x, y):
    """How far apart the first two coordinates are: the same for (x, y) and (y, x)."""
    return np.abs(x[:, 0] - y[:, 0])


def together(x, y):
    return np.abs(x[:, 0] + y[:, 0])


def towers(merge):
    """One linear encoder that hands over three of the four coordinates, and a reader that can bend."""
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(3, name="encoder")
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    hidden = layers.Dense(8, activation="relu", name="hidden")(layer([encoder(x), encoder(y)]))
    net = keras.Model([x, y], layers.Dense(1, name="head")(hidden))
    return set_weights(net, encoder=(np.eye(4)[:, :3], np.zeros(3)))


def asked(net, target, **options):
    options = {"optimizer": RATE, "steps": 150} | options
    return problem(net, two_inputs(400, target, seed=1), two_inputs(300, target, seed=2), **options)


def heads(one, *, trainings=math.inf):
    meter = Meter(one.recipe, trainings, math.inf)
    return Heads(one, meter, 0.01), meter


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_what_only_a_concatenate_can_tell_is_told_although_it_is_symmetric(merge):
    net = towers(merge)
    before = state(net)
    found = heads(asked(net, apart))[0].run(FULL)
    assert found.gain > 0.7
    assert_untouched(net, before)


def test_a_concatenate_starts_apart_from_an_add():
    """From W1 = W2 the loss of a symmetric target is level in W1 - W2, and a short run would stay there."""
    trained, _ = heads(asked(towers("add"), apart))
    (start,) = trained._starts(FULL, [1])["concat"]
    (kernel,) = [array for array in start if array.shape == (6, 8)]
    assert abs(kernel[:3] - kernel[3:]).min() > 0


def test_where_add_holds_all_heads_gain_nothing():
    found = heads(asked(towers("add"), together))[0].run(FULL)
    assert found.gain < 0.1


def test_the_cost_is_that_of_what_follows_and_once_of_what_comes_before():
    one = asked(towers("add"), together)
    trained, meter = heads(one)
    before, dense = (400 + 300) / (3 * 150 * 32), {"add": 3 * 8 + 8, "concat": 6 * 8 + 8}
    assert trained.before == pytest.approx(before)
    whole = 2 * 4 * 3 + dense["add"]
    assert {name: round(share, 3) for name, share in trained.relative.items()} == {
        name: round(cost / whole, 3) for name, cost in dense.items()
    }
    cost = trained.cost(FULL)
    trained.run(FULL)
    assert meter.spent == pytest.approx(cost)
    assert trained.before == 0
    more = replace(FULL, pairs=3)
    assert trained.cost(more) == pytest.approx((cost - before) / 2)


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
        self.hidden, self.head = nn.Linear(3, 8), nn.Linear(8, 1)

    def forward(self, x, y):
        return self.head(torch.relu(self.hidden(self.tower(x) + self.tower(y))))


def test_a_module_is_trained_behind_its_frozen_branches():
    keras_like = asked(towers("add"), apart)
    module = Towers().eval()
    with torch.no_grad():
        module.tower[0].weight.copy_(torch.eye(4)[:3])
        module.tower[0].bias.zero_()
    of_torch = door_for(module, "train", example_inputs=(torch.ones(2, 4), torch.ones(2, 4)))
    graph = of_torch.read(module)
    (merge,) = find_merges(graph)
    losses, _ = of_torch.resolve_loss(module, nn.MSELoss(), keras_like.data.targets)
    recipe = replace(
        keras_like.recipe, optimizer=Training(optimizer=lambda parameters: torch.optim.Adam(parameters, 0.03))
    )
    data, held = (Examples(some.inputs, some.targets) for some in (keras_like.data, keras_like.held))
    one = Problem(of_torch, graph, graph, merge, data, held, losses, recipe, 0, math.inf, lambda _: None)
    trained, meter = heads(one)
    assert trained.before == 0
    assert 1 / 3 < trained.relative["add"] < trained.relative["concat"]
    assert trained.run(FULL).gain > 0.7
    assert meter.spent == pytest.approx(sum(trained.relative.values()) * 2, rel=0.5)
    assert torch.equal(module.tower[0].weight, torch.eye(4)[:3])


def test_the_time_of_a_pass_over_all_examples_is_reckoned():
    one = asked(towers("add"), together)
    untimed, _ = heads(one)
    given = Given(None, 1.0, 0.5, np.zeros(one.held.count))
    timed, _ = heads(replace(one, given=given))
    assert timed.seconds(FULL) - untimed.seconds(FULL) == pytest.approx(CAREFUL * 0.5 * (400 + 300))


def refused(one):
    with pytest.raises(DataError) as caught:
        heads(one)
    return str(caught.value)


def test_refusals():
    one = asked(towers("add"), together)
    assert refused(replace(one, family=(one.merge, one.merge))) == (
        "'merge' and others switch together; 'heads' asks one merge."
    )
    inside = replace(one.merge, site="encoder/merge")
    assert refused(replace(one, merge=inside)) == (
        "'encoder/merge' lies in a nested model; 'heads' cuts only the outermost."
    )
    x, y = Input((4,), name="x"), Input((4,), name="y")
    merged = layers.Dense(1, name="head")(layers.Add(name="merge")([x, y]))
    two = keras.Model([x, y], [merged, layers.Dense(1, name="other")(x)])
    aside = replace(one, root=door.read(two), graph=door.read(two), merge=find_merges(door.read(two))[0])
    assert refused(aside) == "Not every output depends on 'merge'; 'heads' asks merges that all outputs depend on."
