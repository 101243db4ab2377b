"""Places and their neighbours as libpysal ships them, read from its files: importing it takes long."""

import csv
import importlib.util
from pathlib import Path

import numpy as np

from study.data.examples import Data, Source

AHEAD, KNOWN = 5, 3
"""Years to look ahead, and years that are known."""


def incomes() -> Data:
    """Income of the 48 states of the US that touch, 1929 to 2009, against the mean of all in that year.

    Returns:
        The last three years of a state and of the mean of its neighbours, as logarithms, of shape (examples, 3) each;
        and how much the state gains or loses in the next five years. Those years do not overlap, so that
        no change is seen twice.
    """
    folder = _folder() / "us_income"
    with (folder / "usjoin.csv").open(encoding="utf-8") as file:
        values = np.array([[float(cell) for cell in row[2:]] for row in list(csv.reader(file))[1:]])
    lines = (folder / "states48.gal").read_text(encoding="utf-8").split("\n")[1:]
    near = np.zeros((len(values), len(values)))
    for head, rest in zip(lines[::2], lines[1::2], strict=False):
        near[int(head.split()[0]), [int(place) for place in rest.split()]] = 1
    own = np.log(values / values.mean(axis=0))
    theirs = near @ own / near.sum(axis=1, keepdims=True)
    starts = range(KNOWN - 1, own.shape[1] - AHEAD, AHEAD)
    node, mean = (np.concatenate([part[:, t - KNOWN + 1 : t + 1] for t in starts]) for part in (own, theirs))
    y = np.concatenate([own[:, t + AHEAD] - own[:, t] for t in starts])
    source = Source("income in the states of the US", "libpysal", "BSD-3-Clause (package); public domain (BEA)")
    return Data((node.astype("float32"), mean.astype("float32")), y.astype("float32"), 0, source, scale=True)


def _folder() -> Path:
    found = importlib.util.find_spec("libpysal")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("libpysal is missing: pip install 'addcat[study]'")
    return Path(found.origin).parent / "examples"
