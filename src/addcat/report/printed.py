"""What `print(result)` and a notebook show: the page that the command line prints."""

from addcat.report.page import Page
from addcat.report.text import render


class Printed:
    """A result that reads as its page wherever it is shown; `repr` is for programmers."""

    __slots__ = ()

    def page(self) -> Page:
        """The result for people."""
        raise NotImplementedError

    def __str__(self) -> str:
        return render(self.page()).rstrip("\n")

    def _repr_html_(self) -> str:
        from addcat.report.html import fragment  # noqa: PLC0415  (only wanted in a notebook)

        return fragment(self.page())
