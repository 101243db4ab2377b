"""What is odd about the merges of a model: each finding with a stable code.

| code | finding |
| --- | --- |
| AC201 | an Add that is a Concatenate in disguise: every branch ends in a linear layer of its own |
| AC202 | a Concatenate that is an Add in disguise: its consumers' kernel parts are equal |
| AC203 | a merge of one tensor, which does nothing |
| AC204 | the same tensor merged with itself |
| AC205 | a Concatenate that only feeds another Concatenate on the same axis |
| AC206 | a Concatenate of the batch |
| AC207 | an element by element merge, other than a product, that broadcasts |
| AC208 | one merge layer called at several places |
| AC209 | a mask that the merge drops |
| AC210 | a merge hidden inside another layer |
| AC211 | unknown sizes that would broadcast silently if one of them were 1 |
| AC212 | a Stack that is summed, so an Add in disguise |
| AC213 | a quantised model, whose operators on whole numbers are counted and not looked into |
| AC214 | weights that are inputs of the model, so that a caller may give others |
| AC215 | a layer whose own code merges, or may merge |
"""

from collections.abc import Iterator
from dataclasses import dataclass

from addcat.graph import Edge, Graph, Node
from addcat.graph.nested import walk
from addcat.merges.find import Merge, describe_merge, is_merge
from addcat.merges.switchability import ends_in_linear, equal_parts, unswitchable

OWN_CODE = "AC215"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a merge that its author may not know.

    Attributes:
        code: Stable code, such as "AC204".
        site: The merge, or the layer that hides one.
        words: What was found, and what follows.
    """

    code: str
    site: str
    words: str


def find_oddities(graph: Graph) -> list[Finding]:
    """Look through a model for everything in the table above.

    Args:
        graph: The graph of a model, nested models included.

    Returns:
        Findings in the order of the model.
    """
    found = list(about_model(graph))
    for path, node, inside in walk(graph):
        if hidden := node.attrs.get("hidden"):
            words = f"{node.kind} {hidden}. addcat names this merge but does not rewrite inside the layer."
            found.append(Finding("AC210", path, words))
        if words := _own_code(node):
            found.append(Finding(OWN_CODE, path, words))
        if is_merge(node):
            prefix = path[: -len(node.name)]
            found.extend(_about(inside, node, describe_merge(inside, node, prefix)))
    return found


def _own_code(node: Node) -> str:
    """What is to be said of a layer of the user's own; "" where its code merges nothing."""
    merges, unseen = node.attrs.get("own_merges", ""), node.attrs.get("own_unseen", "")
    remedy = (
        "addcat does not change a layer's code and asks nothing about what it merges. Call its layers in the "
        "Functional model itself, from a function, or give `compare` one function for each arm."
    )
    if merges:
        more = f", and more may be where it could not be followed ({unseen})" if unseen else ""
        return f"{node.kind} merges in its own call(): {merges}{more}. {remedy}"
    if unseen:
        what = f"what {node.kind} computes inside is not seen ({unseen})"
        return f"{what}, so merges in it are not listed. {remedy}"
    return ""


def about_model(graph: Graph) -> Iterator[Finding]:
    """What keeps addcat from looking into a model as a whole.

    Args:
        graph: The graph of a model.

    Yields:
        AC213 and AC214 where they hold.
    """
    whole = [node for _, node, _ in walk(graph) if node.attrs.get("quantised")]
    if whole:
        kinds = ", ".join(dict.fromkeys(node.kind for node in whole))
        words = (
            f"the model is quantised: {len(whole)} of its operations compute in whole numbers ({kinds}). Their weights "
            "are counted; what they do is not looked into, so merges around them are not rewritten."
        )
        yield Finding("AC213", whole[0].name, words)
    given = [name for name in graph.inputs if graph.nodes[name].attrs.get("optional")]
    if given:
        words = (
            f"inputs of the model that have a value, as if they were weights: {len(given)}. A caller may give others, "
            "so they are not counted as parameters, and no layer that reads them is looked into. If nobody does, take "
            "them out of the inputs and keep them as initializers."
        )
        yield Finding("AC214", given[0], words)


