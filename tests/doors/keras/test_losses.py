"""Which loss a model is judged by, and every way in which targets do not fit it."""

import re
from typing import Any

import numpy as np
import pytest
from networks import Input, keras, layers, ops

from addcat.data.dataset import Outputs
from addcat.doors.keras.losses import OutputLoss, judge, loss_name, outputs_of, per_example, resolve_loss
from addcat.errors import DataError, OptionError

CLASSES = np.array([0, 2, 1])
ONE_HOT = np.eye(3, dtype=int)


def ends_in(*heads, name="net"):
    """A model of one output for each (units, activation)."""
    x = Input((4,), name="x")
    outputs = [layers.Dense(units, activation=f, name=f"out{n}")(x) for n, (units, f) in enumerate(heads)]
    return keras.Model(x, outputs if len(outputs) > 1 else outputs[0], name=name)


@pytest.fixture(scope="module")
def nets():
    heads = {"logits": (3, None), "softmax": (3, "softmax"), "sigmoid": (1, "sigmoid"), "one": (1, None)}
    return {name: ends_in(head, name=name) for name, head in heads.items()}


@pytest.mark.parametrize(
    ("net", "target", "name"),
    [
        ("softmax", CLASSES, "sparse_categorical_crossentropy"),
        ("softmax", CLASSES[:, None], "sparse_categorical_crossentropy"),
        ("logits", CLASSES, "sparse_categorical_crossentropy from logits"),
        ("softmax", ONE_HOT, "categorical_crossentropy"),
        ("logits", ONE_HOT, "categorical_crossentropy from logits"),
        ("logits", CLASSES[:, None] + ONE_HOT, "mean_squared_error"),  # whole numbers that are no classes
        ("sigmoid", np.array([0, 1, 1]), "binary_crossentropy"),
        ("sigmoid", np.array([True, False, True]), "binary_crossentropy"),
        ("one", np.array([[0], [1], [1]]), "binary_crossentropy from logits"),
        ("one", np.array([0, 1, 7]), "mean_squared_error"),
        ("one", np.array([0.0, 1.0, 1.0]), "mean_squared_error"),
        ("logits", ONE_HOT * 0.5, "mean_squared_error"),
    ],
)
def test_a_loss_is_inferred_from_outputs_and_targets(nets, net, target, name):
    (loss,), words = resolve_loss(nets[net], None, (target,))
    assert (loss.name, loss.weight) == (name, 1.0)
    assert words == f"{name}, inferred from the targets"


def probabilities():
    """Networks that end in probabilities, behind layers that keep them so."""
    x = Input((4,), name="x")
    dense = layers.Dense(3)
    inner = keras.Sequential([Input((4,)), layers.Dense(3), layers.Softmax()])
    yield keras.Model(x, layers.Activation("linear", dtype="float32")(layers.Dense(3, activation="softmax")(x)))
    yield keras.Model(x, layers.Softmax()(layers.Dense(3)(x)))
    yield keras.Model(x, ops.softmax(layers.Dense(3)(x)))
    yield keras.Model(x, layers.Dropout(0.1)(layers.Flatten()(layers.Reshape((3, 1))(layers.Softmax()(dense(x))))))
    yield keras.Model(x, inner(x))
    yield inner


def test_probabilities_are_seen_through_layers_that_keep_them():
    named = [resolve_loss(net, None, (CLASSES,))[0][0].name for net in probabilities()]
    assert named == ["sparse_categorical_crossentropy"] * 6


def test_classes_of_every_position_are_classes():
    x = Input((5, 4), name="x")
    net = keras.Model(x, layers.Dense(3, activation="softmax")(x))
    (loss,), _ = resolve_loss(net, None, (np.zeros((2, 5), int),))
    assert loss.name == "sparse_categorical_crossentropy"


def test_a_compiled_model_says_its_loss(nets):
    net = keras.models.clone_model(nets["one"])
    net.compile("sgd", keras.losses.Huber(delta=0.5))
    assert resolve_loss(net, None, (np.zeros(3),))[1] == "huber_loss, of the compiled model"
    assert resolve_loss(net, "mae", (np.zeros(3),))[1] == "mean_absolute_error, given"


