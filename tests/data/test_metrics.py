"""What may be given as a metric, by which name it is reported, and what becomes of one that cannot be computed."""

import numpy as np
import pytest
from networks import keras

from addcat.data.dataset import Outputs
from addcat.data.metrics import measured, metrics_of
from addcat.data.scores import Form
from addcat.doors.keras import metric_named
from addcat.errors import DataError, OptionError

TWO = Outputs(("mask", "label"), ("mask", "label"))
ONE = Outputs(("out",), ("out",))
TARGET, OUTPUT = np.array([0, 1, 1, 0]), np.array([[0.2], [0.9], [0.4], [0.1]])
BOTH = ((TARGET, TARGET), (OUTPUT, 1 - OUTPUT), (Form("identity"), Form("identity")))


def error_of(y_true, y_pred):
    """Largest error."""
    return float(np.abs(y_true - y_pred[:, 0]).max())


def values(given, *, outputs=ONE):
    metrics = metrics_of(given, outputs=outputs, named=metric_named)
    judged = BOTH if len(outputs.names) > 1 else ([TARGET], [OUTPUT], [Form("identity")])
    return {metric.name: metric.value(*judged) for metric in metrics}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ("", {}),
        ("accuracy", {"accuracy": 0.75}),
        (["accuracy", error_of], {"accuracy": 0.75, "error_of": 0.6}),
        ({"worst": error_of, "share": "accuracy"}, {"worst": 0.6, "share": 0.75}),
        ("binary_accuracy", {"binary_accuracy": 0.75}),
    ],
)
def test_what_may_be_given(given, expected):
    assert values(given) == pytest.approx(expected)


def test_a_metric_of_keras_is_made_anew():
    metric = keras.metrics.BinaryAccuracy(threshold=0.3, name="low")
    metric.update_state(np.zeros(8), np.ones(8))
    assert values(metric) == {"low": 1.0}
    assert float(metric.result()) == 0
    many = np.repeat(TARGET, 300)
    (only,) = metrics_of(metric)
    assert only.value([many], [np.repeat(OUTPUT, 300, axis=0)], [Form()]) == 1.0


def test_several_outputs_have_their_own():
    assert values("accuracy", outputs=TWO) == {"mask accuracy": 0.75, "label accuracy": 0.25}
    assert values({"label": ["accuracy", error_of]}, outputs=TWO) == pytest.approx(
        {"label accuracy": 0.25, "label error_of": 0.9}
    )

    def both(y_true, y_pred):
        return float(len(y_true) == len(y_pred) == 2 and np.allclose(y_pred[0] + y_pred[1], 1))

    assert values(both, outputs=TWO) == {"both": 1.0}


class Torchlike:
    """As a metric of torchmetrics."""

    def update(self, y_pred, y_true): ...

    def compute(self): ...


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("acuracy",
         "'acuracy' is not a metric that addcat knows. Nearest: 'accuracy', 'auc'. Expected one of accuracy, auc, "
         "dice, f1, iou, mae, mse, precision, r2, recall, rmse, or a function of (y_true, y_pred)."),
        ("MeanIoU",
         "metric='MeanIoU' needs arguments: MeanIoU.__init__() missing 1 required positional argument: 'num_classes'. "
         "Pass the metric itself."),
        (["mae", "mae"], "Two metrics are called 'mae'. Pass a dict that names them apart."),
        (keras.metrics.AUC, "metric=AUC is a class. Pass an instance of it: AUC(...)."),
        (lambda y_true, y_pred: 0.0, "A metric without a name cannot be reported. Pass a dict that names it."),
        (0.5, "metric=0.5 is not a metric. Expected a known name, a Keras metric, a function of (y_true, y_pred), or "
         "several of these."),
        (Torchlike(),
         "metric=Torchlike takes (y_pred, y_true), in this order. Pass a function of (y_true, y_pred)."),
    ],
)  # fmt: skip
def test_what_may_not_be_given(given, text):
    with pytest.raises(OptionError) as caught:
        values(given)
    assert str(caught.value) == text


def vector(y_true, y_pred):
    """One number too many."""
    return y_pred[:2]


def broken(y_true, y_pred):
    """Fails."""
    raise KeyError("mask")


def test_one_that_fits_one_of_several_outputs_says_how_to_name_it():
    outputs = Outputs(("price", "kind"), ("price", "kind"))
    metric = metrics_of("accuracy", outputs=outputs)[0]
    with pytest.raises(DataError) as caught:
        metric.value([TARGET * 0.3, TARGET], [OUTPUT, OUTPUT], [Form(), Form()])
    assert str(caught.value).endswith(
        " Pass one that fits, or a dict that has those of each output by its name: metric={'output': 'mae'}."
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (vector, "The metric 'vector' gives an array of shape (2, 1). Expected one number."),
        (broken, "The metric 'broken' cannot be computed: KeyError: 'mask'. Pass one that fits, or a function of "
         "(y_true, y_pred)."),
        ({"label accuracy": "accuracy"},
         "The metric 'label accuracy' cannot be computed: targets hold 3, expected labels from 0 to 1. Pass one that "
         "fits, or a function of (y_true, y_pred)."),
    ],
)  # fmt: skip
def test_one_that_cannot_be_computed_says_why_and_the_others_are(given, text):
    metrics = metrics_of([given] if callable(given) else given)
    judged = ([TARGET * 3], [OUTPUT], [Form()])
    with pytest.raises(DataError) as caught:
        metrics[0].value(*judged)
    assert str(caught.value) == text
    found, why = measured((*metrics, *metrics_of("mae")), *judged)
    assert np.isnan(found[metrics[0].name])
    assert found["mae"] == pytest.approx(np.abs(TARGET * 3 - OUTPUT[:, 0]).mean())
    assert why == text
