"""Trials in one SQLite file, a row each, written as each ends: nothing is trained twice, and nothing is lost.

The file belongs to one comparison: the model, the data, the arms, how they are trained and the margin are written down
with the first trial, and another comparison is refused with what differs. A trial is claimed before it begins, in one
transaction, so that several processes can share the work. A claim is kept alive by a heartbeat; the claim of a process
that is gone is free again.

What is lost, and when: a trial is in the system's hands when `put` returns, so that nothing is lost where this process
is killed, however. Nothing waits for the disk before the file is closed (WAL, synchronous = NORMAL), so where the
machine itself loses power those of the last half minute may be gone, and are run again; those before them are kept,
and the file is sound. `close` waits for the disk; after it everything is in the one file.
"""

import hashlib
import io
import json
import os
import platform
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from addcat.errors import DataError, OptionError
from addcat.report import rows
from addcat.trials.trial import FINISHED, Key, Losses, Status, Trial

VERSION = "1"
STALE = 60.0
"""Seconds without a heartbeat after which a claim from another machine is free; on this one, the process is asked."""
AGAIN = 0.005
"""Seconds after which a lock that another holds is tried again."""
WAIT = 30.0
"""Seconds to wait for another process that is writing."""
OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Errors that are no fault of the file; SQLite says "disk I/O error" of many a disk that is full."""
TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS comparison (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, spec TEXT NOT NULL, status TEXT NOT NULL, loss REAL, losses BLOB,
    curve BLOB, metrics TEXT NOT NULL, seconds REAL NOT NULL, host TEXT NOT NULL, versions TEXT NOT NULL,
    detail TEXT NOT NULL, ended REAL NOT NULL, PRIMARY KEY (arm, seed));
CREATE TABLE IF NOT EXISTS claims (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    seen REAL NOT NULL, PRIMARY KEY (arm, seed)) WITHOUT ROWID;
COMMIT;
"""
NEW = """
INSERT INTO claims SELECT ?, ?, ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM claims WHERE arm = ? AND seed = ?)
AND NOT EXISTS (SELECT 1 FROM trials WHERE arm = ? AND seed = ?)
"""
COLUMNS = "arm, seed, status, loss, losses, curve, metrics, seconds, host, versions, detail"


