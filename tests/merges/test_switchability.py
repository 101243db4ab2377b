"""Which exact form a switch takes, and each reason against one, by its words."""

import numpy as np
import pytest
from networks import Input, keras, layers
from small import dense_net, mlp, model

from addcat.doors.keras import read
from addcat.graph import Refusal
from addcat.merges import find_merges
from addcat.merges.switchability import ends_in_linear, exact_form, is_private_linear
from addcat.switches.ladder import parse_rung, raise_to

DATA = ": give data, and the closest Add is fitted"


def form(net, site="merge"):
    graph = read(net)
    (merge,) = [merge for merge in find_merges(graph) if merge.site == site]
    found = exact_form(graph, merge)
    return (found.code, found.reason) if isinstance(found, Refusal) else found


def test_add_before_a_linear_layer_ties_and_before_anything_else_is_projected():
    assert form(dense_net("add")) == "tie"
    assert form(dense_net("add", head=lambda x: layers.Dense(3)(layers.ReLU()(x)))) == "project"
    assert form(dense_net("add", head=lambda x: layers.Dense(3)(layers.BatchNormalization()(x)))) == "project"
    assert form(dense_net("add", head=lambda x: [x, layers.Dense(3)(x)])) == "project"


def test_a_rung_above_add_is_projected():
    graph = read(dense_net("add"))
    (merge,) = find_merges(graph)
    raised = raise_to(graph, merge, parse_rung("scale"), seed=0)
    assert exact_form(raised, find_merges(raised)[0]) == "project"


def concat(branches, head, inputs):
    return model(inputs, head(layers.Concatenate(name="merge")(branches)))


def test_one_tensor_twice():
    x = Input((4,), name="x")
    assert form(concat([x, x, x], layers.Dense(3), x)) == "twice"
    assert form(concat([x, x], lambda y: layers.Dense(3)(layers.ReLU()(y)), x))[0] == "AC109"


def equal_kernel(net, noise=0.0):
    kernel, *bias = net.get_layer("head").get_weights()
    half = kernel.shape[-2] // 2
    kernel[..., half:, :] = kernel[..., :half, :] * (1 + noise)
    net.get_layer("head").set_weights([kernel, *bias])
    return net


def test_equal_parts_of_the_kernel():
    assert form(equal_kernel(dense_net("concat"))) == "equal parts"
    assert form(equal_kernel(dense_net("concat"), noise=1e-8)) == "equal parts"
    assert form(equal_kernel(dense_net("concat"), noise=1e-3))[0] == "AC109"
    x = Input((6, 6, 4), name="x")
    conv = concat([x, layers.ReLU()(x)], layers.Conv2D(3, 3, name="head"), x)
    assert form(equal_kernel(conv)) == "equal parts"
    last = conv.get_layer("head").get_weights()[0]
    last[2, 2, 7, 2] += 0.1  # a single weight, in the last row
    conv.get_layer("head").set_weights([last, conv.get_layer("head").get_weights()[1]])
    assert form(conv)[0] == "AC109"


def test_kernels_of_zeros_have_equal_parts():
    net = dense_net("concat")
    net.get_layer("head").set_weights([np.zeros((8, 3)), np.zeros(3)])
    assert form(net) == "equal parts"


def test_equal_parts_behind_a_map_that_is_not_linear_do_not_count():
    net = equal_kernel(dense_net("concat", head=lambda x: layers.Dense(3, name="head")(layers.ReLU(name="relu")(x))))
    assert form(net) == ("AC109", f"its kernel parts differ, and 'relu' lies between 'merge' and 'head'{DATA}")


def test_absorb_takes_branches_of_any_width():
    assert form(mlp(4, 4)) == "absorb"
    assert form(mlp(2, 5, 1)) == "absorb"


def conv_branches(*settings, taps=1, head=None):
    x = Input((6, 6, 3), name="x")
    branches = [layers.Conv2D(4, taps, name=f"branch{n}", **more)(x) for n, more in enumerate(settings)]
    return concat(branches, head or layers.Conv2D(3, 1, name="head"), x)


