"""Trials as runs of MLflow, one a trial, where MLflow is installed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from addcat.errors import SaveError
from addcat.frameworks import load


def log_trials(trials: Sequence[Mapping[str, Any]], uri: str, experiment: str) -> None:
    """Log every trial.

    Args:
        trials: As JSON has them.
        uri: Where MLflow tracks, such as "sqlite:///mlflow.db" or "http://localhost:5000".
        experiment: Name of the experiment; it is made where there is none.

    Raises:
        MissingExtraError: if MLflow is not installed.
        SaveError: if MLflow cannot log there.
    """
    mlflow = load("mlflow", extra="mlflow")
    try:
        _log(mlflow, trials, uri, experiment)
    except Exception as error:  # MLflow's own, its database's or its network's
        said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise SaveError(
            f"The trials cannot be logged to MLflow at {uri!r}: {said}. Correct that, and show the store with --mlflow "
            "again; a comparison without --store has to be run again."
        ) from error


def require_mlflow() -> None:
    """Ask before the work whether MLflow is there.

    Raises:
        MissingExtraError: if it is not installed.
    """
    load("mlflow", extra="mlflow")


def _log(mlflow: Any, trials: Sequence[Mapping[str, Any]], uri: str, experiment: str) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment)
    for trial in trials:
        with mlflow.start_run(run_name=f"{trial['arm']}, seed {trial['seed']}"):
            mlflow.log_params({"arm": trial["arm"], "seed": trial["seed"], "host": trial["host"], **trial["versions"]})
            mlflow.set_tag("status", trial["status"])
            figures = {"loss": trial["loss"], "seconds": trial["seconds"], **trial["metrics"]}
            mlflow.log_metrics({n: v for n, v in figures.items() if v is not None and math.isfinite(v)})
            for step, value in enumerate(trial["curve"], 1):
                if value is not None:
                    mlflow.log_metric("held_out_loss", value, step=step)
