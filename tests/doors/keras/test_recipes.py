"""What a training was, as far as a model tells: rates, steps, batches, and what the user says of them."""

import pytest
from networks import keras

from addcat.doors.keras import recipe_of
from addcat.doors.keras.training.recipes import build_optimizer
from addcat.doors.recipe import Recipe
from tests.doors.keras.test_training import plain, recipe


def test_recipes():
    net = plain()
    assert recipe_of(net, batch=None, examples=1000) == Recipe(
        None,
        1500,
        128,
        "AdamW, cosine decay over 1500 steps (the model is not compiled)",
        assumed="1500 steps of 128 are assumed: if it was trained otherwise, say epochs= and batch_size= (--epochs, "
        "--batch-size).",
    )
    assert recipe_of(net, batch=32, examples=20).batch == 20
    default = build_optimizer(Recipe(None, 1500, 128, ""), 30)
    assert type(default).__name__ == "AdamW"
    assert float(default._learning_rate(30)) == pytest.approx(0, abs=1e-9)
    net.compile(keras.optimizers.Adam(0.01), "mse")
    assert recipe(net).source == "Adam as compiled, learning rate 0.0100, 1500 steps"
    net.optimizer.iterations.assign(240)
    assert (recipe(net).steps, recipe(net).source) == (
        240,
        "Adam as compiled, learning rate 0.0100, 240 steps as it was trained",
    )
    assert recipe(net).assumed == ""


class TrainsItself(keras.Model):
    def train_step(self, state, data):
        return super().train_step(state, data)


class WithItsLoss(TrainsItself):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.abs(y - y_pred))


@pytest.mark.parametrize("compiled", [True, False])
def test_training_code_of_the_users_own_is_said_not_to_be_run(compiled):
    for cls, words in (
        (TrainsItself, "TrainsItself has its own train_step, and it is"),
        (WithItsLoss, "WithItsLoss has its own train_step and compute_loss, and they are"),
    ):
        net = cls((usual := plain()).inputs, usual.outputs)
        if compiled:
            net.compile("adam", "mse")
        assumed = recipe_of(net, batch=32, examples=1000, epochs=2).assumed
        assert assumed == (
            f"{words} not run: networks are trained on the loss as Keras' fit does. Where that is another training, "
            "compare takes your own code."
        )


@pytest.mark.parametrize(
    ("made", "examples", "batch"),
    [(320, 1000, 32), (48, 1000, 64), (40, 1000, 128), (20, 1000, 256), (33, 1000, 32), (12, 20, 20)],
    ids=["default", "64", "128", "256", "none", "few"],
)
def test_a_batch_is_told_from_whole_passes(made, examples, batch):
    net = plain()
    net.compile("adam", "mse")
    net.optimizer.iterations.assign(made)
    assert recipe_of(net, batch=None, examples=examples).batch == batch
    assert recipe_of(net, batch=8, examples=examples).batch == 8


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (lambda of: of.CosineDecay(0.01, 400), 400),
        (lambda of: of.CosineDecay(0.0, 400, warmup_target=0.01, warmup_steps=50), 450),
        (lambda of: of.PolynomialDecay(0.01, 300), 300),
        (lambda of: of.PolynomialDecay(0.01, 300, cycle=True), 1500),
        (lambda of: of.ExponentialDecay(0.01, 300, 0.5), 1500),
    ],
    ids=["cosine", "warmup", "polynomial", "cycle", "exponential"],
)
def test_a_schedule_that_ends_says_how_long_a_training_is(schedule, steps):
    net = plain()
    made = schedule(keras.optimizers.schedules)
    net.compile(keras.optimizers.Adam(made), "mse")
    found = recipe_of(net, batch=32, examples=1000)
    assert found.steps == steps
    ends = steps != 1500
    assert found.source == f"Adam as compiled, learning rate by {type(made).__name__}, {steps} steps" + (
        " as its schedule runs" if ends else ""
    )
    assert bool(found.assumed) is not ends
    net.optimizer.iterations.assign(60)
    assert recipe_of(net, batch=32, examples=1000).steps == 60


def test_what_the_user_says_of_a_training_holds():
    net = plain()
    net.compile(keras.optimizers.Adam(0.01), "mse")
    said = recipe_of(net, batch=32, examples=100, epochs=5)
    assert (said.steps, said.batch, said.words) == (
        15,
        32,
        "Adam as compiled, learning rate 0.0100, 5 epochs, 15 steps.",
    )
    assert recipe_of(net, batch=None, examples=100, epochs=1).words == (
        "Adam as compiled, learning rate 0.0100, 1 epoch, 1 step. Batches of 100 are assumed: if it was trained by "
        "others, say batch_size= (--batch-size)."
    )
    assert recipe_of(net, batch=32, examples=100).words == (
        "Adam as compiled, learning rate 0.0100, 1500 steps. 1500 steps are assumed: if it was trained for "
        "longer or shorter, say epochs= (--epochs)."
    )
