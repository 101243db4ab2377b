"""Rewrites as a model allows them, and as a record that makes them again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from addcat.doors.bench import Bench
from addcat.errors import OptionError, RefusedError
from addcat.graph import Blocked, Graph, Node, Refusal
from addcat.rules import RULES, Plan, Rule
from addcat.verbs.optimize.candidates import Kept
from addcat.verbs.optimize.result import Rewrite


def writable(rules: Sequence[Rule], bench: Bench) -> tuple[Rule, ...]:
    """The rules, blocked where no model of the bench's framework can be made of what they would do.

    Args:
        rules: Rules of that framework.
        bench: The model.
    """
    unwritable = bench.unwritable
    if unwritable is None:
        return tuple(rules)

    def guarded(rule: Rule) -> Rule:
        def plan(graph: Graph, node: Node) -> Plan | None:
            found = rule.plan(graph, node)
            if found is None:
                return None
            try:
                reason = unwritable(found.change())
            except RefusedError as error:
                reason = str(error)
            if reason:
                raise Blocked(reason)
            return found

        return replace(rule, plan=plan)

    return tuple(guarded(rule) for rule in rules)


def rewrites_of(kept: Sequence[Kept]) -> tuple[Rewrite, ...]:
    """What a result holds, as data.

    Args:
        kept: The candidates in it, in order.
    """
    return tuple(
        Rewrite(step.rule, step.site, tuple(name for name in step.nodes if _has_bias(one.graph.nodes.get(name))))
        for one in kept
        for step in one.steps
    )


def _has_bias(node: Node | None) -> bool:
    return node is not None and "bias" in node.weights


def rewritten(graph: Graph, rewrites: Sequence[Mapping[str, Any]]) -> Graph:
    """Do rewrites again.

    Args:
        graph: Of the model that was optimised, or of one of the same architecture.
        rewrites: From a record.

    Raises:
        OptionError: if there is no such rule.
        RefusedError: if one does not apply.
    """
    rules = {rule.name: rule for rule in RULES}
    for one in rewrites:
        name, site = str(one["rule"]), str(one["site"])
        if name not in rules:
            raise OptionError(f"{name!r} is no rule of addcat's. Pass a record as `addcat.optimize` gave it.")
        graph = _once_more(graph, rules[name], site)
        nodes = [graph.nodes[biased] for biased in map(str, one["biased"]) if biased in graph.nodes]
        bare = [node for node in nodes if "bias" not in node.weights]
        zeros = [node.edit(weights={"bias": np.zeros(node.weights["kernel"].shape[0], node.dtype)}) for node in bare]
        graph = graph.edit(put=zeros) if zeros else graph
    return graph


def _once_more(graph: Graph, rule: Rule, site: str) -> Graph:
    reason = "the model has no such node"
    try:
        plan = rule.plan(graph, graph.nodes[site]) if site in graph.nodes else None
    except Blocked as blocked:
        plan, reason = None, str(blocked)
    if plan is None:
        raise RefusedError(
            f"{rule.name} does not apply at {site!r}: {reason}. Pass a model of the architecture that was optimised.",
            [Refusal(rule.code, site, reason)],
        )
    return plan.change()