def test_losses_of_several_outputs_are_found_by_name_and_weighted():
    net = ends_in((1, None), (3, "softmax"))
    net.compile(
        "sgd",
        loss={"out1": "sparse_categorical_crossentropy", "out0": "mae"},
        loss_weights={"out1": 0.25, "out0": 2.0},
    )
    losses, words = resolve_loss(net, None, (np.zeros(3), CLASSES))
    assert [(loss.name, loss.weight) for loss in losses] == [
        ("mean_absolute_error", 2.0),
        ("sparse_categorical_crossentropy", 0.25),
    ]
    assert words == "mean_absolute_error, sparse_categorical_crossentropy, of the compiled model"


def test_an_output_without_a_loss_counts_nothing():
    net = ends_in((1, None), (3, None))
    losses, words = resolve_loss(net, ["mae", None], (np.zeros(3), np.zeros((3, 99))))
    assert words == "mean_absolute_error, none, given"
    outputs = (np.ones((3, 1), "float32"), np.full((3, 3), 7, "float32"))
    assert np.asarray(per_example(losses, (np.zeros(3), np.zeros((3, 3))), outputs)).tolist() == [1, 1, 1]


def error_of(net, loss, *targets):
    with pytest.raises((DataError, OptionError)) as caught:
        resolve_loss(net, loss, targets)
    return type(caught.value), str(caught.value)


SPARSE, WHOLE = "sparse_categorical_crossentropy", np.zeros(3)


@pytest.mark.parametrize(
    ("net", "loss", "target", "error"),
    [
        ("softmax", SPARSE, np.array([0.0, 1.5, 2.0]), " needs class indices; the targets hold fractions such as 1.5."),
        ("softmax", None, np.array([0, 3, 1]), ": labels reach from 0 to 3, the output has 3 classes (0 to 2)."),
        ("softmax", SPARSE, np.array([-1, 2, 1]), ": labels reach from -1 to 2, the output has 3 classes (0 to 2)."),
        (
            "softmax",
            SPARSE,
            ONE_HOT,
            ": targets have shape (3,) for each example, expected class indices of shape (). "
            "Pass y.argmax(axis=-1), or loss='categorical_crossentropy'.",
        ),
        (
            "softmax",
            "categorical_crossentropy",
            CLASSES,
            ": targets have shape () for each example, expected targets of shape (3,). "
            "Pass keras.utils.to_categorical(y), or loss='sparse_categorical_crossentropy'.",
        ),
        (
            "logits",
            None,
            np.zeros((3, 2)),
            ": targets have shape (2,) for each example, expected targets of shape (3,).",
        ),
    ],
)
def test_targets_that_do_not_fit_the_loss(nets, net, loss, target, error):
    name = loss or (SPARSE if target.ndim == 1 else "mean_squared_error")
    assert error_of(nets[net], loss, target) == (DataError, name + error)


def test_losses_that_do_not_exist_or_are_too_many(nets):
    assert error_of(nets["one"], "mean_squared_eror", WHOLE) == (
        OptionError,
        "'mean_squared_eror' is not a Keras loss. Nearest: 'mean_squared_error', 'mean_squared_logarithmic_error', "
        "'mean_absolute_error'.",
    )
    assert error_of(nets["one"], ["mse", "mse"], WHOLE) == (
        OptionError,
        "2 losses were given for 1 output. Give one, or one for each.",
    )


def test_one_output_two_targets(nets):
    assert error_of(nets["one"], None, WHOLE, WHOLE) == (
        DataError,
        "'one' has 1 output, the data have 2 targets. Give one target for each output.",
    )


def test_two_outputs_one_target():
    assert error_of(ends_in((1, None), (2, None)), None, np.zeros(3)) == (
        DataError,
        "'net' has 2 outputs, the data have 1 target. Give one target for each output.",
    )


def test_a_renamed_loss_for_classes_is_known_by_its_class(nets):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="xent")
    assert resolve_loss(nets["logits"], loss, (CLASSES,))[1] == "xent from logits, given"
    kind, text = error_of(nets["logits"], loss, CLASSES + 1)
    assert (kind, text) == (DataError, "xent from logits: labels reach from 1 to 3, the output has 3 classes (0 to 2).")


