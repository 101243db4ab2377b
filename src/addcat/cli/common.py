"""What every verb shares: its options, how it prints, how an error is said.

A verb is one function that parses, calls the library and hands the result to `give`.
"""

import json
import shlex
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from addcat.report.page import Result
from addcat.report.text import render, show

REFUSED = 1
BAD_INPUT = 2
STOPPED = 130
"""By Ctrl-C, as a shell says it."""

_CODE = "package.module:function, or package.module:Class(arg=literal)."
WORDS: ContextVar[tuple[str, ...]] = ContextVar("the words after `addcat` of the command line that runs", default=())


def command_line() -> str:
    """The command line that runs, as it could be typed again."""
    return shlex.join(["addcat", *WORDS.get()])


Model = Annotated[str, typer.Argument(metavar="MODEL", help=f"A .keras file, or {_CODE}")]
AnyModel = Annotated[str, typer.Argument(metavar="MODEL", help=f"A .onnx or .keras file, or {_CODE}")]
Weights = Annotated[
    Path | None,
    typer.Option(help="Weights of a PyTorch module: a .pt or .pth file with its state dict.", show_default=False),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="SHAPE", help="Shape of an input, batch first: 1x3x224x224. One per input."),
]
Unsafe = Annotated[
    bool,
    typer.Option("--unsafe", help="Load a file with Lambda layers: runs whatever code its author put there."),
]
Custom = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE", help="A module that defines classes and functions of a .keras file. May be repeated."
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Of MODEL's training; else as MODEL was trained.", show_default=False)]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Of MODEL's training, which a saved model does not keep; else 128.", show_default=False),
]
LearningRate = Annotated[
    float | None,
    typer.Option(help="Of a Keras MODEL's training; else what its optimizer carries.", show_default=False),
]
Unpack = Annotated[
    str | None,
    typer.Option(help="module:function of a PyTorch loader's batch; gives (inputs, target).", show_default=False),
]
Html = Annotated[Path | None, typer.Option(help="Write the report to this .html file as well.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def training_options(**given: Any) -> dict[str, Any]:
    """The options of a training that were given."""
    return {name: value for name, value in given.items() if value is not None}


def give(result: Result, *, as_json: bool) -> None:
    """Print a result: as JSON, as a page with colours on a terminal, or as plain text in a pipe.

    Args:
        result: What the verb returned.
        as_json: Whether JSON was asked for.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if as_json:
        sys.stdout.write(json.dumps(result.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    elif console.is_terminal:
        show(result.page(), console)
    else:
        sys.stdout.write(render(result.page(), width=console.width))


def say_error(message: str) -> None:
    """Say one thing on the error stream, whole lines, red where there are colours."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    console.print(Text.assemble(("Error:", "bold red"), " ", message), soft_wrap=True)


def say_note(message: str) -> None:
    """Say on the error stream what does not stop the work and should be known."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    console.print(Text.assemble(("Note:", "bold yellow"), " ", message), soft_wrap=True)
