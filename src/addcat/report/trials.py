"""Trials as a table of comma-separated values, a line each."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("arm", "seed", "status", "loss", "seconds", "host")


def csv_text(trials: Sequence[Mapping[str, Any]]) -> str:
    """Trials as comma-separated values.

    Args:
        trials: As JSON has them.

    Returns:
        A line of titles and one for each trial; every metric has a column.
    """
    metrics = list(dict.fromkeys(name for trial in trials for name in trial["metrics"]))
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*COLUMNS, *metrics])
    for trial in trials:
        figures = [trial["metrics"].get(name) for name in metrics]
        table.writerow(["" if value is None else value for value in (*(trial[name] for name in COLUMNS), *figures)])
    return written.getvalue()