def test_a_class_that_the_loss_ignores_need_not_exist(nets):
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
    losses, _ = resolve_loss(nets["softmax"], loss, (np.array([0, 255, 2]),))
    found = per_example(losses, (np.array([0, 255, 2]),), (np.full((3, 3), 1 / 3, "float32"),))
    np.testing.assert_allclose(found, [np.log(3), 0, np.log(3)], rtol=1e-5)
    assert error_of(nets["softmax"], loss, np.array([0, 254, 2]))[1] == (
        "sparse_categorical_crossentropy: labels reach from 0 to 254, the output has 3 classes (0 to 2)."
    )


def test_a_function_of_the_users_own_takes_what_it_takes(nets):
    def own(truth, output):
        return ops.mean(ops.square(output - truth[:, :1]), axis=-1)

    losses, words = resolve_loss(nets["one"], own, (np.ones((3, 5)),))
    assert words == "own, given"
    found = per_example(losses, (np.ones((3, 5)),), (np.zeros((3, 1), "float32"),))
    assert np.asarray(found).tolist() == [1, 1, 1]


def test_losses_are_those_of_keras_example_by_example(nets):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 3)).astype("float32")
    labels = rng.integers(0, 3, 6)
    losses, _ = resolve_loss(nets["logits"], None, (labels,))
    log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    np.testing.assert_allclose(per_example(losses, (labels,), (scores,)), -log[np.arange(6), labels], rtol=1e-5)


def test_positions_are_averaged_and_outputs_summed_with_their_weights():
    x = Input((5, 4), name="x")
    net = keras.Model(x, [layers.Dense(1)(x), layers.Dense(2)(x)])
    net.compile("sgd", ["mae", "mse"], loss_weights=[1.0, 3.0])
    first, second = np.arange(10.0).reshape(2, 5), np.ones((2, 5, 2))
    losses, _ = resolve_loss(net, None, (first, second))
    outputs = (np.zeros((2, 5, 1), "float32"), np.zeros((2, 5, 2), "float32"))
    assert np.asarray(per_example(losses, (first, second), outputs)).tolist() == [2 + 3, 7 + 3]


