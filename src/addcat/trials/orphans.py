"""Commands do not outlive the process that runs them, not even where that is killed and can do nothing more.

A small process waits beside this one, in a session of its own. It is told of every command that begins and ends by a
pipe that the system closes when this process is gone, however it went; then it ends what is still running.
"""

import atexit
import contextlib
import subprocess
import sys
import threading

WATCH = """
import os, signal, sys, time
running = set()
for line in sys.stdin:
    (running.add if line[0] == "+" else running.discard)(int(line[1:]))
def send(number):
    for group in running:
        try:
            os.killpg(group, number)
        except OSError:
            pass
send(signal.SIGTERM)
if running:
    time.sleep(float(sys.argv[1]))
send(signal.SIGKILL)
"""
GRACE = 5.0
"""Seconds between asking a command to end and ending it."""

_lock = threading.Lock()
_watcher: "subprocess.Popen[str] | None" = None


def begun(group: int) -> None:
    """Say that a process group is running.

    Args:
        group: Its number.
    """
    _tell(f"+{group}\n")


def ended(group: int) -> None:
    """Say that it has ended, so that its number may go to another."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    global _watcher  # noqa: PLW0603  (one for the whole process)
    with _lock, contextlib.suppress(OSError):  # without a watcher commands run as well
        if _watcher is None:
            _watcher = subprocess.Popen(  # noqa: S603  (our own words)
                [sys.executable, "-I", "-S", "-c", WATCH, str(GRACE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
            atexit.register(_dismiss, _watcher)
        assert _watcher.stdin is not None  # noqa: S101  (a pipe was asked for)
        _watcher.stdin.write(line)
        _watcher.stdin.flush()


def _dismiss(watcher: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(OSError):
        watcher.communicate()
