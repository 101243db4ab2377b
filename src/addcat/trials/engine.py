"""The engine: trials in order, each claimed, run wherever there is a worker, and written down as it ends."""

import threading
import time
from _thread import start_new_thread
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from addcat.trials.execute import Execute, Unit
from addcat.trials.store import Store
from addcat.trials.trial import Key, Trial
from addcat.trials.workers import Workers

BEAT = 10.0
"""Seconds between two signs of life."""
POLL = 0.5
"""Seconds between two looks at trials that another process runs."""
ALONE = Workers()


def run_trials(
    keys: Sequence[Key], execute: Execute, *, store: Store | None = None, workers: Workers = ALONE
) -> Generator[Trial]:
    """Run trials and give each as it ends; close the generator to stop.

    Args:
        keys: Which, in the order in which they are wanted.
        execute: Runs them.
        store: Where they are kept; trials that it holds are not run again, those of another process are waited for.
        workers: How many at a time, and where.

    Yields:
        Every trial once: those in the store first, the others as they end.

    Raises:
        AddcatError: a mistake in what was asked for, or a store that cannot be used.
    """
    known = store.trials() if store is not None else {}
    for key in keys:
        if key in known and known[key].finished:
            yield known[key]
    waiting = [key for key in keys if key not in known or not known[key].finished]
    if store is None:
        yield from workers.run(iter(execute.units(waiting, workers.count)), execute)
        return
    with _claiming(store):
        while waiting:
            taken = _Claims(store, execute.units(waiting, workers.count), ahead=not workers.here)
            for trial in workers.run(taken.units(), execute):
                store.put(trial)
                yield trial
            waiting = yield from _from_others(store, taken.others)


class _Claims:
    """Units as far as nobody else has taken them; the trials that somebody has.

    Where they are drawn ahead, the last ones run while the store is settled.
    """

    def __init__(self, store: Store, units: Sequence[Unit], *, ahead: bool) -> None:
        self._store, self._units, self._ahead = store, units, ahead
        self.others: list[Key] = []

    def units(self) -> Iterator[Unit]:
        for unit in self._units:
            mine = tuple(key for key in unit if self._store.claim(key))
            self.others += [key for key in unit if key not in mine]
            if mine:
                yield mine
        if self._ahead:
            self._store.settle()


def _from_others(store: Store, others: Sequence[Key]) -> Generator[Trial, None, list[Key]]:
    """Give the trials of other processes as they end; return those whose process is gone."""
    left = list(others)
    while left:
        known, running = store.trials(), set(store.running())
        for key in list(left):
            if key in known and known[key].finished:
                left.remove(key)
                yield known[key]
        if left and not running & set(left):
            return left
        if left:
            time.sleep(POLL)
    return left


@contextmanager
def _claiming(store: Store) -> Generator[None]:
    """Signs of life while trials run; afterwards nothing stays claimed."""
    ended, beating = threading.Event(), threading.Lock()

    def beat() -> None:
        while not ended.wait(BEAT):
            with beating:
                if not ended.is_set():
                    store.beat()
                    store.close()

    start_new_thread(beat, ())  # `threading` waits until it runs, which a short comparison would notice
    try:
        yield
    finally:
        ended.set()
        with beating:
            store.release()
