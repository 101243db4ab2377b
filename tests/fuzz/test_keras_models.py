"""Random Keras models through `inspect`, `switch` and `optimize`: whatever comes out computes what went in.

A failure names the seed, and `check(seed, Counter())` repeats it.
"""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from networks import keras
from small import assert_untouched, drawn_by_numpy, state

import addcat
from addcat.errors import RefusedError
from addcat.verbs.inspect import inspect
from addcat.verbs.optimize.result import UNWRITTEN, WRONG
from tests.fuzz.clock import search
from tests.fuzz.keras_models import random_model

TOLERANCE = 1e-4


def outputs(net: Any, seed: int) -> list[Any]:
    """What a user of the model gets for inputs of this seed; its statistics and generators are put back."""
    rng = np.random.default_rng(seed)
    data = keras.tree.map_structure(lambda t: rng.normal(size=(3, *t.shape[1:])).astype("float32"), net.input)
    before = [(variable, variable.numpy().copy()) for variable in net.variables]
    found = [np.asarray(one) for one in keras.tree.flatten(net(data))]
    for variable, value in before:
        variable.assign(value)
    return found


def apart(old: list[Any], new: list[Any]) -> float:
    """Largest difference of an output, as a share of its largest value; infinite where shapes or order differ."""
    if [one.shape for one in old] != [one.shape for one in new]:
        return float("inf")
    return max(
        float(np.abs(a - b).max(initial=0) / max(np.abs(a).max(initial=0), 1e-6)) for a, b in zip(old, new, strict=True)
    )


def check(seed: int, drawn: Counter[str]) -> None:
    """Take one random model through the verbs."""
    with drawn_by_numpy():
        _check(seed, drawn)


def _check(seed: int, drawn: Counter[str]) -> None:
    net = random_model(seed)
    before, expected = state(net), outputs(net, seed)
    drawn["models"] += 1
    switches(net, seed, expected, drawn)
    goal = ("parameters", "memory")[seed % 2]
    made = addcat.optimize(net, goal=goal, seed=seed, time_limit=20)
    drawn[f"for {goal}"] += 1
    drawn["rewrites kept"] += sum(step.outcome == "kept" for step in made.record.steps)
    assert apart(expected, outputs(made.model, seed)) < TOLERANCE, f"optimize for {goal}: outputs differ"
    wrong = [(step.site, step.rules) for step in made.record.steps if step.outcome in (WRONG, UNWRITTEN)]
    assert not wrong, f"optimize for {goal}: rewrites that changed the outputs or cannot be written: {wrong}"
    price = made.record.before, made.record.after
    assert goal != "parameters" or price[1].parameters <= price[0].parameters, f"more parameters: {price}"
    assert goal != "memory" or price[0].peak is None or price[1].peak <= price[0].peak, f"a higher peak: {price}"
    assert_untouched(net, before)


def switches(net: Any, seed: int, expected: list[Any], drawn: Counter[str]) -> None:
    """Every Add and Concatenate to the other one, wherever that is exact."""
    for merge in inspect(net).merges:
        other = "add" if merge.merge.op == "concat" else "concat"
        try:
            made = addcat.switch(net, {merge.site: other}, seed=seed)
        except RefusedError:
            drawn["switches refused"] += 1
            continue
        drawn[f"switches to {other}"] += 1
        assert made.record.exact
        assert apart(expected, outputs(made.model, seed)) < TOLERANCE, f"switch of {merge.site} to {other}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # a random model may have one channel there
def test_random_models(drawn: Counter[str]) -> None:
    search("Keras models", lambda seed: check(seed, drawn))
    assert drawn["models"]
