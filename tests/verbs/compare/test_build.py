"""Arms that a function builds, trained on data by our recipe."""

import numpy as np
import pytest
from comparisons import DATA, HELD, compiled
from networks import Input, keras, layers

import addcat
from addcat.errors import ModelError, OptionError


def build(arm):
    return compiled(arm)


def wide(arm):
    """Another output for the second arm."""
    x, y = Input((4,), name="x"), Input((4,), name="y")
    net = keras.Model([x, y], layers.Dense(1 if arm == "add" else 2, name="head")(layers.Add()([x, y])))
    net.compile("adam", "mse")
    return net


def test_it_is_the_comparison_of_a_model_with_these_merges():
    options = {"validation": HELD, "steps": 60, "pairs": 4, "metric": "mae"}
    found, model = addcat.compare(build, DATA, **options), addcat.compare(compiled(), DATA, **options)
    assert found.settings.question.startswith("Add or concat as ")
    assert found.settings.question.endswith(":build builds them, trained anew on these data?")
    assert found.verdict == "concat"
    assert [arm.parameters for arm in found.settings.arms] == [arm.parameters for arm in model.settings.arms]
    np.testing.assert_allclose(found.findings[0].gain.estimate, model.findings[0].gain.estimate, rtol=0.2)
    assert found.measured[0].metric == "mae"


@pytest.mark.parametrize(
    ("function", "options", "error", "text"),
    [
        (build, {"sites": "merge"}, OptionError, "sites are of a model, and build makes the arms. Leave sites out."),
        (build, {"budgets": "parameters"}, OptionError,
         "budgets cannot be set for arms that a function builds: build them as large as they must be."),
        (wide, {}, ModelError,
         "build('add') takes and gives (None, 4), (None, 4) -> (None, 1); build('concat') (None, 4), (None, 4) -> "
         "(None, 2). Arms that are trained on the same data must agree."),
    ],
)  # fmt: skip
def test_what_will_not_do(function, options, error, text):
    with pytest.raises(error) as caught:
        addcat.compare(function, DATA, validation=HELD, steps=5, pairs=2, **options)
    assert str(caught.value) == text


def test_sites_are_refused_beside_training_of_the_users_own_too():
    with pytest.raises(OptionError) as caught:
        addcat.compare(build, train=lambda model, seed: 0.0, sites="merge", pairs=2)
    assert str(caught.value) == "sites are of a model, and build makes the arms. Leave sites out."
