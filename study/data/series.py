"""Labelled time series as sktime ships them, read from its files: importing it takes longer than a training."""

import importlib.util
from pathlib import Path

import numpy as np

from study.data.examples import Data, Source

LICENCE = "BSD-3-Clause (package); free for research, UCR and UEA archives (timeseriesclassification.com)"
TITLES = {
    "ACSF1": "power of home appliances",
    "ArrowHead": "outlines of arrow heads",
    "BasicMotions": "a smart watch during four activities, six channels",
    "GunPoint": "a hand that draws a gun or points",
    "ItalyPowerDemand": "electricity of a day in Italy, winter or summer",
    "JapaneseVowels": "nine speakers, twelve cepstral coefficients",
    "OSULeaf": "outlines of leaves",
    "Tecator": "near infrared spectra of meat and its fat",
    "PLAID": "currents of household appliances",
    "Covid3Month": "deaths after three months of daily cases",
}
REGRESSIONS = ("Tecator", "Covid3Month")


def series(name: str, length: int = 32) -> Data:
    """Series by name, resampled to one length.

    Args:
        name: Of `TITLES`.
        length: In steps; each is the mean of the steps of the original that it covers.

    Returns:
        Numbers of shape (examples, length, channels), scaled when they are split; the parts of the archive are joined.
    """
    folder = _folder() / name
    rows, labels = [], []
    for part in ("TRAIN", "TEST"):
        for line in (folder / f"{name}_{part}.ts").read_text(encoding="utf-8").splitlines():
            if line.strip() and line[0] not in "#@%":
                *channels, label = line.split(":")
                rows.append(np.stack([_resampled(channel, length) for channel in channels], axis=1))
                labels.append(label.strip())
    x, source = np.stack(rows).astype("float32"), Source(TITLES[name], "sktime", LICENCE)
    if name in REGRESSIONS:
        return Data((x,), np.array(labels, "float32"), 0, source, scale=True)
    classes, y = np.unique(labels, return_inverse=True)
    return Data((x,), y.astype("int32"), len(classes), source, scale=True)


def _folder() -> Path:
    found = importlib.util.find_spec("sktime")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("sktime is missing: pip install 'addcat[study]'")
    return Path(found.origin).parent / "datasets" / "data"


def _resampled(text: str, length: int) -> np.ndarray:
    values = np.array([float(value) for value in text.split(",") if value not in {"?", "NaN", ""}])
    edges = np.linspace(0, len(values), length + 1)
    sums = np.interp(edges, np.arange(len(values) + 1), np.concatenate([[0.0], np.cumsum(values)]))
    return np.diff(sums) / np.diff(edges)
