"""`switch` on Keras models: what stays, what is carried over, nested and shared models, masks, dtypes, training."""

import networks
import numpy as np
import pytest
from networks import Input, keras, layers
from small import assert_untouched, dense_net, difference, mlp, model, run, state

import addcat
from addcat.doors.keras import read
from addcat.errors import ModelError, RefusedError
from addcat.verbs.switch import switch


def addcat_layers():
    import addcat.layers

    return addcat.layers


def rules(done):
    return [step.rule for step in done.record.steps]


EXACT = [
    ("residual", "block1_add", "project"),
    ("residual", "block2_add", "project"),
    ("unet", "skip1", "tie"),
    ("two_tower_own", "codes", "project"),
    ("nested", "middle/inner/inner_add", "project"),
    ("multi_output", "merged", "project"),
    ("channels_first", "block_add", "project"),
    ("attention", "attended", "project"),
    ("masks", "add", "project"),
]


@pytest.mark.parametrize(("name", "site", "rule"), EXACT)
def test_there_and_back(name, site, rule, tmp_path):
    net = networks.network(name)
    before = state(net)
    there = switch(net, {site: "concat"})
    assert_untouched(net, before)
    assert rules(there) == [rule]
    assert there.record.exact
    assert difference(net, there.model) < 1e-5
    there.model.save(tmp_path / "there.keras")
    loaded = keras.saving.load_model(tmp_path / "there.keras")
    back = switch(loaded, {site: "add"})
    assert rules(back) == ["equal parts"]
    assert difference(net, back.model) < 1e-5
    assert [(w.name, w.shape) for w in back.model.weights] == [(w.name, w.shape) for w in net.weights]
    flags = [[(i.name, i.trainable) for i in m._flatten_layers() if i.weights] for m in (net, back.model)]
    assert flags[0] == flags[1]


def test_every_site_of_a_model_at_once_and_each_is_in_the_record():
    net = networks.network("residual")
    changes = {"block2_add": "concat", "block1_add": "channel_scale"}
    done = switch(net, changes)
    assert [(s.site, s.was, s.now, s.rule) for s in done.record.steps] == [
        ("block1_add", "add", "channel_scale", "raise"),
        ("block2_add", "add", "concat", "project"),
    ]
    assert done.record.changes == changes
    assert difference(net, done.model) < 1e-5


def test_the_new_model_shares_nothing_with_the_old_one():
    net = dense_net("add")
    done = switch(net, {"merge": "concat"}).model
    mine = {id(layer) for layer in net._flatten_layers()} | {id(weight) for weight in net.weights}
    theirs = {id(layer) for layer in done._flatten_layers()} | {id(weight) for weight in done.weights}
    assert not mine & theirs
    kernel = net.get_layer("block").kernel.numpy()
    done.get_layer("block").kernel.assign(kernel * 2)
    assert np.array_equal(net.get_layer("block").kernel.numpy(), kernel)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_order_of_a_concatenate(order):
    net = mlp(2, 5, 3, order=order)
    done = switch(net, {"merge": "add"})
    assert rules(done) == ["absorb"]
    assert difference(net, done.model) < 1e-5
    assert done.model.get_layer("branch1").kernel.shape == (5, 3)


def test_one_tensor_several_times():
    x = Input((4,), name="x")
    y = layers.Dense(4, activation="relu")(x)
    for branches in ([y, y], [y, x, y]):
        net = model(x, layers.Dense(3)(layers.Add(name="merge")(branches)))
        done = switch(net, {"merge": "concat"})
        assert rules(done) == ["tie"]
        assert difference(net, done.model) < 1e-5
        assert rules(switch(done.model, {"merge": "add"})) == ["twice" if len(branches) == 2 else "equal parts"]


