"""Merges that a person would decide as one: "the four skips", "the residuals", "the Inception modules".

A family has one role, one kind of merge, and branches of one kind: what weighted operations make them (convolutions,
dense layers, attention) and in how many dimensions. Widths and places do not part a family, nor does the last block,
whose reader is another than the others'. A projected shortcut, a single linear layer beside a longer way from the same
tensor, counts as residual: it is one to whoever wrote the network. Two branches of an Inception module look alike, so a
Concatenate counts only where others of its network are residual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from addcat.graph import Graph
from addcat.graph.nested import subgraph
from addcat.merges.find import Merge, find_merges
from addcat.merges.switchability import unswitchable

KINDS = {
    "conv": "conv",
    "depthwise_conv": "conv",
    "separable_conv": "conv",
    "conv_transpose": "conv",
    "dense": "dense",
    "attention": "attention",
    "recurrent": "recurrent",
    "embedding": "embedding",
    "model": "model",
}
"""Operations that give a branch its kind."""
RANKS = {2: "vector", 3: "sequence", 4: "image", 5: "volume"}


@dataclass(frozen=True, slots=True)
class Family:
    """Merges to be decided as one.

    Attributes:
        name: Unique in its model: its role ("residual"), and where a role has several families what tells this one from
            the others ("residual-attention").
        role: See `addcat.merges.roles`.
        merges: Its members, in the order of the model; all can be the other merge.
    """

    name: str
    role: str
    merges: tuple[Merge, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(merge.site for merge in self.merges)

    @property
    def words(self) -> str:
        """The family as a person names it.

        Examples:
            >>> Family("skip", "skip", ()).words
            'the 0 skip merges'
        """
        many = f"{len(self.merges)} {self.name} merges" if len(self.merges) != 1 else f"{self.name} merge"
        return f"the {many}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the members of a family have in common, from what parts families most often to what seldom does."""

    role: str
    op: str
    branches: str
    rank: str

    def words(self, wanted: Sequence[str]) -> str:
        return "-".join([self.role, *(getattr(self, name) for name in wanted if getattr(self, name))])


def families(graph: Graph) -> tuple[Family, ...]:
    """The families of a model's merges.

    Args:
        graph: The outermost graph.

    Returns:
        Every Add and Concatenate that could be the other one, in exactly one family; families in the order of their
        first members.
    """
    groups: dict[_Kind, list[Merge]] = {}
    merges = [merge for merge in find_merges(graph) if unswitchable(merge) is None]
    concatenated = any(merge.role == "residual" and not merge.adds for merge in merges)
    for merge in merges:
        around = subgraph(graph, merge.site)[0]
        projected = (merge.adds or concatenated) and _projected(around, merge)
        groups.setdefault(_kind(around, merge, projected=projected), []).append(merge)
    names = _names(list(groups))
    return tuple(Family(names[kind], kind.role, tuple(merges)) for kind, merges in groups.items())


def _kind(graph: Graph, merge: Merge, *, projected: bool) -> _Kind:
    found = [set(_makers(graph, branch.producer)) for branch in merge.branches]
    kinds = sorted({KINDS[graph.nodes[name].op] for names in found for name in names})
    return _Kind(
        role="residual" if projected else merge.role,
        op="add" if merge.adds else "concat",
        branches="-".join(kinds),
        rank=RANKS.get(len(merge.shape), f"rank{len(merge.shape)}"),
    )


def _makers(graph: Graph, start: str) -> Iterator[str]:
    """The nearest operations with a kind on the ways up from a branch; none beyond another Add or Concatenate."""
    waiting, seen = [start], {start}
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.op in KINDS:
            yield node.name
        elif node.op not in ("add", "concat"):
            more = [edge.node for edge in node.inputs if edge.node not in seen]
            seen.update(more)
            waiting.extend(more)


def _projected(graph: Graph, merge: Merge) -> bool:
    """Whether a merge has a shortcut of one linear layer beside a longer way from the tensor that this layer reads."""
    if merge.role != "siblings" or merge.arity != 2:
        return False
    makers = [list(_makers(graph, branch.producer)) for branch in merge.branches]
    for short, long in (makers, makers[::-1]):
        if len(short) == 1:
            source = graph.nodes[short[0]].inputs[0].node
            behind = [name for maker in long for name in _makers(graph, graph.nodes[maker].inputs[0].node)]
            between = [name for name in behind if name == source or source in graph.ancestors(name)]
            if long and between and any(name != source for name in behind) and short[0] not in long:
                return all(source in graph.ancestors(maker) for maker in long)
    return False


def _names(kinds: Sequence[_Kind]) -> dict[_Kind, str]:
    """A name for each kind: the role, with as few words more as tell the kinds of one role apart."""
    names: dict[_Kind, str] = {}
    for role in dict.fromkeys(kind.role for kind in kinds):
        same = [kind for kind in kinds if kind.role == role]
        fields = ("op", "branches", "rank")
        choices = [c for size in range(len(fields) + 1) for c in combinations(fields, size)]
        # all three always do: no two fields share a word
        wanted = next((c for c in choices if len({kind.words(c) for kind in same}) == len(same)), fields)
        names.update({kind: kind.words(wanted) for kind in same})
    return names
