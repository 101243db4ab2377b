"""A page on a terminal, in a pipe, or in a test.

Text in a pipe has no colour and no trailing space. A test gives the width and gets the same characters everywhere.
"""

import io
import re
import textwrap
from typing import TextIO

from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from addcat.report.page import Block, Bullets, Cell, Column, Heading, Page, Paragraph, Table, Tone, visible

STYLES: dict[Tone, str] = {
    "plain": "",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "muted": "dim",
    "strong": "bold",
}
READABLE = 100  # sentences longer than this tire the eye; tables may be wider
NO_BREAK = "\u00a0"
MEASURE = re.compile(r"(?<=\d) (?=(?:%|ms|s|min|h)(?!\w))")
"""Between a number and its unit."""
# a rule under the heading, and one above the totals; nothing else
RULED = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")


def plain_console(file: TextIO, *, width: int = 80) -> Console:
    """A console without colour, which prints the same on every machine.

    Args:
        file: Where it writes.
        width: Characters in a line.

    Examples:
        >>> text = io.StringIO()
        >>> plain_console(text, width=20).print("[x; y]")
        >>> text.getvalue().rstrip()
        '[x; y]'
    """
    return Console(
        file=file,
        width=width,
        height=1000,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )


def render(page: Page, *, width: int = 80) -> str:
    """A page as plain text.

    Args:
        page: What to write.
        width: Characters in a line.

    Returns:
        Lines without trailing space, each ended.

    Examples:
        >>> print(render(Page.of(Heading("Merges"), Paragraph("One Add."))), end="")
        Merges
        <BLANKLINE>
        One Add.
    """
    written = io.StringIO()
    show(page, plain_console(written, width=width))
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def show(page: Page, console: Console) -> None:
    """Print a page, a blank line between blocks.

    Args:
        page: What to print.
        console: Where to.
    """
    for position, block in enumerate(page.blocks):
        if position:
            console.print()
        console.print(_renderable(block, console.width), highlight=False)


def _renderable(block: Block, width: int) -> RenderableType:
    match block:
        case Heading(text):
            return Text(text, style="bold")
        case Paragraph(text, tone):
            return Text(wrap(text, width), style=STYLES[tone])
        case Bullets(items):
            return Text("\n".join(wrap(item, width, bullet="- ") for item in items))
        case Table():
            return _table(block, width)


def wrap(text: str, width: int, *, bullet: str = "") -> str:
    r"""Break sentences into lines, at most `READABLE` long, and keep what stands in backticks on one line.

    A number stays beside its unit. What is longer than a line is broken at its spaces, never inside a word; a command
    goes on behind a backslash, as the shell reads it.

    Args:
        text: Sentences; formulas and commands in backticks, which are not printed.
        width: Characters in a line.
        bullet: What the first line begins with; the others are indented as far.

    Examples:
        >>> print(wrap("Add is `W (x + y)`, tied.", 18, bullet="- "))
        - Add is
          W (x + y), tied.
        >>> print(wrap("`addcat switch MODEL --set merge=add`", 24, bullet="- "))
        - addcat switch MODEL \
            --set merge=add
    """
    command = re.fullmatch("`([^`]+)`", text)
    if command is not None and len(bullet) + len(command[1]) <= width:
        return bullet + command[1]
    if command is not None:
        return " \\\n".join(_lines(command[1], width - len(" \\"), bullet, further="  "))
    long = min(width, READABLE)
    most = long - len(bullet)
    whole = re.sub("`([^`]+)`", lambda found: _kept(found[1], most), text)
    whole = re.sub(MEASURE, NO_BREAK, whole)
    return "\n".join(_lines(whole, long, bullet)).replace(NO_BREAK, " ")


def _kept(code: str, most: int) -> str:
    """Code that is to stay on one line, where it fits one."""
    return code.replace(" ", NO_BREAK) if len(code) <= most else code


def _lines(text: str, width: int, bullet: str, *, further: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet) + further,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _table(table: Table, width: int) -> RichTable:
    columns, rows = visible(table, width)
    two, three = _gaps(columns, 2), _gaps(columns, 3)
    fits_in_two = width - three < _full_width(columns, rows) <= width - two  # and names are not broken
    padding = (0, 1, 0, 0) if fits_in_two or _least_width(columns, rows) > width - three else (0, 1)
    grid = RichTable(box=RULED, pad_edge=False, show_edge=False, header_style="bold", padding=padding)
    for column in columns:
        grid.add_column(
            column.title,
            justify="right" if column.number else "left",
            min_width=len(column.title),
            no_wrap=column.whole,
            overflow="ellipsis" if column.whole else "fold",
        )
    for position, row in enumerate(rows):
        last_before_totals = table.totals and position == len(rows) - table.totals - 1
        cells = [Text(cell.text, style=STYLES[cell.tone]) for cell in row]
        grid.add_row(*cells, end_section=bool(last_before_totals))
    return grid


def _gaps(columns: list[Column], spaces: int) -> int:
    return spaces * (len(columns) - 1)


def _least_width(columns: list[Column], rows: list[list[Cell]]) -> int:
    """Characters that the columns of a table take at least: those that may not be broken, and titles."""
    wide = [max((len(row[n].text) for row in rows), default=0) if c.whole else 0 for n, c in enumerate(columns)]
    return sum(max(len(column.title), cell) for column, cell in zip(columns, wide, strict=True))


def _full_width(columns: list[Column], rows: list[list[Cell]]) -> int:
    """Characters that they take where nothing is broken."""
    return sum(
        max(len(column.title), *(len(line) for row in rows for line in row[n].text.split("\n")), 0)
        for n, column in enumerate(columns)
    )
