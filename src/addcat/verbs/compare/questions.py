"""Sites and families become questions: merges that switch together."""

from collections.abc import Sequence
from dataclasses import dataclass

from addcat.errors import ModelError, SiteError, nearest
from addcat.graph import Graph
from addcat.merges import find_merges, fixed_beside
from addcat.merges.families import families
from addcat.merges.left_out import left_out, within_layers
from addcat.merges.oddities import find_oddities
from addcat.merges.switchability import unswitchable

FAMILIES = "families"


@dataclass(frozen=True, slots=True)
class Question:
    """Merges that are decided as one.

    Attributes:
        name: Of the site or of the family.
        sites: Its members.
        now: "add" or "concat": what they are in the model.
        words: As a person names them.
    """

    name: str
    sites: tuple[str, ...]
    now: str
    words: str


def questions_of(graph: Graph, wanted: Sequence[str] | str | None) -> tuple[Question, ...]:
    """What is asked of a model.

    Args:
        graph: The outermost graph.
        wanted: Names of sites or families, one question each; "families", or nothing, for every family.

    Returns:
        One question or more.

    Raises:
        SiteError: if a name is neither a site nor a family, or such a merge has no other.
        ModelError: if the model has no merge that could be another.
    """
    known = {
        family.name: Question(family.name, family.sites, "add" if family.merges[0].adds else "concat", family.words)
        for family in families(graph)
    }
    if wanted is None or wanted == FAMILIES:
        if not known:
            why = " ".join(["", *left_out(find_merges(graph), find_oddities(graph))])
            raise ModelError(
                f"The model has no Add or Concatenate that could be the other one: nothing to compare.{why}"
            )
        return tuple(known.values())
    names = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
    if not names:
        raise SiteError(f"No site was named. Leave sites out to compare by family: {', '.join(known) or 'none'}.")
    return tuple(_question(graph, name, known) for name in names)


def _question(graph: Graph, name: str, known: dict[str, Question]) -> Question:
    merges = {merge.site: merge for merge in find_merges(graph)}
    if name not in merges:
        if name in known:
            return known[name]
        if why := fixed_beside(graph, name):
            raise SiteError(why)
        if within := within_layers(graph, name):
            raise SiteError(f"{name!r} is no merge of this model. {within[0]}")
        near = nearest(name, [*known, *merges])
        has = f"Nearest: {near}." if near else "It has none."
        raise SiteError(f"{name!r} is neither a merge nor a family of this model. {has} `inspect` lists every merge.")
    merge = merges[name]
    refusal = unswitchable(merge)
    if refusal is not None:
        raise SiteError(f"{name!r} cannot be compared: {refusal.reason} [{refusal.code}].")
    return Question(name, (name,), "add" if merge.adds else "concat", f"the merge {name}")
