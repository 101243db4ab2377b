"""What each code says that addcat prints, such as AC104: one table, from which `explain` and the documentation read.

The table is data, in three files of `tables/`: AC1xx keep a merge from being switched, AC2xx are findings of `inspect`,
AC3xx keep a rewrite of `optimize` from a place. Every entry has the same five sentences, and its example is a reason as
the tool prints it.
"""

import difflib
import re
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from addcat.errors import OptionError
from addcat.report.page import Bullets, Heading, Page, Paragraph
from addcat.report.printed import Printed

FAMILIES = {
    "switching": "AC1xx: a merge cannot be switched",
    "findings": "AC2xx: what inspect found",
    "rewrites": "AC3xx: a rewrite does not apply",
}
"""The tables, and what is in each."""


@dataclass(frozen=True, slots=True)
class Code(Printed):
    """One code, explained. Print it to read it.

    Attributes:
        code: Such as "AC104"; stable.
        family: The table that it is in: "switching", "findings" or "rewrites".
        title: What it says, in one line.
        meaning: What is there where it is printed.
        why: Why that matters, or stands in the way.
        remedy: What to do.
        example: A reason or finding as addcat prints it under this code.
    """

    code: str
    family: str
    title: str
    meaning: str
    why: str
    remedy: str
    example: str

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return asdict(self)

    def page(self) -> Page:
        """The entry for people."""
        return Page.of(
            Heading(f"{self.code}: {self.title}"),
            Paragraph(self.meaning),
            Heading("Why"),
            Paragraph(self.why),
            Heading("What to do"),
            Paragraph(self.remedy),
            Heading("As it is printed"),
            Bullets((self.example,)),
        )


@cache
def codes() -> dict[str, Code]:
    """Every code of the table, in order.

    Examples:
        >>> codes()["AC206"].title
        'a Concatenate joins the batch'
    """
    tables = files("addcat.verbs.explain") / "tables"
    found: dict[str, Code] = {}
    for family in FAMILIES:
        entries = tomllib.loads((tables / f"{family}.toml").read_text(encoding="utf-8"))
        found.update({code: Code(code, family, **entry) for code, entry in entries.items()})
    return found


def looks_like_code(text: str) -> bool:
    """Whether somebody who wrote this meant a code and not a shape.

    Examples:
        >>> looks_like_code("AC104"), looks_like_code("ac-104"), looks_like_code("64x128")
        (True, True, False)
    """
    return re.match(r"ac(?![a-z])", text.strip(), flags=re.IGNORECASE) is not None


def find_code(text: str) -> Code:
    """Look up one code.

    Args:
        text: The code; case, spaces and a dash do not matter.

    Returns:
        Its entry.

    Raises:
        OptionError: if there is no such code; names those that look like it.
    """
    wanted = re.sub(r"[\s\-\[\].:]", "", text).upper()
    known = codes()
    if wanted not in known:
        alike = [code for code in known if code[:3] == wanted[:3]] or list(known)
        close = difflib.get_close_matches(wanted, alike, n=3, cutoff=0.5) if re.search(r"\d", wanted) else []
        near = "; ".join(f"{code} ({known[code].title})" for code in close)
        expected = f"Nearest: {near}." if near else "Expected one as it is printed, such as AC104."
        raise OptionError(f"{text!r} is not a code of addcat. {expected}")
    return known[wanted]
