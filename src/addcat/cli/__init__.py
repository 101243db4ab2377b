"""The command line: each verb of the library, with the same words, fields and errors.

Exit codes: 0 done; 1 refused, or something was found; 2 bad input; 130 stopped by Ctrl-C. A user's mistake is one
message on the error stream and never a traceback.
"""

import signal
import sys
from _thread import interrupt_main
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Timer, main_thread
from typing import Annotated

import typer

from addcat import __version__
from addcat.cli.advise import advise as advise_verb
from addcat.cli.common import BAD_INPUT, REFUSED, STOPPED, WORDS, say_error
from addcat.cli.compare import compare as compare_verb
from addcat.cli.demo import demo as demo_verb
from addcat.cli.explain import explain as explain_verb
from addcat.cli.inspect import inspect as inspect_verb
from addcat.cli.optimize import optimize as optimize_verb
from addcat.cli.switch import switch as switch_verb
from addcat.errors import AddcatError, RefusedError
from addcat.frameworks import prefer_jax

app = typer.Typer(
    name="addcat",
    help="Add or concatenate? Evidence for the merges of a neural network, and the tools to change them.",
    epilog="Every verb has --help with an example, and --json.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"addcat {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Add or concatenate? Evidence for the merges of a neural network, and the tools to change them."""


app.command("explain", short_help="What each merge makes of two shapes, or what a code means.")(explain_verb)
app.command("inspect", short_help="Every merge of a model, hidden ones too, with its price.")(inspect_verb)
app.command("switch", short_help="Change a merge and keep the function.")(switch_verb)
app.command("advise", short_help="Recommend a merge, with odds, regret, price and reason.")(advise_verb)
app.command("compare", short_help="Train both merges in pairs, and say which is better.")(compare_verb)
app.command("optimize", short_help="The same outputs in less time or memory.")(optimize_verb)
app.command("demo", short_help="All of it on handwritten digits, in a minute or two.")(demo_verb)


def _interrupt() -> None:
    """What Ctrl-C does, from another thread."""
    number = main_thread().ident
    if hasattr(signal, "pthread_kill") and number is not None:
        signal.pthread_kill(number, signal.SIGINT)  # ends a wait as well
    else:
        interrupt_main()


@contextmanager
def _heard() -> Generator[None]:
    """Within, Ctrl-C ends the work even where it arrives in a callback whose errors Python drops.

    JAX has one in the garbage collector, which runs all the time: without this the work went on.
    """
    before = sys.unraisablehook

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            later = Timer(0.01, _interrupt)  # here it would be dropped as well
            later.daemon = True
            later.start()
        else:
            before(dropped)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The words after `addcat`; those of the process where left out.

    Returns:
        The exit code.
    """
    prefer_jax()  # before a model's own module imports Keras
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    try:
        WORDS.set(tuple(sys.argv[1:] if arguments is None else arguments))
        with _heard():
            app(args=arguments, prog_name="addcat")
    except KeyboardInterrupt:
        return _stopped()
    except SystemExit as stop:
        if stop.code == STOPPED:
            return _stopped()  # Typer's way to say that it was Ctrl-C
        return stop.code if isinstance(stop.code, int) else 0
    except RefusedError as refused:
        more = f" `addcat explain {refused.refusals[0].code}` says more." if refused.refusals else ""
        say_error(f"{refused}{more}")
        return REFUSED
    except AddcatError as error:
        say_error(str(error))
        return BAD_INPUT
    except OSError as error:
        named = f": {error.filename!r}" if error.filename else ""
        say_error(f"{error.strerror or error}{named}.")
        return BAD_INPUT
    return 0


def _stopped() -> int:
    sys.stderr.write("Stopped.\n")
    return STOPPED
