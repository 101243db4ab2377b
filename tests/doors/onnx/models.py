"""Small ONNX models, each with things that a door may trip over. `MODELS` names them all."""

import functools
import zlib
from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper


def model(text: str, *, opset: int = 17, ir_version: int = 8, **weights: np.ndarray) -> onnx.ModelProto:
    """A model from ONNX's own text form of a graph, with initialisers by name."""
    header = f'<ir_version: {ir_version}, opset_import: ["" : {opset}, "com.microsoft" : 1, "local" : 1]>\n'
    proto = onnx.parser.parse_model(header + text)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return proto


class Draws:
    """Normal numbers from a seed. Every test begins `random` anew (see `tests/conftest.py`), so that what it draws
    depends on nothing that ran before; a module that draws while it is imported makes draws of its own."""

    def __init__(self, seed: int) -> None:
        self.begin(seed)

    def begin(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def __call__(self, *shape: int, dtype: str = "float32") -> np.ndarray:
        return self.generator.standard_normal(shape).astype(dtype)


SEED = 7
random = Draws(SEED)


def norms(channels: int) -> dict[str, np.ndarray]:
    return {"s": random(channels), "o": random(channels), "m": random(channels), "v": np.abs(random(channels)) + 0.5}


def residual() -> onnx.ModelProto:
    return model(
        """g (float[N,8,16,16] x) => (float[N,8,16,16] y) {
            c = Conv<pads=[1,1,1,1]>(x, w, b)
            n = BatchNormalization<epsilon=0.001>(c, s, o, m, v)
            r = Relu(n)
            y = Add(x, r)
        }""",
        w=random(8, 8, 3, 3),
        b=random(8),
        **norms(8),
    )


def constants() -> onnx.ModelProto:
    """Bias, gain, a constant for each position, Sub and Div both ways, and a scalar."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            three = Constant<value_float=3.0>()
            plus = Add(x, bias)
            times = Mul(gain, plus)
            minus = Sub(times, bias)
            backward = Sub(bias, minus)
            over = Div(backward, gain)
            scalar = Add(over, three)
            y = Add(scalar, place)
        }""",
        bias=random(4, 1, 1),
        gain=np.abs(random(1, 4, 1, 1)) + 0.5,
        place=random(1, 4, 6, 6),
    )


def dense() -> onnx.ModelProto:
    """Gemm in its variants, and MatMul + Add of three axes."""
    return model(
        """g (float[2,6] x, float[2,5,6] t) => (float[2,3] y, float[2,5,3] z) {
            a = Gemm<alpha=0.5, beta=2.0>(x, w, c)
            b = Gemm<transB=1>(x, wt)
            d = Gemm<transA=1>(x, half)
            e = Gemm(x, w, one)
            dd = MatMul(x, d)
            f = Sum(a, b, e, dd)
            y = Gemm(f, square, a)
            p = MatMul(t, w)
            z = Add(p, c)
        }""",
        w=random(6, 3),
        wt=random(3, 6),
        c=random(3),
        one=random(1, 1),
        half=random(2, 3),
        square=random(3, 3),
    )


def merges() -> onnx.ModelProto:
    """Every merge, and Concat of shape tensors, which is none."""
    return model(
        """g (float[N,4,6,6] x, float[N,4,6,6] z) => (float[N,16,6,6] y, float[N,M] flat) {
            minus = Sub(x, z)
            times = Mul(x, z)
            largest = Max(minus, times, x)
            least = Min(largest, z)
            mean = Mean(least, x, z)
            y = Concat<axis=-3>(minus, times, mean, x)
            front = Shape<start=0, end=1>(x)
            rest = Constant<value_ints=[-1]>()
            sizes = Concat<axis=0>(front, rest)
            flat = Reshape(mean, sizes)
        }"""
    )


def upsampling() -> onnx.ModelProto:
    """Resize by factors, by sizes, and by sizes computed from another tensor; the batch is not known."""
    return model(
        """g (float[N,4,5,6] x, float[N,4,10,12] skip) => (float[N,20,10,12] y) {
            repeat = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">
                (x, , scales)
            middle = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, , scales)
            whole = Shape(skip)
            space = Slice(whole, two, four)
            front = Shape<start=0, end=2>(x)
            both = Concat<axis=0>(front, space)
            corners = Resize<mode="linear", coordinate_transformation_mode="align_corners">(x, , , both)
            odd = Resize<mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="ceil">(x, , scales)
            y = Concat<axis=1>(repeat, middle, corners, odd, skip)
        }""",
        scales=np.array([1, 1, 2, 2], np.float32),
        two=np.array([2]),
        four=np.array([4]),
    )


