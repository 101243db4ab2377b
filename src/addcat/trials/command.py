"""The third way in: a command, run once a trial, as hyperfine runs one for its time. Any language will do.

What decides is read from `{folder}/metrics.json`, else from the last line of the output that is a JSON object (or, for
a metric that was not named, a JSON number).
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from addcat.errors import OptionError
from addcat.trials.execute import Unit, in_singles, share_threads, with_metrics
from addcat.trials.orphans import GRACE, begun, ended
from addcat.trials.trial import MOST_DETAIL, Key, Trial, failed, of_value

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
MOST_OUTPUT = 1 << 20
"""Bytes at the end of the output in which the metric is looked for."""


def check_command(command: str) -> list[str]:
    """The words of a command.

    Raises:
        OptionError: if it cannot be taken apart, or has no place for the arm or the seed.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise OptionError(f"The command {command!r} cannot be taken apart: {error}.") from None
    missing = [place for place in ("{arm}", "{seed}") if place not in command]
    if not words or missing:
        raise OptionError(
            f"The command {command!r} has no {' and no '.join(missing) or 'words'}: every trial would be the same. "
            "Expected, for instance, 'python train.py --merge {arm} --seed {seed} --out {folder}'."
        )
    return words


@dataclass(slots=True)
class CommandTrial:
    """Runs a command for each trial; see `addcat.trials.execute.Execute`.

    Attributes:
        command: With {arm}, {seed} and, where wanted, {folder} in it.
        metric: The entry that decides; "" for "loss", or a bare number.
        lower: Whether less is better.
        limit: Seconds after which a trial is ended; None for none.
        folders: Where each trial has its own folder; "" for temporary ones.
        share: Threads that a command is asked to keep to; 0 leaves that to it.
        threads: Each runs in a process of its own, so threads can wait for them.
    """

    command: str
    metric: str = ""
    lower: bool = True
    limit: float | None = None
    folders: str = ""
    share: int = 0
    threads: bool = True
    _running: dict[int, Any] = field(default_factory=dict[int, Any], compare=False, repr=False)

    def units(self, keys: Sequence[Key], workers: int) -> list[Unit]:
        """Every trial alone."""
        self.share = share_threads(workers) if workers > 1 else 0
        return in_singles(keys)

    def __call__(self, unit: Unit) -> list[Trial]:
        """Run the command for every key."""
        return [self._one(key) for key in unit]

    def stop(self) -> None:
        """End every command that is running."""
        for running in list(self._running.values()):
            _end(running)

    def _one(self, key: Key) -> Trial:
        if not self.folders:
            with tempfile.TemporaryDirectory(prefix="addcat-", ignore_cleanup_errors=True) as folder:
                return self._in(key, Path(folder))
        folder = Path(self.folders) / f"{_safe(key.arm)}-seed{key.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").unlink(missing_ok=True)  # of a trial that was cut off
        return self._in(key, folder)

    def _in(self, key: Key, folder: Path) -> Trial:
        places = {"{arm}": key.arm, "{seed}": str(key.seed), "{folder}": str(folder)}
        words = [_filled(word, places) for word in check_command(self.command)]
        environment = {**os.environ, **(dict.fromkeys(THREADS, str(self.share)) if self.share else {})}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                running = subprocess.Popen(  # noqa: S603  (the user's own command)
                    words, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
                )
            except OSError as error:
                raise OptionError(f"The command cannot be started: {error.strerror}: {words[0]!r}.") from None
            self._running[running.pid] = running
            begun(running.pid)
            try:
                code = running.wait(self.limit)
            except subprocess.TimeoutExpired:
                return failed(key, "timed out", f"ended after {self.limit:g} s\n{_tail(out)}\n{_tail(err)}")
            finally:
                _end(running)
                ended(running.pid)
                self._running.pop(running.pid, None)
            said = f"{_tail(out)}\n{_tail(err)}"
            if code:
                return failed(key, "failed", f"{said}\n{_ended(code)}")
            return self._read(key, folder, _tail(out, MOST_OUTPUT), said)

    def _read(self, key: Key, folder: Path, output: str, said: str) -> Trial:
        entries = _entries(folder / "metrics.json", output, bare=not self.metric)
        name = self.metric or "loss"
        value = entries.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            there = f"there are {', '.join(map(repr, entries))}" if entries else "there is no JSON"
            return failed(key, "no metric", f"{said}\nno number {name!r}: {there}")
        others = {
            other: float(number)
            for other, number in entries.items()
            if other != name and isinstance(number, int | float) and not isinstance(number, bool)
        }
        return with_metrics(of_value(key, float(value) if self.lower else -float(value)), others)


def _filled(word: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _safe(arm: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in arm)


def _entries(file: Path, output: str, *, bare: bool) -> dict[str, Any]:
    """The figures that a trial gave by name."""
    if file.is_file():
        try:
            read = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            read = None
        if isinstance(read, dict):
            return cast("dict[str, Any]", read)
    for line in reversed(output.splitlines()):
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            return cast("dict[str, Any]", read)
        if bare and isinstance(read, int | float):
            return {"loss": read}
    return {}


def _tail(file: BinaryIO, most: int = MOST_DETAIL) -> str:
    file.flush()
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read().decode(errors="replace").strip()


def _ended(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _end(running: "subprocess.Popen[bytes]") -> None:
    """End a command and whatever it started, first by asking."""
    if running.poll() is None:
        _send(running.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(GRACE)
    _send(running.pid, signal.SIGKILL)  # what is left of its group
    running.wait()


def _send(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