class Store:
    """Trials of one comparison; each thread has a connection of its own, so any may call.

    Args:
        path: The file; it is made where there is none, in a folder that exists.

    Raises:
        OptionError: if the path is a folder, its folder is missing, or the file is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.spec = ""
        self._local = threading.local()
        self._claimed: set[Key] = set()
        self.owner = f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
        if self.path.is_dir():
            raise OptionError(f"The store cannot be {str(path)!r}: that is a folder. Give the name of a file.")
        if not self.path.parent.is_dir():
            raise OptionError(
                f"The store cannot be {str(path)!r}: there is no folder {str(self.path.parent)!r}. Make it first."
            )
        with self._connected():
            pass  # it is made, or something else is found out

    @staticmethod
    def existing(path: str | Path) -> "Store":
        """Open a store that is there.

        Raises:
            OptionError: if there is none.
            DataError: if the file is empty: to look into a file must not make a store of it.
        """
        if not Path(path).is_file():
            raise OptionError(f"There is no store {str(path)!r}. Give the file that a comparison writes with --store.")
        if Path(path).stat().st_size == 0:
            raise DataError(f"{str(path)!r} holds no comparison yet.")
        return Store(path)

    def open_for(self, spec: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Begin a comparison, or go on with it.

        Args:
            spec: What must be the same for trials to belong together: words and digests by name.
            settings: What is needed to show the comparison; replaces what was there, since pairs may be raised.

        Raises:
            DataError: if the store holds another comparison; says what differs.
        """
        self.spec = hashlib.sha256(json.dumps(dict(spec), sort_keys=True).encode()).hexdigest()[:16]
        with self._writing() as connection:
            found = dict(connection.execute("SELECT name, value FROM comparison"))
            held = json.loads(found["spec"]) if "spec" in found else None
            if held is not None and held != dict(spec):
                names = [name for name in {**held, **spec} if held.get(name) != spec.get(name)]
                lines = "".join(f"\n  {name}: {_short(held, name)} there, {_short(spec, name)} now" for name in names)
                raise DataError(
                    f"{str(self.path)!r} holds trials of another comparison. What differs:{lines}\n"
                    "Give another --store, or repeat that comparison as it was."
                )
            kept = {"version": VERSION, "spec": json.dumps(dict(spec)), "settings": json.dumps(dict(settings))}
            connection.executemany("INSERT OR REPLACE INTO comparison VALUES (?, ?)", kept.items())

    def settings(self) -> dict[str, Any]:
        """What is needed to show the comparison.

        Raises:
            DataError: if no comparison has begun.
        """
        with self._connected() as connection:
            found = connection.execute("SELECT value FROM comparison WHERE name = 'settings'").fetchone()
        if found is None:
            raise DataError(f"{str(self.path)!r} holds no comparison yet.")
        return cast("dict[str, Any]", json.loads(found[0]))

    def trials(self) -> dict[Key, Trial]:
        """Every trial that has ended."""
        with self._connected() as connection:
            return {
                (trial := _trial(row)).key: trial
                for row in connection.execute(f"SELECT {COLUMNS} FROM trials ORDER BY ended")  # noqa: S608  (a constant)
            }

    def running(self) -> tuple[Key, ...]:
        """Trials that a living process has claimed."""
        with self._connected() as connection:
            claims = connection.execute("SELECT arm, seed, host, pid, seen FROM claims").fetchall()
        return tuple(Key(arm, seed) for arm, seed, host, pid, seen in claims if _alive(host, pid, seen))

    def claim(self, key: Key) -> bool:
        """Take a trial for this process.

        Args:
            key: Which.

        Returns:
            Whether it is this process's to run: not finished, and claimed by nobody who lives.
        """
        self._claimed.add(key)  # first, whatever cuts this off
        mine = (*key, self.owner, platform.node(), os.getpid(), time.time())
        if self._is_new(key, mine) or self._is_left(key, mine):
            return True
        self._claimed.discard(key)
        return False

    def _is_new(self, key: Key, mine: tuple[Any, ...]) -> bool:
        """Claim a trial that nobody has claimed or ended, as most are: one statement is a transaction by itself."""
        with self._connected() as connection:
            return connection.execute(NEW, (*mine, *key, *key)).rowcount == 1

    def _is_left(self, key: Key, mine: tuple[Any, ...]) -> bool:
        """Claim a trial that has not finished, and that nobody else who lives has claimed."""
        with self._writing() as connection:
            done = connection.execute("SELECT status FROM trials WHERE arm = ? AND seed = ?", key).fetchone()
            if done is not None and done[0] in FINISHED:
                return False
            held = connection.execute(
                "SELECT owner, host, pid, seen FROM claims WHERE arm = ? AND seed = ?", key
            ).fetchone()
            if held is not None and held[0] != self.owner and _alive(*held[1:]):
                return False
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)", mine)
            return True

    def put(self, trial: Trial) -> None:
        """Write down a trial that has ended, and give its claim back."""
        row = (
            trial.arm,
            trial.seed,
            self.spec,
            trial.status,
            trial.loss if np.isfinite(trial.loss) else None,
            _packed(trial.losses),
            _packed(trial.curve),
            json.dumps(trial.metrics),
            trial.seconds,
            trial.host,
            json.dumps(trial.versions),
            trial.detail,
            time.time(),
        )
        with self._writing(f"Trial {trial.arm} {trial.seed} cannot be written to the store") as connection:
            connection.execute(f"INSERT OR REPLACE INTO trials VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            connection.execute("DELETE FROM claims WHERE arm = ? AND seed = ?", trial.key)
        self._claimed.discard(trial.key)

    def beat(self) -> None:
        """Say that this process lives."""
        with self._writing() as connection:
            connection.execute("UPDATE claims SET seen = ? WHERE owner = ?", (time.time(), self.owner))

    def settle(self) -> None:
        """Bring to the disk what has been written so far, while there is nothing else to do; `close` is quicker then.

        The file and its log have their size by then: what is written over what they hold waits for no journal.
        """
        with self._connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def release(self) -> None:
        """Give back everything that this process has claimed."""
        if self._claimed:
            with self._writing() as connection:
                connection.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
            self._claimed.clear()

    def close(self) -> None:
        """Close this thread's connection; the last one to close leaves a single file behind."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            del self._local.connection

    @contextmanager
    def _connected(self, failing: str = "") -> Generator[sqlite3.Connection]:
        try:
            if not hasattr(self._local, "connection"):
                # opening and closing the last connection moves the whole log, which costs more than a short trial
                connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
                self._local.connection = connection
                connection.execute("PRAGMA synchronous = OFF")  # an empty file has nothing to lose
                tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
                if tables and not tables >= {"comparison", "trials", "claims"}:
                    raise sqlite3.DatabaseError("it is a database of another program")
                _log_ahead(connection)
                if not tables:
                    connection.executescript(TABLES)
                connection.execute("PRAGMA synchronous = NORMAL")
            yield self._local.connection
        except sqlite3.DatabaseError as error:
            self.close()
            raise OptionError(self._said(error, failing)) from error

    def _said(self, error: sqlite3.DatabaseError, failing: str) -> str:
        path, folder = repr(str(self.path)), self.path.absolute().parent
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in OF_THE_DISK:  # the rest of the code says which of a kind
            return f"The store {path} cannot be used: {error}. What it holds is left as it is."
        free = rows.bytes_text(shutil.disk_usage(folder).free)
        what = f"{failing} {path}" if failing else f"The store {path} cannot be used"
        return (
            f"{what}: {error}. {free} are free in {str(folder)!r}. Make room there and give the same command again: "
            "trials that ended before are kept."
        )

    @contextmanager
    def _writing(self, failing: str = "") -> Generator[sqlite3.Connection]:
        with self._connected(failing) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _alive(host: str, pid: int, seen: float) -> bool:
    if host != platform.node():
        return time.time() - seen < STALE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn to a log (WAL), as everybody does who opens a new file: SQLite asks again for every lock but this one."""
    until = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(AGAIN)
        else:
            return


def _short(parts: Mapping[str, str], name: str) -> str:
    text = parts.get(name, "nothing")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _packed(array: Losses | None) -> bytes | None:
    if array is None or not array.size:
        return None
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    return written.getvalue()


def _unpacked(blob: bytes | None) -> Losses | None:
    return None if blob is None else np.load(io.BytesIO(blob), allow_pickle=False)


def _trial(row: tuple[Any, ...]) -> Trial:
    arm, seed, status, loss, losses, curve, metrics, seconds, host, versions, detail = row
    read = _unpacked(curve)
    return Trial(
        arm=arm,
        seed=seed,
        status=cast("Status", status),
        loss=float("nan") if loss is None else loss,
        losses=_unpacked(losses),
        curve=np.empty(0) if read is None else read,
        metrics=json.loads(metrics),
        seconds=seconds,
        host=host,
        versions=json.loads(versions),
        detail=detail,
    )
