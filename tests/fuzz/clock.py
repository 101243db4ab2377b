"""How long to fuzz and from which seed: ADDCAT_FUZZ_SECONDS (60 in all) and ADDCAT_FUZZ_SEED (0)."""

import os
import time
from collections.abc import Iterator

SECONDS = float(os.environ.get("ADDCAT_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("ADDCAT_FUZZ_SEED", "0"))


def seeds(share: float) -> Iterator[int]:
    """Seeds until a share of the time is up; at least one."""
    end, seed = time.perf_counter() + share * SECONDS, SEED
    while seed == SEED or time.perf_counter() < end:
        yield seed
        seed += 1
