"""The engine: every trial once, in whatever order, whoever runs it, and after whatever happened."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scripted import Scripted

from addcat.errors import DataError, OptionError
from addcat.trials import engine
from addcat.trials.engine import run_trials
from addcat.trials.functions import FunctionTrial
from addcat.trials.store import Store
from addcat.trials.trial import Key
from addcat.trials.workers import Workers

KEYS = [Key(arm, seed) for seed in range(1, 6) for arm in ("add", "concat")]


def losses(trials):
    return {trial.key: trial.loss for trial in trials}


EXPECTED = losses(run_trials(KEYS, Scripted()))


def test_without_a_store_trials_come_in_order():
    assert [trial.key for trial in run_trials(KEYS, Scripted())] == KEYS
    assert len(set(EXPECTED.values())) == len(KEYS)


def test_what_is_stored_is_not_run_again(tmp_path):
    store, log = Store(tmp_path / "trials.db"), tmp_path / "log"
    assert losses(run_trials(KEYS[:6], Scripted(log=str(log)), store=store)) == losses(run_trials(KEYS[:6], Scripted()))
    assert losses(run_trials(KEYS, Scripted(log=str(log)), store=store)) == EXPECTED
    assert sorted(log.read_text().split("\n")[:-1]) == sorted(f"{key.arm} {key.seed}" for key in KEYS)


def test_what_failed_is_said_and_run_again(tmp_path):
    store = Store(tmp_path / "trials.db")
    found = {t.key: t for t in run_trials(KEYS, Scripted(fails=(KEYS[2],), diverges=(KEYS[3],)), store=store)}
    assert found[KEYS[2]].status == "failed"
    assert found[KEYS[2]].detail.endswith("ValueError: no luck with add 2")
    assert found[KEYS[3]].status == "diverged"
    again = {trial.key: trial for trial in run_trials(KEYS, Scripted(), store=store)}
    assert again[KEYS[2]].loss == EXPECTED[KEYS[2]]
    assert again[KEYS[3]].status == "diverged"  # that was the arm's doing


def test_closing_it_gives_claims_back(tmp_path):
    store = Store(tmp_path / "trials.db")
    trials = run_trials(KEYS, Scripted(), store=store)
    next(trials)
    trials.close()
    assert store.running() == ()
    assert len(store.trials()) == 1


def test_a_second_writer_joins_and_nothing_is_run_twice(tmp_path):
    log = tmp_path / "log"
    found = []

    def work():
        store = Store(tmp_path / "trials.db")
        found.append(losses(run_trials(KEYS, Scripted(log=str(log), seconds=0.05), store=store)))

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert found == [EXPECTED, EXPECTED]
    assert sorted(log.read_text().split("\n")[:-1]) == sorted(f"{key.arm} {key.seed}" for key in KEYS)


def test_threads_give_the_same():
    started = time.monotonic()
    found = losses(run_trials(KEYS, Scripted(seconds=0.1, threads=True), workers=Workers(5)))
    assert found == EXPECTED
    assert time.monotonic() - started < 0.8


def test_processes_give_the_same_and_a_worker_that_dies_takes_only_its_trial_down(tmp_path):
    store = Store(tmp_path / "trials.db")
    found = {
        trial.key: trial for trial in run_trials(KEYS, Scripted(kills=(KEYS[4],)), store=store, workers=Workers(2))
    }
    assert found[KEYS[4]].status == "failed"
    assert found[KEYS[4]].detail.startswith("the worker process died: ")
    others = {key: trial.loss for key, trial in found.items() if key != KEYS[4]}
    assert others == {key: loss for key, loss in EXPECTED.items() if key != KEYS[4]}
    assert losses(run_trials(KEYS, Scripted(), store=store, workers=Workers(2))) == EXPECTED


def who(model, seed):
    return {"loss": 1.0, "process": float(os.getpid())}


def test_a_process_that_dies_while_it_waits_is_replaced():
    execute = FunctionTrial(lambda arm, seed: arm, who)
    before = {trial.metrics["process"] for trial in run_trials(KEYS, execute, workers=Workers(2))}
    os.kill(int(before.pop()), signal.SIGKILL)
    after = list(run_trials(KEYS, execute, workers=Workers(2)))
    assert {trial.status for trial in after} == {"done"}
    assert [trial.key for trial in sorted(after, key=lambda trial: KEYS.index(trial.key))] == KEYS


def test_what_waited_behind_a_trial_that_kills_its_process_runs_once(tmp_path):
    log = tmp_path / "log"
    keys = [Key("add", seed) for seed in range(30)]
    found = list(run_trials(keys, Scripted(log=str(log), kills=(keys[17],)), workers=Workers(2)))
    assert sorted(trial.key for trial in found) == keys
    assert [trial.key for trial in found if trial.status != "done"] == [keys[17]]
    ran = log.read_text().split("\n")[:-1]
    assert sorted(ran) == sorted([f"add {seed}" for seed in range(30)] + ["add 17"])  # once more, with nothing beside


class Closed(Scripted):
    """Cannot be opened in another process."""

    def __reduce__(self):
        return refused, ()


def refused():
    raise DataError("it does not open here")


def test_an_error_of_the_task_is_raised_here_each_time():
    assert losses(run_trials(KEYS, Scripted(), workers=Workers(2))) == EXPECTED
    for _ in range(2):
        with pytest.raises(DataError, match="it does not open here"):
            list(run_trials(KEYS, Closed(), workers=Workers(2)))
    assert losses(run_trials(KEYS, Scripted(), workers=Workers(2))) == EXPECTED


UNFINISHED = """
import os, sys, time
sys.path[:0] = {path!r}
from addcat.trials import engine
from addcat.trials.engine import run_trials
from addcat.trials.functions import FunctionTrial
from addcat.trials.trial import Key
from addcat.trials.workers import Workers
def train(arm, seed):
    if seed > 2:
        time.sleep({seconds})
    return {{"loss": 1.0, "process": os.getpid()}}
