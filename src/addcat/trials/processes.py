"""Processes of this machine that run trials; they outlive a comparison, so that frameworks load once.

They are started by joblib's own means (loky), which needs no guard in the user's script, and spoken to by a pipe each:
joblib's queues, and its `Parallel` that looks for results every 10 ms, cost more than a short trial should. A process
that dies takes one trial down; what waited in line behind it goes to another, and the trial itself is run once more
with nothing beside it, since only what dies alone is to blame.
"""

import atexit
import contextlib
import os
import pickle
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from addcat.frameworks import load
from addcat.trials.execute import Unit, share_threads
from addcat.trials.serve import REST, Call, serve
from addcat.trials.trial import Trial, failed

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",
)
"""What numerical libraries read when they load; NPROC is XLA's."""

BRIEF = 0.1
"""Seconds below which trials wait in line for a process, so that it does not idle between two of them. A longer one is
drawn only when a process is free: another process might be free sooner, or another machine that shares the store."""
LINE = 0.05
"""Seconds of work that wait in line for each process, one trial at least."""
MOST = 8
"""Trials that wait in line at most."""


@dataclass(slots=True, eq=False)
class Process:
    """A process, and what it was asked for.

    Attributes:
        handle: To end it.
        pipe: To speak with it.
        share: How many processes share the cores, as its libraries were told when they loaded.
        gpu: The GPU that it sees alone, as CUDA_VISIBLE_DEVICES names it; "" where it sees what this process does.
        task: What it runs, as it was sent last.
        line: Units that it has and has not answered; it runs the first.
    """

    handle: Any
    pipe: Connection
    share: int
    gpu: str = ""
    task: bytes = b""
    line: deque[Unit] = field(default_factory=deque[Unit])

    def give(self, task: bytes, unit: Unit) -> None:
        """Put a unit in its line; the task goes with it where that is another one."""
        self.line.append(unit)
        with contextlib.suppress(OSError):  # it is gone, as its pipe will say
            self.pipe.send_bytes(pickle.dumps((b"" if task == self.task else task, unit)))
        self.task = task

    def rest(self) -> None:
        """Let it wait for the next comparison, as long as it likes."""
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(REST)
        _idle.append(self)

    def end(self) -> None:
        """End it, whatever it is doing, and all that it has started."""
        _all.discard(self)
        self.pipe.close()
        load("joblib.externals.loky.backend.utils", extra="workers").kill_process_tree(self.handle)


_all: set[Process] = set()
_idle: list[Process] = []


def _started(count: int, gpu: str = "") -> Process:
    """A new process, held to its share of the cores and to its GPU: libraries read both when they load."""
    context = load("joblib.externals.loky.backend.context", extra="workers").get_context("loky")
    mine, its = context.Pipe()
    held = dict.fromkeys(THREADS, str(share_threads(count)))
    held |= {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}
    handle = context.Process(target=serve, args=(its,), env=held, daemon=False)  # it may start processes itself
    handle.start()
    its.close()
    process = Process(handle, mine, count, gpu)
    _all.add(process)
    return process


def _hired(count: int, gpu: str = "") -> Process:
    """One that idles, shares the cores among so many and sees this GPU, or a new one."""
    for process in [one for one in _idle if one.share == count and one.gpu == gpu]:
        with contextlib.suppress(ValueError):  # another thread has just taken it
            _idle.remove(process)
            if process.handle.is_alive():
                return process
            process.end()
    return _started(count, gpu)


def _forget() -> None:
    """In a fork: they are another process's, and their pipes must not be kept open here."""
    _all.clear()
    _idle.clear()


def _leave() -> None:
    """Before this process ends: those that idle end by themselves when their pipe closes."""
    for process in list(_all):
        if process.line:
            process.end()
        process.pipe.close()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def on_processes(units: Iterator[Unit], task: Call, count: int, gpus: Sequence[str] = ()) -> Generator[Trial]:
    """Run units in processes of this machine.

    Args:
        units: Drawn one by one, as late as can be.
        task: Runs one; it can be pickled.
        count: How many at a time.
        gpus: One for each at the least, or none, where each sees what this process does.

    Yields:
        Every trial, as it ends.
    """
    crew = Crew(units, pickle.dumps(task), count, gpus)
    try:
        yield from crew.trials()
    finally:
        crew.dismiss()


