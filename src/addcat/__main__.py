"""`addcat` and `python -m addcat`; Ctrl-C is one line from the first moment on."""

import os
import signal
import sys


def start() -> int:
    """Run the command line of this process.

    Returns:
        The exit code.
    """
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else somebody wants it ignored
    if heard:
        signal.signal(signal.SIGINT, _stop)
    from addcat.cli import main  # noqa: PLC0415  (takes a second, in which nothing can be lost)

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def _stop(number: int, frame: object) -> None:
    """End at once, in the words of `addcat.cli.main`: what is half loaded would turn an error into another."""
    os.write(2, b"Stopped.\n")
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(start())
