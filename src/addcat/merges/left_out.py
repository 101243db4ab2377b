"""Adds and Concatenates that have no other merge: what nobody can ask about is said, with the reason.

Layers whose own code merges are among them: it is no place in the model that could be asked about.
"""

from collections.abc import Iterable

from addcat.graph import Graph
from addcat.graph.operations import ADD_LIKE
from addcat.merges.find import Merge
from addcat.merges.oddities import OWN_CODE, Finding, find_oddities
from addcat.merges.switchability import unswitchable

NAMED = 3
"""How many are said; `inspect` lists all."""


def left_out(merges: Iterable[Merge], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Why each Add and Concatenate that cannot be asked about cannot.

    Args:
        merges: Every merge of a model.
        findings: What was found in it.

    Returns:
        One sentence for each of the first, and for each of the first layers whose own code merges; () for none.
    """
    plain = [merge for merge in merges if merge.op.removesuffix("_constant") in (*ADD_LIKE, "concat")]
    refusals = [refusal for merge in plain if (refusal := unswitchable(merge)) is not None]
    named = [f"{refusal.reason} [{refusal.code}]." for refusal in refusals[:NAMED]]
    own = [_sentence(finding) for finding in findings if finding.code == OWN_CODE]
    more = len(refusals[NAMED:]) + len(own[NAMED:])
    return (*named, *own[:NAMED], *([f"`inspect` lists {more} more."] if more else []))


def within_layers(graph: Graph, site: str = "") -> tuple[str, ...]:
    """What is said of layers whose own code merges, or may merge.

    Args:
        graph: The outermost graph.
        site: As a user names a merge: the name of such a layer, or one that begins with it and a "/"; "" for any.

    Returns:
        One sentence for each of the first layers; () for none.
    """
    own = [finding for finding in find_oddities(graph) if finding.code == OWN_CODE]
    return tuple(_sentence(one) for one in own if not site or f"{site}/".startswith(f"{one.site}/"))[:NAMED]


def _sentence(finding: Finding) -> str:
    return f"{finding.site}: {finding.words.removesuffix('.')} [{finding.code}]."
