"""The loss of the best constant, where it is known by hand."""

from typing import Any

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import examples

from addcat.data.examples import Examples
from addcat.doors.keras import constant_losses, lowest_loss, resolve_loss


def losses(output: Any, loss: Any, target: Any, held: Any) -> np.ndarray:
    """Loss of the best constant for `held`, where `target` gave it."""
    x = Input((2,), name="x")
    net = keras.Model(x, output(x))
    found, _ = resolve_loss(net, loss, (np.asarray(target),))
    given = [Examples((np.zeros((len(part), 2)),), (np.asarray(part),)) for part in (target, held)]
    return constant_losses(net, found, *given)


RNG = np.random.default_rng(0)
SKEWED = RNG.exponential(size=(400, 1)).astype("float32")
HELD = RNG.exponential(size=(50, 1)).astype("float32")
LABELS = (np.arange(400) % 4 == 0).astype("int64")[RNG.permutation(400)]


def test_squared_errors_have_the_mean_and_absolute_ones_the_median() -> None:
    squared = losses(layers.Dense(1), "mse", SKEWED, HELD)
    assert squared == pytest.approx(((HELD - SKEWED.mean()) ** 2).ravel(), rel=1e-4)
    absolute = losses(layers.Dense(1), "mae", SKEWED, HELD)
    assert absolute == pytest.approx(np.abs(HELD - np.median(SKEWED)).ravel(), rel=1e-4)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("kind", ["binary", "categorical", "sparse"])
def test_crossentropies_have_the_shares_of_the_classes(kind: str, logits: bool) -> None:
    cls: Any = {
        "binary": keras.losses.BinaryCrossentropy,
        "categorical": keras.losses.CategoricalCrossentropy,
        "sparse": keras.losses.SparseCategoricalCrossentropy,
    }[kind]
    target: Any = {"binary": LABELS[:, None], "categorical": np.eye(2)[LABELS], "sparse": LABELS}[kind]
    found = losses(layers.Dense(1 if kind == "binary" else 2), cls(from_logits=logits), target, target)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert found.mean() == pytest.approx(entropy, rel=5e-3)


def test_a_position_of_its_own_only_where_that_holds_on_other_examples() -> None:
    where = np.linspace(-3, 3, 5)[None, :, None]
    apart = (where + RNG.normal(size=(300, 5, 1))).astype("float32")
    alike = RNG.normal(size=(64, 5, 1)).astype("float32")
    out = lambda x: layers.Reshape((5, 1))(layers.Dense(5)(x))  # noqa: E731
    assert losses(out, "mse", apart, apart).mean() == pytest.approx(apart.var(axis=0).mean(), rel=1e-3)
    assert losses(out, "mse", alike, alike).mean() == pytest.approx(alike.var(), rel=1e-3)


def test_outputs_are_summed_with_their_weights_and_those_without_a_loss_left_out() -> None:
    x = Input((2,), name="x")
    net = keras.Model(x, [layers.Dense(1, name=name)(x) for name in ("a", "b", "c")])
    net.compile("sgd", loss=["mse", None, "mae"], loss_weights=[2.0, 1.0, 3.0])
    data = examples(np.zeros((400, 2)), (SKEWED, SKEWED, SKEWED))
    found = constant_losses(net, resolve_loss(net, None, data.targets)[0], data, data)
    truth = 2 * SKEWED.var() + 3 * np.abs(SKEWED - np.median(SKEWED)).mean()
    assert found.mean() == pytest.approx(truth, rel=1e-4)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("shape", [(400,), (400, 1)])
def test_a_loss_of_ones_own_that_weighs_classes_has_the_weighed_shares(shape: tuple[int, ...], logits: bool) -> None:
    weights = np.array([1.0, 5.0], "float32")

    def weighed(target: Any, output: Any) -> Any:
        index = keras.ops.cast(keras.ops.reshape(target, (-1,)), "int32")
        each = keras.losses.sparse_categorical_crossentropy(index, output, from_logits=logits)
        return keras.ops.take(weights, index) * each

    found = losses(layers.Dense(2), weighed, LABELS.reshape(shape), LABELS.reshape(shape))
    share = 0.25 * 5 / (0.75 + 0.25 * 5)
    assert found.mean() == pytest.approx(-0.75 * np.log(1 - share) - 0.25 * 5 * np.log(share), rel=1e-4)


def test_targets_that_do_not_say_what_an_output_is_have_no_best_constant() -> None:
    def both(target: Any, output: Any) -> Any:
        return target[:, 0] * keras.ops.mean(output, axis=-1)

    assert np.isinf(losses(layers.Dense(3), both, np.stack([SKEWED[:, 0]] * 2, 1), np.stack([HELD[:, 0]] * 2, 1))).all()


@pytest.mark.parametrize(
    ("loss", "lowest"),
    [
        *((one, 0.0) for one in ("mse", "binary_crossentropy", keras.losses.Huber(), keras.losses.LogCosh())),
        *((one, -np.inf) for one in ("poisson", keras.losses.CosineSimilarity(), lambda t, y: y - t)),
    ],
)
def test_the_least_that_a_loss_can_be(loss: Any, lowest: float) -> None:
    x = Input((2,), name="x")
    net = keras.Model(x, layers.Dense(1, activation="sigmoid")(x))
    found, _ = resolve_loss(net, loss, (LABELS[:, None].astype("float32"),))
    assert lowest_loss(found) == lowest
