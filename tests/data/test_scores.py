"""Known metrics against scikit-learn, against arithmetic by hand, and on what does not suit them."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addcat.data.scores import Form, score
from addcat.errors import DataError

LOGIT, PROBABILITY = Form("logit"), Form("identity")
RNG = np.random.default_rng(0)


def softmax(x):
    grown = np.exp(x - x.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(5, 40))
def test_classes_are_scored_as_scikit_learn_does(seed, classes, examples):
    learn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    target, output = rng.integers(classes, size=examples), rng.normal(size=(examples, classes))
    target[:classes] = np.arange(classes)  # each occurs
    said, probable = output.argmax(axis=1), softmax(output)
    expected = {
        "accuracy": learn.accuracy_score(target, said),
        "f1": learn.f1_score(target, said, average="macro"),
        "iou": learn.jaccard_score(target, said, average="macro"),
        "precision": learn.precision_score(target, said, average="macro", zero_division=0),
        "recall": learn.recall_score(target, said, average="macro"),
        "auc": learn.roc_auc_score(target, probable[:, 1] if classes == 2 else probable, multi_class="ovr"),
    }
    one_hot = np.eye(classes)[target]
    for name, value in expected.items():
        for labels in (target, target[:, None], one_hot):
            assert score(name, labels, output, LOGIT) == pytest.approx(value)
            assert score(name, labels, np.log(probable), Form("log")) == pytest.approx(value)
            assert score(name, labels, probable, Form()) == pytest.approx(value)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40))
def test_yes_and_no_is_scored_as_scikit_learn_does(seed, examples):
    learn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    target, output = rng.integers(2, size=examples), rng.normal(size=(examples, 1)).round(1)
    target[:2] = 0, 1
    said = output[:, 0] > 0
    expected = {
        "accuracy": learn.accuracy_score(target, said),
        "f1": learn.f1_score(target, said, zero_division=0),
        "iou": learn.jaccard_score(target, said, zero_division=0),
        "precision": learn.precision_score(target, said, zero_division=0),
        "recall": learn.recall_score(target, said),
        "auc": learn.roc_auc_score(target, output[:, 0]),
    }
    for name, value in expected.items():
        assert score(name, target, output, LOGIT) == pytest.approx(value)
        assert score(name, target[:, None], output[:, 0], LOGIT) == pytest.approx(value)
        assert score(name, target, 1 / (1 + np.exp(-output)), PROBABILITY) == pytest.approx(value)


def test_numbers_are_scored_as_scikit_learn_does():
    learn = pytest.importorskip("sklearn.metrics")
    target, output = RNG.normal(size=(30, 1)), RNG.normal(size=30)
    assert score("mae", target, output, Form()) == pytest.approx(learn.mean_absolute_error(target, output))
    assert score("mse", target, output, Form()) == pytest.approx(learn.mean_squared_error(target, output))
    assert score("rmse", target, output, Form()) == pytest.approx(learn.root_mean_squared_error(target, output))
    assert score("r2", target, output, Form()) == pytest.approx(learn.r2_score(target, output))
    assert np.isnan(score("r2", np.ones(3), output[:3], Form()))


def test_dice_is_the_mean_over_examples():
    target = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    output = np.array([[0.9, 0.1, 0.2, 0.7], [0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0.9, 0.1]])
    each = (2 * 1 / 4, 1.0, 2 * 3 / 7)  # a mask that neither has is right
    assert score("dice", target[..., None], output[..., None], PROBABILITY) == pytest.approx(np.mean(each))
    several = np.stack([1 - output, output], axis=-1)  # an empty mask of two classes: only the first occurs
    background = (2 * 1 / 4, 1.0, 0.0)
    expected = np.mean([(each[0] + background[0]) / 2, 1.0, (each[2] + background[2]) / 2])
    assert score("dice", target, several, PROBABILITY) == pytest.approx(expected)


def test_classes_come_second_in_pytorch_and_a_label_may_be_ignored():
    target = RNG.integers(3, size=(4, 5, 5))
    output = RNG.normal(size=(4, 5, 5, 3))
    first = np.moveaxis(output, -1, 1)
    for name in ("accuracy", "auc", "dice", "f1", "iou"):
        value = score(name, target, output, LOGIT)
        assert score(name, target, first, Form("logit", 1)) == pytest.approx(value)
        hidden, noise = np.concatenate([target, np.full_like(target, -100)], axis=1), RNG.normal(size=first.shape)
        wider = np.concatenate([first, noise], axis=2)
        assert score(name, hidden, wider, Form("logit", 1, -100)) == pytest.approx(value)


def test_several_labels_are_scored_label_by_label():
    target, output = np.array([[1, 1], [0, 0], [1, 0]]), np.array([[2.0, -1.0], [-1.0, -1.0], [1.0, 1.0]])
    assert score("accuracy", target, output, LOGIT) == pytest.approx(4 / 6)


def test_of_one_class_alone_there_is_no_curve():
    assert np.isnan(score("auc", np.ones(4, int), RNG.normal(size=(4, 1)), LOGIT))


@pytest.mark.parametrize(
    ("name", "target", "output", "form", "text"),
    [
        ("accuracy", np.zeros((3, 4)), np.zeros((3, 2)), LOGIT,
         "targets of shape (4,) do not meet outputs of shape (2,)"),
        ("mae", np.zeros((3, 4)), np.zeros((3, 2)), LOGIT, "targets of shape (4,) do not meet outputs of shape (2,)"),
        ("dice", np.array([0, 3]), np.zeros((2, 3)), LOGIT, "targets hold 3, expected labels from 0 to 2"),
        ("auc", np.array([0, -1]), np.zeros((2, 1)), LOGIT, "targets hold -1, expected labels from 0 to 1"),
        ("f1", np.array([0, 0.5]), np.zeros((2, 1)), LOGIT, "targets hold 0.5, expected labels from 0 to 1"),
        ("accuracy", np.array([0, 1]), np.array([[-3.0], [0.5]]), Form(),
         "outputs reach from -3 to 0.5, so they are no probabilities, and the loss does not say what they are"),
    ],
)  # fmt: skip
def test_what_does_not_suit_a_metric_is_refused(name, target, output, form, text):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        score(name, target, output, form)
