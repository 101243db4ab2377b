"""The store: what it keeps, whom it refuses, and that two never run one trial."""

import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from addcat.errors import DataError, OptionError
from addcat.trials import store
from addcat.trials.store import Store
from addcat.trials.trial import Key, Trial, failed, of_curve, of_value

KEY = Key("add", 3)
SPEC = {"model": "net 1234", "data": "100 examples abcd"}


def test_a_trial_comes_back_as_it_was(tmp_path):
    store = Store(tmp_path / "trials.db")
    store.open_for(SPEC, {"pairs": 8})
    trial = of_curve(KEY, np.random.default_rng(0).random((3, 7)), {"accuracy": 0.5}).stamped(1.5)
    store.put(trial)
    (found,) = Store.existing(store.path).trials().values()
    for name in ("arm", "seed", "status", "loss", "metrics", "seconds", "host", "versions", "detail"):
        assert getattr(found, name) == getattr(trial, name)
    np.testing.assert_array_equal(found.losses, trial.losses)
    np.testing.assert_array_equal(found.curve, trial.curve)
    assert store.settings() == {"pairs": 8}


def test_a_diverged_trial_is_kept_and_not_run_again_a_failed_one_is(tmp_path):
    store = Store(tmp_path / "trials.db")
    store.put(of_value(KEY, float("inf")))
    store.put(failed(Key("add", 4), "failed", "x" * 5_000))
    assert np.isnan(store.trials()[KEY].loss)
    assert store.trials()[KEY].status == "diverged"
    assert len(store.trials()[Key("add", 4)].detail) == 2_000
    assert not store.claim(KEY)
    assert store.claim(Key("add", 4))


def test_another_comparison_is_refused_with_what_differs(tmp_path):
    store = Store(tmp_path / "trials.db")
    store.open_for(SPEC, {})
    store.open_for(SPEC, {"pairs": 16})  # the same one may go on, with more pairs
    assert store.settings() == {"pairs": 16}
    with pytest.raises(DataError) as caught:
        Store(store.path).open_for({"model": "net 1234", "data": "90 examples eeee", "margin": "0.1"}, {})
    assert str(caught.value) == (
        f"{str(store.path)!r} holds trials of another comparison. What differs:\n"
        "  data: 100 examples abcd there, 90 examples eeee now\n"
        "  margin: nothing there, 0.1 now\n"
        "Give another --store, or repeat that comparison as it was."
    )
    assert store.settings() == {"pairs": 16}


def test_a_claim_keeps_others_away_until_it_ends(tmp_path):
    first, second = Store(tmp_path / "trials.db"), Store(tmp_path / "trials.db")
    assert first.claim(KEY)
    assert first.claim(KEY)  # its own
    assert not second.claim(KEY)
    assert second.running() == (KEY,)
    first.put(of_value(KEY, 1.0))
    assert second.running() == ()
    assert not second.claim(KEY)  # done
    assert second.claim(Key("add", 4))
    second.release()
    assert first.claim(Key("add", 4))


