"""How long to fuzz and from which seed: ADDCAT_FUZZ_SECONDS (60 in all) and ADDCAT_FUZZ_SEED (0).

A failure does not end the search; it names its seed, which ADDCAT_FUZZ_SECONDS=0 and ADDCAT_FUZZ_SEED draw alone.
"""

import os
import time
import traceback
from collections.abc import Callable, Iterator

import pytest

SECONDS = float(os.environ.get("ADDCAT_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("ADDCAT_FUZZ_SEED", "0"))
SHARES = {"graphs": 0.4, "rules": 0.1, "Keras models": 0.25, "ONNX files": 0.08, "Keras files": 0.05, "commands": 0.12}
"""What part of the time each search has; together the whole."""
ENOUGH = 10
"""Failures after which a search ends: they tend to have one cause."""


def seeds(share: float) -> Iterator[int]:
    """Seeds until a share of the time is up; at least one."""
    end, seed = time.perf_counter() + share * SECONDS, SEED
    while seed == SEED or time.perf_counter() < end:
        yield seed
        seed += 1


def search(name: str, check: Callable[[int], object]) -> None:
    """Check one seed after another for its share of the time, and fail with every seed that failed."""
    failures: list[str] = []
    for seed in seeds(SHARES[name]):
        try:
            check(seed)
        except Exception:  # whatever it is, it is a finding
            failures.append(f"{name}, seed {seed}:\n{traceback.format_exc()}")
        if len(failures) == ENOUGH:
            break
    if failures:
        pytest.fail(f"{len(failures)} failed.\n" + "\n".join(failures), pytrace=False)
