"""Padding taken over by what reads it."""

import numpy as np
import pytest
from graphs import Sketch

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.graph import Refusal
from addcat.rules import Proposal
from addcat.rules.pad_into import PAD_INTO
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import inputs_of, run

PADS = np.array([0, 0, 1, 2, 0, 0, 0, 1])


def padded(reader, first="Relu(x)"):
    return model(
        f"""g (float[N,4,9,9] x) => (float[N,4,H,W] y) {{
            a = {first}
            p = Pad(a, pads)
            y = {reader}
        }}""",
        pads=PADS,
        w=random(4, 4, 3, 3),
        b=random(4),
        d=random(4, 1, 3, 3),
    )


@pytest.mark.parametrize(
    "reader",
    [
        "Conv<strides=[2,2]>(p, w, b)",
        "Conv<pads=[1,0,1,2]>(p, w)",
        "Conv<group=4, dilations=[2,2]>(p, d, b)",
        "MaxPool<kernel_shape=[3,3], strides=[2,2]>(p)",
        "AveragePool<kernel_shape=[3,3], strides=[2,2]>(p)",
        "AveragePool<kernel_shape=[5,5], pads=[1,1,1,1], count_include_pad=1>(p)",
    ],
)
def test_outputs_stay(reader):
    proto = padded(reader)
    graph = read(proto)
    (proposal,) = PAD_INTO.find(graph)
    after = PAD_INTO.apply(graph, proposal)
    assert "pad" not in [node.op for node in after.nodes.values()]
    data = inputs_of(proto)
    np.testing.assert_allclose(run(to_proto(write(after)), data)[0], run(proto, data)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("reader", "first", "reason"),
    [
        (
            "MaxPool<kernel_shape=[3,3]>(p)",
            "Tanh(x)",
            "'Tanh_1' may be negative, so zeros around it matter to 'MaxPool_3'",
        ),
        (
            "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(p)",
            "Relu(x)",
            "'AveragePool_3' does not count its own padding, but counts that of 'Pad_2'",
        ),
        ("MaxPool<kernel_shape=[2,2]>(p)", "Relu(x)", "a window of 'MaxPool_3' would hold padding alone"),
    ],
)
def test_refusals(reader, first, reason):
    graph = read(padded(reader, first))
    assert PAD_INTO.find(graph) == [Refusal("AC325", "MaxPool_3" if "Max" in reader else "AveragePool_3", reason)]


def test_zeros_around_negative_numbers_do_matter():
    """The refusal is not idle: a max pool of negative numbers sees the zeros."""
    proto = padded("MaxPool<kernel_shape=[3,3], strides=[2,2]>(p)", "Neg(x)")
    data = {"x": np.ones((1, 4, 9, 9), np.float32)}
    assert run(proto, data)[0].max() == 0.0
    assert not any(isinstance(found, Proposal) for found in PAD_INTO.find(read(proto)))


def test_other_readers_are_left_alone() -> None:
    sketch = Sketch(first=True)
    sketch.relu(sketch.node("pad", sketch.input(2), padding=((1, 1), (1, 1))))
    assert PAD_INTO.find(sketch.graph()) == []