def test_absorb_of_convolutions():
    assert form(conv_branches({}, {}, taps=3)) == "absorb"
    assert form(conv_branches({"strides": 2}, {"strides": 2}, taps=3)) == "absorb"
    pointwise = {"use_bias": False}
    assert form(conv_branches(pointwise, pointwise, head=layers.Conv2D(3, 3, name="head"))) == "absorb"


B0 = "branch 'branch0' does not end in a linear layer of its own"
NOT_ABSORBED = {
    "activation": (lambda: conv_branches({"activation": "relu"}, {}), B0),
    "groups": (
        lambda: conv_branches({}, {}, head=layers.Conv2D(4, 1, groups=2, name="head")),
        "Conv2D 'head' is a convolution in 2 groups, each of which reads some of the channels",
    ),
    "stride behind": (
        lambda: conv_branches({}, {}, head=layers.Conv2D(4, 1, strides=2, name="head")),
        "Conv2D 'head' does not fold into the layers before it",
    ),
    "transposed": (
        lambda: conv_branches({}, {}, head=layers.Conv2DTranspose(4, 1, name="head")),
        "Conv2DTranspose 'head' does not fold into the layers before it",
    ),
    "both reach": (
        lambda: conv_branches({}, {}, taps=3, head=layers.Conv2D(4, 3, name="head")),
        "'head' and 'branch0' both reach over several positions",
    ),
    "bias at the border": (
        lambda: conv_branches({}, {}, head=layers.Conv2D(4, 3, padding="same", name="head")),
        "the bias or stride of 'branch0' differs at the border that 'head' pads",
    ),
    "dilation": (
        lambda: conv_branches(
            {"use_bias": False}, {"use_bias": False}, head=layers.Conv2D(4, 3, dilation_rate=2, name="head")
        ),
        "'head' or 'branch0' is dilated",
    ),
    "own activation": (
        lambda: conv_branches({}, {}, head=layers.Conv2D(4, 1, activation=lambda x: x * x, name="head")),
        "the activation of 'head' cannot be made a layer of its own",
    ),
    "two readers": (
        lambda: conv_branches({}, {}, head=lambda x: [layers.Conv2D(4, 1)(x), layers.Conv2D(2, 1)(x)]),
        "2 layers read 'merge'",
    ),
    "another kind": (lambda: conv_branches({}, {}, head=layers.Dense(4, name="head")), B0),
}


@pytest.mark.parametrize("name", NOT_ABSORBED)
def test_what_keeps_a_consumer_from_folding(name):
    build, reason = NOT_ABSORBED[name]
    assert form(build()) == ("AC109", f"its kernel parts differ, and {reason}{DATA}")


def test_a_grouped_branch_does_not_absorb():
    x = Input((6, 6, 4), name="x")
    branches = [layers.Conv2D(4, 1, groups=2, name="grouped")(x), layers.Conv2D(4, 1)(x)]
    reason = f"its kernel parts differ, and branch 'grouped' is a grouped convolution{DATA}"
    assert form(concat(branches, layers.Conv2D(3, 1), x)) == ("AC109", reason)


def test_a_branch_with_another_reader_does_not_absorb():
    x = Input((4,), name="x")
    branch = layers.Dense(4, name="branch0")(x)
    net = model(x, [layers.Dense(3)(layers.Concatenate(name="merge")([branch, layers.Dense(2)(x)])), branch])
    assert form(net) == ("AC109", f"its kernel parts differ, and {B0}{DATA}")


def merged(layer, *shapes, head=None):
    inputs = [Input(shape, name=f"x{n}") for n, shape in enumerate(shapes)]
    return model(inputs, (head or layers.Dense(2))(layer(inputs)))


