"""Where the two arms of a pair start: drawn anew, tied to each other, with the trained branches, or from here.

fresh: both arms drawn anew, alike in every layer that they share.
tied: Concatenate's consumers start as copies of Add's, so both arms start as one function and differ by what untying
    brings. The variance between pairs falls four times or more; small gains shrink a little.
warm: what comes before the merges has the trained weights, what follows is drawn anew and tied: fair to both, and near
    its end in a fraction of the steps. What a short run shows is small, and nearly always on the right side.
loose: as warm, with consumers drawn for each arm by itself, where they cannot be tied; the noise is many times larger.
heads: as loose, and the branches stay as they are: what follows learns from what they give. Pairs of what follows are
    cheap, and where the branches share their weights, Add's hold all that a Concatenate needs.
beside: the other arm alone, drawn anew, held against the given network, which is a run of its own arm.
here: nothing is drawn; the network as it is, and switched with as little loss as can be.
"""

from dataclasses import replace
from typing import Literal

from addcat.data.examples import Arrays
from addcat.evidence.arms import opened_anew
from addcat.evidence.problem import Problem
from addcat.graph import Graph, Refusal

Kind = Literal["fresh", "tied", "warm", "loose", "heads", "beside"]
Starts = dict[str, Arrays]


def starts_of(problem: Problem, arms: dict[str, Graph], kind: Kind, seed: int) -> Starts | Refusal:
    """Weights from which both arms of one pair start.

    Args:
        problem: The merges.
        arms: Architectures by "add" and "concat".
        kind: How they start.
        seed: Of what is drawn.

    Returns:
        Values of all variables by arm, or why there are no such starts.
    """
    door, kept = problem.door, kind in ("warm", "loose")
    if kept and any(merge.site not in problem.root.nodes for merge in problem.merges):
        return Refusal("AC117", problem.merge.site, "it lies in a nested model, whose parts cannot be kept apart")
    models = {name: door.write(graph, weights=False, seed=seed) for name, graph in arms.items()}
    if kept:
        models = {name: door.write(_warmed(problem, door.read(model))) for name, model in models.items()}
    found = {name: door.state(model) for name, model in models.items()}
    if kind in ("fresh", "loose", "beside"):
        return found
    opened = opened_anew(problem, door.read(models["add"]))
    if isinstance(opened, Refusal):
        return opened
    tied = door.state(door.write(opened))
    if [array.shape for array in tied] != [array.shape for array in found["concat"]]:
        return Refusal("AC117", problem.merge.site, "an opened Add is built otherwise than this Concatenate")
    return {**found, "concat": tied}


def _warmed(problem: Problem, fresh: Graph) -> Graph:
    """A network drawn anew, with the trained weights in every layer that no merge in question comes before.

    Each reads what it read: what has no weights may go by another name there, as stacks do behind one that is gone.
    """
    root = problem.root
    sites = {merge.site for merge in problem.merges}
    behind = {name for name in fresh.nodes if name in sites or sites & fresh.ancestors(name)}
    layers = {fresh.nodes[name].layer for name in behind if fresh.nodes[name].layer}
    kept = [
        replace(root.nodes[name], inputs=node.inputs)
        for name, node in fresh.nodes.items()
        if name in root.nodes and name not in behind and node.layer not in layers and (node.weights or node.body)
    ]
    return fresh.edit(put=kept)


def warmed(problem: Problem, fresh: Graph) -> Graph:
    """The same for arms that others open: see `_warmed`."""
    return _warmed(problem, fresh)
