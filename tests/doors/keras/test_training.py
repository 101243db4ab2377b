"""Training on JAX is what `fit` does on the same batches; on torch too, in a process of its own."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small
from networks import Input, keras, layers, randomised

from addcat.data.examples import Examples
from addcat.doors.judged import cross_fitted
from addcat.doors.keras import losses_of, recipe_of, resolve_loss, state, trainer
from addcat.doors.keras.training.recipes import build_optimizer
from addcat.doors.recipe import Plan, Recipe, at_learning_rate
from addcat.errors import OptionError, OutOfTimeError

LATE = "The time ended while the network was being trained; a larger budget finishes it."
TESTS = Path(__file__).parents[2]
PLAN = Plan(2, 3, 8)
RNG = np.random.default_rng(0)


def draw(n):
    x = RNG.normal(size=(n, 4)).astype("float32")
    return Examples((x,), ((x[:, :1] * 2 - np.tanh(x[:, 1:2])).astype("float32"),))


DATA, HELD = draw(20), draw(7)


def plain(optimizer=None, *, seed=0, loss="mse"):
    """x and a Dense of it, added; `optimizer` compiles it."""
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4, activation="tanh", name="block")(x)])
    net = randomised(keras.Model(x, layers.Dense(1, name="head")(merged)), seed)
    if optimizer is not None:
        net.compile(optimizer, loss)
    return net


def with_state():
    """Batch norm, a regulariser: what a training step changes or adds besides gradients."""
    x = Input((4,), name="x")
    h = layers.Dense(3, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
    return randomised(keras.Model(x, layers.Dense(1)(layers.BatchNormalization(momentum=0.5)(h))))


def recipe(net):
    return recipe_of(net, batch=8, examples=DATA.count)


def made_for(net, *, held=HELD, plan=PLAN, from_recipe=None):
    losses, _ = resolve_loss(net, "mse", DATA.targets)
    return trainer(net, losses, from_recipe or recipe(net), plan, DATA, held)


def by_keras(net, seed=0):
    """The curve of Keras' own training steps on the batches of the plan."""
    losses, _ = resolve_loss(net, "mse", DATA.targets)
    curve = []
    for rows in PLAN.order(DATA.count, seed):
        for index in rows:
            batch = DATA.rows(index)
            net.train_on_batch(batch.inputs[0], batch.targets[0])
        if not net.optimizer.use_ema:
            curve.append(losses_of(net, losses, HELD))
            continue
        averages = net.optimizer._model_variables_moving_average  # which fit puts in their place when it ends
        ended = keras.models.clone_model(net)
        for variable, average in zip(ended.trainable_variables, averages, strict=True):
            variable.assign(average.numpy().copy())
        curve.append(losses_of(ended, losses, HELD))
    return np.stack(curve)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.5),
        keras.optimizers.Adam(0.05, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=2),
        keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8),
    ],
    ids=["sgd", "adamw", "accumulated", "averaged"],
)
def test_the_curve_is_that_of_fit(optimizer):
    net = plain(optimizer)
    ours = made_for(net).run(0)
    assert ours.shape == (3, 7)
    np.testing.assert_allclose(ours, by_keras(net), rtol=2e-5)
    assert ours[-1].mean() < ours[0].mean()


def test_statistics_and_regularisers_train_as_in_fit():
    net = with_state()
    net.compile(keras.optimizers.SGD(0.05), "mse")
    ours = made_for(net).run(0)
    np.testing.assert_allclose(ours, by_keras(net), rtol=2e-5)


@pytest.fixture(scope="module")
def sgd():
    net = plain(keras.optimizers.SGD(0.05))
    return net, made_for(net)


def test_scan_and_loop_agree(sgd, monkeypatch):
    net, scanned = sgd
    looped = made_for(net)
    assert scanned._scan
    looped._scan = False
    monkeypatch.setattr("addcat.doors.keras.training.jax_trainer.BATCH", 4)  # the held-out set in two parts
    np.testing.assert_allclose(looped.run(0), scanned.run(0), rtol=1e-6)


@pytest.mark.parametrize("runs", [2, 5, 17])
def test_many_runs_at_once_are_the_runs_one_by_one(sgd, runs):
    _, made = sgd
    starts = [state(plain(seed=place % 3)) for place in range(runs)]
    together = made.run_many(range(runs), starts)
    assert together.shape == (runs, 3, 7)
    for place in {0, 1, runs - 1}:
        np.testing.assert_allclose(together[place], made.run(place, starts[place]), rtol=1e-5)
    np.testing.assert_allclose(made.run_many([4]), made.run(4)[None], rtol=1e-6)


