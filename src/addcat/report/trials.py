"""Trials as a table of comma-separated values, a line each."""

import csv
import io
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from addcat.errors import OptionError

COLUMNS = ("arm", "seed", "status", "loss", "seconds", "host")


def check_csv(path: Path) -> None:
    """Refuse a place before the work begins.

    Raises:
        OptionError: if it is a folder, or its folder is missing.
    """
    if path.is_dir():
        raise OptionError(f"The trials cannot be written to {str(path)!r}: that is a folder. Give the name of a file.")
    if not path.parent.is_dir():
        raise OptionError(
            f"The trials cannot be written to {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first."
        )


def write_csv(trials: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write trials; the file appears only once it is complete.

    Args:
        trials: As JSON has them.
        path: Where to; an existing file is replaced.
    """
    metrics = list(dict.fromkeys(name for trial in trials for name in trial["metrics"]))
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*COLUMNS, *metrics])
    for trial in trials:
        figures = [trial["metrics"].get(name) for name in metrics]
        table.writerow(["" if value is None else value for value in (*(trial[name] for name in COLUMNS), *figures)])
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(written.getvalue())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