class Crew:
    """The processes of one comparison.

    Args:
        units: Drawn one by one, as late as can be.
        task: What runs one, as bytes.
        count: How many at a time.
        gpus: See `on_processes`.
    """

    def __init__(self, units: Iterator[Unit], task: bytes, count: int, gpus: Sequence[str] = ()) -> None:
        self._units, self._task, self._count, self._gpus = units, task, count, gpus
        self._crew: list[Process] = []
        self._again: deque[Unit] = deque()  # waited behind one that died
        self._suspects: deque[Unit] = deque()  # ran when their process died
        self._room = 1  # for each process, until it is known how long a trial takes

    def trials(self) -> Generator[Trial]:
        """Every trial, as it ends."""
        while True:
            self._fill()
            busy = {process.pipe: process for process in self._crew if process.line}
            if busy:
                ready = [busy[cast("Connection", pipe)] for pipe in wait(list(busy))]
                found = [trial for process in ready for trial in self._heard(process)]
                if found:
                    self._room = 1 + in_line(max(trial.seconds for trial in found))
                if self._room > 1:
                    self._fill()  # before anybody looks at what was found
                yield from found
            elif self._suspects:
                yield from self._alone(self._suspects.popleft())
            else:
                return

    def dismiss(self) -> None:
        """Let them idle; those that still run something are ended."""
        for process in self._crew:
            if process.line:
                process.end()
            elif sum((one.share, one.gpu == "") == (self._count, process.gpu == "") for one in _idle) < self._count:
                process.rest()
            else:
                _all.discard(process)
                process.pipe.close()  # it ends by itself
        self._crew.clear()

    def _fill(self) -> None:
        """Give units to those with the shortest lines; to nobody while something is to be run alone."""
        while not self._suspects:
            shortest = min((len(process.line) for process in self._crew), default=1)
            more = len(self._crew) < self._count and shortest
            if shortest >= self._room and not more:
                return
            unit = self._again.popleft() if self._again else next(self._units, None)
            if unit is None:
                return
            if more:
                self._crew.append(_hired(self._count, self._free_gpu()))
            min(self._crew, key=lambda process: len(process.line)).give(self._task, unit)

    def _free_gpu(self) -> str:
        """A GPU that no process of the crew sees."""
        taken = {process.gpu for process in self._crew}
        return next((gpu for gpu in self._gpus if gpu not in taken), "")

    def _heard(self, process: Process) -> list[Trial]:
        """The trials of a unit that has ended; none where the process is gone instead."""
        try:
            answer = process.pipe.recv_bytes()
        except (EOFError, OSError):
            self._suspects.append(process.line.popleft())
            self._again.extendleft(reversed(process.line))
            self._drop(process)
            return []
        process.line.popleft()
        return _read(process, answer)

    def _drop(self, process: Process) -> None:
        self._crew.remove(process)
        process.end()

    def _alone(self, unit: Unit) -> list[Trial]:
        """Run a unit with nothing beside it, after a process died while it ran."""
        process = _started(self._count, self._free_gpu())
        self._crew.append(process)
        process.give(self._task, unit)
        try:
            answer = process.pipe.recv_bytes()
        except (EOFError, OSError):
            self._drop(process)
            return [failed(key, "failed", f"the worker process died: {_end_of(process.handle)}") for key in unit]
        process.line.clear()
        return _read(process, answer)


def in_line(seconds: float) -> int:
    """How many trials of so many seconds wait in line for a process.

    Examples:
        >>> in_line(0.5), in_line(0.02), in_line(0.0)
        (0, 2, 8)
    """
    return 0 if seconds >= BRIEF else max(1, int(LINE / max(seconds, LINE / MOST)))


def _read(process: Process, answer: bytes) -> list[Trial]:
    """What a process has answered.

    Raises:
        Exception: what the task raised there.
    """
    trials, error = pickle.loads(answer)  # noqa: S301  (what `serve` has written)
    if error is not None:
        process.task = b""  # perhaps it could not even be opened
        raise error
    return cast("list[Trial]", trials)


def _end_of(handle: Any) -> str:
    handle.join()
    return f"exit code {handle.exitcode}"
