"""A norm's scale and shift before linear maps: W (g n(x) + b) + c = (W g) n(x) + (W b + c), n the bare norm.

As for any affine map (see `affine_before`), a shift does not pass zero padding, and every reader must take both in:
all of q, k and v that read one layer norm. It saves parameters and no time: runtimes scale and shift within the norm
(0.998 of the time of ViT-Tiny in ONNX Runtime, in OpenVINO no more than the noise).
"""

from addcat.algebra import Affine
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.affine_before import READERS, require, taken_in
from addcat.rules.base import Plan, Rule

NORMS = ("layer_norm", "instance_norm")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Fold the scale and the shift of a norm into every linear map that reads it."""
    if node.op not in NORMS or "scale" not in node.weights or "epsilon" not in node.attrs or node.channels is None:
        return None
    names = dict.fromkeys(name for name, _ in graph.readers(Edge(node.name)))
    readers = [graph.nodes[name] for name in names]
    if not any(reader.op in READERS for reader in readers):
        return None
    guards.free(graph, node)
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    guards.same_type(graph, node, *readers)
    affine = _affine(node)
    if (affine.scale == 1.0).all() and not affine.shift.any():
        return None
    for reader in readers:
        if reader.op not in READERS:
            raise Blocked(f"{node.name!r} is also read by {reader.name!r}, which cannot take in its scale")
        require(graph, node, reader, affine)
    words = f"fold scale and shift of {node.name!r} into {', '.join(map(repr, names))}"

    def change() -> Graph:
        bare = building.made(node, node.name)
        return graph.edit(put=[bare, *(taken_in(graph, reader, affine) for reader in readers)])

    return Plan((node.name, *names), words, change)


def _affine(node: Node) -> Affine:
    scale = node.weight("scale").astype(float)
    return Affine(scale, node.weight("offset").astype(float) if "offset" in node.weights else 0.0 * scale)


NORM_BEFORE = Rule("norm-before", "AC337", ("parameters",), plan, frameworks=("onnx",))
