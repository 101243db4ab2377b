"""Random ONNX graphs around merges: convolutions, norms, pools, resizes and whatever else rewrites are made of."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.fuzz.tokens import image_of, spelled, statistics, step, tokens_of

FUNCTIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Softplus", "HardSwish", "Abs", "Neg", "Clip")


@dataclass
class Made:
    """A tensor of the graph."""

    name: str
    channels: int
    size: tuple[int, int]


@dataclass
class Growing:
    """A graph while it is made."""

    rng: np.random.Generator
    nodes: list = field(default_factory=list)
    weights: list = field(default_factory=list)
    tensors: list = field(default_factory=list)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def chance(self, share):
        return self.rng.random() < share

    def weight(self, *shape, scale=1.0):
        name = f"w{len(self.weights)}"
        if self.weights and self.chance(0.15):  # a weight that several layers share
            same = [one.name for one in self.weights if tuple(one.dims) == shape and one.data_type == 1]
            if same:
                return self.pick(*same)
        array = self.rng.standard_normal(shape).astype("f") * np.float32(scale)
        if self.chance(0.05):
            array = np.zeros_like(array)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind, inputs, **settings):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"n{len(self.nodes)}", **settings))
        return name

    def any(self):
        """A tensor; late ones are likelier."""
        place = len(self.tensors) - 1 - min(self.rng.geometric(0.35) - 1, len(self.tensors) - 1)
        return self.tensors[place]

    def put(self, name, channels, size):
        self.tensors.append(Made(name, int(channels), (int(size[0]), int(size[1]))))


def _conv(g: Growing):
    x, taps = g.any(), (g.pick(1, 1, 2, 3), g.pick(1, 1, 2, 3))
    outputs = g.pick(1, 2, 3, 4, 6, 8)
    groups = g.pick(*[k for k in (1, 1, 1, 2, 3, x.channels) if x.channels % k == 0])
    outputs = outputs * groups if outputs % groups else outputs
    dilation = g.pick(1, 1, 2)
    if any(dilation * (t - 1) + 1 > s for t, s in zip(taps, x.size, strict=True)):
        return
    strides = [g.pick(1, 1, 2), g.pick(1, 1, 2)]
    pads = [g.pick(0, 0, 1, 2) for _ in range(4)]
    word = g.pick(None, None, None, "SAME_UPPER", "SAME_LOWER", "VALID")
    padding = {"pads": pads} if word is None else {"auto_pad": word}
    inputs = [x.name, g.weight(outputs, x.channels // groups, *taps, scale=0.4)]
    inputs += [g.weight(outputs)] if g.chance(0.6) else []
    dilations = [dilation] * 2 if word is None else [1, 1]
    name = g.node("Conv", inputs, strides=strides, dilations=dilations, group=groups, **padding)
    sizes = []
    for axis in (0, 1):
        reach = dilations[axis] * (taps[axis] - 1) + 1
        if word in ("SAME_UPPER", "SAME_LOWER"):
            sizes.append(-(-x.size[axis] // strides[axis]))
        else:
            extra = pads[axis] + pads[axis + 2] if word is None else 0
            sizes.append((x.size[axis] + extra - reach) // strides[axis] + 1)
    if min(sizes) > 0:
        g.put(name, outputs, sizes)


def _transposed(g: Growing):
    x = g.any()
    if max(x.size) > 12:
        return
    groups = g.pick(1, 1, 1, x.channels)
    outputs, taps, stride = g.pick(1, 2, 4) * groups, g.pick(1, 2, 3), g.pick(1, 2)
    crop = g.pick(0, 0, 1) if taps > 2 else 0
    extra = g.pick(0, 1) if stride == 2 else 0
    inputs = [x.name, g.weight(x.channels, outputs // groups, taps, taps, scale=0.4)]
    inputs += [g.weight(outputs)] if g.chance(0.5) else []
    name = g.node(
        "ConvTranspose", inputs, strides=[stride] * 2, pads=[crop] * 4, output_padding=[extra] * 2, group=groups
    )
    size = [(s - 1) * stride + taps - 2 * crop + extra for s in x.size]
    if min(size) > 0:
        g.put(name, outputs, size)


def _function(g: Growing):
    x, kind = g.any(), g.pick(*FUNCTIONS)
    inputs = [x.name]
    if kind == "Clip":
        inputs += [g.constant(np.float32(0)), g.constant(np.array([6], "f") if g.chance(0.3) else np.float32(6))]
    g.put(g.node(kind, inputs), x.channels, x.size)


def _norm(g: Growing):
    x = g.any()
    inputs = [
        x.name,
        *(g.weight(x.channels) for _ in range(3)),
        g.constant(np.abs(g.rng.standard_normal(x.channels)).astype("f") + 0.3),
    ]
    g.put(g.node("BatchNormalization", inputs, epsilon=g.pick(1e-5, 1e-2)), x.channels, x.size)


def _constant(g: Growing):
    x, kind = g.any(), g.pick("Add", "Sub", "Mul", "Div")
    shape = g.pick((), (1,), (x.channels, 1, 1), (1, x.channels, 1, 1), (x.size[1],), (1, 1, *x.size))
    array = (np.abs(g.rng.standard_normal(shape)) + 0.5).astype("f")
    inputs = [x.name, g.constant(array)]
    g.put(g.node(kind, inputs[::-1] if g.chance(0.3) else inputs), x.channels, x.size)


def _merge(g: Growing):
    x = g.any()
    alike = [one for one in g.tensors if one.size == x.size and one.channels in (x.channels, 1)]
    others = [g.pick(*alike) for _ in range(g.pick(1, 1, 2, 3))]
    names = [x.name, *(one.name for one in others)]
    kind = g.pick("Add", "Add", "Add", "Mul", "Sub", "Max", "Min", "Sum", "Mean")
    if kind in ("Add", "Sub", "Mul"):
        names = names[:2]
    g.rng.shuffle(names)
    used = {one.name: one.channels for one in g.tensors}
    g.put(g.node(kind, names), max(used[name] for name in names), x.size)


def _concat(g: Growing):
    x = g.any()
    alike = [one for one in g.tensors if one.size == x.size]
    chosen = [x, *(g.pick(*alike) for _ in range(g.pick(1, 1, 2)))]
    total = sum(one.channels for one in chosen)
    if total <= 32:
        g.put(g.node("Concat", [one.name for one in chosen], axis=g.pick(1, 1, -3)), total, x.size)


def _pool(g: Growing):
    x, taps, stride = g.any(), g.pick(1, 2, 3), g.pick(1, 2, 2)
    kind, pad = g.pick("AveragePool", "MaxPool"), g.pick(0, 0, 1)
    if taps > min(x.size) or pad >= taps:
        return
    ceil = g.pick(0, 0, 0, 1)
    settings = {"kernel_shape": [taps] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": ceil}
    if kind == "AveragePool":
        settings["count_include_pad"] = g.pick(0, 1)
    name = g.node(kind, [x.name], **settings)
    spans = [s + 2 * pad - taps for s in x.size]
    if ceil and any(span % stride for span in spans):
        return  # the size of what hangs over is the runtime's own affair; the tensor is not used
    g.put(name, x.channels, [span // stride + 1 for span in spans])


def _resize(g: Growing):
    x = g.any()
    if max(x.size) > 10:
        return
    mode = g.pick("nearest", "linear", "linear", "cubic")
    centres = g.pick("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    settings = {"mode": mode, "coordinate_transformation_mode": centres}
    if mode == "nearest":
        settings["nearest_mode"] = g.pick("floor", "round_prefer_floor", "ceil", "round_prefer_ceil")
    size = [s * 2 for s in x.size]
    if g.chance(0.5):
        inputs = [x.name, "", g.constant(np.array([1, 1, 2, 2], "f"))]
    else:
        inputs = [x.name, "", "", g.constant(np.array([1, x.channels, *size]))]
    g.put(g.node("Resize", inputs, **settings), x.channels, size)


def _pad(g: Growing):
    x = g.any()
    pads = [g.pick(0, 0, 1, 2, -1) for _ in range(4)]
    size = [s + pads[axis] + pads[axis + 2] for axis, s in enumerate(x.size)]
    if min(size) < 1 or max(size) > 24:
        return
    amounts = g.constant(np.array([0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]))
    inputs = [x.name, amounts] + ([g.constant(np.float32(g.pick(0, 0, 1)))] if g.chance(0.5) else [])
    g.put(g.node("Pad", inputs, mode="constant"), x.channels, size)


def _space(g: Growing):
    x = g.any()
    if x.channels % 4 == 0 and max(x.size) <= 8:
        name = g.node("DepthToSpace", [x.name], blocksize=2, mode=g.pick("DCR", "CRD"))
        g.put(name, x.channels // 4, [2 * s for s in x.size])


def _slice(g: Growing):
    x = g.any()
    if x.channels > 1:
        cut = int(g.rng.integers(1, x.channels))
        inputs = [x.name, g.constant(np.array([0])), g.constant(np.array([cut])), g.constant(np.array([1]))]
        g.put(g.node("Slice", inputs), cut, x.size)


def _whole(g: Growing):
    """What gives what it reads, or nearly: a Slice, a Tile or an Expand."""
    x, kind = g.any(), g.pick("Slice", "Tile", "Expand")
    size = [1, x.channels, *x.size]
    if kind == "Slice":
        axis = int(g.rng.integers(1, 4))
        end = g.pick(size[axis], size[axis] + 3, 2**31 - 1, 2**63 - 1)
        inputs = [g.constant(np.array([number])) for number in (0, end, axis - g.pick(0, 4))]
        g.put(g.node("Slice", [x.name, *inputs]), x.channels, x.size)
    elif kind == "Tile":
        g.put(g.node("Tile", [x.name, g.constant(np.array([1, 1, 1, 1]))]), x.channels, x.size)
    else:
        wanted = [number if g.chance(0.5) else 1 for number in size][g.pick(0, 1, 2) :]
        g.put(g.node("Expand", [x.name, g.constant(np.array(wanted))]), x.channels, x.size)


def _spelled(g: Growing):
    x = g.any()
    g.put(spelled(g, x.name), x.channels, x.size)


def _split(g: Growing):
    x = g.any()
    if x.channels > 1:
        cut = int(g.rng.integers(1, x.channels))
        sizes, name = g.constant(np.array([cut, x.channels - cut])), f"t{len(g.nodes)}"
        outputs = [f"{name}a", f"{name}b"]
        g.nodes.append(helper.make_node("Split", [x.name, sizes], outputs, name=f"n{len(g.nodes)}", axis=1))
        g.put(outputs[0], cut, x.size)
        g.put(outputs[1], x.channels - cut, x.size)


def _plain(g: Growing):
    x, kind = g.any(), g.pick("Identity", "Dropout", "GlobalAveragePool")
    g.put(g.node(kind, [x.name]), x.channels, (1, 1) if kind == "GlobalAveragePool" else x.size)


def _head(g: Growing, x: Made):
    """Flattened, and a Gemm or a MatMul behind it; gives an output that is no image."""
    flat, count = g.node("Flatten", [x.name]), x.channels * x.size[0] * x.size[1]
    if count > 600:
        return None
    outputs = g.pick(1, 3, 5)
    if g.chance(0.5):
        return g.node("MatMul", [flat, g.weight(count, outputs, scale=0.2)])
    shape = g.pick((outputs,), (1, outputs), (1,), (2, 1), (2, outputs))
    return g.node(
        "Gemm", [flat, g.weight(outputs, count, scale=0.2), g.weight(*shape)], transB=1, alpha=g.pick(1.0, 0.5)
    )


def _tokens(g: Growing):
    x = g.any()
    rows = tokens_of(g, x)
    for _ in range(g.pick(0, 1, 2, 3)):
        rows = step(g, rows)
    name, size = image_of(g, rows, x.size)
    g.put(name, rows.channels, size)


def _spelled(g: Growing):
    x = g.any()
    g.put(spelled(g, x.name), x.channels, x.size)


def _statistics(g: Growing):
    x = g.any()
    if max(x.size) > 1:
        g.put(statistics(g, x), x.channels, x.size)


STEPS = (
    *(_conv,) * 7,
    *(_merge,) * 5,
    *(_concat,) * 4,
    *(_function,) * 4,
    *(_norm,) * 2,
    *(_tokens,) * 3,
    *(_spelled, _statistics),
    *(_constant, _pool, _resize, _transposed, _pad, _slice, _whole, _split, _space, _plain, _spelled),
)


def random_graph(seed: int) -> onnx.ModelProto:
    """A model of a few operations; equal seeds give equal models."""
    g = Growing(np.random.default_rng(seed))
    inputs, batch = [], g.pick("N", 2)
    for place in range(g.pick(1, 1, 2)):
        channels, size = g.pick(1, 2, 3, 4), (g.pick(5, 6, 8), g.pick(5, 6, 8))
        inputs.append(helper.make_tensor_value_info(f"x{place}", 1, [batch, channels, *size]))
        g.put(f"x{place}", channels, size)
    for _ in range(int(g.rng.integers(3, 18))):
        g.pick(*STEPS)(g)
    read = {name for node in g.nodes for name in node.input}
    ends = [one for one in g.tensors if one.name not in read and not one.name.startswith("x")] or g.tensors[-1:]
    if g.chance(0.3):
        ends.append(g.any())  # an output that others read, or an input
    outputs = list(dict.fromkeys(one.name for one in ends))
    head = _head(g, ends[0]) if g.chance(0.3) and batch == 2 else None
    infos = [helper.make_tensor_value_info(name, 1, [None] * 4) for name in outputs]
    infos += [helper.make_tensor_value_info(head, 1, [None, None])] if head else []
    graph = helper.make_graph(g.nodes, "fuzz", inputs, infos, g.weights)
    young = any(node.op_type in ("Split", "HardSwish", "LayerNormalization") for node in g.nodes)
    opset = 17 if young else g.pick(11, 13, 17, 18)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
