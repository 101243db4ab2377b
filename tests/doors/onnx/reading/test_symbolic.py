"""Sizes behind arithmetic on shapes."""

import numpy as np

from addcat.doors.onnx.read import read
from addcat.doors.onnx.reading.load import infer, load
from addcat.doors.onnx.reading.symbolic import refined
from tests.doors.onnx.models import model, random


def tokens(batch: str = "N"):
    """A class token for each of an open batch, as vision transformers have it: the size of Expand is computed."""
    return model(
        f"""g (float[{batch},4,6] x) => (float[{batch},5,6] y) {{
            s = Shape(x)
            n = Gather<axis=0>(s, zero)
            u = Unsqueeze(n, axes)
            target = Concat<axis=0>(u, minus, minus)
            ones = ConstantOfShape<value=int64[1] {{1}}>(three)
            negative = Equal(target, minus3)
            chosen = Where(negative, ones, target)
            token = Expand(cls, chosen)
            both = Concat<axis=1>(token, x)
            y = Relu(both)
        }}""",
        zero=np.array(0),
        axes=np.array([0]),
        minus=np.array([-1]),
        minus3=np.array([-1, -1, -1]),
        three=np.array([3]),
        cls=random(1, 1, 6),
    )


def test_sizes_that_onnx_leaves_open():
    loaded = load(tokens())
    plain = infer(loaded)
    assert plain["token"].shape[1:] != (1, 6)
    more = refined(loaded, plain)
    assert more["token"].shape == (None, 1, 6)
    assert more["both"].shape == (None, 5, 6)
    assert {name: tensor for name, tensor in plain.items() if None not in tensor.shape} == {
        name: more[name] for name, tensor in plain.items() if None not in tensor.shape
    }


def test_the_graph_has_them():
    graph = read(tokens())
    (concat,) = [node for node in graph.nodes.values() if node.op == "concat"]
    assert concat.shape == (None, 5, 6)


def test_models_that_it_does_not_get_through_are_left_as_they_are():
    proto = model("g (float[N,M] x) => (float[N,M] y) { a = com.microsoft.Nothing(x) y = Relu(a) }")
    loaded = load(proto)
    types = infer(loaded)
    assert refined(loaded, types) == types


def test_nothing_open_but_the_batch_needs_no_symbols(monkeypatch):
    import addcat.doors.onnx.reading.symbolic as module

    monkeypatch.setattr(module, "load", None)
    loaded = load(model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }"))
    types = infer(loaded)
    assert refined(loaded, types) == types
