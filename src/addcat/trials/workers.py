"""Where trials run: here, in threads, in processes of this machine, or on a Ray or Dask cluster, through joblib.

What runs a trial is sent once a process, as bytes, and opened only after that process has been held to its share of the
cores and given its GPU: frameworks read such settings when they load. A worker that dies takes down only the trial that
killed it: what was in flight with it is run again, one at a time.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from addcat.errors import OptionError
from addcat.frameworks import load
from addcat.trials.execute import Execute, Unit, guarded, share_threads
from addcat.trials.trial import Trial, failed

Place = Literal["processes", "ray", "dask"]
PLACES: tuple[Place, ...] = ("processes", "ray", "dask")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
"""What numerical libraries read when they load; NPROC is XLA's."""
CARRIED = ("KERAS_BACKEND", "KERAS_HOME", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS")
"""Settings that a worker on another machine takes over."""


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
        if self.count < 1:
            raise OptionError(f"workers={self.count} is out of range. Expected 1 or more.")
        if self.gpus < 0 or (self.gpus and self.gpus < self.count):
            raise OptionError(
                f"gpus={self.gpus} is out of range for {self.count} workers. Expected one a worker, or 0."
            )
        if self.address and self.on == "processes":
            raise OptionError("An address belongs to a cluster. Give --on ray or --on dask with it.")

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
            yield from self._in_threads(units, execute)
        else:
            yield from self._by_joblib(units, execute)

    def _in_threads(self, units: Iterator[Unit], execute: Execute) -> Generator[Trial]:
        with ThreadPoolExecutor(self.count) as pool:
            running: set[Future[list[Trial]]] = set()
            try:
                for unit in units:
                    running.add(pool.submit(guarded, execute, unit))
                    if len(running) == self.count:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        for future in done:
                            yield from future.result()
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                execute.stop()
                raise

    def _by_joblib(self, units: Iterator[Unit], execute: Execute) -> Generator[Trial]:
        joblib = load("joblib", extra="workers")
        with _shipped(execute, self) as task, self._backend(joblib):
            flying: dict[Unit, None] = {}

            def drawn() -> Iterator[Any]:
                for unit in units:
                    flying[unit] = None
                    yield joblib.delayed(task)(unit)

            while True:
                try:
                    yield from _results(joblib, drawn(), flying, self.count)
                except Exception as error:
                    if not _died(error):
                        raise
                    for unit in list(flying):
                        yield from _alone(joblib, task, unit)
                        flying.pop(unit, None)
                else:
                    return

    @contextlib.contextmanager
    def _backend(self, joblib: Any) -> Generator[None]:
        if self.on == "processes":
            share = share_threads(self.count)
            with joblib.parallel_config(backend="loky", n_jobs=self.count, inner_max_num_threads=share):
                yield
        elif self.on == "ray":
            with _ray(self) as options, joblib.parallel_config(backend="ray", n_jobs=self.count, **options):
                yield
        else:
            with _dask(self), joblib.parallel_config(backend="dask", n_jobs=self.count):
                yield


def _results(joblib: Any, calls: Iterator[Any], flying: dict[Unit, None], count: int) -> Generator[Trial]:
    parallel = joblib.Parallel(n_jobs=count, return_as="generator_unordered", pre_dispatch=count, batch_size=1)
    for unit, trials in parallel(calls):
        flying.pop(unit, None)
        yield from trials


def _alone(joblib: Any, task: Any, unit: Unit) -> list[Trial]:
    """Run one unit in a process of its own, after it was in flight when a worker died."""
    try:
        (found,) = joblib.Parallel(n_jobs=2, batch_size=1, pre_dispatch=1)([joblib.delayed(task)(unit)])
    except Exception as error:
        if not _died(error):
            raise
        return [failed(key, "failed", f"the worker process died: {error}") for key in unit]
    return found[1]


def _died(error: Exception) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"TerminatedWorkerError", "BrokenProcessPool", "WorkerCrashedError", "KilledWorker"})


@dataclass(frozen=True, slots=True)
class Task:
    """Runs a unit in a worker.

    Attributes:
        digest: Of what runs trials.
        source: The bytes themselves, or the file that holds them, on this machine.
        environment: Settings of the worker.
        gpus: GPUs that workers of this machine share out among themselves.
        locks: Folder in which a worker marks the GPU that it took.
    """

    digest: str
    source: bytes | str
    environment: dict[str, str]
    gpus: int
    locks: str

    def __call__(self, unit: Unit) -> tuple[Unit, list[Trial]]:
        """Run a unit; what runs it is opened once a process."""
        if self.digest not in _opened:
            os.environ.update(self.environment)
            if self.gpus:
                _take_gpu(self.gpus, self.locks)
            import cloudpickle  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

            source = Path(self.source).read_bytes() if isinstance(self.source, str) else self.source
            _opened[self.digest] = cloudpickle.loads(source)
        return unit, guarded(_opened[self.digest], unit)


_opened: dict[str, Execute] = {}
_gpu_locks: list[Any] = []


def _take_gpu(gpus: int, folder: str) -> None:
    """Take the first GPU that no other worker of this machine holds, until this process ends."""
    import fcntl  # noqa: PLC0415  (not on every system)

    for number in range(gpus):
        lock = (Path(folder) / f"gpu{number}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _gpu_locks.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number)
        return


@contextlib.contextmanager
def _shipped(execute: Execute, workers: Workers) -> Generator[Task]:
    """What runs trials, ready to be sent; on this machine through a file, which is read once a process."""
    cloudpickle = load("cloudpickle", extra="workers")
    written: bytes = cloudpickle.dumps(execute)
    digest = hashlib.sha256(written).hexdigest()
    environment = {name: os.environ[name] for name in CARRIED if name in os.environ}
    if workers.on == "processes":
        environment.update(dict.fromkeys(THREADS, str(share_threads(workers.count))))
    with tempfile.TemporaryDirectory(prefix="addcat-", ignore_cleanup_errors=True) as folder:
        source: bytes | str = written
        if workers.on == "processes":
            file = Path(folder) / "execute"
            file.write_bytes(written)
            source = str(file)
        yield Task(digest, source, environment, workers.gpus if workers.on == "processes" else 0, folder)


@contextlib.contextmanager
def _ray(workers: Workers) -> Generator[dict[str, Any]]:
    ray = load("ray", extra="ray")
    load("ray.util.joblib", extra="ray").register_ray()
    mine = not ray.is_initialized()
    if mine:
        options: dict[str, Any] = {"address": workers.address} if workers.address else {"num_cpus": workers.count}
        ray.init(log_to_driver=False, include_dashboard=False, **options) if not workers.address else ray.init(
            log_to_driver=False, **options
        )
    try:
        yield {"ray_remote_args": {"num_gpus": 1}} if workers.gpus else {}
    finally:
        if mine:
            ray.shutdown()


@contextlib.contextmanager
def _dask(workers: Workers) -> Generator[None]:
    distributed = load("distributed", extra="dask")
    options: dict[str, Any] = {"n_workers": workers.count, "threads_per_worker": 1, "dashboard_address": None}
    client = distributed.Client(workers.address) if workers.address else distributed.Client(**options)
    with client:
        yield
