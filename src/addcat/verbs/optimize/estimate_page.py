"""An estimate as a page: how much, how sure, and what it would come from."""

from addcat.report.page import Bullets, Column, Heading, Page, Paragraph, Table
from addcat.report.rows import counted, percent, seconds_text
from addcat.verbs.optimize.estimating import Estimate, Source
from addcat.verbs.optimize.foresight import LEVEL, MEASURABLE

MOST = 12
"""Places that are listed."""


def page_of(found: Estimate) -> Page:
    """The page of an estimate."""
    return Page.of(
        Heading("What to expect of optimize"),
        Paragraph(_summary(found)),
        Paragraph(_certainty(found)),
        Heading("What it would come from") if found.sources else None,
        _table(found.sources) if found.sources else None,
        Bullets(found.notes) if found.notes else None,
    )


def _summary(found: Estimate) -> str:
    where = f"in {found.runtime} on {counted(found.threads, 'thread')}"
    if not found.foretold.high:
        return "Nothing to gain here: no rewrite applies. optimize would stop at once."
    low, high = percent(found.foretold.low), percent(found.foretold.high)
    if not found.worthwhile:
        return (
            f"Nothing to gain here: {where} at most {high} of the time is expected to be saved, less than the "
            f"{percent(MEASURABLE)} that can be measured. optimize would stop at once."
        )
    return f"About {percent(found.foretold.gain)} of the time saved {where}, in four networks of five {low} to {high}."


def _certainty(found: Estimate) -> str:
    return (
        f"Nothing was measured; the estimate took {seconds_text(found.seconds)}. It was learnt from "
        f"{counted(found.networks, 'network')} of {counted(found.families, 'family').replace('familys', 'families')}: "
        f"for a family left out it was off by {percent(found.error)} of the time in the median, and the interval for "
        f"{percent(LEVEL)} held {percent(found.covered)}."
    )


def _table(sources: tuple[Source, ...]) -> Table:
    columns = (
        Column("site", whole=False),
        Column("rules", whole=False),
        Column("expected gain", number=True),
        Column("of the time", number=True, at_least=100),
    )
    rows = tuple(
        (source.site or "several places", " + ".join(source.rules), percent(source.gain), percent(source.touches))
        for source in sources[:MOST]
    )
    more = len(sources) - len(rows)
    rest = sum(source.gain for source in sources[MOST:])
    last = ((f"and {more} more, in the JSON", "", percent(rest), ""),) if more else ()
    return Table(columns, rows + last)
