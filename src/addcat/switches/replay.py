"""A switch done again from its record: the same architecture, whatever the weights are.

Which exact form a Concatenate takes on its way to Add depends on its weights. A record says which one it was, so the
architecture can be built from a model that has not been trained, and the weights be loaded into it.
"""

import numpy as np

from addcat.errors import OptionError
from addcat.graph import Graph, Refusal
from addcat.graph.nested import subgraph, with_subgraph
from addcat.merges import Merge, describe_merge
from addcat.merges.switchability import blocker
from addcat.switches.apply import Setting
from addcat.switches.collapse import collapse_to_add, collapse_to_branch
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import Rung, lower_to_add, plain_add, raise_to
from addcat.switches.nodes import with_own_layers
from addcat.switches.to_add import absorb, average_parts
from addcat.switches.to_concat import project, tie


def replay_site(root: Graph, site: str, rung: Rung, rule: str, setting: Setting) -> Graph | Refusal:
    """Take one merge to a rung by a rule that is given.

    Args:
        root: The outermost graph.
        site: Name of the merge.
        rung: Where it is to go.
        rule: How it went there, as `Step.rule` has it.
        setting: Seed and widening.

    Returns:
        The new outermost graph, or why the merge cannot be changed at all.

    Raises:
        OptionError: if there is no such rule.
    """
    if rule == "fresh":
        outcome = fresh_site(root, site, rung, setting)
        return outcome if isinstance(outcome, Refusal) else outcome.graph
    graph, name = subgraph(root, site)
    merge = describe_merge(graph, graph.nodes[name], site[: -len(name)])
    if rule == "unchanged":
        return root
    if (blocked := blocker(graph, merge)) is not None:
        return blocked
    graph = _changed(with_own_layers(graph, name), merge, rung, rule, setting)
    if rung.name not in ("concat", "drop"):
        graph = raise_to(graph, describe_merge(graph, graph.nodes[name]), rung, seed=setting.seed)
    return with_subgraph(root, site, graph)


def _changed(graph: Graph, merge: Merge, rung: Rung, rule: str, setting: Setting) -> Graph:
    if rule == "tie":
        return tie(graph, merge)
    if rule == "project":
        return project(graph, merge)
    if rule in ("twice", "equal parts"):
        return average_parts(graph, merge)
    if rule == "absorb":
        return absorb(graph, merge)
    if rule == "lower":
        lowered = lower_to_add(graph, merge)
        return plain_add(graph, merge) if isinstance(lowered, Refusal) else lowered
    if rule == "raise":
        return graph
    if rule != "fit":
        raise OptionError(f"{rule!r} is no rule of a switch. Pass a record as `addcat.switch` gave it.")
    drops = rung.name == "drop"
    collapsed = collapse_to_branch(graph, merge) if drops else collapse_to_add(graph, merge, widen=setting.widen)
    graph = collapsed.graph
    for target in collapsed.targets:  # a fit gives every consumer a bias
        node = graph.nodes[target]
        if "bias" not in node.weights:
            outputs = node.weights["kernel"].shape[0]
            graph = graph.edit(put=[node.edit(weights={"bias": np.zeros(outputs, np.float32)})])
    return graph