@pytest.mark.parametrize("scan", [True, False])
def test_outputs_are_kept_of_the_evaluation_that_judges(sgd, scan):
    """Losses of the outputs are the losses that are judged; training is as it was."""
    net, _ = sgd
    made = made_for(net)
    made._scan = scan
    for seeds, shortened in (([0, 1, 2], None), ([4], Plan(2, 2, 8))):
        runs = made.run_judged(seeds, shortened=shortened)
        np.testing.assert_allclose([one.curve for one in runs], made.run_many(seeds, shortened=shortened), rtol=1e-5)
        for one in runs:
            again = ((one.outputs[0] - HELD.targets[0]) ** 2)[:, 0]
            np.testing.assert_allclose(again, cross_fitted(one.curve), rtol=1e-5)


def test_statistics_and_random_states_are_each_run_s_own():
    x = Input((4,), name="x")
    hidden = layers.Dropout(0.5, seed=1)(layers.BatchNormalization(momentum=0.5)(layers.Dense(3)(x)))
    made = made_for(randomised(keras.Model(x, layers.Dense(1)(hidden))))
    together = made.run_many([0, 1, 2])
    np.testing.assert_allclose(together, np.stack([made.run(seed) for seed in range(3)]), rtol=1e-5)


@pytest.mark.parametrize("scan", [True, False])
@pytest.mark.parametrize("method", ["run_many", "run_judged"])
def test_a_run_whose_time_is_over_is_broken_off(sgd, scan, method):
    net, _ = sgd
    made = made_for(net)
    made._scan = scan
    with pytest.raises(OutOfTimeError) as caught:
        getattr(made, method)([0, 1, 2], shortened=replace(PLAN, until=time.monotonic() - 1))
    assert str(caught.value) == LATE
    assert len(getattr(made, method)([0], shortened=replace(PLAN, until=time.monotonic() + 100))) == 1


def test_a_run_that_may_be_broken_off_waits_for_the_steps_that_were_begun(sgd, monkeypatch):
    """They are begun ahead of what was done, so the clock would be looked at too early."""
    net, scanned = sgd
    made, waited = made_for(net), []
    made._scan = False
    monkeypatch.setattr("addcat.doors.keras.training.jax_trainer.LOOKING", -1.0)
    monkeypatch.setattr(made._jax, "block_until_ready", lambda state: waited.append(1) or state)
    made.run(0)
    assert not waited
    found = made.run(0, shortened=replace(PLAN, until=time.monotonic() + 100))
    assert len(waited) == PLAN.steps
    np.testing.assert_allclose(found, scanned.run(0), rtol=1e-6)


def test_runs_that_memory_does_not_hold_together_train_in_parts(sgd, monkeypatch):
    _, made = sgd
    whole = made.run_many(range(5))
    assert [made._size(runs) for runs in (2, 3, 5, 40)] == [1, 8, 8, 8]
    monkeypatch.setattr("addcat.doors.keras.training.jax_trainer.MOST_TOGETHER", 1)
    assert made._size(5) == 1
    np.testing.assert_allclose(made.run_many(range(5)), whole, rtol=1e-5)


@pytest.mark.parametrize("scan", [True, False])
def test_a_shortened_run_is_that_of_a_trainer_of_its_length(scan):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 6)
    net = plain(keras.optimizers.SGD(schedule))
    given, short = Recipe(keras.optimizers.serialize(net.optimizer), 6, 8, ""), Plan(1, 4, 8)
    long, own = made_for(net, from_recipe=given), made_for(net, from_recipe=given, plan=short)
    long._scan = own._scan = scan
    whole = long.run(3)
    np.testing.assert_allclose(long.run(3, shortened=short), own.run(3), rtol=1e-6)
    np.testing.assert_allclose(long.run_many([3, 4, 5], shortened=short), own.run_many([3, 4, 5]), rtol=1e-5)
    np.testing.assert_allclose(long.run(3), whole, rtol=1e-6)
    if scan:
        assert long._programs["runs"]._cache_size() == 2  # one run, and eight: not one for each length


@pytest.mark.parametrize("scan", [True, False])
def test_a_run_that_begins_a_longer_one_is_its_beginning(scan):
    net = plain(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 6)))
    made = made_for(net, from_recipe=Recipe(keras.optimizers.serialize(net.optimizer), 6, 8, ""))
    made._scan = scan
    whole, begun, own = (
        made.run(3),
        made.run(3, shortened=Plan(2, 2, 8, begins=6)),
        made.run(3, shortened=Plan(2, 2, 8)),
    )
    np.testing.assert_allclose(begun, whole[:2], rtol=1e-6)
    assert not np.allclose(begun, own)