def rearranging() -> onnx.ModelProto:
    """Pools, padding, Split, DepthToSpace, transposed and depthwise convolution, global pools."""
    return model(
        """g (float[N,8,12,12] x) => (float[N,2,12,12] y, float[N,2] z, float[N,4,24,24] t) {
            left, right = Split<axis=1>(x, parts)
            padded = Pad(left, pads)
            average = AveragePool<kernel_shape=[3,3], count_include_pad=1, pads=[1,1,1,1], strides=[2,2]>(padded)
            most = MaxPool<kernel_shape=[2,2], strides=[2,2]>(right)
            same = MaxPool<kernel_shape=[3,3], strides=[2,2], auto_pad="SAME_UPPER">(right)
            up = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(right)
            sum = Add(most, same)
            deep = Conv<group=4, pads=[1,1,1,1]>(sum, depth)
            wide = Conv(deep, widen)
            space = DepthToSpace<blocksize=2, mode="DCR">(wide)
            larger = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(left, larger_w, larger_b)
            t = Relu(larger)
            top = GlobalMaxPool(up)
            narrow = Conv(top, narrow_w)
            y = Add(space, narrow)
            mean = ReduceMean<axes=[2,3], keepdims=0>(space)
            everywhere = GlobalAveragePool(average)
            flat = Flatten(everywhere)
            mixed = MatMul(flat, matrix)
            z = Add(mean, mixed)
        }""",
        parts=np.array([4, 4]),
        pads=np.array([0, 0, 1, 2, 0, 0, 1, 2]),
        depth=random(4, 1, 3, 3),
        widen=random(8, 4, 1, 1),
        larger_w=random(4, 4, 3, 3),
        larger_b=random(4),
        narrow_w=random(2, 4, 1, 1),
        matrix=random(4, 2),
    )


def subgraphs() -> onnx.ModelProto:
    """If and Loop whose graphs capture tensors and initialisers of the graph around them."""
    return model(
        """g (float[3,4] x, float[3,4] z) => (float[3,4] y, float[3,4] last) {
            sum = Add(x, z)
            only_captured = Relu(z)
            total = ReduceSum<keepdims=0>(sum)
            zero = Constant<value_float=0.0>()
            positive = Greater(total, zero)
            y = If(positive) <
                then_branch = then_graph () => (float[3,4] a) { a0 = Add(sum, only_captured) a = Mul(a0, scale) },
                else_branch = else_graph () => (float[3,4] b) { b = Sub(sum, scale) }
            >
            three = Constant<value_int=3>()
            go = Constant<value=bool {1}>()
            last = Loop(three, go, x) <
                body = body_graph (int64 i, bool c, float[3,4] state) => (bool c2, float[3,4] next) {
                    c2 = Identity(c) next = Add(state, only_captured)
                }
            >
        }""",
        scale=random(3, 4),
    )


def functions() -> onnx.ModelProto:
    """A function of the model's own, and an operator of another domain."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1, "local" : 1]>
        g (float[N,4] x) => (float[N,4] y) { a = local.twice(x) b = com.microsoft.Gelu(a) y = Add(a, b) }
        <opset_import: ["" : 17], domain: "local"> twice (v) => (w) { w = Add(v, v) }
        """
    )
    return proto


def names() -> onnx.ModelProto:
    """One tensor as two outputs, an input as an output, a constant output, the same tensor twice, dead nodes."""
    return model(
        """g (float[2,3] x, float[2,3] unused) => (float[2,3] y, float[2,3] also, float[2,3] x2, float[2,3] fixed) {
            y = Add(x, x)
            also = Identity(y)
            x2 = Identity(x)
            dead = Relu(y)
            fixed = Identity(table)
        }""",
        table=random(2, 3),
    )


def half_precision() -> onnx.ModelProto:
    return model(
        """g (float16[N,4,8,8] x) => (float16[N,8,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            b = Relu(x)
            y = Concat<axis=1>(a, b)
        }""",
        w=random(4, 4, 3, 3, dtype="float16"),
    )


def optional_input() -> onnx.ModelProto:
    """An input with a default, which a caller may give anew: no constant."""
    return model("g (float[N,4] x, float[4] bias) => (float[N,4] y) { y = Add(x, bias) }", bias=random(4))


def alone(function: Callable[[], onnx.ModelProto]) -> Callable[[], onnx.ModelProto]:
    """A model whose weights are drawn by its name, whoever drew before it and whoever draws after it."""

    @functools.wraps(function)
    def made() -> onnx.ModelProto:
        before = random.generator
        random.begin(zlib.crc32(function.__name__.encode()))
        try:
            return function()
        finally:
            random.generator = before

    return made


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    function.__name__: alone(function)
    for function in (
        *(residual, constants, dense, merges, upsampling, rearranging, subgraphs, functions, names, half_precision),
        optional_input,
    )
}