def test_operators_stay_functions():
    x = Input((6, 6, 4), name="x")
    y = layers.Conv2D(4, 3, padding="same")(x)
    z = x + y
    net = model(x, layers.Conv2D(3, 1, name="head")(z))
    site = z._keras_history.operation.name
    done = switch(net, {site: "concat"})
    assert rules(done) == ["tie"]
    assert not any(isinstance(layer, layers.Add | layers.Concatenate) for layer in done.model.layers)
    assert difference(net, done.model) < 1e-5
    back = switch(done.model, {site: "add"})
    assert difference(net, back.model) < 1e-5
    raised = switch(net, {site: "scale"})  # a rung has weights, so it is a layer
    assert isinstance(raised.model.get_layer(site), addcat_layers().ScaledAdd)


def masked_net(merge, *, both=False):
    """Tokens and, behind the merge, a layer that reads the mask if there is one."""
    tokens, other = Input((6,), dtype="int32", name="tokens"), Input((6, 4), name="other")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    y = layers.Embedding(9, 4, mask_zero=True)(tokens) if both else other
    merged = (x + y) if merge == "+" else merge([x, y])
    out = layers.LSTM(3, return_sequences=True)(merged)
    site = merged._keras_history.operation.name
    return model([tokens, other], [out, layers.Dense(2)(merged)]), site


def tokens_and_other():
    rng = np.random.default_rng(3)
    tokens = rng.integers(1, 9, (3, 6)).astype("int32")
    tokens[:, 3:] = 0
    return tokens, rng.normal(size=(3, 6, 4)).astype("float32")


@pytest.mark.parametrize("both", [False, True], ids=["one masked", "both masked"])
@pytest.mark.parametrize("merge", ["Add", "+"])
def test_masks_go_on_as_they_did(merge, both):
    net, site = masked_net(layers.Add(name="merge") if merge == "Add" else "+", both=both)
    data = tokens_and_other()
    for rung in ("concat", "scale") if merge == "Add" or not both else ("concat",):
        done = switch(net, {site: rung})
        if rung == "concat":
            (note, *_) = done.record.steps[0].notes
            assert note == f"{site}: {2 if both else 1} of 2 branches carry a mask; masks go on as they did before."
        old, new = run(net, *data), run(done.model, *data)
        assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(old, new, strict=True))


def test_a_concatenate_with_a_mask_is_fitted_and_its_mask_goes_on():
    net, site = masked_net(layers.Concatenate(name="merge"), both=True)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 9, (80, 6)).astype("int32")
    data = [tokens, rng.normal(size=(80, 6, 4)).astype("float32")]
    done = switch(net, {site: "add"}, data=(data, np.zeros(80)))
    # Keras hands a mask to the layer that uses it as one more input
    inputs = [next(n.inputs for n in read(m).nodes.values() if n.kind == "LSTM") for m in (net, done.model)]
    assert [len(edges) for edges in inputs] == [2, 2]
    data[0][:, 4:] = 0
    (steps, _) = run(done.model, *data)
    assert np.array_equal(steps[:, 4], steps[:, 5])  # masked steps repeat the state


def test_a_layer_of_the_ladder_would_pass_masks_on_that_a_function_drops():
    net, site = masked_net("+", both=True)
    for fresh in (False, True):
        with pytest.raises(RefusedError) as caught:
            switch(net, {site: "scale"}, fresh=fresh)
        assert str(caught.value) == (
            f"{site!r} cannot become scale: {site!r} is a function and drops the inputs' masks; scale is a layer, "
            "which passes them on. Make it a keras.layers.Add first [AC113]."
        )


def test_shared_merge_layers_get_one_each():
    net = networks.network("shared_layers")
    for changes in ({"add": "concat"}, {"add#2": "concat"}, {"add": "concat", "add#2": "concat"}, {"add": "scale"}):
        done = switch(net, changes)
        assert difference(net, done.model) < 1e-5
        back = switch(done.model, dict.fromkeys(changes, "add"))
        assert difference(net, back.model) < 1e-5
    note = "add: one layer was called at 'add', 'add#2'; each call has a layer of its own now."
    assert note in switch(net, {"add": "concat"}).record.steps[0].notes


