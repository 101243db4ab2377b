"""Nothing to do: a merge of one input, an identity, dropout at inference, a window of one element are all f(x) = x.

So are a product with ones, a sum with zeros, and a slice of all there is.
"""

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.report.rows import counted
from addcat.rules import guards
from addcat.rules.base import Plan, Role, Rule

MERGES = ("add", "concat", "average", "multiply", "maximum", "minimum")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Take out a node that gives what it reads."""
    if len(node.inputs) != 1 or not _passes(node):
        return None
    guards.free(graph, node)
    source = node.inputs[0]
    before, after = graph.tensor(source), node.outputs[0]
    if before.dtype != after.dtype or len(before.shape) != len(after.shape):
        axes = counted(len(before.shape), "axis", "axes")
        raise Blocked(f"{node.name!r} turns {before.dtype} of {axes} into another kind of tensor")
    if node.op in ("gain", "shift") and before.shape != after.shape:
        return None  # it repeats what it reads
    guards.can_stand_for(graph, source, Edge(node.name))
    return Plan(
        (node.name,),
        f"leave out {node.name!r}, which gives what it reads",
        lambda: graph.edit(remove=[node.name], rewire={Edge(node.name): source}),
    )


def _passes(node: Node) -> bool:
    if node.op in MERGES or node.op in ("identity", "dropout"):
        return True
    if node.op == "activation":
        return node.attrs.get("function") == "linear"
    if node.op == "pool":
        return all(size == 1 for size in (*node.attrs["size"], *node.attrs["strides"])) and node.attrs["padding"] in (
            "valid",
            "same",
        )
    if node.op in ("gain", "shift") and "value" in node.weights:
        value, nothing = node.weight("value"), 1.0 if node.op == "gain" else 0.0
        return bool(value.flat[0] == nothing and (value == nothing).all())
    if node.op == "resize":
        return bool(node.attrs.get("factor")) and all(factor == 1 for factor in node.attrs["factor"])
    pairs = node.attrs.get({"pad": "padding", "crop": "cropping"}.get(node.op, ""))
    return pairs is not None and not any(before or after for before, after in pairs)


PASSING = Rule("passing", "AC304", ("latency", "memory"), plan, role=Role.TIDY)
