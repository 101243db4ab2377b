"""A recipe has the learning rates that a network was trained at, not the last one alone."""

import numpy as np
import pytest
from networks import Input, keras, layers

from addcat.doors.keras import recipe_of
from addcat.doors.keras.training.rates import MOST_PIECES, Rates, recorded
from addcat.doors.keras.training.recipes import RATE, build_optimizer

X, Y = np.ones((64, 2), "float32"), np.zeros((64, 1), "float32")


def fitted(rates, *, optimizer=None, before=0):
    """A network after `before` epochs at the first rate and one epoch at each of some; two steps an epoch."""
    x = Input((2,))
    net = keras.Model(x, layers.Dense(1)(x))
    net.compile(optimizer or keras.optimizers.SGD(rates[0]), "mse")
    if before:
        net.fit(X, Y, epochs=before, batch_size=32, verbose=0)
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rates[epoch])
    net.fit(X, Y, epochs=len(rates), batch_size=32, verbose=0, callbacks=[callback])
    return net


def inner(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


def rate_at(recipe, steps, step):
    return float(inner(build_optimizer(recipe, steps))._learning_rate(step))


def test_rates_that_a_callback_lowered_are_gone_through_again():
    net = fitted([0.1, 0.1, 0.1, 0.01])
    found = recipe_of(net, batch=32, examples=64)
    assert (
        found.words == "SGD as compiled, learning rate 0.100 to 0.0100 as recorded by fit, 8 steps as it was trained."
    )
    assert [rate_at(found, 8, step) for step in (0, 6, 7)] == pytest.approx([0.1, 0.1, 0.01])
    assert [rate_at(found, 80, step) for step in (0, 60, 61, 79)] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    longer = recipe_of(net, batch=32, examples=64, epochs=40)
    assert [rate_at(longer, 80, step) for step in (60, 61)] == pytest.approx([0.1, 0.01])


def test_a_plateau_that_is_met_at_the_last_epoch_leaves_the_rate_of_all_epochs():
    net = fitted([0.1, 0.1])
    net.optimizer.learning_rate = 0.001  # as ReduceLROnPlateau does behind the last epoch
    found = recipe_of(net, batch=32, examples=64)
    assert found.source == "SGD as compiled, learning rate 0.100, 4 steps as it was trained"
    assert rate_at(found, 4, 3) == pytest.approx(0.1)


def test_epochs_before_the_last_fit_are_at_its_first_rate():
    assert recorded(fitted([0.1, 0.01], before=6), 16) == Rates((0.875,), pytest.approx((0.1, 0.01)))


def test_a_rate_of_every_epoch_is_read_at_so_many_places():
    falling = list(0.1 * 0.97 ** np.arange(100))
    found = recorded(fitted(falling), 200)
    assert len(found.values) == MOST_PIECES
    assert found.values == tuple(sorted(found.values, reverse=True))
    places = np.searchsorted(found.ends, (np.arange(100) + 0.5) / 100)
    np.testing.assert_allclose(np.array(found.values)[places], falling, rtol=0.06)


def test_an_optimizer_inside_another_has_the_rates_too():
    half = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.1))
    found = recipe_of(fitted([0.1, 0.1, 0.01], optimizer=half), batch=32, examples=64)
    assert [rate_at(found, 6, step) for step in (0, 5)] == pytest.approx([0.1, 0.01])


def test_without_a_record_the_rate_is_the_optimizer_s():
    net = fitted([0.1, 0.01])
    net.compile(keras.optimizers.SGD(0.5), "mse")  # the record is another optimiser's
    assert recipe_of(net, batch=32, examples=64).source == "SGD as compiled, learning rate 0.500, 1500 steps"
    net.fit(X, Y, epochs=1, batch_size=32, verbose=0)
    assert recipe_of(net, batch=32, examples=64).source == (
        "SGD as compiled, learning rate 0.500, 2 steps as it was trained"
    )


def test_a_rate_that_the_user_says_holds_throughout():
    net = fitted([0.1, 0.01])
    found = recipe_of(net, batch=32, examples=64, learning_rate=0.3)
    assert found.source == "SGD as compiled, learning rate 0.300, 4 steps as it was trained"
    assert rate_at(found, 4, 3) == pytest.approx(0.3)
    net.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), "mse")
    assert "learning rate by CosineDecay" in recipe_of(net, batch=32, examples=64).source
    assert rate_at(recipe_of(net, batch=32, examples=64, learning_rate=0.3), 4, 3) == pytest.approx(0.3)
    x = Input((2,))
    plain = recipe_of(keras.Model(x, layers.Dense(1)(x)), batch=32, examples=64, learning_rate=0.3)
    assert plain.source == ("AdamW, cosine decay from learning rate 0.300 over 1500 steps (the model is not compiled)")
    assert rate_at(plain, 10, 0) == pytest.approx(0.3)
    assert plain.rate == 0.3 / RATE


def test_steps_are_batches_where_gradients_are_accumulated():
    """Keras counts the updates; a training is as many batches."""
    adam = keras.optimizers.Adam(0.1, gradient_accumulation_steps=4)
    net = fitted([0.1] * 6, optimizer=adam)
    assert recipe_of(net, batch=32, examples=64).steps == 12
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 50)
    net.compile(keras.optimizers.Adam(schedule, gradient_accumulation_steps=4), "mse")
    assert recipe_of(net, batch=32, examples=64).steps == 200