def test_the_rank_rule_of_a_shared_layer_is_not_inherited_and_not_changed():
    """A = Add(); A([a4, b4]); A([c5x4, a4]): the second call mixes examples where the batch is 5. It still does."""
    a, b, c = Input((4,), name="a"), Input((4,), name="b"), Input((5, 4), name="c")
    add = layers.Add(name="add")
    first, second = add([a, b]), add([c, a])
    net = model([a, b, c], [layers.Dense(2)(first), layers.Dense(2)(second)])
    with pytest.raises(ModelError) as caught:
        switch(net, {"add": "concat"})
    assert str(caught.value) == (
        "Nothing can be compared on random inputs of shape (4, 4) and (4, 4) and (4, 5, 4). The model does not run: "
        "Add 'add' raised ValueError: Incompatible shapes for broadcasting: shapes=[(4, 5, 4), (4, 4)]. "
        "Give data that it takes."
    )
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(5, *shape)).astype("float32") for shape in ((4,), (4,), (5, 4))]
    done = switch(net, {"add": "concat"}, data=(data, np.zeros(5)))
    old, new = run(net, *data), run(done.model, *data)
    assert all(np.allclose(x, y, atol=1e-5) for x, y in zip(old, new, strict=True))


def test_shared_inner_models_stay_shared():
    i, a, x = Input((4,), name="i"), Input((4,), name="a"), Input((4,), name="x")
    inner = keras.Model(i, layers.Add(name="add")([i, layers.Dense(4)(i)]), name="inner")
    outer = keras.Model(a, layers.ReLU()(inner(a)), name="outer")
    net = model(x, [outer(x), inner(x)])
    done = switch(net, {"outer/inner/add": "concat"})
    assert done.model.get_layer("outer").get_layer("inner") is done.model.get_layer("inner")
    assert done.model.count_params() == net.count_params() + 2 * 4 * 4
    assert difference(net, done.model) < 1e-5


def test_a_shared_encoder_before_the_merge_is_left_alone():
    net = networks.network("two_tower_shared")
    left, right = networks.sample(net, 100)
    done = switch(net, {"codes": "add"}, data=([left, right], np.zeros(100)))
    assert len([layer for layer in done.model.layers if layer.name == "encoder"]) == 1
    assert rules(done) == ["fit"]


def test_a_sequential_model_inside_and_a_model_of_a_class_of_its_own():
    class Trained(keras.Model):
        def train_step(self, data):
            raise AssertionError("not called here")

    x = Input((4,), name="x")
    part = keras.Sequential([Input((4,)), layers.Dense(4), layers.ReLU()], name="part")
    net = Trained(x, layers.Dense(2, name="head")(layers.Add(name="merge")([x, part(x)])))
    networks.randomised(net)
    done = switch(net, {"merge": "concat"})
    assert isinstance(done.model, Trained)
    assert isinstance(done.model.get_layer("part"), keras.Sequential)


def test_frozen_layers_stay_frozen_and_states_are_carried():
    x = Input((4,), name="x")
    y = layers.BatchNormalization(name="norm")(layers.Dense(4, trainable=False, name="frozen")(x))
    head = layers.Dense(2, trainable=False, name="head")
    net = model(x, head(layers.Add(name="merge")([x, y])))
    done = switch(net, {"merge": "concat"}).model
    assert [layer.name for layer in done.layers if not layer.trainable] == ["frozen", "head"]
    old, new = net.get_layer("norm"), done.get_layer("norm")
    assert np.array_equal(old.moving_variance.numpy(), new.moving_variance.numpy())
    net.trainable = False
    assert switch(net, {"merge": "concat"}).model.trainable is False


def learnable(net):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 4)).astype("float32")
    return x, np.stack([x[:, 0] * x[:, 1], x.sum(axis=1), np.abs(x[:, 2])], axis=1).astype("float32")