@pytest.mark.parametrize(
    ("build", "code", "reason"),
    [
        (
            lambda: merged(layers.Multiply(name="merge"), (4,), (4,)),
            "AC108",
            "Multiply 'merge' is neither an Add nor a Concatenate",
        ),
        (
            lambda: merged(layers.Concatenate(axis=1, name="merge"), (5, 4), (3, 4)),
            "AC101",
            "Concatenate 'merge' joins axis 1, not the channels (axis 2)",
        ),
        (
            lambda: merged(layers.Concatenate(axis=0, name="merge"), (4,), (4,)),
            "AC101",
            "Concatenate 'merge' joins the batch, not the channels (axis 1)",
        ),
        (
            lambda: merged(layers.Add(name="merge"), (8, 8, 4), (1, 1, 4)),
            "AC102",
            "Add 'merge' broadcasts (None, 1, 1, 4) against (None, 8, 8, 4); Concatenate never does",
        ),
        (
            lambda: merged(layers.Add(name="merge"), (8, 8, 4), (8, 8, 1)),
            "AC102",
            "Add 'merge' broadcasts (None, 8, 8, 1) against (None, 8, 8, 4); Concatenate never does",
        ),
        (
            lambda: merged(layers.Add(name="merge"), (5, 10), (10,)),
            "AC102",
            "Add 'merge' broadcasts (None, 10) against (None, 5, 10); Concatenate never does",
        ),
        (
            lambda: merged(layers.Add(name="merge"), (None, 4), (5, 4)),
            "AC102",
            "Add 'merge' broadcasts (None, 5, 4) against (None, None, 4); Concatenate never does",
        ),
        (
            lambda: merged(layers.Concatenate(name="merge"), (5, None), (5, 4), head=layers.ReLU()),
            "AC107",
            "Concatenate 'merge' has a branch with an unknown number of channels",
        ),
    ],
)
def test_merges_that_have_no_other(build, code, reason):
    assert form(build()) == (code, reason)


def test_a_batch_of_one_that_is_broadcast_is_refused():
    x, y = keras.Input(batch_shape=(1, 4), name="x"), Input((4,), name="y")
    net = model([x, y], layers.Dense(2)(layers.Add(name="merge")([x, y])))
    assert form(net) == ("AC102", "Add 'merge' broadcasts (None, 4) against (1, 4); Concatenate never does")
    x = keras.Input(batch_shape=(6, 4), name="x")
    assert form(model([x, y], layers.Dense(2)(layers.Add(name="merge")([x, y])))) == "tie"


def test_sizes_that_are_unknown_alike_are_no_obstacle():
    x, y = Input((None, 4), name="x"), Input((None, 4), name="y")
    assert form(model([x, y], layers.Dense(2)(layers.Add(name="merge")([x, y])))) == "tie"


def test_one_input_is_tied_and_untied():
    x = Input((4,), name="x")
    assert form(model(x, layers.Dense(2)(layers.Add(name="merge")([x])))) == "tie"
    assert form(model(x, layers.Dense(2)(layers.Concatenate(name="merge")([x])))) == "twice"


def test_a_rung_with_shared_weights_cannot_change_for_one_call():
    from addcat.layers import ScaledAdd

    x, y = Input((4,), name="x"), Input((4,), name="y")
    merge = ScaledAdd(name="merge")
    assert form(model([x, y], [merge([x, y]), merge([y, x])])) == (
        "AC105",
        "ScaledAdd 'merge' shares its weights between 'merge', 'merge#2', so one call cannot change alone",
    )


def test_what_a_branch_ends_in():
    x = Input((6, 6, 4), name="x")
    plain = layers.Conv2D(4, 1, name="plain")(x)
    normed = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 1, name="before")(x))
    active = layers.ReLU(name="relu")(layers.Conv2D(4, 1)(x))
    twice = layers.Conv2D(4, 1, name="twice")(x)
    net = model(x, [layers.Add(name="merge")([plain, normed, active, twice]), layers.Add(name="other")([twice, x])])
    graph = read(net)
    merge = next(m for m in find_merges(graph) if m.site == "merge")
    assert [ends_in_linear(graph, branch) for branch in merge.branches] == [True, True, False, False]
    private = [is_private_linear(graph, graph.nodes[branch.producer]) for branch in merge.branches]
    assert private == [True, False, False, False]
