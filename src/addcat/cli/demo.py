"""`addcat demo`: the main job on data that ships with a dependency."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from addcat.cli.common import Json
from addcat.report import rows


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the HTML report goes.")] = Path(
        "addcat-demo.html"
    ),
    as_json: Json = False,
) -> None:
    """Train three small networks on handwritten digits, advise on their merges, switch one, and write a report.

    Example: addcat demo --output addcat-demo.html
    """
    from addcat.cli.demonstration import demonstrate  # noqa: PLC0415  (loads scipy, which --help does not need)

    start = time.monotonic()
    found = demonstrate(output, (lambda _: None) if as_json else typer.echo)
    if as_json:
        sys.stdout.write(json.dumps([advice.to_dict() for advice in found], indent=2) + "\n")
    else:
        typer.echo(f"Done in {rows.seconds_text(time.monotonic() - start)}.")
