"""Metrics beside the loss: of a model and data on either framework, of the user's own training, in a design."""

import numpy as np
import pytest
from comparisons import DATA, HELD, compiled, two_merges
from networks import Input, keras, layers
from scipy import stats
from small import model

import addcat
from addcat.errors import DataError, OptionError


def within(y_true, y_pred):
    """Share of targets that are met to 0.5."""
    return float((np.abs(y_true - y_pred) < 0.5).mean())


LABELS, HELD_LABELS = ((x, (y > 0).astype("int64")) for x, y in (DATA, HELD))


def classifier():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(3, name="encoder")
    merged = layers.Add(name="merge")([encoder(x), encoder(y)])
    net = model([x, y], layers.Dense(1, name="head")(merged), name="classifier")
    net.compile(keras.optimizers.Adam(0.05), keras.losses.BinaryCrossentropy(from_logits=True))
    return net


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    store = tmp_path_factory.mktemp("store") / "trials.db"
    return store, addcat.compare(
        classifier(), LABELS, validation=HELD_LABELS, steps=40, pairs=3, metric=["accuracy", "auc"], store=store
    )


def test_metrics_are_reported_beside_the_loss_that_decides(found):
    store, metered = found
    accuracy, auc = metered.measured
    assert (accuracy.finding, accuracy.metric, auc.metric) == ("concat over add", "accuracy", "auc")
    assert accuracy.base < 0.7
    assert accuracy.other > 0.9
    assert accuracy.difference.low < accuracy.other - accuracy.base < accuracy.difference.high
    assert metered.notes[2] == (
        "Beside what decides: accuracy, auc, at the evaluation that judges the loss; intervals over pairs, for these "
        "examples."
    )
    plain = addcat.compare(classifier(), LABELS, validation=HELD_LABELS, steps=40, pairs=3)
    np.testing.assert_allclose(metered.findings[0].differences, plain.findings[0].differences, rtol=1e-5)
    assert plain.measured == ()
    with pytest.raises(DataError, match=r"What differs:\n  metrics: accuracy, auc .* there, accuracy .* now"):
        addcat.compare(classifier(), LABELS, validation=HELD_LABELS, steps=40, pairs=3, metric="accuracy", store=store)


def test_they_are_on_the_page_in_the_report_and_in_json(found):
    from addcat.report.text import render
    from addcat.verbs.compare.html.document import document

    _, metered = found
    for written in (render(metered.page(), width=100), document(metered)):
        assert "Further metrics" in written
        assert "auc" in written
    listed = metered.to_dict()["metrics"]
    assert [one["metric"] for one in listed] == ["accuracy", "auc"]
    assert listed[0]["difference"]["low"] < listed[0]["difference"]["high"]


def test_redrawn_data_widen_their_intervals_as_they_widen_that_of_the_loss():
    found = addcat.compare(compiled(), DATA, validation=HELD, steps=10, pairs=3, metric="mae", resample="data")
    (mae,) = found.measured
    add, concat = ([t.metrics["mae"] for t in found.trials if t.arm == arm] for arm in ("add", "concat"))
    differences = np.subtract(concat, add)
    assert mae.difference.estimate == pytest.approx(differences.mean())
    wider = np.sqrt((1 / 3 + 0.1 / 0.9) * differences.var(ddof=1))
    assert mae.difference.high - mae.difference.estimate == pytest.approx(stats.t.ppf(0.975, 2) * wider)


METRICS = {"near": within, "mae": "mae"}


def test_a_design_has_metrics_for_every_question():
    found = addcat.compare(
        two_merges(), DATA, validation=HELD, steps=20, pairs=8, metric={"near": within, "mae": "mae"}
    )
    assert [(one.finding, one.metric) for one in found.measured] == [
        ("fusion", "near"), ("residual", "near"), ("fusion", "mae"), ("residual", "mae")
    ]  # fmt: skip
    fusion = found.measured[0]
    means = {
        choice: np.mean([t.metrics["near"] for t in found.trials if f"fusion={choice}" in t.arm])
        for choice in ("add", "concat")
    }
    assert (fusion.base, fusion.other) == pytest.approx((means["add"], means["concat"]))
    assert fusion.difference.estimate == pytest.approx(means["concat"] - means["add"])


def picky(y_true, y_pred):
    """Fails once the network has learnt something."""
    if np.abs(y_true - y_pred).mean() < 0.7:
        raise ValueError("too good")
    return 0.0


def test_one_that_fails_for_some_trials_is_said_and_the_loss_still_decides():
    found = addcat.compare(compiled(), DATA, validation=HELD, steps=60, pairs=4, metric=["mae", picky])
    assert found.verdict == "concat"
    assert [one.metric for one in found.measured] == ["mae"]
    assert found.notes[-1] == (
        "picky has no value in 4 of 8 trials, and their pairs are left out of it: The metric 'picky' cannot be "
        "computed: ValueError: too good. Pass one that fits, or a function of (y_true, y_pred)."
    )


def own(net, seed):
    keras.utils.set_random_seed(seed)
    history = net.fit(DATA[0], DATA[1], epochs=3, verbose=0)
    return {"loss": history.history["loss"][-1], "last": 1.0}


def test_the_users_own_training_is_measured_on_validation_data():
    found = addcat.compare(compiled(), train=fitted, validation=HELD, metric=["mae", within], pairs=2)
    by_name = {one.metric: one for one in found.measured}
    assert set(by_name) == {"last", "mae", "within"}
    assert by_name["mae"].base > by_name["mae"].other
    assert found.notes[0] == (
        "Beside what decides: mae, within, of the trained model, on 100 examples; intervals over pairs, for these "
        "examples."
    )


def fitted(net, seed):
    net.compile(keras.optimizers.Adam(0.05), "mean_squared_error")
    return own(net, seed)


def test_a_training_that_does_not_train_in_place_has_no_metrics():
    with pytest.raises(DataError) as caught:
        addcat.compare(compiled(), train=lambda net, seed: 1.0, validation=HELD, metric="mae", pairs=2)
    assert str(caught.value) == (
        "train leaves the model as it was, so its metrics would be those of an untrained one. Train the model in "
        "place, or leave validation out and return the metrics in a dict."
    )


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"data": DATA, "metric": "acuracy"}, OptionError,
         "'acuracy' is not a metric that addcat knows. Nearest: 'accuracy', 'auc'. Expected one of accuracy, auc, "
         "dice, f1, iou, mae, mse, precision, r2, recall, rmse, or a function of (y_true, y_pred)."),
        ({"data": DATA, "metric": "dice", "validation": HELD}, DataError,
         f"The metric 'dice' cannot be computed: targets hold {HELD[1][0, 0]:g}, expected labels from 0 to 1. Pass "
         "one that fits, or a function of (y_true, y_pred)."),
        ({"train": own, "metric": ["mae", "auc"]}, OptionError,
         "metric=['mae', 'auc'] needs examples to be computed on. Pass validation with train; else name the one entry "
         "of the dict that train gives that decides: the other entries are reported beside it."),
        ({"train": own, "validation": HELD}, OptionError,
         "train judges by itself, so validation is for metrics alone. Pass metric, or leave it out."),
        ({"train": own, "loss": "mse"}, OptionError,
         "train has a loss of its own. Leave loss out, or pass validation and metric with it."),
    ],
)  # fmt: skip
def test_what_will_not_do(options, error, text):
    with pytest.raises(error) as caught:
        addcat.compare(compiled(), pairs=2, steps=options.get("data") and 5, **options)
    assert str(caught.value) == text
