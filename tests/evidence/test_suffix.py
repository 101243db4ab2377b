"""A network cut at a merge: the part before and the part after are the whole."""

import numpy as np
import pytest
from networks import Input, keras, layers, network, sample
from problems import encoded_pair, examples, problem, set_weights, two_inputs
from small import mlp, model, relative, run

from addcat.data import stored
from addcat.doors.keras import read, write
from addcat.errors import DataError
from addcat.evidence.suffix import crossing_examples, selected, suffix_of


def nested_heads():
    """Behind the merge two nested models with a layer of the same name, one of them called twice."""

    def head(name):
        a = Input((4,), name="a")
        return keras.Model(a, layers.Dense(4, activation="tanh", name="dense")(a), name=name)

    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4, activation="relu", name="block")(x)])
    one, two = head("one"), head("two")
    out = layers.Concatenate(name="late")([one(one(merged)), two(merged)])
    return model(x, [layers.Dense(1, name="out")(out), layers.Dense(2, name="aside")(x)], name="nested_heads")


def shared_before_and_after():
    a = Input((4,), name="a")
    block = keras.Model(a, layers.Dense(4, activation="tanh", name="dense")(a), name="block")
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, block(x)])
    return model(x, layers.Dense(1, name="out")(block(merged)), name="shared")


NETS = {
    "nested heads": (nested_heads, "merge", (0,)),
    "late merge": (nested_heads, "late", (0,)),
    "shared before and after": (shared_before_and_after, "merge", (0,)),
    "unet": (lambda: network("unet"), "skip2", (0,)),
    "branches of an input each": (lambda: mlp(4, 3), "merge", (0,)),
    "codes of a shared encoder": (lambda: network("two_tower_shared"), "codes", (0,)),
    "several outputs": (lambda: network("multi_output"), "merged", (1, 2)),
}


@pytest.mark.parametrize("name", NETS)
def test_the_suffix_of_the_crossing_is_the_whole(name):
    builder, site, outputs = NETS[name]
    net = builder()
    inputs = tuple(np.asarray(a) for a in keras.tree.flatten(sample(net, 5)))
    whole = run(net, *inputs)
    data = examples(inputs, tuple(np.zeros(out.shape, np.float32) for out in whole))
    suffix = suffix_of(read(net), site)
    assert suffix.outputs == outputs
    crossing = crossing_examples(problem(net, data, data, site=site), suffix, data)
    assert crossing.count == 5
    assert len(crossing.targets) == len(outputs)
    after = write(suffix.graph)
    assert relative([whole[place] for place in outputs], run(after, *crossing.inputs)) < 1e-5
    assert {edge.node for edge in suffix.crossing}.isdisjoint(suffix.graph.nodes)


def test_only_what_is_read_behind_the_cut_crosses():
    suffix = suffix_of(read(nested_heads()), "merge")
    assert [str(edge.node) for edge in suffix.crossing] == ["x", "block"]
    assert "block" not in suffix.graph.nodes
    assert "aside" not in suffix.graph.nodes


def test_a_crossing_too_large_for_memory_is_mapped(monkeypatch):
    monkeypatch.setattr(stored.materialise, "__kwdefaults__", {"limit_bytes": 1000})
    data = two_inputs(300, lambda x, y: x[:, 0])
    site = problem(encoded_pair("add"), data, data)
    suffix = suffix_of(site.root, "merge")
    found = crossing_examples(site, suffix, data)
    assert all(isinstance(array, np.memmap) for array in found.inputs)
    encoder = site.root.nodes["encoder"]
    expected = data.inputs[0] @ encoder.weight("kernel").T + encoder.weight("bias")
    np.testing.assert_allclose(found.inputs[0], expected, rtol=1e-5, atol=1e-6)


def test_activations_that_are_not_finite_are_named():
    net = set_weights(encoded_pair("add", shared=False), other=(np.full((4, 3), np.nan), np.zeros(3)))
    data = two_inputs(10, lambda x, y: x[:, 0])
    site = problem(net, data, data)
    with pytest.raises(DataError) as caught:
        crossing_examples(site, suffix_of(site.root, "merge"), data)
    assert str(caught.value) == ("'other' gives NaN or infinite activations. Check the inputs and the model's weights.")


def test_selected_values():
    assert selected("abc", (2, 0)) == ("c", "a")