trials = run_trials([Key("add", seed) for seed in range(1, 9)], FunctionTrial(lambda arm, seed: arm, train),
                    workers=Workers(2))
for _ in range(2):
    print(int(next(trials).metrics["process"]), flush=True)
if {stay}:
    time.sleep(60)
"""


@pytest.mark.parametrize("stay", [True, False])
def test_workers_end_with_the_process_that_asked_however_it_ends(stay):
    code = textwrap.dedent(UNFINISHED).format(path=sys.path, seconds=2 if stay else 60, stay=stay)
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)  # noqa: S603
    workers = {int(asking.stdout.readline()) for _ in range(2)}
    if stay:
        asking.kill()
    assert asking.wait(30) == (-signal.SIGKILL if stay else 0)
    asking.stdout.close()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_stopping_early_ends_what_runs_and_another_comparison_goes_on(tmp_path):
    store = Store(tmp_path / "trials.db")
    slow = Scripted(seconds=30.0)
    trials = run_trials(KEYS, Scripted(), store=store, workers=Workers(2))
    next(trials)
    started = time.monotonic()
    trials.close()
    assert store.running() == ()
    stuck = run_trials(KEYS[:4], slow, workers=Workers(2))
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(stuck)
    assert time.monotonic() - started < 25
    assert losses(run_trials(KEYS, Scripted(), store=store, workers=Workers(2))) == EXPECTED


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from scripted import Scripted
from addcat.trials import engine
from addcat.trials.engine import run_trials
from addcat.trials.functions import FunctionTrial
from addcat.trials.store import Store
from addcat.trials.trial import Key
keys = [Key(arm, seed) for seed in range(1, 6) for arm in ("add", "concat")]
for trial in run_trials(keys, Scripted(log={log!r}, seconds={seconds}), store=Store({store!r})):
    print(trial.key, flush=True)
"""


def started(tmp_path, seconds):
    path = [str(Path(__file__).parent), *sys.path]
    log, store = str(tmp_path / "log"), str(tmp_path / "trials.db")
    code = textwrap.dedent(SCRIPT).format(path=path, log=log, store=store, seconds=seconds)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)  # noqa: S603


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_nothing_is_lost_and_nothing_doubled(tmp_path, how):
    running = started(tmp_path, 0.1)
    for _ in range(3):
        running.stdout.readline()
    os.kill(running.pid, how)
    running.communicate()
    kept = Store(tmp_path / "trials.db").trials()
    assert len(kept) >= 3
    assert (
        losses(run_trials(KEYS, Scripted(log=str(tmp_path / "log")), store=Store(tmp_path / "trials.db"))) == EXPECTED
    )
    ran = (tmp_path / "log").read_text().split("\n")[:-1]
    assert len(set(ran)) == len(KEYS)
    assert len(ran) <= len(KEYS) + 1  # the one that was cut off