def test_half_precision_outputs_are_judged_in_single_precision(nets):
    losses, _ = resolve_loss(nets["one"], "mse", (np.zeros(2),))
    near, far = np.float16(300.0), np.float16(0.001)
    found = np.asarray(per_example(losses, (np.zeros(2),), (np.array([[near], [far]]),)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [90_000, float(far) ** 2], rtol=1e-6)  # float16 ends at 65,504


def test_a_loss_that_raises_is_one_error(nets):
    losses, _ = resolve_loss(nets["softmax"], "ctc", (ONE_HOT,))
    with pytest.raises(DataError) as caught:
        judge(losses)((ONE_HOT,), (np.ones((3, 3), "float32"),))
    assert str(caught.value) == (
        "ctc cannot be computed: ValueError: Logits `y_pred` are expected to be a tensor of shape `(batch_size, "
        "max_length, num_classes)`. Pass a loss that fits the outputs and targets."
    )

    def own(truth, output):
        return {"mean": truth - output}["sum"]

    losses, _ = resolve_loss(nets["one"], own, (WHOLE,))
    with pytest.raises(DataError) as caught:
        judge(losses)((WHOLE,), (np.ones((3, 1), "float32"),))
    assert str(caught.value) == (
        "own cannot be computed: KeyError: 'sum'. Pass a loss that fits the outputs and targets."
    )


def test_names_of_losses():
    class Own(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return y_true - y_pred

    assert loss_name(Own(name="mine")) == "mine"
    assert re.fullmatch("<lambda>", loss_name(lambda a, b: a - b))
    assert loss_name(None) == "none"


def dict_outputs() -> Any:
    """Two outputs in a dict, written in an order that Keras does not keep."""
    x = Input((3,), name="x")
    return keras.Model(x, {"zeta": layers.Dense(1, name="q")(x), "alpha": layers.Dense(2, name="p")(x)}, name="named")


def test_outputs_of_a_dict_go_by_their_keys() -> None:
    net = dict_outputs()
    assert outputs_of(net) == Outputs(("alpha", "zeta"), ("zeta", "alpha"))
    targets = np.zeros((4, 2)), np.zeros((4, 1))
    found, _ = resolve_loss(net, {"zeta": "mae", "alpha": "mse"}, targets)
    assert [one.name for one in found] == ["mean_squared_error", "mean_absolute_error"]
    found, _ = resolve_loss(net, {"zeta": "mae"}, targets)
    assert [one.given is None for one in found] == [True, False]
    net.compile("sgd", {"zeta": "mae", "alpha": "mse"}, loss_weights={"zeta": 2.0, "alpha": 3.0})
    found, _ = resolve_loss(net, None, targets)
    assert [(one.name, one.weight) for one in found] == [("mean_squared_error", 3.0), ("mean_absolute_error", 2.0)]


def test_what_is_wrong_with_one_of_several_outputs_names_it() -> None:
    with pytest.raises(DataError) as caught:
        resolve_loss(dict_outputs(), "mse", (np.zeros((4, 2)), np.zeros((4, 3))))
    assert str(caught.value) == (
        "Output 'zeta': mean_squared_error: targets have shape (3,) for each example, expected targets of shape (1,)."
    )


def test_a_list_of_losses_for_a_dict_of_outputs() -> None:
    with pytest.raises(OptionError) as caught:
        resolve_loss(dict_outputs(), ["mse", "mae"], (np.zeros((4, 2)), np.zeros((4, 1))))
    assert str(caught.value) == (
        "The model's outputs are written 'zeta', 'alpha' and counted in another order, so a list of losses could be "
        "meant in either. Pass a dict of losses by these names."
    )


def test_losses_that_name_no_output_are_refused() -> None:
    """In the order of their keys they would be other outputs' losses."""
    for given in ({"wrong": "mse"}, {"zz": "mse", "zeta": "mae"}):
        with pytest.raises(OptionError) as caught:
            resolve_loss(dict_outputs(), given, (np.zeros((4, 2)), np.zeros((4, 1))))
        wrong = next(iter(given))
        assert str(caught.value) == (
            f"The losses name {wrong!r}; the model has 'alpha', 'zeta'. Pass a dict by the outputs' names."
        )


@pytest.mark.parametrize("loss", ["binary_crossentropy", keras.losses.BinaryFocalCrossentropy(), "kl_divergence"])
@pytest.mark.parametrize(
    ("low", "high", "way"),
    [
        (-1, 1, "from -1 to 1, expected probabilities from 0 to 1. Map them: (y + 1) / 2."),
        (0, 255, "from 0 to 255, expected probabilities from 0 to 1. Divide them by 255."),
        (0, 2, "from 0 to 2, expected probabilities from 0 to 1. Map them to this range."),
        (-3, 1, "from -3 to 1, expected probabilities from 0 to 1. Map them to this range."),
    ],
)
def test_targets_that_are_no_probabilities(loss: Any, low: int, high: int, way: str) -> None:
    target = np.array([[low], [high], [high]])
    with pytest.raises(DataError) as caught:
        resolve_loss(ends_in((1, "sigmoid")), loss, (target,))
    name = loss_name(keras.losses.get(loss) if isinstance(loss, str) else loss)
    assert str(caught.value) == f"{name}: targets reach {way}"


def test_probabilities_between_0_and_1_are_taken() -> None:
    target = np.array([[0.0], [0.25], [1.0]])
    assert resolve_loss(ends_in((1, "sigmoid")), "binary_crossentropy", (target,))[1] == "binary_crossentropy, given"


def test_a_loss_of_the_users_own_is_run_as_it_is_and_one_of_keras_as_one_program():
    scale = [1.0]

    def own(true, output):
        return scale[0] * keras.ops.abs(true - output)

    target, output = np.ones((6, 2), "float32"), np.zeros((6, 2), "float32")
    mine = judge((OutputLoss(own, "own"),))
    assert np.asarray(mine((target,), (output,))).tolist() == [1.0] * 6
    scale[0] = 3.0
    assert np.asarray(mine((target,), (output,))).tolist() == [3.0] * 6
    theirs = (OutputLoss(keras.losses.Huber(0.5), "huber", 2.0), OutputLoss(None, "none"))
    found = judge(theirs)((target, target), (output, output))
    np.testing.assert_allclose(found, per_example(theirs, (target, target), (output, output)), rtol=1e-6)
    assert judge(theirs) is judge(theirs)
