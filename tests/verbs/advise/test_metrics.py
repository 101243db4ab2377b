"""Metrics beside the loss: of the same pairs, at the same evaluation, wherever advice is shown."""

import json

import numpy as np
import pytest
from networks import keras
from problems import encoded_pair, set_weights, two_inputs

import addcat
from addcat.doors import keras as door
from addcat.errors import DataError, OptionError
from addcat.evidence.measures import metric_gain
from addcat.report.text import render
from addcat.verbs.advise.html.document import report_html

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def arrays(seed, count):
    found = two_inputs(count, lambda x, y: x[:, 0] - y[:, 0], noise=0.1, seed=seed)
    return list(found.inputs), found.targets[0]


DATA, HELD = arrays(1, 300), arrays(2, 150)


@pytest.fixture(scope="module")
def model():
    net = set_weights(encoded_pair("add"), encoder=ENCODER, head=(FIRST, [0.0]))
    net.compile(keras.optimizers.Adam(0.05), "mse")
    net.optimizer.iterations.assign(60)
    return net


def squares(y_true, y_pred):
    return float(((y_true - y_pred) ** 2).mean())


@pytest.fixture(scope="module")
def advised(model):
    return addcat.advise(model, DATA, validation=HELD, effort="retrain", metric=[squares, "mae"])


def test_a_metric_that_is_the_loss_says_what_the_loss_says(advised):
    (verdict,) = advised.verdicts
    loss, error = verdict.metrics
    assert (loss.metric, error.metric) == ("squares", "mae")
    assert loss.add == pytest.approx(verdict.loss, rel=1e-4)
    retrain = next(one for one in verdict.evidence if one.method == "retrain")
    assert loss.add - loss.concat == pytest.approx(retrain.estimate, rel=1e-4)
    assert loss.difference.low < loss.concat - loss.add < loss.difference.high < 0
    assert loss.pairs == retrain.n
    assert loss.share_of_steps == 1
    assert error.concat < 0.2 < error.add


def test_pages_reports_and_json_show_it(advised, model):
    text = render(advised.page(), width=120)
    assert "Further metrics" in text
    assert "squares" in text
    held = json.loads(json.dumps(advised.to_dict()))["verdicts"][0]["metrics"]
    assert [one["metric"] for one in held] == ["squares", "mae"]
    assert set(held[0]) == {"metric", "add", "concat", "difference", "pairs", "share_of_steps"}
    html = report_html(advised, door.read(model))
    assert "Further metrics" in html
    assert "squares" in html


def test_without_pairs_there_is_no_metric_and_that_is_said(model):
    found = addcat.advise(model, DATA, validation=HELD, effort="score", metric="mae")
    assert found.verdicts[0].metrics == ()
    assert "mae is measured on trained pairs, and none were trained." in found.notes
    assert "Further metrics" not in render(found.page(), width=120)


def test_what_cannot_be_computed_is_refused_before_the_work(model):
    with pytest.raises(OptionError) as caught:
        addcat.advise(model, DATA, metric=3)
    assert str(caught.value) == (
        "metric=3 is not a metric. Expected a known name, a Keras metric, a function of (y_true, y_pred), or several "
        "of these."
    )

    def broken(y_true, y_pred):
        raise ValueError("no such class")

    with pytest.raises(DataError) as refused:
        addcat.advise(model, DATA, metric=broken)
    assert str(refused.value) == (
        "The metric 'broken' cannot be computed: ValueError: no such class. Pass one that fits, or a function of "
        "(y_true, y_pred)."
    )


def test_pairs_without_a_value_are_left_out():
    found = metric_gain("auc", np.array([[0.5, np.nan, 0.7], [0.6, 0.9, 0.9]]), 0.2)
    assert (found.add, found.concat, found.pairs) == pytest.approx((0.6, 0.75, 2))
    assert found.difference.estimate == pytest.approx(0.15)
    one = metric_gain("auc", np.array([[0.5, np.nan], [0.6, 0.9]]), 0.2)
    assert (one.pairs, one.difference) == (1, None)
    assert metric_gain("auc", np.array([[np.nan], [0.9]]), 1.0) is None
