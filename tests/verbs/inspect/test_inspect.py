"""`inspect`: counts, fields, the page at two widths, totals re-added, HTML without tags of others."""

import json
import re
from pathlib import Path

import networks
import numpy as np
import pytest
from networks import Input, layers
from small import assert_untouched, model, published, state

import addcat
from addcat.errors import ModelError
from addcat.report import rows
from addcat.report.text import render
from addcat.verbs.inspect import inspect, parse_input_shapes
from tests.doors.onnx.models import model as onnx_model


def test_it_is_the_verb_of_the_package():
    assert addcat.inspect is inspect
    assert isinstance(inspect(networks.network("residual")), addcat.Inspection)


COUNTS = {
    "ResNet50": {"add": 16},
    "DenseNet121": {"concat": 58},
    "InceptionV3": {"concat": 15},
    "InceptionResNetV2": {"concat": 43},
    "MobileNetV2": {"add": 10},
    "NASNetMobile": {"add": 80, "concat": 20},
    "ConvNeXtTiny": {"add": 18},
    "MobileNetV3Small": {"add": 6, "multiply": 9},
    "EfficientNetB0": {"add": 9, "multiply": 16},
}
SLOW = ("InceptionResNetV2", "NASNetMobile")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in COUNTS])
def test_counts_in_published_networks(name):
    net = published(name, input_shape=(224, 224, 3))
    found = inspect(net)
    counts = {op: found.count(op) for op in ("add", "concat", "multiply")}
    assert counts == {"add": 0, "concat": 0, "multiply": 0, **COUNTS[name]}
    assert len(found.merges) == sum(counts.values())
    assert found.totals.parameters == net.count_params()
    hidden = [finding.site for finding in found.findings if finding.code == "AC210"]
    assert len(hidden) == (40 if name == "InceptionResNetV2" else 0)
    if name == "ConvNeXtTiny":
        assert not any(isinstance(layer, layers.Add) for layer in net.layers)
    assert found.totals.multiply_adds == counted(net)


def counted(net):
    """Multiply-adds of convolutions and dense layers, from the shapes that Keras gives them."""
    total = 0
    for layer in net._flatten_layers():
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"):
            out = layer.output.shape
            places = 1
            for size in out[1:-1]:
                places *= size
            kernels = [w.shape for w in layer.weights if "kernel" in w.name]
            for kernel in kernels:
                count = places
                for size in kernel:
                    count *= size
                total += count
    return total


FIELDS = {
    *("site", "op", "axis", "channel_axis", "role", "calls", "branches", "shape", "consumers"),
    *("bytes", "price", "switch"),
}


@pytest.mark.parametrize("name", ["unet", "residual", "nested", "shared_layers", "functions", "unknown_sizes"])
def test_the_json_has_every_field(name):
    found = inspect(networks.network(name))
    answer = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(answer) == ["model", "merges", "findings", "totals"]
    assert answer["model"] == name
    assert [merge["site"] for merge in answer["merges"]] == [merge.site for merge in found.merges]
    for merge in answer["merges"]:
        assert set(merge) == FIELDS
        assert set(merge["switch"]) == {"exact", "form", "cost", "blocker"}
        assert merge["switch"]["exact"] == (merge["switch"]["blocker"] is None)
        assert (merge["switch"]["form"] is None) == (merge["switch"]["cost"] is None)
        assert all(set(b) == {"producer", "output", "shape", "channels"} for b in merge["branches"])
        assert all(set(c) == {"node", "path", "offset", "treatment", "blocker"} for c in merge["consumers"])
    assert {key for finding in answer["findings"] for key in finding} <= {"code", "site", "words"}


def test_one_merge_in_full():
    answer = inspect(networks.network("unet")).to_dict()["merges"][1]
    assert answer == {
        "site": "skip2",
        "op": "concat",
        "axis": 3,
        "channel_axis": 3,
        "role": "skip",
        "calls": 1,
        "branches": [
            {"producer": answer["branches"][0]["producer"], "output": 0, "shape": [None, 16, 16, 12], "channels": 12},
            {"producer": answer["branches"][1]["producer"], "output": 0, "shape": [None, 16, 16, 8], "channels": 8},
        ],
        "shape": [None, 16, 16, 20],
        "consumers": [
            {"node": answer["consumers"][0]["node"], "path": [], "offset": 0, "treatment": "linear", "blocker": None}
        ],
        "bytes": 4 * 256 * 20,
        "price": {
            "now": {"parameters": 20 * 72, "multiply_adds": 256 * 20 * 72, "bytes": 4 * 256 * 20},
            "after": {
                "parameters": 12 * 72 + 8 * 12,
                "multiply_adds": 256 * (12 * 72 + 8 * 12),
                "bytes": 4 * 256 * 12,
            },
            "direct": True,
        },
        "switch": {
            "exact": False,
            "form": None,
            "cost": None,
            "blocker": {
                "code": "AC109",
                "reason": f"its kernel parts differ, and branch {answer['branches'][0]['producer']!r} does not end in "
                "a linear layer of its own: give data, and the closest Add is fitted",
            },
        },
    }


