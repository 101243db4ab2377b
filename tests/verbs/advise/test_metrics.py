"""Metrics beside the loss: of the same pairs, at the same evaluation, wherever advice is shown."""

import json

import numpy as np
import pytest
from networks import keras
from problems import encoded_pair, set_weights, two_inputs

import addcat
from addcat.doors import keras as door
from addcat.errors import DataError, OptionError
from addcat.evidence.measures import metric_gain, metric_gains
from addcat.report.text import render
from addcat.statistics import balanced_design, main_effects
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


@pytest.mark.parametrize(("metric", "said"), [("mae", "mae is"), (["mae", "rmse"], "mae and rmse are")])
def test_without_pairs_there_is_no_metric_and_that_is_said(model, metric, said):
    found = addcat.advise(model, DATA, validation=HELD, effort="score", metric=metric)
    assert found.verdicts[0].metrics == ()
    assert f"{said} measured on trained pairs, and none were trained." in found.notes
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


def test_pairs_on_draws_of_the_data_differ_and_say_so(model):
    """Each trains on its own draw; intervals hold the draws, and text and JSON say what was asked."""
    found = addcat.advise(model, DATA, validation=HELD, effort="retrain", metric="mae", resample="data")
    same = addcat.advise(model, DATA, validation=HELD, effort="retrain", metric="mae")
    (verdict,), (other,) = found.verdicts, same.verdicts
    assert verdict.question == "merge 'merge', on data of this kind"
    assert (found.to_dict()["resample"], same.to_dict()["resample"]) == ("data", "no")
    assert verdict.loss != other.loss
    assert "The answer is about data of this kind: each pair is trained on 90 % of the examples" in " ".join(
        found.notes
    )
    assert "data of this kind" not in " ".join(same.notes)
    with pytest.raises(OptionError) as caught:
        addcat.advise(model, DATA, resample="draws")
    assert str(caught.value) == "resample='draws' does not exist. Expected data."


def test_the_interval_of_a_metric_holds_the_draws():
    values = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.5] * 9])
    one, other = metric_gain("auc", values, 1.0).difference, metric_gain("auc", values, 1.0, redrawn=0.9).difference
    assert other.high - other.low == pytest.approx(2**0.5 * (one.high - one.low))


ROWS = np.tile(balanced_design(2), (2, 1))


def drawn(seed=0):
    """Of mirror and row: 0.1 at the first merge, none at the second, and noise."""
    rng = np.random.default_rng(seed)
    return 0.7 + 0.05 * np.array([-ROWS[:, 0], ROWS[:, 0]]) + 0.01 * rng.standard_normal((2, len(ROWS)))


def test_a_design_gives_each_merge_its_main_effect():
    values = drawn()
    first, second = metric_gains("auc", ROWS, values, 0.2)
    effects = main_effects(ROWS, values[1] - values[0])
    for one, effect in zip((first, second), effects, strict=True):
        assert one.difference.estimate == pytest.approx(effect.gain.estimate)
        assert (one.difference.low, one.difference.high) == pytest.approx((effect.gain.low, effect.gain.high))
        assert one.concat - one.add == pytest.approx(effect.gain.estimate)
        assert (one.metric, one.pairs, one.share_of_steps) == ("auc", 8, 0.2)
    assert first.difference.low > 0.08
    assert abs(second.difference.estimate) < 0.02


def test_pairs_of_a_design_without_a_value_are_left_out_as_long_as_the_rest_tell_the_merges_apart():
    values = drawn()
    values[0, 3] = np.nan
    assert metric_gains("auc", ROWS, values, 0.2)[0].pairs == 7
    values[0, 2:] = np.inf
    assert metric_gains("auc", ROWS, values, 0.2) is None


def test_the_interval_of_a_design_holds_the_draws():
    one, other = (metric_gains("auc", ROWS, drawn(), 1.0, redrawn=share)[0].difference for share in (0.0, 0.9))
    assert other.high - other.low == pytest.approx((1 + 8 / 9) ** 0.5 * (one.high - one.low))
