"""Arms of a model: its architecture with some merges taken to a rung of the ladder, all weights drawn anew."""

from collections.abc import Mapping

from addcat.doors.base import Switcher
from addcat.errors import RefusedError
from addcat.graph import Graph, Refusal
from addcat.switches.apply import Setting
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import parse_rung
from addcat.trials.budgets import narrowed

Rungs = Mapping[str, str]
"""The rung that each site takes, as a user writes it."""


def arm_graph(
    door: Switcher, graph: Graph, rungs: Rungs, *, widths: Mapping[str, int] | None = None, seed: int = 0
) -> Graph:
    """The architecture with every named site on its rung.

    Branches stay as wide as they are, and consumers get as wide as they must be; what the weights are does not matter.

    Args:
        door: Of the framework that the graph comes from.
        graph: The outermost graph; it is not changed.
        rungs: The rung of each site; a site that stands there already stays as it is.
        widths: Outputs of layers that are to be narrower, by name (see `addcat.trials.budgets`).
        seed: Of what a rung draws.

    Returns:
        The outermost graph of the arm.

    Raises:
        RefusedError: if a site has no such rung; names every one.
        OptionError: if a rung does not exist.
    """
    refusals: list[Refusal] = []
    setting = Setting(door, (), "project", seed)
    for site, rung in rungs.items():
        outcome = fresh_site(graph, site, parse_rung(rung), setting)
        if isinstance(outcome, Refusal):
            refusals.append(outcome)
        else:
            graph = outcome.graph
    if refusals:
        reasons = "; ".join(f"{refusal.reason} [{refusal.code}]" for refusal in refusals)
        raise RefusedError(f"The arms cannot be built: {reasons}.", refusals)
    return narrowed(graph, widths or {})