@pytest.mark.parametrize("rung", ["concat", "low_rank:2"])
def test_a_compiled_model_stays_compiled_starts_at_its_loss_and_learns(rung):
    net = dense_net("add", head=lambda x: layers.Dense(3, name="head")(layers.ReLU()(x)))
    net.compile(optimizer=keras.optimizers.Adam(0.02, beta_1=0.8), loss="mse", metrics=["mae"])
    x, y = learnable(net)
    net.fit(x, y, epochs=1, verbose=0)
    kept = [variable.numpy() for variable in net.optimizer.variables]
    done = switch(net, {"merge": rung})
    assert done.record.notes[0] == (
        "The new model is compiled as the old one, with the same optimiser settings; its slots start anew."
    )
    assert len(done.record.notes) == (1 if rung == "concat" else 2)
    new = done.model
    assert new.optimizer is not net.optimizer
    config = new.optimizer.get_config()
    assert (config["learning_rate"], config["beta_1"]) == (pytest.approx(0.02), 0.8)
    assert int(new.optimizer.iterations) == 0
    old_loss, old_mae = net.evaluate(x, y, verbose=0)
    loss, mae = new.evaluate(x, y, verbose=0)
    assert (loss, mae) == (pytest.approx(old_loss, rel=1e-5), pytest.approx(old_mae, rel=1e-5))
    new.fit(x, y, epochs=10, verbose=0)
    assert new.evaluate(x, y, verbose=0)[0] < 0.8 * loss
    assert net.evaluate(x, y, verbose=0)[0] == old_loss
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(kept, net.optimizer.variables, strict=True))


def test_a_model_that_was_never_compiled_says_nothing_of_it():
    assert switch(dense_net("add"), {"merge": "concat"}).record.notes == ()


def test_a_tied_concatenate_says_that_it_trains_differently():
    (step,) = switch(dense_net("add"), {"merge": "concat"}).record.steps
    assert step.notes == (
        "A tied Concatenate computes what Add did but trains differently: "
        "each copy of the kernel gets a gradient and weight decay of its own.",
    )


def test_a_tied_kernel_takes_steps_of_its_own():
    """One step of plain gradient descent: the gradient of Add's kernel is the sum of those of its copies."""
    net = dense_net("add")
    done = switch(net, {"merge": "concat"}).model
    x, y = learnable(net)
    moved: list[np.ndarray] = []
    for one in (net, done):
        one.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
        before = one.get_layer("head").kernel.numpy().copy()
        one.train_on_batch(x, y)
        moved.append(one.get_layer("head").kernel.numpy() - before)
    left, right = np.split(moved[1], 2)
    assert np.allclose(left + right, moved[0], atol=1e-6)
    assert not np.allclose(left, right, atol=1e-5)


def test_batch_norm_in_training_mode_is_the_usual_false_alarm():
    x = Input((4,), name="x")
    y = layers.BatchNormalization()(layers.Dense(4)(x))
    net = model(x, layers.Dense(2)(layers.Add(name="merge")([x, y])))
    done = switch(net, {"merge": "concat"}).model
    data = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    assert np.allclose(net(data, training=True), done(data, training=True), atol=1e-5)


def test_the_same_switch_twice_is_the_same_model():
    net = dense_net("add", head=lambda x: layers.Dense(3)(layers.ReLU()(x)))
    one, two, other = (switch(net, {"merge": "low_rank:2"}, seed=seed).model for seed in (3, 3, 4))
    down = [m.get_layer("merge").down.numpy() for m in (one, two, other)]
    assert np.array_equal(down[0], down[1])
    assert not np.array_equal(down[0], down[2])


def test_no_change_gives_a_copy():
    net = dense_net("add")
    done = switch(net, {})
    assert (done.record.steps, done.record.exact) == ((), True)
    assert difference(net, done.model) == 0


def test_it_is_the_verb_of_the_package():
    assert addcat.switch is switch
    assert isinstance(switch(dense_net("add"), {"merge": "add"}), addcat.Switched)
