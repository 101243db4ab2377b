"""Where trials run: here, in threads, in processes of this machine through joblib, or on a Ray or Dask cluster.

What runs a trial is sent once a process, as bytes, and opened only after that process has been held to its share of the
cores and given its GPU: frameworks read such settings when they load. A worker that dies takes down only the trial that
killed it; on this machine that trial is run once more, with nothing beside it.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from addcat.errors import OptionError
from addcat.frameworks import load
from addcat.machine import check_at_once
from addcat.trials.execute import Execute, Unit, guarded, share_threads
from addcat.trials.processes import THREADS, on_processes
from addcat.trials.trial import Trial, failed

Place = Literal["processes", "ray", "dask"]
PLACES: tuple[Place, ...] = ("processes", "ray", "dask")
SMALL = 4096
"""Bytes of what runs trials below which it is sent along with each."""
CARRIED = (
    *("KERAS_BACKEND", "KERAS_HOME", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"),
    *("XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_ALLOCATOR"),
)
"""Settings that a worker on another machine takes over."""
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""What a worker is told where nothing was said: JAX would take three quarters of a GPU that others use beside it."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many trials at a time, and where.

    Attributes:
        count: Trials at a time.
        on: "processes" of this machine, or a "ray" or "dask" cluster.
        address: Of a running cluster; "" starts one on this machine.
        gpus: GPUs that are handed out, one a worker; 0 for none.
    """

    count: int = 1
    on: Place = "processes"
    address: str = ""
    gpus: int = 0

    def __post_init__(self) -> None:
        if self.on not in PLACES:
            raise OptionError(f"on={self.on!r} does not exist. Expected one of {', '.join(PLACES)}.")
        if self.address:  # of a cluster, which has the cores that it has
            check_at_once("workers", min(self.count, 1))
        else:
            check_at_once("workers", self.count, more="A running cluster takes more: --address.")
        if self.gpus < 0 or (self.gpus and self.gpus < self.count):
            raise OptionError(
                f"gpus={self.gpus} is out of range for {self.count} workers. Expected one a worker, or 0."
            )
        if self.address and self.on == "processes":
            raise OptionError("An address belongs to a cluster. Give --on ray or --on dask with it.")
        if self.address and self.gpus and self.on == "dask":
            raise OptionError(
                "GPUs of a Dask cluster are handed out where its workers are started, one each. Leave --gpus out."
            )

    @property
    def here(self) -> bool:
        """Whether trials run in this process."""
        return self.count == 1 and self.on == "processes" and not self.gpus

    def run(self, units: Iterator[Unit], execute: Execute) -> Generator[Trial]:
        """Run units as workers become free.

        Args:
            units: Drawn one by one, as late as can be.
            execute: Runs them.

        Yields:
            Every trial, as it ends.
        """
        if self.here:
            for unit in units:
                yield from guarded(execute, unit)
        elif execute.threads and self.on == "processes" and not self.gpus:
            with ThreadPoolExecutor(self.count) as pool:
                try:
                    yield from _streamed(
                        units, self.count, lambda unit: pool.submit(guarded, execute, unit), _first_done
                    )
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    execute.stop()
                    raise
        else:
            run = {"processes": _on_processes, "ray": _on_ray, "dask": _on_dask}[self.on]
            with _shipped(execute, self) as task:
                yield from run(units, task, self)


def _streamed(
    units: Iterator[Unit],
    count: int,
    submit: Callable[[Unit], Any],
    done: Callable[[list[Any]], dict[Any, list[Trial]]],
) -> Generator[Trial]:
    """Keep `count` units running, and give the trials of each as it ends."""
    running: list[Any] = []
    for unit in units:
        running.append(submit(unit))
        if len(running) == count:
            yield from _ended(running, done)
    while running:
        yield from _ended(running, done)


def _ended(running: list[Any], done: Callable[[list[Any]], dict[Any, list[Trial]]]) -> Generator[Trial]:
    for handle, trials in done(running).items():
        running.remove(handle)
        yield from trials


def _first_done(running: list[Future[list[Trial]]]) -> dict[Any, list[Trial]]:
    return {future: future.result() for future in wait(running, return_when=FIRST_COMPLETED).done}


def _on_processes(units: Iterator[Unit], task: "Task", workers: Workers) -> Generator[Trial]:
    return on_processes(units, task, workers.count, _gpus(workers))


def _died(error: Exception) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"WorkerCrashedError", "KilledWorker"})


@dataclass(frozen=True, slots=True)
class Task:
    """Runs a unit in a worker.

    Attributes:
        digest: Of what runs trials.
        source: The bytes themselves, or the file that holds them, on this machine.
        environment: Settings of the worker.
        gpus: GPUs of this machine that workers which know nothing of each other share out among themselves, as
            CUDA_VISIBLE_DEVICES names them.
        locks: Folder in which a worker marks the GPU that it took.
        path: Where modules of the user are looked for.
    """

    digest: str
    source: bytes | str
    environment: dict[str, str]
    gpus: tuple[str, ...]
    locks: str
    path: tuple[str, ...]

    def __call__(self, unit: Unit) -> tuple[Unit, list[Trial]]:
        """Run a unit; what runs it is opened once a process."""
        return self.call(unit)

    def call(self, unit: Unit) -> tuple[Unit, list[Trial]]:
        """The same, for clusters that take functions."""
        if self.digest not in _opened:
            os.environ.update(self.environment)
            sys.path += [folder for folder in self.path if folder not in sys.path and Path(folder).is_dir()]
            if self.gpus:
                _take_gpu(self.gpus, self.locks)
            import cloudpickle  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

            source = Path(self.source).read_bytes() if isinstance(self.source, str) else self.source
            _opened[self.digest] = cloudpickle.loads(source)
        return unit, guarded(_opened[self.digest], unit)


