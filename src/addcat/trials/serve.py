"""What a process does that trials are sent to: it answers one after the other, until nobody asks any more."""

import contextlib
import faulthandler
import gc
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import cast

from addcat.trials.execute import Unit
from addcat.trials.trial import Trial

Call = Callable[[Unit], tuple[Unit, list[Trial]]]
IDLE = 300.0
"""Seconds after which a process that rests ends."""
REST = b""
"""Sent when there is nothing more to run for now."""
LONG = 1.0
"""Seconds of a unit after which there is time to free what waits for it: networks hold themselves in circles."""


def serve(pipe: Connection) -> None:
    """Run what is sent until the other end closes, or sends nothing for long after it said to rest.

    Args:
        pipe: Gives a task, or nothing for the one before, and a unit; takes trials, or an error, as bytes.
    """
    signal.signal(signal.SIGINT, _passed_by)
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]  (a windowed Python has none)
        faulthandler.enable()
    task: Call | None = None
    with pipe, contextlib.suppress(EOFError, OSError):  # nobody is there any more
        while pipe.poll(IDLE):
            for asked in iter(pipe.recv_bytes, REST):
                start = time.monotonic()
                try:
                    written, unit = pickle.loads(asked)  # noqa: S301  (what `Process.give` has written)
                    task = cast("Call", pickle.loads(written)) if written else task  # noqa: S301
                    assert task is not None  # noqa: S101  (the first unit brings it)
                    answer = pickle.dumps((task(unit)[1], None))
                except BaseException as error:
                    answer = _of_error(error)
                pipe.send_bytes(answer)
                if time.monotonic() - start > LONG:
                    gc.collect()


def _passed_by(number: int, frame: object) -> None:
    """Whoever sends the trials hears Ctrl-C too, and ends this process."""


def _of_error(error: BaseException) -> bytes:
    """An error that is raised where the unit was sent, with where it came from."""
    error.add_note(f"In the process that ran the trial:\n{traceback.format_exc()}")
    try:
        pickle.loads(written := pickle.dumps(([], error)))  # noqa: S301
    except Exception:
        return pickle.dumps(([], RuntimeError(traceback.format_exc())))
    return written