def test_the_claim_of_a_process_that_is_gone_is_free(tmp_path):
    path = tmp_path / "trials.db"
    code = (
        "import sys; from addcat.trials.store import Store; from addcat.trials.trial import Key\n"
        f"sys.exit(0 if Store({str(path)!r}).claim(Key('add', 3)) else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
    assert Store(path).claim(KEY)


def test_a_claim_from_another_machine_lasts_as_long_as_its_heart_beats(tmp_path, monkeypatch):
    mine, other = Store(tmp_path / "trials.db"), Store(tmp_path / "trials.db")
    now = [1000.0]
    monkeypatch.setattr("addcat.trials.store.time.time", lambda: now[0])
    monkeypatch.setattr("addcat.trials.store.platform.node", lambda: "elsewhere")
    assert other.claim(KEY)
    monkeypatch.setattr("addcat.trials.store.platform.node", lambda: "here")
    now[0] += 50
    assert not mine.claim(KEY)
    other.beat()
    now[0] += 50
    assert not mine.claim(KEY)
    now[0] += 50
    assert mine.claim(KEY)


def test_two_that_claim_at_once_never_get_the_same(tmp_path):
    """Two processes claim two hundred trials, both in order."""
    path = tmp_path / "trials.db"
    Store(path)
    code = (
        "from addcat.trials.store import Store; from addcat.trials.trial import Key\n"
        f"store = Store({str(path)!r})\n"
        "print(*[n for n in range(200) if store.claim(Key('add', n))]); input()"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(2)
    ]
    taken = [one.stdout.readline().split() for one in both]
    for one in both:
        one.communicate("\n")
    assert sorted(map(int, taken[0] + taken[1])) == list(range(200))


@pytest.mark.parametrize("kind", ["folder", "missing", "text"])
def test_places_that_will_not_do(tmp_path, kind):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but longer than the head of one is: " * 10)
    path = {"folder": tmp_path, "missing": tmp_path / "no" / "x.db", "text": text}[kind]
    expected = {
        "folder": f"The store cannot be {str(path)!r}: that is a folder. Give the name of a file.",
        "missing": f"The store cannot be {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first.",
        "text": f"The store {str(path)!r} cannot be used: file is not a database. What it holds is left as it is.",
    }[kind]
    before = text.read_text()
    with pytest.raises(OptionError) as caught:
        Store(path)
    assert str(caught.value) == expected
    assert text.read_text() == before


def test_a_database_of_another_program_is_left_as_it_is(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE comparison (name TEXT)")  # one of our words makes it none of ours
        connection.execute("INSERT INTO comparison VALUES ('mine')")
    connection.close()
    before = path.read_bytes()
    for open_ in (Store, Store.existing):
        with pytest.raises(OptionError) as caught:
            open_(path)
        assert str(caught.value) == (
            f"The store {str(path)!r} cannot be used: it is a database of another program. "
            "What it holds is left as it is."
        )
        assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["other.db"]


def test_to_look_into_an_empty_file_makes_no_store_of_it(tmp_path):
    path = tmp_path / "empty.keras"
    path.touch()
    with pytest.raises(DataError) as caught:
        Store.existing(path)
    assert str(caught.value) == f"{str(path)!r} holds no comparison yet."
    assert path.read_bytes() == b""
    assert [one.name for one in tmp_path.iterdir()] == ["empty.keras"]


def test_a_store_that_is_not_there_and_one_that_is_empty(tmp_path):
    with pytest.raises(OptionError) as caught:
        Store.existing(tmp_path / "x.db")
    assert str(caught.value) == (
        f"There is no store {str(tmp_path / 'x.db')!r}. Give the file that a comparison writes with --store."
    )
    with pytest.raises(DataError) as caught:
        Store(tmp_path / "x.db").settings()
    assert str(caught.value) == f"{str(tmp_path / 'x.db')!r} holds no comparison yet."


FULL = (
    "{}: {}. 3.0 KiB are free in {!r}. Make room there and give the same command again: "
    "trials that ended before are kept."
)


@pytest.fixture
def nearly_full(monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 1024))


def test_a_full_disk_keeps_what_is_there(tmp_path, nearly_full):
    """SQLite is held to a few pages, as a full disk would."""
    store = Store(tmp_path / "trials.db")
    store.put(of_value(KEY, 1.0))
    connected = sqlite3.connect

    def small(*args, **options):
        connection = connected(*args, **options)
        connection.execute("PRAGMA max_page_count = 6")
        return connection

    big = Trial("add", 9, "done", 1.0, losses=np.zeros(100_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("addcat.trials.store.sqlite3.connect", small)
        with pytest.raises(OptionError) as caught:
            Store(store.path).put(big)
    what = f"Trial add 9 cannot be written to the store {str(store.path)!r}"
    assert str(caught.value) == FULL.format(what, "database or disk is full", str(tmp_path))
    assert list(store.trials()) == [KEY]
    store.put(big)
    assert len(store.trials()) == 2


@pytest.fixture
def files_held_to():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more(tmp_path, nearly_full, files_held_to):
    """No file may grow beyond some size: SQLite calls what the system then says an I/O error."""
    path, other = tmp_path / "trials.db", tmp_path / "other.db"
    store = Store(path)
    store.put(of_value(KEY, 1.0))
    files_held_to(60_000)
    with pytest.raises(OptionError) as caught:
        store.put(Trial("concat", 9, "done", 1.0, losses=np.zeros(100_000)))
    what = f"Trial concat 9 cannot be written to the store {str(path)!r}"
    assert str(caught.value) == FULL.format(what, "disk I/O error", str(tmp_path))
    files_held_to(1_000)
    with pytest.raises(OptionError) as caught:
        Store(other)
    assert str(caught.value) == FULL.format(f"The store {str(other)!r} cannot be used", "disk I/O error", str(tmp_path))
    files_held_to(10**9)
    assert list(Store(path).trials()) == [KEY]


class Locked:
    """A connection whose log another turns to meanwhile: SQLite refuses at once, however long one would wait."""

    def __init__(self, *refusals):
        self.left = list(refusals)

    def execute(self, words):
        assert words == "PRAGMA journal_mode = WAL"
        if self.left:
            raise sqlite3.OperationalError(self.left.pop(0))


def test_turning_to_a_log_is_tried_again_while_another_does():
    busy = Locked(*["database is locked"] * 3)
    store._log_ahead(busy)
    assert busy.left == []


def test_what_is_no_lock_or_never_ends_is_said(monkeypatch):
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        store._log_ahead(Locked("disk I/O error"))
    monkeypatch.setattr(store, "WAIT", 0.02)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store._log_ahead(Locked(*["database is locked"] * 10_000))