@pytest.mark.parametrize("other", [Plan(7, 1, 8), Plan(1, 9, 8), Plan(1, 1, 4)])
def test_a_longer_run_is_no_shortened_one(sgd, other):
    _, made = sgd
    with pytest.raises(ValueError, match="is no shorter form of") as caught:
        made.run(0, shortened=other)
    assert str(caught.value) == f"{other} is no shorter form of {PLAN}."


def test_convolutions_take_the_loop():
    x = Input((4, 1), name="x")
    net = randomised(keras.Model(x, layers.Dense(1)(layers.Flatten()(layers.Conv1D(2, 3)(x)))))
    made = made_for(net)
    assert not made._scan
    np.testing.assert_allclose(made.run_many([0, 1]), np.stack([made.run(0), made.run(1)]), rtol=1e-6)


def test_a_run_is_that_of_its_seed_and_weights_and_leaves_the_model_alone(sgd):
    net, made = sgd
    before = small.state(net)
    first, again, other = made.run(0), made.run(0), made.run(1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    elsewhere = plain(keras.optimizers.SGD(0.05), seed=5)
    moved = made.run(0, state(elsewhere))
    np.testing.assert_allclose(moved, made_for(elsewhere).run(0), rtol=1e-6)
    assert not np.allclose(moved, first)
    assert np.array_equal(made.run(0), first)
    small.assert_untouched(net, before)
    assert int(net.optimizer.iterations.numpy()) == 0


def test_frozen_layers_stay_and_dropout_is_drawn_by_the_model():
    x = Input((4,), name="x")
    frozen = layers.Dense(3, name="frozen", trainable=False)
    head = layers.Dense(1, name="head")
    net = randomised(keras.Model(x, head(layers.Dropout(0.5, seed=1)(frozen(x)))))
    made = made_for(net)
    assert np.array_equal(made.run(0), made.run(0))
    assert len(made._state(None)[0]) == 2
    without = randomised(keras.Model(x, head(frozen(x))))
    assert not np.allclose(made.run(0), made_for(without).run(0))


def test_a_network_without_weights_to_train_stays_as_it_is():
    x = Input((4,), name="x")
    net = keras.Model(x, layers.GlobalAveragePooling1D()(layers.Reshape((4, 1))(x)))
    curve = made_for(net).run(0)
    assert np.array_equal(curve[0], curve[-1])


def test_float16_trains_with_its_scaled_loss():
    x = Input((4,), name="x", dtype="float16")
    half = layers.Dense(1, dtype="mixed_float16", name="head")
    net = randomised(keras.Model(x, half(x)))
    net.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=1024.0), "mse")
    full = keras.Model(full_x := Input((4,)), layers.Dense(1, name="head")(full_x))
    full.compile(keras.optimizers.SGD(0.05), "mse")
    full.set_weights(net.get_weights())
    given = recipe(net)
    assert given.source == "SGD as compiled, learning rate 0.0500, 1500 steps"
    for _ in range(2):  # a recipe serves both arms
        np.testing.assert_allclose(made_for(net, from_recipe=given).run(0), made_for(full).run(0), rtol=0.02, atol=2e-3)


def test_a_schedule_runs_through_in_the_steps_of_the_run():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.5)
    net = plain(keras.optimizers.SGD(schedule))
    short = build_optimizer(Recipe(keras.optimizers.serialize(net.optimizer), 200, 8, ""), 20)
    for step in (0, 7, 20):
        assert float(short._learning_rate(step)) == pytest.approx(float(schedule(10 * step)))
    assert float(schedule(20)) > 0.08  # untouched
    curve = made_for(net, from_recipe=Recipe(keras.optimizers.serialize(net.optimizer), 6000, 8, "")).run(0)
    last = np.abs(np.diff(curve.mean(1)))
    assert last[1] < last[0] / 100  # after 4 of 6 steps the rate is 0.1 / 2^40


