"""Processes of this machine that run trials; they outlive a comparison, so that frameworks load once.

They are joblib's own (loky), asked directly: its `Parallel` looks for results every 10 ms and sets up a folder for
large arguments at each call, which short trials would notice. A process that dies breaks its pool, so that everything
in flight comes back as lost; what was lost is then run again, one at a time, and only what dies alone is to blame.
"""

import atexit
import contextlib
import os
import pickle
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, cast

from addcat.frameworks import load
from addcat.trials.execute import Unit, share_threads
from addcat.trials.trial import Trial, failed

IDLE = 300
"""Seconds after which an idle process ends."""
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

BRIEF = 1.0
"""Seconds below which trials wait in line for a process, so that it does not idle between two of them; a longer one is
drawn only when a process is free, since another machine that shares the store might take it sooner."""
LINE = 0.1
"""Seconds of work that wait in line for each process, one trial at least."""

Call = Callable[[Unit], tuple[Unit, list[Trial]]]
Answer = Future[bytes]
_pools: dict[tuple[int, int], Any] = {}  # by the process that asked, since a fork has none of them, and by count
atexit.register(_pools.clear)  # while what they end with is still loaded
_tasks: dict[bytes, Call] = {}


def _run(task: bytes, unit: Unit) -> bytes:
    """In a worker: run a unit. All is sent as bytes, since loky writes objects by a slower way."""
    if task not in _tasks:
        _tasks[task] = pickle.loads(task)  # noqa: S301  (what this module has written)
    return pickle.dumps(_tasks[task](unit)[1])


def _read(answer: Answer) -> list[Trial]:
    return cast("list[Trial]", pickle.loads(answer.result()))  # noqa: S301  (what `_run` has written)


def on_processes(units: Iterator[Unit], task: Call, count: int) -> Generator[Trial]:
    """Run units in processes of this machine.

    Args:
        units: Drawn one by one, as late as can be.
        task: Runs one; it can be pickled.
        count: How many at a time.

    Yields:
        Every trial, as it ends.
    """
    sent = pickle.dumps(task)
    running: dict[Answer, Unit] = {}
    ended: SimpleQueue[Answer] = SimpleQueue()
    room = count
    try:
        while True:
            unit = next(units, None) if len(running) < room else None
            if unit is not None:
                future = _submitted(sent, unit, count)
                running[future] = unit
                future.add_done_callback(ended.put)
            elif running:
                trials = _next(running, ended, sent, count)
                room = count * (1 + _in_line(max(trial.seconds for trial in trials)))
                yield from trials
            else:
                return
    except BaseException:
        if running:
            _forget(count)
        raise


def _in_line(seconds: float) -> int:
    """How many trials of so many seconds wait in line for a process."""
    return 0 if seconds >= BRIEF else max(1, int(LINE / max(seconds, LINE / 8)))


def _next(running: dict[Answer, Unit], ended: "SimpleQueue[Answer]", task: bytes, count: int) -> list[Trial]:
    """Wait for a unit to end, and take it out of what is running; for all of them where a process has died."""
    future = ended.get()
    if not _died(future.exception()):
        del running[future]
        return _read(future)
    wait(running)  # the others are lost with it, or have ended just before
    found = [ended.get() for _ in range(len(running) - 1)]
    units = [(one, running.pop(one)) for one in (future, *found)]
    trials = [trial for one, _ in units if not _died(one.exception()) for trial in _read(one)]
    return trials + [trial for one, unit in units if _died(one.exception()) for trial in _alone(task, unit, count)]


def _alone(task: bytes, unit: Unit, count: int) -> list[Trial]:
    """Run a unit with nothing beside it, after a process died while it ran."""
    _forget(count)
    future = _submitted(task, unit, count)
    error = future.exception()
    if error is not None and _died(error):
        _forget(count)
        return [failed(key, "failed", f"the worker process died: {error}") for key in unit]
    return _read(future)


def _submitted(task: bytes, unit: Unit, count: int) -> Answer:
    """Hand a unit to the processes for so many trials at a time, each held to its share of the cores."""
    loky = load("joblib.externals.loky", extra="workers")
    for _ in range(2):
        key = os.getpid(), count
        if key not in _pools:
            share = dict.fromkeys(THREADS, str(share_threads(count)))
            _pools[key] = loky.ProcessPoolExecutor(count, timeout=IDLE, env=share)
        with contextlib.suppress(loky.BrokenProcessPool, loky.process_executor.ShutdownExecutorError):
            return cast("Answer", _pools[key].submit(_run, task, unit))
        _forget(count)  # one of them died since it was last asked, or another thread has ended them
    raise RuntimeError("Processes end as soon as they are started.")


def _forget(count: int) -> None:
    """End the processes, whatever they are doing."""
    pool = _pools.pop((os.getpid(), count), None)
    if pool is not None:
        pool.shutdown(wait=True, kill_workers=True)


def _died(error: BaseException | None) -> bool:
    return any(cls.__name__ == "BrokenProcessPool" for cls in type(error).__mro__)