_opened: dict[str, Execute] = {}
_gpu_locks: list[Any] = []


def _gpus(workers: Workers) -> tuple[str, ...]:
    """The GPUs that workers of this machine take one each: the first of those that this process may see.

    Raises:
        OptionError: if it may see fewer.
    """
    if workers.on == "ray" or workers.address:  # the cluster hands them out
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = [str(number) for number in range(workers.gpus)] if visible is None else visible.split(",")
    named = [name.strip() for name in named if name.strip()]
    if len(named) < workers.gpus:
        raise OptionError(
            f"gpus={workers.gpus}, and CUDA_VISIBLE_DEVICES={visible!r} lets this process see {len(named)}. Ask for "
            "no more, or set it."
        )
    return tuple(named[: workers.gpus])


def _take_gpu(gpus: tuple[str, ...], folder: str) -> None:
    """Take the first GPU that no other worker of this machine holds, until this process ends."""
    import fcntl  # noqa: PLC0415  (not on every system)

    for number, name in enumerate(gpus):
        lock = (Path(folder) / f"gpu{number}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _gpu_locks.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        return


@contextlib.contextmanager
def _shipped(execute: Execute, workers: Workers) -> Generator[Task]:
    """What runs trials, ready to be sent; on this machine through a file, unless it is small, read once a process."""
    cloudpickle = load("cloudpickle", extra="workers")
    gpus = _gpus(workers) if workers.on == "dask" else ()
    written: bytes = cloudpickle.dumps(execute)
    digest = hashlib.sha256(written).hexdigest()
    environment = {**SHARED, **{name: os.environ[name] for name in CARRIED if name in os.environ}}
    if workers.on == "processes":
        environment.update(dict.fromkeys(THREADS, str(share_threads(workers.count))))
    if len(written) < SMALL and not gpus:
        yield Task(digest, written, environment, gpus, "", tuple(sys.path))
        return
    with tempfile.TemporaryDirectory(prefix="addcat-", ignore_cleanup_errors=True) as folder:
        source: bytes | str = written
        if workers.on == "processes":
            file = Path(folder) / "execute"
            file.write_bytes(written)
            source = str(file)
        yield Task(digest, source, environment, gpus, folder, tuple(sys.path))


def _on_ray(units: Iterator[Unit], task: Task, workers: Workers) -> Generator[Trial]:
    """A Ray cluster; joblib's back end for it gives results only when all are there, so its own calls are used."""
    ray = load("ray", extra="ray")
    mine = not ray.is_initialized()
    if mine and workers.address:
        ray.init(address=workers.address, log_to_driver=False)
    elif mine:
        gpus = {"num_gpus": workers.gpus} if workers.gpus else {}
        ray.init(num_cpus=workers.count, log_to_driver=False, include_dashboard=False, **gpus)
    try:
        there = int(ray.cluster_resources().get("GPU", 0))
        if there < workers.gpus:
            raise OptionError(f"gpus={workers.gpus}, and the Ray cluster has {there}. Ask for no more.")
        remote = ray.remote(num_cpus=1, num_gpus=min(workers.gpus, 1), max_retries=1)(Task.call)
        shared, asked = ray.put(task), dict[Any, Unit]()

        def submit(unit: Unit) -> Any:
            handle = remote.remote(shared, unit)
            asked[handle] = unit
            return handle

        def done(running: list[Any]) -> dict[Any, list[Trial]]:
            ready, _ = ray.wait(running, num_returns=1)
            return {handle: _given(partial(ray.get, handle), asked.pop(handle)) for handle in ready}

        yield from _streamed(units, workers.count, submit, done)
    finally:
        if mine:
            ray.shutdown()


def _on_dask(units: Iterator[Unit], task: Task, workers: Workers) -> Generator[Trial]:
    """A Dask cluster, by its own futures, for the same reason."""
    distributed = load("distributed", extra="dask")
    local: dict[str, Any] = {"n_workers": workers.count, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(workers.address) if workers.address else distributed.Client(**local) as client:
        shared, asked = client.scatter(task, broadcast=True), dict[Any, Unit]()

        def submit(unit: Unit) -> Any:
            handle = client.submit(Task.call, shared, unit, pure=False)
            asked[handle] = unit
            return handle

        def done(running: list[Any]) -> dict[Any, list[Trial]]:
            ready = distributed.wait(running, return_when="FIRST_COMPLETED").done
            return {handle: _given(handle.result, asked.pop(handle)) for handle in ready}

        yield from _streamed(units, workers.count, submit, done)


def _given(result: Callable[[], tuple[Unit, list[Trial]]], unit: Unit) -> list[Trial]:
    """What a call gave; failed trials where its worker died."""
    try:
        return result()[1]
    except Exception as error:
        if not _died(error):
            raise
        return [failed(key, "failed", f"the worker died: {error}") for key in unit]
