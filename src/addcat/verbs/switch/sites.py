"""Names of merges, as a user gives them."""

from collections.abc import Sequence

from addcat.errors import SiteError, nearest
from addcat.graph import Graph
from addcat.merges import find_merges, fixed_beside
from addcat.merges.left_out import within_layers


def require_sites(graph: Graph, wanted: Sequence[str]) -> None:
    """Every site that is asked for must exist.

    Raises:
        SiteError: if one does not; names the nearest, or says why it is none.
    """
    known = [merge.site for merge in find_merges(graph)]
    missing = [site for site in wanted if site not in known]
    if not missing:
        return
    if why := fixed_beside(graph, missing[0]):
        raise SiteError(why)
    if within := within_layers(graph, missing[0]):
        raise SiteError(f"{missing[0]!r} is no merge of this model. {within[0]}")
    if not known:
        words = [f"The model has no merge, so {missing[0]!r} cannot be switched.", *within_layers(graph)]
        raise SiteError(" ".join(words))
    lines = [f"{site!r} is not a merge of this model. Nearest: {nearest(site, known)}." for site in missing]
    raise SiteError("\n".join([*lines, "`inspect` lists every merge."]))
