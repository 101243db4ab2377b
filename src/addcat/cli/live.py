"""The live table of `addcat compare`: every arm, the last trials, the sequence closing; gone when the work is done."""

import math
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from addcat.report import rows

if TYPE_CHECKING:
    from addcat.trials.trial import Trial
    from addcat.verbs.compare.result import Comparison, Finding

LAST = 6
"""Trials that are listed."""


@contextmanager
def live() -> Generator["Callable[[Comparison, Trial], None] | None"]:
    """A table that follows a comparison, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    start, ended = time.monotonic(), list["Trial"]()
    with Live(Text("preparing the arms"), console=console, transient=True, refresh_per_second=4) as shown:

        def show(found: "Comparison", trial: "Trial") -> None:
            ended.append(trial)
            shown.update(table(found, ended, time.monotonic() - start))

        yield show


def table(found: "Comparison", ended: "list[Trial]", seconds: float) -> Group:
    """What is shown after a trial.

    Args:
        found: The comparison so far.
        ended: The trials of this run, as they ended.
        seconds: Since it began.

    Returns:
        Something that rich prints.
    """
    total = len(found.settings.keys())
    left = rows.seconds_text(seconds / len(ended) * max(0, total - len(ended)))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title, right in (("pair", True), ("arm", False), ("loss", True), ("evaluations", True), ("time", True)):
        grid.add_column(title, justify="right" if right else "left")
    places = {seed: place for place, seed in enumerate(found.settings.seeds, 1)}
    for trial in ended[-LAST:]:
        loss = trial.status if trial.status != "done" else rows.decimal(trial.loss)
        grid.add_row(
            rows.integer(places[trial.seed]),
            trial.arm,
            loss,
            rows.integer(len(trial.curve)) if len(trial.curve) else rows.NONE,
            rows.seconds_text(trial.seconds),
        )
    lines = [_line(finding) for finding in found.findings[:LAST]]
    head = Text(f"{found.settings.question}  {rows.integer(len(ended))} of {rows.counted(total, 'trial')}, {left} left")
    bar = Table.grid()  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=total, completed=len(ended), width=40))
    return Group(head, bar, grid, *lines)


def _line(finding: "Finding") -> Text:
    """A question so far: its sequence, or its interval."""
    gain = finding.sequence or finding.gain
    if gain is None or not math.isfinite(gain.high):
        return Text(f"{finding.name}: no interval yet")
    interval = rows.interval_text(gain.low, gain.high)
    return Text(f"{finding.name}: {rows.signed(gain.estimate)} {interval} after {rows.counted(gain.n, 'pair')}")
