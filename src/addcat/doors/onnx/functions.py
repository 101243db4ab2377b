"""A function of single elements as ONNX operators: its own, or its parts in the order by which runtimes know them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.errors import ModelError

if TYPE_CHECKING:
    from onnx_ir import Value

    from addcat.doors.onnx.build import Builder

FUNCTIONS: Mapping[str, str] = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "mish": "Mish",
    "exp": "Exp",
    "abs": "Abs",
    "sqrt": "Sqrt",
    "erf": "Erf",
    "negative": "Neg",
    "hard_silu": "HardSwish",
}


def activation(function: str, value: "Value", builder: "Builder", dtype: "np.dtype[Any]") -> "Value":
    """Emit a function by its canonical name.

    Args:
        function: Of the graph's words.
        value: What it is applied to.
        builder: Takes the nodes.
        dtype: Of the value.

    Raises:
        ModelError: if its name alone does not say what it computes.
    """
    if function == "linear":
        return builder.emit("Identity", [value], {})
    if function in ("silu", "swish"):
        return builder.emit("Mul", [value, builder.emit("Sigmoid", [value], {})], {})
    if function in GELUS:
        return GELUS[function](value, builder, dtype)
    if function == "relu6":
        low, high = (builder.constant(np.array(bound, dtype), f"bound{bound:.0f}") for bound in (0.0, 6.0))
        return builder.emit("Clip", [value, low, high], {})
    if function not in FUNCTIONS:
        raise ModelError(f"{function!r} has settings of its own, so it is not written anew.")
    return builder.emit(FUNCTIONS[function], [value], {})


def _gelu(value: "Value", builder: "Builder", dtype: "np.dtype[Any]") -> "Value":
    """X (1 + erf(x / √2)) / 2, by the operations of every opset, in the order that runtimes know."""
    root, one, half = (
        builder.constant(np.array(number, dtype), name)
        for number, name in ((np.sqrt(2.0), "root"), (1.0, "one"), (0.5, "half"))
    )
    gate = builder.emit("Erf", [builder.emit("Div", [value, root], {})], {})
    product = builder.emit("Mul", [value, builder.emit("Add", [gate, one], {})], {})
    return builder.emit("Mul", [product, half], {})


def _gelu_tanh(value: "Value", builder: "Builder", dtype: "np.dtype[Any]") -> "Value":
    """(x / 2) (1 + tanh(√(2/π) (x + 0.044715 x³))), likewise; in another order it is a dozen passes over the memory."""
    three, cubic, slope, one, half = (
        builder.constant(np.array(number, dtype), name)
        for number, name in (
            (3.0, "three"),
            (0.044715, "cubic"),
            (np.sqrt(2 / np.pi), "slope"),
            (1.0, "one"),
            (0.5, "half"),
        )
    )
    cube = builder.emit("Mul", [builder.emit("Pow", [value, three], {}), cubic], {})
    inner = builder.emit("Mul", [builder.emit("Add", [value, cube], {}), slope], {})
    gate = builder.emit("Add", [builder.emit("Tanh", [inner], {}), one], {})
    return builder.emit("Mul", [builder.emit("Mul", [value, half], {}), gate], {})


GELUS: "Mapping[str, Callable[[Value, Builder, np.dtype[Any]], Value]]" = {"gelu": _gelu, "gelu_tanh": _gelu_tanh}
