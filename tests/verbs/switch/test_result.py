"""The record of a switch: enough to repeat it, the same in JSON and on the page, and its numbers are the models'."""

import json
from itertools import pairwise

import networks
import numpy as np
import pytest
from networks import Input, layers
from small import dense_net, difference, model

from addcat.doors.keras import read
from addcat.graph.cost import parameters
from addcat.report.html import fragment
from addcat.report.text import render
from addcat.verbs.switch import switch


def several():
    """A switch of each kind: exact, fitted with a widened branch, unchanged, in a nested model."""
    x = Input((4,), name="x")
    first = layers.Add(name="first")([x, layers.Dense(4, activation="relu")(x)])
    narrow = layers.Dense(2, activation="relu", name="narrow")(first)
    second = layers.Concatenate(name="second")([first, narrow])
    third = layers.Add(name="third")([layers.Dense(3, name="left")(second), layers.Dense(3, name="right")(x)])
    net = model(x, layers.Dense(2, name="head")(layers.ReLU()(third)), name="several")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(100, 4)).astype("float32")
    return net, {"first": "concat", "second": "add", "third": "add"}, data


@pytest.fixture(scope="module")
def done():
    net, changes, data = several()
    net.compile(loss="mse")
    return net, switch(net, changes, data=data, seed=2)


@pytest.mark.parametrize("width", [80, 120])
def test_the_page(done, golden, width):
    text = render(done[1].record.page(), width=width)
    assert max(map(len, text.splitlines())) <= width
    numbers = text.replace(_moved(text), "differ by at most <measured>")
    golden.check(f"switch_{width}.txt", numbers)


def _moved(text):
    """The measured difference, which the machine decides in its last digits, up to the end of its sentence."""
    start = text.index("differ")
    return text[start : text.index("output).", start) + len("output)")]


def test_the_json_is_whole_and_repeats_the_switch(done):
    net, made = done
    record = json.loads(json.dumps(made.record.to_dict(), allow_nan=False))
    assert set(record) == {
        *("changes", "widen", "seed", "fresh", "steps", "difference", "notes", "refusals", "exact"),
    }
    again = switch(
        net, record["changes"], data=several()[2], widen=record["widen"], fresh=record["fresh"], seed=record["seed"]
    )
    assert difference(made.model, again.model) == 0
    assert json.loads(json.dumps(again.record.to_dict())) == record


def test_every_step_starts_where_the_one_before_ended(done):
    net, made = done
    steps = made.record.steps
    assert [step.site for step in steps] == ["first", "second", "third"]
    assert [step.rule for step in steps] == ["tie", "fit", "unchanged"]
    for one, two in pairwise(steps):
        assert one.after.parameters == two.before.parameters
        assert one.after.peak == two.before.peak
    assert steps[0].before.parameters == net.count_params()
    assert steps[-1].after.parameters == made.model.count_params() == parameters(read(made.model))
    assert (steps[0].before.merged, steps[0].after.merged) == (16, 32)
    assert not made.record.exact


def test_what_a_step_says_it_removed_added_and_changed(done):
    first, second, third = done[1].record.steps
    assert (first.removed, first.added, set(first.changed)) == ((), (), {"first", "narrow", "left"})
    assert (second.removed, second.added) == ((), ("second_widen_1",))
    assert set(second.changed) == {"second", "left"}
    assert (third.removed, third.added, third.changed) == ((), (), ())


def test_a_measured_difference_is_that_of_the_outputs(done):
    net, made = done
    data = several()[2][:64]
    found = made.record.difference
    old, new = (np.asarray(m(data)) for m in (net, made.model))
    assert found.examples == 64
    assert found.largest == pytest.approx(np.abs(old - new).max(), rel=1e-3)
    assert found.relative == pytest.approx(np.abs(old - new).max() / np.abs(old).max(), rel=1e-3)


def test_notes_come_once(done):
    text = render(done[1].record.page(), width=200)
    assert text.count("The new model is compiled as the old one") == 1
    assert text.count("is widened from 2 to 8 channels") == 1


def test_an_exact_record_reads_so():
    record = switch(dense_net("add"), {"merge": "scale"}).record
    text = " ".join(render(record.page(), width=120).split())
    assert "On 4 examples of random inputs the outputs are equal. The function is the same." in text
    assert record.exact
    fresh = switch(dense_net("add"), {"merge": "scale"}, fresh=True, seed=9).record
    text = " ".join(render(fresh.page(), width=120).split())
    assert "All weights were drawn anew with seed 9; the network has to be trained." in text


def test_names_are_escaped_in_html():
    x = Input((4,), name="x")
    net = model(x, layers.Dense(2)(layers.Add(name="<b>bold</b>".replace("/", "|"))([x, layers.Dense(4)(x)])))
    markup = fragment(switch(net, {"<b>bold<|b>": "concat"}).record.page())
    assert "<b>bold" not in markup
    assert "&lt;b&gt;bold" in markup


def test_a_nested_site_in_the_record():
    record = switch(networks.network("nested"), {"middle/inner/inner_add": "concat"}).record
    (step,) = record.steps
    assert (step.added, step.site) == (("inner_add_project",), "middle/inner/inner_add")
