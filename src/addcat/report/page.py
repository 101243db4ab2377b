"""What a page is made of: headings, sentences, lists and tables, all of them text already.

A verb turns its result into a `Page` once; `report.text` prints it, and HTML can read the same.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Tone = Literal["plain", "good", "bad", "warn", "muted", "strong"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A word in a table that is to stand out.

    Attributes:
        text: What it says.
        tone: What it means; a renderer chooses the colour. No meaning is carried by the tone alone.
    """

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        number: Whether it holds numbers, which stand at the right.
        at_least: Left out on pages of fewer characters than this.
        whole: Whether its words are never broken over lines.
    """

    title: str
    number: bool = False
    at_least: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above what follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns.

    Attributes:
        columns: What each cell of a row is.
        rows: The cells; a plain string where nothing has to stand out.
        totals: How many rows at the end are sums of, or ratios between, those above: a rule parts them.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    totals: int = 0


Block = Heading | Paragraph | Bullets | Table


@dataclass(frozen=True, slots=True)
class Page:
    """Blocks from top to bottom."""

    blocks: tuple[Block, ...]

    @staticmethod
    def of(*blocks: Block | None) -> "Page":
        """A page of the blocks that are there."""
        return Page(tuple(block for block in blocks if block is not None))


class Result(Protocol):
    """What a verb returns: it can be printed, and it can be read by a program."""

    def page(self) -> Page:
        """The result for people."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON has it."""
        ...


def visible(table: Table, width: int) -> tuple[list[Column], list[list[Cell]]]:
    """The columns and rows that fit a page of `width` characters.

    Examples:
        >>> table = Table((Column("site"), Column("memory", at_least=100)), (("merge", "1.5 MiB"),))
        >>> [column.title for column in visible(table, 80)[0]], [column.title for column in visible(table, 120)[0]]
        (['site'], ['site', 'memory'])
    """
    kept = [position for position, column in enumerate(table.columns) if width >= column.at_least]
    return [table.columns[n] for n in kept], [[_cell(row[n]) for n in kept] for row in table.rows]


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)
