"""Arms to be trained from scratch: every rung of one seed starts with the same branches."""

import numpy as np
import pytest
from networks import Input, keras, layers, network, randomised
from small import dense_net, mlp

from addcat.verbs.switch import switch

RUNGS = ["drop", "add", "scale", "channel_scale", "low_rank:2", "concat"]


def net(merge="add"):
    x = Input((6, 6, 3), name="x")
    left = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="left")(x))
    right = layers.Conv2D(4, 1, name="right", bias_initializer="uniform")(x)
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    y = layers.PReLU(shared_axes=[1, 2], name="slope")(layer([left, right]))
    y = layers.Conv2D(5, 3, name="head")(layers.GroupNormalization(-1, name="instance")(y))
    return randomised(keras.Model(x, layers.Dense(2, name="out")(layers.Flatten()(y))))


@pytest.fixture(scope="module")
def arms():
    return {
        merge: {rung: switch(net(merge), {"merge": rung}, fresh=True, seed=5) for rung in RUNGS}
        for merge in ("add", "concat")
    }


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_branches_are_drawn_alike_for_every_rung_and_from_either_merge(arms, merge):
    reference = arms["add"]["add"].model
    for rung, arm in arms[merge].items():
        for name in ("right", "left", "out"):
            if rung == "drop" and name == "right":
                continue  # it is gone
            for mine, theirs in zip(arm.model.get_layer(name).weights, reference.get_layer(name).weights, strict=True):
                assert np.array_equal(mine.numpy(), theirs.numpy()), (rung, name)
    assert not np.allclose(reference.get_layer("left").kernel.numpy(), net().get_layer("left").kernel.numpy())
    assert np.array_equal(reference.get_layer("norm").moving_mean.numpy(), np.zeros(4))


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_consumers_are_as_wide_as_the_merge(arms, merge):
    for rung, arm in arms[merge].items():
        width = 8 if rung == "concat" else 4
        assert arm.model.get_layer("head").kernel.shape == (3, 3, width, 5)
        assert arm.model.get_layer("slope").alpha.shape == (1, 1, width)
        assert arm.model.get_layer("instance").groups == width
        assert arm.model.get_layer("instance").gamma.shape == (width,)
        assert ("merge" in [layer.name for layer in arm.model.layers]) == (rung != "drop")


@pytest.mark.parametrize("rung", RUNGS)
def test_both_origins_give_the_same_arm(arms, rung):
    one, two = (arms[merge][rung].model for merge in ("add", "concat"))
    assert {w.path: w.shape for w in one.weights} == {w.path: w.shape for w in two.weights}
    assert one.count_params() == two.count_params()


def test_the_record_says_that_nothing_was_kept(arms):
    record = arms["add"]["concat"].record
    assert (record.fresh, record.exact, record.difference, record.seed) == (True, False, None, 5)
    assert record.steps[0].rule == "fresh"
    unchanged = arms["add"]["add"].record
    assert (unchanged.steps[0].rule, unchanged.exact) == ("unchanged", False)


def kernels(model):
    return np.concatenate([w.numpy().ravel() for w in model.weights if "kernel" in w.path])


def test_one_seed_gives_one_arm_and_another_another():
    same = [kernels(switch(dense_net("add"), {"merge": "concat"}, fresh=True, seed=seed).model) for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
    none, zero = (switch(dense_net("add"), {"merge": "concat"}, fresh=True, seed=seed) for seed in (None, 0))
    assert np.array_equal(kernels(none.model), kernels(zero.model))
    assert none.record.seed == 0


def test_the_global_draws_are_left_alone():
    import random

    model = dense_net("add")
    random.seed(1)
    first = random.random()  # noqa: S311
    random.seed(1)
    switch(model, {"merge": "concat"}, fresh=True, seed=3)
    assert random.random() == first  # noqa: S311


def test_a_reader_that_needs_the_old_width_gets_a_layer():
    arm = switch(network("multi_output"), {"merged": "concat"}, fresh=True)
    assert arm.model.get_layer("merged_project").kernel.shape == (12, 6)
    arm = switch(network("two_tower_shared"), {"codes": "add"}, fresh=True)
    assert arm.model.output.shape == (None, 1)


def test_unequal_widths_are_widened():
    for widen, more in (("project", 2 * 4), ("pad", 0)):
        old = mlp(2, 4)
        arm = switch(old, {"merge": "add"}, fresh=True, widen=widen)
        assert arm.model.count_params() == old.count_params() - 2 * 3 + more


def test_an_arm_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 4)).astype("float32")
    y = np.stack([x[:, 0], x.sum(axis=1), x[:, 1] - x[:, 2]], axis=1)
    old = dense_net("add")
    old.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
    arm = switch(old, {"merge": "channel_scale"}, fresh=True, seed=1).model
    start = arm.evaluate(x, y, verbose=0)
    arm.fit(x, y, epochs=10, verbose=0)
    assert arm.evaluate(x, y, verbose=0) < 0.7 * start


@pytest.mark.parametrize("merge", ["add", "concat"])
@pytest.mark.parametrize("rung", ["drop", "add", "concat"])
def test_before_a_separable_convolution_nothing_is_put_in(merge, rung):
    x = Input((6, 6, 3), name="x")
    branches = [layers.Conv2D(4, 1, name=name)(x) for name in ("left", "right")]
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    head = layers.SeparableConv2D(5, 3, depth_multiplier=2, name="head")
    net = randomised(keras.Model(x, head(layer(branches))))
    made = switch(net, {"merge": rung}, fresh=True).model if rung != merge else net
    width = 8 if rung == "concat" else 4
    names = {"x", "left", "right", "merge", "head"} - ({"right", "merge"} if rung == "drop" else set())
    assert {one.name for one in made.layers} in (names, names | {"right"} if rung == "drop" else names)
    assert made.get_layer("head").depthwise_kernel.shape == (3, 3, width, 2)
    own = {"left": 16, "right": 16, "head": 9 * width * 2 + 2 * width * 5 + 5}
    assert made.count_params() == sum(count for name, count in own.items() if name in {one.name for one in made.layers})
