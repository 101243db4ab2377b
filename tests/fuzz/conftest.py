"""What the searches drew is counted and printed at the end of a run."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def drawn(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    """Counts by what was drawn; `tests/conftest.py` prints them, whatever the test comes to."""
    counts: Counter[str] = Counter()
    yield counts
    record_property("drawn", ", ".join(f"{count} {what}" for what, count in counts.items()))
