"""What was measured once is remembered, in the user's cache folder: the same part, machine and runtime run alike.

A row is a ratio, by a hash of what it depends on: the two parts (operations, settings, sizes), the runtime with its
version and threads, and the processor. The whole model is measured anew each time, so a ratio that was luck costs
time, never a slower result.
"""

import hashlib
import json
import sqlite3
from collections.abc import Hashable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from addcat.doors.timing import Ratio
from addcat.frameworks import load

VERSION = 1
"""Raised when what a measurement is changes: older rows are passed over."""
FILE = "measured.sqlite"


@dataclass(slots=True)
class Measured:
    """Ratios by what they depend on; of one search, and with a file of earlier ones as well.

    Attributes:
        file: Where they are kept; None to keep none. A file that cannot be read or written counts as none.
        conditions: What all measurements of this search depend on.
        remembered: How many came from earlier searches.

    Examples:
        >>> known = Measured()
        >>> known.get("a part"), known.put("a part", Ratio(0.9, 0.8, 1.0, 8, 2.0, 1.8)), known.get("a part").estimate
        (None, None, 0.9)
    """

    file: Path | None = None
    conditions: str = ""
    remembered: int = 0
    _known: dict[Hashable, Ratio] = field(default_factory=dict[Hashable, Ratio])

    def get(self, key: Hashable) -> Ratio | None:
        """What was measured of a key; None where nothing was."""
        if key not in self._known and (found := self._read(key)) is not None:
            self._known[key] = found
            self.remembered += 1
        return self._known.get(key)

    def put(self, key: Hashable, ratio: Ratio) -> None:
        """Keep a measurement."""
        self._known[key] = ratio
        row = self._digest(key), json.dumps(asdict(ratio))
        self._rows("INSERT OR REPLACE INTO measured VALUES (?, ?, datetime('now'))", *row)

    def _read(self, key: Hashable) -> Ratio | None:
        rows = self._rows("SELECT ratio FROM measured WHERE key = ?", self._digest(key))
        with suppress(ValueError, TypeError):  # no row of ours
            return Ratio(**json.loads(rows[0][0])) if rows else None
        return None

    def _digest(self, key: Hashable) -> str:
        return hashlib.sha256(f"{VERSION} {self.conditions} {key!r}".encode()).hexdigest()

    def _rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """What a statement gives; nothing where the file cannot serve."""
        if self.file is None:
            return []
        with suppress(OSError, sqlite3.Error):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.file, timeout=5.0)) as connection, connection:
                connection.execute("CREATE TABLE IF NOT EXISTS measured (key TEXT PRIMARY KEY, ratio TEXT, at TEXT)")
                return connection.execute(statement, values).fetchall()
        return []


def cache_file() -> Path:
    """Where measurements are kept: in the cache folder of the user, as the system has it."""
    return Path(load("platformdirs", extra="onnx").user_cache_dir("addcat", appauthor=False)) / FILE
