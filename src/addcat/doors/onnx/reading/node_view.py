"""One ONNX node as the classifiers see it: settings, constant inputs, and what is known of its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from addcat.doors.onnx.reading.constants import Constant, Constants, type_of
from addcat.graph import Shape, Tensor, Weight
from addcat.graph.core import NOTHING

if TYPE_CHECKING:
    import onnx_ir

FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Look:
    """What may be asked about a node before it is named.

    Attributes:
        node: The `onnx_ir.Node`.
        constants: The constants of its graph.
        types: What is known of each tensor by name.
        opset: The opset of its domain.
    """

    node: "onnx_ir.Node"
    constants: Constants
    types: Mapping[str, Tensor]
    opset: int

    @property
    def op_type(self) -> str:
        """Its ONNX operator."""
        return str(self.node.op_type)

    def attr(self, name: str, default: Any = None) -> Any:
        """A setting, or `default` where it is not given."""
        attribute = self.node.attributes.get(name)
        if attribute is None:
            return default
        value: Any = attribute.value
        if value is None:  # named and left empty
            return default
        return tuple(cast("list[Any]", value)) if isinstance(value, list) else value

    def has_input(self, position: int) -> bool:
        """Whether an optional input is given."""
        return position < len(self.node.inputs) and self.node.inputs[position] is not None

    def constant(self, position: int) -> Constant | None:
        """An input that is the same at every run; None where it is not, or not given."""
        value = self.node.inputs[position] if position < len(self.node.inputs) else None
        return None if value is None else self.constants.get(value)

    @property
    def dynamic(self) -> tuple[int, ...]:
        """Positions of the inputs that are computed at run time."""
        found = enumerate(self.node.inputs)
        return tuple(i for i, value in found if value is not None and value not in self.constants)

    def tensor(self, position: int = 0) -> Tensor | None:
        """What is known of an input; None where its rank is not."""
        return type_of(self.types, self.node.inputs[position])

    @property
    def output(self) -> Tensor | None:
        """What is known of the first output."""
        return type_of(self.types, self.node.outputs[0])

    @property
    def rank(self) -> int:
        """Number of axes of the first output; 0 where unknown."""
        return 0 if self.output is None else len(self.output.shape)

    @property
    def is_float(self) -> bool:
        """Whether the first output holds real numbers, and its rank is known."""
        return self.output is not None and self.output.dtype in FLOATS

    def shape(self, position: int = 0) -> Shape:
        """Sizes of an input; empty where its rank is unknown."""
        tensor = self.tensor(position)
        return () if tensor is None else tensor.shape


class Found(NamedTuple):
    """What a node is in canonical words.

    Attributes:
        op: A key of `addcat.graph.operations.OPS`.
        attrs: Its settings.
        weights: Its weights, by canonical name.
        positions: The inputs that are edges of the graph; None for all that are computed at run time.
        rebuild: Whether the node is to be built anew from op, settings and weights when written.
        constant: For a shift or gain, the constant operand as ONNX broadcasts it, ready to be added or multiplied.
    """

    op: str
    attrs: Mapping[str, Any] = NOTHING
    weights: Mapping[str, Weight] = NOTHING
    positions: tuple[int, ...] | None = None
    rebuild: bool = False
    constant: Constant | None = None


OPAQUE = Found("opaque", {})
