"""What a rewrite is: does it apply, what would it change, change it.

A rule looks at one node at a time, its *site*, and answers with a `Plan`, with None (nothing of its kind is here), or
by raising `Blocked` (a near miss; the reason names the node that stands in the way). `Rule.find` turns these into
values: proposals to print, to choose from and to keep, and refusals. `Rule.apply` makes the plan anew on the graph that
it is given, and acts. Graphs are never edited in place.

Nodes that a rule makes have `native=None`; changed ones went through `Node.edit`. An operation that only moved to
another place or width, its settings and weights as they were, keeps its `native` and stays unedited: whatever it holds
that we do not know survives. The same operation may then have several call sites.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from addcat.errors import RefusedError
from addcat.graph import Blocked, Graph, Node, Refusal

Goal = Literal["latency", "memory", "parameters"]
Framework = Literal["keras", "onnx", "torch"]


class Role(Enum):
    """What a rule is for in a search."""

    TIDY = "leaves less to do wherever it applies"
    SAVING = "leaves less arithmetic; follows up another rule where it is expected to pay"
    FOLLOWING = "follows up another rule where it is expected to pay"
    OPENING = "gains little alone and opens the way for others"
    FINISHING = "writes an operation in a way that no other rule sees through, so it comes last"
    ALTERNATIVE = "another way to write an operation; which is best depends on the runtime"
    ALONE = "begins a candidate and never follows up another rule"

    @property
    def follows(self) -> bool:
        """Whether such a rule follows up every other one."""
        return self in (Role.TIDY, Role.SAVING, Role.FOLLOWING)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rewrite that applies, as data: it can be printed, compared, stored and applied later.

    Attributes:
        rule: Name of the rule.
        site: Name of the node where it applies.
        nodes: The nodes that it would change or remove, the site among them.
        words: What it would do, for people.
    """

    rule: str
    site: str
    nodes: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule would do at a site.

    Attributes:
        nodes: The nodes that it would change or remove.
        words: What it would do, for people.
        change: Computes the weights and returns the new graph.
    """

    nodes: tuple[str, ...]
    words: str
    change: Callable[[], Graph]


@dataclass(frozen=True, slots=True)
class Rule:
    """One exact rewrite.

    Attributes:
        name: Its name, such as "split".
        code: The code of its refusals, such as "AC301".
        goals: What it may serve.
        plan: Looks at one node of a graph; see the module's docstring.
        role: What it is for in a search.
        slack: How much longer than what it replaces it may be expected to take where it follows up another rule, as a
            share; None where it must not, and where sizes must be known.
        memory_slack: The same where memory is what counts.
        frameworks: Those that have a form for what it makes; all where left out.
    """

    name: str
    code: str
    goals: tuple[Goal, ...]
    plan: Callable[[Graph, Node], Plan | None]
    role: Role = Role.ALONE
    slack: float | None = None
    memory_slack: float | None = None
    frameworks: tuple[Framework, ...] | None = None

    def find(self, graph: Graph) -> list[Proposal | Refusal]:
        """Where in a graph the rule applies, and where it nearly does.

        Args:
            graph: Any graph; it is not touched.

        Returns:
            In topological order, a Proposal for each site where it applies and a Refusal for each near miss.
        """
        found: list[Proposal | Refusal] = []
        for node in graph.nodes.values():
            try:
                plan = self.plan(graph, node)
            except Blocked as reason:
                found.append(Refusal(self.code, node.name, str(reason)))
            else:
                if plan is not None:
                    found.append(Proposal(self.name, node.name, plan.nodes, plan.words))
        return found

    def apply(self, graph: Graph, proposal: Proposal) -> Graph:
        """Do what was proposed.

        Args:
            graph: The graph for which `find` made the proposal, or a later one in which it still holds.
            proposal: One of this rule's.

        Returns:
            A new graph with the same outputs up to rounding.

        Raises:
            RefusedError: if the proposal does not hold in this graph.
        """
        assert proposal.rule == self.name, f"{proposal.rule} is not a proposal of {self.name}"  # noqa: S101
        reason = f"the graph has no node {proposal.site!r}"
        try:
            plan = self.plan(graph, graph.nodes[proposal.site]) if proposal.site in graph.nodes else None
        except Blocked as blocked:
            plan, reason = None, str(blocked)
        else:
            if plan is not None and plan.nodes == proposal.nodes:
                return plan.change()
            if proposal.site in graph.nodes:
                reason = f"the nodes around {proposal.site!r} are no longer those of the proposal"
        raise RefusedError(
            f"{self.name} does not apply at {proposal.site!r}: {reason}. Call find() on this graph again.",
            [Refusal(self.code, proposal.site, reason)],
        )