@pytest.mark.slow
def test_killed_ten_times_at_random_moments(tmp_path):
    chance = np.random.default_rng(0)
    for _ in range(10):
        running = started(tmp_path, 0.3)
        time.sleep(0.3 + chance.random())
        running.kill()
        running.communicate()
    assert (
        losses(run_trials(KEYS, Scripted(log=str(tmp_path / "log")), store=Store(tmp_path / "trials.db"))) == EXPECTED
    )
    with Store(tmp_path / "trials.db")._connected() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT arm || seed) FROM trials").fetchone() == (10, 10)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["ray", "dask"])
def test_a_real_local_cluster_gives_the_same(place):
    pytest.importorskip({"ray": "ray", "dask": "distributed"}[place])
    assert losses(run_trials(KEYS, Scripted(), workers=Workers(2, place))) == EXPECTED


def own_gpu(model, seed):
    time.sleep(0.3)
    return {"loss": 1.0, "gpu": float(os.environ["CUDA_VISIBLE_DEVICES"]), "process": float(os.getpid())}


PLACES = ["processes", *(pytest.param(place, marks=pytest.mark.slow) for place in ("ray", "dask"))]


@pytest.mark.parametrize("place", PLACES)
def test_every_worker_has_a_gpu_of_its_own(place, monkeypatch):
    """As far as this can be seen without any: what a worker's framework would be allowed to see."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7,9")
    execute = FunctionTrial(lambda arm, seed: arm, own_gpu)
    found = [trial.metrics for trial in run_trials(KEYS[:6], execute, workers=Workers(2, place, gpus=2))]
    by_process = {process: {one["gpu"] for one in found if one["process"] == process} for process in
                  {one["process"] for one in found}}  # fmt: skip
    assert all(len(gpus) == 1 for gpus in by_process.values())
    assert set.union(*by_process.values()) == {4.0, 7.0}


def test_more_gpus_than_may_be_seen_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(OptionError) as caught:
        list(run_trials(KEYS, FunctionTrial(lambda arm, seed: arm, own_gpu), workers=Workers(2, gpus=2)))
    assert str(caught.value) == (
        "gpus=2, and CUDA_VISIBLE_DEVICES='4' lets this process see 1. Ask for no more, or set it."
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"on": "dask", "address": "x:1", "gpus": 1},
            "GPUs of a Dask cluster are handed out where its workers are started, one each. Leave --gpus out.",
        ),
        ({"count": 0}, "workers=0 is out of range. Expected 1 or more."),
        ({"count": 0, "on": "ray", "address": "x:1"}, "workers=0 is out of range. Expected 1 or more."),
        (
            {"count": 65},
            "workers=65 is out of range: this process has 2 cores. Expected 64 or fewer. "
            "A running cluster takes more: --address.",
        ),
        ({"on": "moon"}, "on='moon' does not exist. Expected one of processes, ray, dask."),
        ({"count": 2, "gpus": 1}, "gpus=1 is out of range for 2 workers. Expected one a worker, or 0."),
        ({"address": "x:1"}, "An address belongs to a cluster. Give --on ray or --on dask with it."),
    ],
)
def test_workers_that_will_not_do(options, text, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    with pytest.raises(OptionError) as caught:
        Workers(**options)
    assert str(caught.value) == text


def test_as_many_workers_as_a_machine_or_a_cluster_takes(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(40)), raising=False)
    assert Workers(160).count == 160
    with pytest.raises(OptionError, match="Expected 160 or fewer"):
        Workers(161)
    assert Workers(100_000, "ray", "head:6379").count == 100_000


def test_a_claim_is_kept_alive_while_its_trial_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "BEAT", 0.05)
    store = Store(tmp_path / "trials.db")
    seen = []

    def look(arm, seed):
        for _ in range(2):
            with Store(store.path)._connected() as connection:
                seen.extend(connection.execute("SELECT seen FROM claims").fetchone())
            time.sleep(0.5)
        return 1.0

    list(run_trials(KEYS[:1], FunctionTrial(lambda arm, seed: arm, look), store=store))
    assert seen[0] < seen[1]
    with store._connected() as connection:
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