def shown():
    """Every kind of row: exact and blocked switches, a hidden merge, findings, an uncounted layer."""
    x = Input((8, 8, 4), name="image")
    conv = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    block = layers.Add(name="block_add")([x, conv])
    gate = layers.Multiply(name="gate")([block, layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(block)])
    left = layers.Conv2D(6, 1, name="left")(gate)
    right = layers.Conv2D(2, 1, name="right")(block)
    wide = layers.Concatenate(name="a_merge_with_a_name_that_is_long_enough_to_be_broken")([left, right])
    y = layers.Conv2D(5, 1, name="head")(wide)
    y = layers.Reshape((64, 5), name="sequence")(y)
    y = layers.Bidirectional(layers.GRU(3), name="both_ways")(y)
    out = layers.Add(name="twice")([y, y])
    return model(x, layers.Dense(2, name="out")(out), name="shown")


@pytest.mark.parametrize("width", [80, 120, 160])
def test_the_page(golden, width):
    text = render(inspect(shown()).page(), width=width)
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"inspect_{width}.txt", text)


def test_a_model_without_merges(golden):
    x = Input((4,), name="x")
    found = inspect(model(x, layers.Dense(2, name="dense")(x), name="plain"))
    assert found.merges == found.findings == ()
    golden.check("inspect_plain_80.txt", render(found.page(), width=80))


@pytest.mark.parametrize("name", ["unet", "inception", "two_tower_own", "channels_first", "residual"])
def test_totals_are_sums_of_their_parts(name):
    net = networks.network(name)
    found = inspect(net)
    graph = addcat_read(net)
    merged = [node for node in graph.nodes.values() if node.op in ("add", "concat")]
    assert found.totals.merge_activations == sum(merge.price.now.bytes for merge in found.merges)
    assert len(merged) == len(found.merges)
    every = [node.outputs[0].shape for node in graph.nodes.values() if node.body is None]
    if all(node.body is None for node in graph.nodes.values()):
        assert found.totals.activations == 4 * sum(_product(shape) for shape in every)
    assert found.totals.peak_without_merges <= found.totals.peak <= found.totals.activations


def addcat_read(net):
    from addcat.doors.keras import read

    return read(net)


def _product(shape):
    total = 1
    for size in shape[1:]:
        total *= size
    return total


def test_the_share_of_weights_that_a_concatenate_causes():
    x = Input((8, 8, 4), name="x")
    merged = layers.Concatenate(name="merge")([x, layers.ReLU()(x)])
    found = inspect(model(x, layers.Conv2D(3, 3, name="head")(merged)))
    assert found.totals.merge_parameters == 4 * 3 * 9
    assert found.totals.merge_multiply_adds == 36 * 4 * 3 * 9
    added = inspect(model(x, layers.Conv2D(3, 3)(layers.Add()([x, layers.ReLU()(x)]))))
    assert (added.totals.merge_parameters, added.totals.merge_multiply_adds) == (0, 0)


def test_nested_concatenates_are_counted_once():
    x = Input((4,), name="x")
    inner = layers.Concatenate(name="inner")([x, layers.ReLU()(x)])
    outer = layers.Concatenate(name="outer")([inner, layers.Activation("tanh")(x)])
    found = inspect(model(x, layers.Dense(2)(outer)))
    assert found.totals.merge_parameters == 4 * 2  # of 12 channels the widest branch has 8


def test_the_page_prints_the_totals():
    found = inspect(networks.network("unet"))
    text = render(found.page(), width=120)
    totals = found.totals
    line = next(line for line in text.splitlines() if line.startswith("parameters  "))
    cells = re.split(r"\s{2,}", line.strip())
    assert cells[1:] == [
        rows.integer(totals.parameters),
        rows.count(totals.merge_parameters),
        rows.percent(totals.merge_parameters / totals.parameters),
    ]
    listed = [line for line in text.splitlines() if line.startswith("skip")]
    assert len(listed) == len(found.merges)


def test_names_are_escaped_in_html():
    x = Input((4,), name="x")
    evil = "<img src=x onerror=alert(1)>"
    net = model(x, layers.Add(name=evil)([x, layers.Dense(4, name="d")(x)]), name="<script>")
    markup = inspect(net)._repr_html_()
    assert "<img" not in markup
    assert "<script" not in markup
    assert "&lt;img src=x onerror=alert(1)&gt;" in markup
    assert markup.count("<table") == markup.count("</table>") == 2