def _about(graph: Graph, node: Node, merge: Merge) -> Iterator[Finding]:
    site = merge.site
    if merge.arity == 1:
        yield Finding("AC203", site, f"{merge.label} has one input, so it gives that input back.")
        return
    if node.op == "stack":
        yield from _stack(graph, merge)
    if node.op == "concat" and merge.axis == 0:
        yield Finding("AC206", site, "Concatenate joins the batch (axis 0): it makes more examples, not more channels.")
    if len({branch.edge for branch in merge.branches}) < merge.arity:
        gain = {"add": "; Add(x, x) = 2 x", "concat": "; W [x; x] = (W_1 + W_2) x"}.get(node.op, "")
        yield Finding("AC204", site, f"{merge.label} reads one tensor more than once{gain}.")
    yield from _shapes(merge)
    yield from _layers(graph, node, merge)
    if merge.adds and all(ends_in_linear(graph, branch) for branch in merge.branches):
        words = (
            "every branch ends in a linear layer of its own, so this Add is a Concatenate in disguise: "
            "E_1 h + E_2 g = [E_1 E_2] [h; g]."
        )
        yield Finding("AC201", site, words)
    if node.op == "concat" and unswitchable(merge) is None and equal_parts(graph, merge):
        words = "the consumer's kernel has the same part for every branch, so this Concatenate is an Add in disguise."
        yield Finding("AC202", site, words)


def _stack(graph: Graph, merge: Merge) -> Iterator[Finding]:
    for name, _ in graph.readers(Edge(merge.node)):
        if graph.nodes[name].attrs.get("reduces") == "sum":
            words = f"Stack, then {name!r} sums: this is an Add of {merge.arity} tensors that first copies them."
            yield Finding("AC212", merge.site, words)


def _shapes(merge: Merge) -> Iterator[Finding]:
    on_purpose = ("concat", "stack", "dot", "multiply")  # a gate that is multiplied broadcasts on purpose
    if merge.op in on_purpose or merge.with_constant:
        return
    shapes = [branch.shape for branch in merge.branches]
    if len({len(shape) for shape in shapes}) > 1 or any(
        len({size for size in sizes if size is not None}) > 1 for sizes in zip(*shapes, strict=True)
    ):
        listed = " and ".join(str(shape) for shape in shapes)
        yield Finding("AC207", merge.site, f"{merge.label} broadcasts {listed} to {merge.shape} without a word.")
        return
    unknown = [axis for axis, sizes in enumerate(zip(*shapes, strict=True)) if axis and sizes.count(None) > 1]
    if unknown and merge.role == "fusion":
        axes = ", ".join(map(str, unknown))
        words = f"axis {axes} is unknown in several branches: if one of them is 1 at run time, it broadcasts silently."
        yield Finding("AC211", merge.site, words)


def _layers(graph: Graph, node: Node, merge: Merge) -> Iterator[Finding]:
    if len(calls := graph.calls(node)) > 1 and node.name == calls[0]:
        listed = ", ".join(map(repr, calls))
        words = (
            f"one {merge.label} layer is called at {listed}. Keras keeps the rank rule of its first call, so a later "
            "call with other ranks can mix examples; give each call a layer of its own."
        )
        yield Finding("AC208", merge.site, words)
    masks = node.attrs.get("masks", ())
    drops = not node.attrs.get("is_layer", True) or merge.op == "dot" or (merge.op != "concat" and not all(masks))
    if any(masks) and drops:
        words = f"{sum(masks)} of {len(masks)} inputs carry a mask, and the result carries none."
        yield Finding("AC209", merge.site, words)
    readers = graph.readers(Edge(node.name))
    if node.op == "concat" and len(readers) == 1 and not graph.is_output(Edge(node.name)):
        reader = graph.nodes[readers[0][0]]
        if reader.op == "concat" and _axis(reader) == merge.axis:
            words = f"its only reader is Concatenate {reader.name!r} on the same axis: one Concatenate would do."
            yield Finding("AC205", merge.site, words)


def _axis(node: Node) -> int:
    return int(node.attrs["axis"]) % len(node.shape)
