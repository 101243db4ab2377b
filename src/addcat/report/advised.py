"""What a report of verdicts reads: the shape of an advice, so that reports need not import the verb that makes one."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from addcat.findings import Finding
from addcat.merges import Merge
from addcat.price import Price
from addcat.report.page import Page


class Evidence(Protocol):
    """What one method found; see `addcat.evidence.nouns.Evidence` for what each attribute means."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def estimate(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102
    @property
    def level(self) -> float: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def words(self) -> str: ...  # noqa: D102
    @property
    def facts(self) -> Mapping[str, Any]: ...  # noqa: D102


class Gain(Protocol):
    """Held-out loss of Add minus that of Concatenate, with its interval."""

    @property
    def estimate(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


class Verdict(Protocol):
    """Add or Concatenate at one merge; see `addcat.advice.nouns.Verdict` for what each attribute means."""

    @property
    def site(self) -> str: ...  # noqa: D102
    @property
    def now(self) -> str: ...  # noqa: D102
    @property
    def choice(self) -> str: ...  # noqa: D102
    @property
    def gain(self) -> Gain | None: ...  # noqa: D102
    @property
    def margin(self) -> float: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102
    @property
    def price(self) -> Price: ...  # noqa: D102
    @property
    def evidence(self) -> Sequence[Evidence]: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def command(self) -> str: ...  # noqa: D102


class Inspected(Protocol):
    """One merge that an inspection found."""

    @property
    def merge(self) -> Merge: ...  # noqa: D102


class Inspection(Protocol):
    """Every merge of the model."""

    @property
    def merges(self) -> Sequence[Inspected]: ...  # noqa: D102
    @property
    def findings(self) -> Sequence[Finding]: ...  # noqa: D102

    def page(self) -> Page:
        """The inspection for people."""
        ...


class Advice(Protocol):
    """Verdicts for the merges of one model; see `addcat.advice.nouns.Advice` for what each attribute means."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def verdicts(self) -> Sequence[Verdict]: ...  # noqa: D102
    @property
    def together(self) -> Evidence | None: ...  # noqa: D102
    @property
    def inspection(self) -> Inspection: ...  # noqa: D102
    @property
    def notes(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def loss(self) -> str: ...  # noqa: D102
    @property
    def examples(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102

    def page(self) -> Page:
        """The advice for people: its first table has one row for each verdict."""
        ...