def test_the_model_is_not_touched():
    net = networks.network("residual")
    before = state(net)
    inspect(net)
    assert_untouched(net, before)


def test_open_sizes_are_priced_at_a_shape():
    net = networks.network("unknown_sizes")
    assert inspect(net).totals.multiply_adds is None
    found = inspect(net, input_shapes=((1, 8, 8, 3),))
    assert found.totals.multiply_adds == 64 * (3 * 4 * 9 + 4 * 4 * 9)
    assert found.merges[0].price.now.bytes == 4 * 64 * 12
    assert "?" in render(inspect(net).page(), width=120)


def test_input_shapes_of_the_command_line():
    assert parse_input_shapes(["1x8x8x3", "?x4"]) == ((1, 8, 8, 3), (None, 4))
    with pytest.raises(ModelError) as caught:
        parse_input_shapes(["224"])
    assert str(caught.value) == ("--input 224 has no batch: expected the batch first, then sizes, such as 1x224x224x3.")


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (
            3,
            "No door takes a builtins.int. "
            "Pass a built Keras 3 model (keras.Sequential or keras.Model(inputs, outputs)), an ONNX model, or a "
            "PyTorch module with example_inputs.",
        ),
        (
            list,
            "list is a class, not a model. Pass one that is made: list(...).",
        ),
        (
            "net.onnx",
            "'net.onnx' is a path or a name, not a model. Load it first (keras.saving.load_model, onnx.load), or use "
            "the command line, which takes it as it is.",
        ),
        (
            Path("net.keras"),
            "'net.keras' is a path or a name, not a model. Load it first (keras.saving.load_model, onnx.load), or use "
            "the command line, which takes it as it is.",
        ),
        (
            layers.Dense(3),
            "keras.src.layers.core.dense.Dense is not a Keras model. "
            "Pass a built keras.Sequential or a Functional keras.Model(inputs, outputs).",
        ),
    ],
)
def test_what_is_no_model(thing, message):
    with pytest.raises(ModelError) as caught:
        inspect(thing)
    assert str(caught.value) == message


def test_long_lists_are_cut_and_said_to_be():
    x = Input((4,), name="x")
    y = x
    for n in range(402):
        y = layers.Add(name=f"add{n}")([y, x])
    text = " ".join(render(inspect(model(x, y)).page(), width=120).split())
    assert "2 more merges: see --json." in text
    assert "add399 " in text
    assert "add400 " not in text


def test_what_is_to_be_said_of_many_sites_is_said_once():
    x = Input((4,), name="x")
    y = x
    for n in range(6):
        y = layers.Add(name=f"add{n}")([y, y])
    text = " ".join(render(inspect(model(x, y)).page(), width=120).split())
    assert "- AC204 add0, add1, add2, add3 and 2 more: Add reads one tensor more than once" in text


def test_on_a_narrow_page_the_shape_gives_way_before_names_are_broken():
    wide, narrow = (render(inspect(net).page(), width=80) for net in (networks.network("unet"), shown()))
    assert "shape" in wide
    assert "shape" not in narrow
    assert "shape" in render(inspect(shown()).page(), width=100)


def test_less_than_nothing_is_explained():
    """Two branches of 4 and a reader of 2: absorbing it leaves 2 kernels of 6 where 2 of 12 and one of 16 were."""
    x = Input((3,), name="x")
    parts = [layers.Dense(4, use_bias=False, name=name)(x) for name in "ab"]
    joined = layers.Concatenate(name="cat")(parts)

    def page_of(net):
        return " ".join(render(inspect(net).page(), width=200).split())

    page = page_of(model(x, layers.Dense(2, use_bias=False, name="head")(joined)))
    assert "16 -> -12" in page
    assert "What the branches' own layers lose by it counts too, so less than nothing can be left." in page
    wide = layers.Dense(9, use_bias=False, name="head")(joined)
    assert "less than nothing" not in page_of(model(x, wide))


def test_of_an_onnx_model_no_fit_is_offered_since_switch_takes_none():
    proto = onnx_model(
        """g (float[N,4,8,8] x) => (float[N,2,8,8] y) {
            a = Relu(x) b = Conv(x, w) c = Concat<axis=1>(a, b) y = Conv(c, v)
        }""",
        w=np.ones((3, 4, 1, 1), "f"),
        v=np.arange(14, dtype="f").reshape(2, 7, 1, 1),
    )
    found = inspect(proto)
    (merge,) = found.to_dict()["merges"]
    assert merge["switch"]["blocker"] == {
        "code": "AC109",
        "reason": "its kernel parts differ, and branch 'Relu_1' does not end in a linear layer of its own",
    }
    assert "give data" not in render(found.page(), width=120)
