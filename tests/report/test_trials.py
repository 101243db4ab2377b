"""Trials as CSV and as runs of MLflow."""

import sys
from contextlib import contextmanager

import pytest

from addcat.doors.save import save_trials
from addcat.errors import MissingExtraError
from addcat.report.mlflow import log_trials
from addcat.report.trials import csv_text

TRIALS = [
    {
        "arm": "add, twice",
        "seed": 1,
        "status": "done",
        "loss": 0.5,
        "seconds": 2.0,
        "host": "here",
        "curve": [0.9, 0.5],
        "metrics": {"accuracy": 0.75},
        "versions": {"python": "3.11"},
    },
    {
        "arm": "concat",
        "seed": 1,
        "status": "diverged",
        "loss": None,
        "seconds": 2.0,
        "host": "here",
        "curve": [0.9, None],
        "metrics": {},
        "versions": {},
    },
]


def test_a_line_a_trial(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("old")
    save_trials(csv_text(TRIALS), path)
    assert path.read_text() == (
        "arm,seed,status,loss,seconds,host,accuracy\n"
        '"add, twice",1,done,0.5,2.0,here,0.75\n'
        "concat,1,diverged,,2.0,here,\n"
    )
    assert list(tmp_path.iterdir()) == [path]


class Recorder:
    """Takes the calls that MLflow has."""

    def __init__(self):
        self.calls = []

    @contextmanager
    def start_run(self, run_name):
        self.calls.append(("run", run_name))
        yield

    def __getattr__(self, name):
        return lambda *args, **options: self.calls.append((name, *args, *options.values()))


def test_a_run_a_trial(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr("addcat.report.mlflow.load", lambda *_, **__: recorder)
    log_trials(TRIALS, "sqlite:///x.db", "mine")
    assert recorder.calls == [
        ("set_tracking_uri", "sqlite:///x.db"),
        ("set_experiment", "mine"),
        ("run", "add, twice, seed 1"),
        ("log_params", {"arm": "add, twice", "seed": 1, "host": "here", "python": "3.11"}),
        ("set_tag", "status", "done"),
        ("log_metrics", {"loss": 0.5, "seconds": 2.0, "accuracy": 0.75}),
        ("log_metric", "held_out_loss", 0.9, 1),
        ("log_metric", "held_out_loss", 0.5, 2),
        ("run", "concat, seed 1"),
        ("log_params", {"arm": "concat", "seed": 1, "host": "here"}),
        ("set_tag", "status", "diverged"),
        ("log_metrics", {"seconds": 2.0}),
        ("log_metric", "held_out_loss", 0.9, 1),
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its own, of libraries that it uses
def test_a_run_a_trial_in_a_real_one(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)  # it makes a folder for files beside its database
    log_trials(TRIALS, f"sqlite:///{tmp_path / 'mlflow.db'}", "mine")
    found = mlflow.search_runs(experiment_names=["mine"], output_format="list")
    by_arm = {run.data.params["arm"]: run.data for run in found}
    assert len(found) == len(TRIALS) == len(by_arm)
    assert by_arm["add, twice"].metrics == {"loss": 0.5, "seconds": 2.0, "accuracy": 0.75, "held_out_loss": 0.5}
    assert by_arm["concat"].tags["status"] == "diverged"


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"It comes with the extra 'mlflow': pip install 'addcat\[mlflow\]'"):
        log_trials(TRIALS, "x", "y")
