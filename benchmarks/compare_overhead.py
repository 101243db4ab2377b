"""What does a trial cost beyond its training? addcat beside Optuna, Ray Tune and plain joblib, on the same trials.

A trial sleeps and gives a number. Every tool runs the same trials with two workers, in turns within one run; its
overhead is what a trial took beyond its sleep, times the workers. Tools that keep results on disk do so: addcat and
Optuna in SQLite, Ray Tune in its folder; opening and closing the file is counted. joblib keeps nothing, and "addcat,
unkept" does the same. "addcat, here" has one worker, in this process. "plain joblib" is joblib as it comes: it sends
several trials together where they are short, and where a process dies or is stopped, those are lost together; "joblib,
singly" gives a process one trial at a time, as the others do. Starting a tool is not counted: each warms up first. Ray
Tune comes last: what it leaves in this process doubles what a trial costs "addcat, here".

    python benchmarks/compare_overhead.py        # needs optuna and ray[tune] (the extra "bench")
"""

import os
import statistics
import tempfile
import time
import warnings
from contextlib import closing, nullcontext
from pathlib import Path

from addcat.trials.engine import run_trials
from addcat.trials.execute import share_threads
from addcat.trials.functions import FunctionTrial
from addcat.trials.store import Store
from addcat.trials.trial import Key
from addcat.trials.workers import Workers

TRIALS, ROUNDS, SLOW_ROUNDS, SLEEP, WORKERS = 32, 25, 1, 0.02, 2
RANKS = 8, 18  # of 25 differences: between these the median lies with 95.7 %, whatever their distribution


def build(arm, seed):
    return arm


def train(arm, seed):
    time.sleep(SLEEP)
    return 1.0 + seed / 1000


def by_addcat(folder, trials, count=WORKERS, keep=True):
    keys = [Key(arm, seed) for seed in range(trials // 2) for arm in ("add", "concat")]
    with closing(Store(folder / "trials.db")) if keep else nullcontext() as store:
        return sum(1 for _ in run_trials(keys, FunctionTrial(build, train), store=store, workers=Workers(count)))


def unkept(folder, trials):
    return by_addcat(folder, trials, keep=False)


def here(folder, trials):
    return by_addcat(folder, trials, count=1)


def by_joblib(folder, trials, **options):
    import joblib

    calls = [joblib.delayed(train)("add", seed) for seed in range(trials)]
    with joblib.parallel_config(backend="loky", inner_max_num_threads=share_threads(WORKERS)):  # as addcat's workers
        return len(joblib.Parallel(n_jobs=WORKERS, **options)(calls))


def by_joblib_singly(folder, trials):
    return by_joblib(folder, trials, batch_size=1)


def by_optuna(folder, trials):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'optuna.db'}")

    def objective(trial):
        return train(trial.suggest_categorical("arm", ["add", "concat"]), trial.number)

    study.optimize(objective, n_trials=trials, n_jobs=WORKERS)
    return len(study.trials)


def by_ray_tune(folder, trials):
    import ray
    from ray import tune

    if not ray.is_initialized():
        ray.init(num_cpus=WORKERS, log_to_driver=False, include_dashboard=False, logging_level="ERROR")

    tuner = tune.Tuner(
        lambda config: {"loss": train(config["arm"], config["seed"])},
        param_space={"arm": tune.grid_search(["add", "concat"]), "seed": tune.grid_search(list(range(trials // 2)))},
        tune_config=tune.TuneConfig(max_concurrent_trials=WORKERS),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    return len(tuner.fit())


ALONE, SLOW = "addcat, here", "Ray Tune"
TOOLS = {
    "addcat": by_addcat,
    "addcat, unkept": unkept,
    ALONE: here,
    "plain joblib": by_joblib,
    "joblib, singly": by_joblib_singly,
    "Optuna": by_optuna,
    SLOW: by_ray_tune,
}


def main():
    warnings.simplefilter("ignore")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    took = {name: [] for name in TOOLS}
    for names, rounds in (([name for name in TOOLS if name != SLOW], ROUNDS), ([SLOW], SLOW_ROUNDS)):
        for round_ in range(rounds + 1):
            for name in names:
                with tempfile.TemporaryDirectory() as folder:
                    start = time.perf_counter()
                    count = TOOLS[name](Path(folder), TRIALS)
                    seconds = time.perf_counter() - start
                assert count == TRIALS
                if round_:  # the first starts workers
                    took[name].append(1000 * ((1 if name == ALONE else WORKERS) * seconds / TRIALS - SLEEP))
    print(f"{TRIALS} trials of {1000 * SLEEP:.0f} ms, {WORKERS} workers, {ROUNDS} rounds in turn; ms a trial beyond it")
    print(f"{'tool':<16}{'median':>8}{'least':>8}{'most':>8}")
    for name, values in took.items():
        print(f"{name:<16}{statistics.median(values):>8.2f}{min(values):>8.2f}{max(values):>8.2f}")
    for name in ("addcat", "addcat, unkept"):
        apart = sorted(a - b for a, b in zip(took[name], took["plain joblib"], strict=True))
        low, high = (apart[rank - 1] for rank in RANKS)
        print(f"{name} less plain joblib, round by round: {statistics.median(apart):.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