@pytest.mark.parametrize("scan", [True, False], ids=["scan", "loop"])
@pytest.mark.parametrize("decaying", [True, False], ids=["schedule", "constant"])
def test_one_program_serves_every_learning_rate(scan, decaying, monkeypatch):
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 4, 0.5) if decaying else 0.05
    net = plain(keras.optimizers.SGD(rate))
    slow, fast = recipe(net), at_learning_rate(recipe(net), 2.0)
    if not scan:
        monkeypatch.setattr("addcat.doors.keras.training.jax_trainer._fits_in_scan", lambda *_: False)
    first, other = made_for(net, from_recipe=slow), made_for(net, from_recipe=fast)
    before = first.run(0)
    again = first.at_rate(fast)
    np.testing.assert_array_equal(again.run(0), other.run(0))
    assert not np.allclose(before, again.run(0))
    np.testing.assert_array_equal(first.run(0), before)
    assert again._programs is first._programs
    assert all(program._cache_size() == 1 for program in first._programs.values())


def test_seconds_of_a_step(sgd):
    net, made = sgd
    looped = made_for(net)
    looped._scan = False
    assert 0 < made.step_seconds() < 1
    assert 0 < looped.step_seconds() < 1


def test_other_backends_are_refused(sgd, monkeypatch):
    net, _ = sgd
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(OptionError) as caught:
        made_for(net)
    assert str(caught.value) == (
        "addcat trains on the JAX and torch backends of Keras, not on 'tensorflow'. Set KERAS_BACKEND=jax."
    )


TORCH = """
import numpy as np, problems
from addcat.evidence.finetune import finetune
from addcat.evidence.forward import forward
from addcat.evidence.refit import refit
from addcat.evidence.score import score
from doors.keras import test_training as on
from networks import keras
from addcat.doors.keras import gradient, resolve_loss
assert keras.backend.backend() == "torch"
net = on.plain(keras.optimizers.AdamW(0.01, clipnorm=0.5, use_ema=True))
made = on.made_for(net)
first = made.run(0)
assert np.array_equal(first, made.run(0)) and made.step_seconds() > 0
other = on.plain(keras.optimizers.AdamW(0.01, clipnorm=0.5, use_ema=True), seed=5)
moved = made.run(0, on.state(other))
np.testing.assert_allclose(moved, on.made_for(other).run(0), rtol=1e-6)
np.testing.assert_allclose(first, made.run(0), rtol=1e-6)
np.testing.assert_allclose(made.run_many([0, 1]), np.stack([first, made.run(1)]), rtol=1e-6)
assert made.run(0, shortened=on.Plan(1, 4, 8)).shape == (4, 7)
try:
    made.run(0, shortened=on.replace(on.PLAN, until=0.0))
except on.OutOfTimeError as late:
    assert str(late) == on.LATE
else:
    raise AssertionError("it was not broken off")
(judged,) = made.run_judged([0])
np.testing.assert_allclose(judged.curve, first, rtol=1e-6)
again = ((judged.outputs[0] - on.HELD.targets[0]) ** 2)[:, 0]
np.testing.assert_allclose(again, on.cross_fitted(first), rtol=1e-5)
alike = on.plain(keras.optimizers.AdamW(0.01, clipnorm=0.5, use_ema=True))
np.testing.assert_allclose(first, on.by_keras(alike), rtol=2e-5)
fresh = on.plain(seed=5)  # a trainer of torch trains the model that it was given
losses, _ = resolve_loss(fresh, "mse", on.HELD.targets)
found = gradient(fresh, losses, on.HELD, ["head"])
data = problems.two_inputs(120, lambda x, y: x[:, 0] - y[:, 0])
site = problems.problem(problems.encoded_pair("add"), data, data, steps=20)
for method in (forward, score, refit, finetune):
    assert np.isfinite(method(site).estimate)
print(",".join(f"{v:.5f}" for v in [*found["head", "kernel"].ravel(), *found["head", "bias"]]), f"{first.mean():.5f}")
"""


def test_torch_trains_alike():
    pytest.importorskip("torch")
    paths = os.pathsep.join([str(TESTS), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": paths}
    command = [sys.executable, "-W", "error::UserWarning", "-c", TORCH]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    from addcat.doors.keras import gradient

    numbers, mean = done.stdout.split()
    other = plain(seed=5)
    losses, _ = resolve_loss(other, "mse", HELD.targets)
    found = gradient(other, losses, HELD, ["head"])
    ours = [*found["head", "kernel"].ravel(), *found["head", "bias"]]
    np.testing.assert_allclose([float(v) for v in numbers.split(",")], ours, atol=2e-5)
    on_jax = made_for(plain(keras.optimizers.AdamW(0.01, clipnorm=0.5, use_ema=True))).run(0)
    assert float(mean) == pytest.approx(on_jax.mean(), rel=1e-4)
