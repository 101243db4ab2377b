"""What is remembered of measurements: between searches, under the same conditions."""

import sqlite3

import numpy as np
import pytest
from graphs import Sketch

from addcat.doors.onnx import timer
from addcat.doors.onnx.read import read
from addcat.doors.onnx.timer import processor
from addcat.doors.timing import Ratio
from addcat.verbs.optimize import measured, optimize
from addcat.verbs.optimize.measured import Measured, cache_file
from addcat.verbs.optimize.objectives import ByTime
from tests.doors.onnx.models import model, random

RATIO = Ratio(0.9, 0.8, 0.95, 16, 2e-3, 1.8e-3)
KEY = (("conv", (1, 8, None)), ("conv", (1, 4, None)))


def test_a_ratio_is_there_for_the_next_search_under_the_same_conditions(tmp_path, monkeypatch):
    file = tmp_path / "made" / "measured.sqlite"
    first = Measured(file, "this machine")
    assert first.get(KEY) is None
    first.put(KEY, RATIO)
    assert (first.get(KEY), first.remembered) == (RATIO, 0)
    second = Measured(file, "this machine")
    assert [second.get(KEY) for _ in range(2)] == [RATIO, RATIO]
    assert second.remembered == 1
    assert Measured(file, "another machine").get(KEY) is None
    assert Measured(file, "this machine").get((KEY[1], KEY[0])) is None
    monkeypatch.setattr(measured, "VERSION", measured.VERSION + 1)
    assert Measured(file, "this machine").get(KEY) is None


def test_without_a_file_nothing_is_kept(tmp_path):
    first = Measured(None, "this machine")
    first.put(KEY, RATIO)
    assert first.get(KEY) == RATIO
    assert Measured(None, "this machine").get(KEY) is None


def test_a_file_that_cannot_serve_counts_as_none(tmp_path):
    (tmp_path / "text").write_text("no database")
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "text", tmp_path / "folder", tmp_path / "text" / "below"):
        known = Measured(file)
        assert known.get(KEY) is None
        known.put(KEY, RATIO)
        assert (known.get(KEY), known.remembered) == (RATIO, 0)
        assert Measured(file).get(KEY) is None
    assert (tmp_path / "text").read_text() == "no database"


@pytest.mark.parametrize("text", ["{", "[]", '{"estimate": 0.5}', "null"])
def test_a_row_that_is_none_of_ours_is_measured_again(tmp_path, text):
    file = tmp_path / "measured.sqlite"
    Measured(file).put(KEY, RATIO)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE measured SET ratio = ?", (text,))
    connection.close()
    assert Measured(file).get(KEY) is None
    Measured(file).put(KEY, RATIO)
    assert Measured(file).get(KEY) == RATIO


def test_what_is_remembered_is_not_measured(tmp_path):
    sketch = Sketch()
    sketch.conv(sketch.input(3), 4, 3)
    graph, runs = sketch.graph(), []

    def compare(*_):
        runs.append(1)
        return RATIO

    for expected in (1, 1):
        judge = ByTime(compare, compare, lambda *_: KEY, Measured(tmp_path / "measured.sqlite"))
        assert judge(graph, graph).ratio == RATIO
        assert len(runs) == expected


def net():
    return model(
        """g (float[1,8,16,16] x) => (float[1,4,16,16] y) {
            a = Conv<pads=[1,1,1,1]>(x, k)
            b = Conv(a, o)
            y = Relu(b)
        }""",
        k=random(8, 8, 3, 3),
        o=random(4, 8, 1, 1),
    )


def test_a_second_run_takes_the_times_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = cache_file()
    assert file == tmp_path / "addcat" / "measured.sqlite"
    said = "measured in earlier runs on this machine"

    def notes(**options):
        return " ".join(optimize(net(), time_limit=20, **options).record.notes)

    assert said not in notes(cache=False)
    assert not file.exists()
    assert said not in notes()
    with sqlite3.connect(file) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM measured").fetchone()
    connection.close()
    assert rows > 0
    words = f"Times of {rows} {'part' if rows == 1 else 'parts'} were {said} (--no-cache measures them anew)."
    assert words in notes()
    assert said not in notes(threads=2)


def test_the_processor_is_named_with_its_cores():
    name = processor()
    assert name == processor()
    assert name.endswith(")")
    assert name.split(" (")[0]


def test_operations_that_are_not_looked_into_differ_by_their_settings():
    def signed(largest, count=3):
        text = f"g (float[1,8] x) => (float[1,k] v) {{ v, i = TopK<largest={largest}>(x, wanted) }}"
        return timer._signature(read(model(text, wanted=np.array([count]))))

    assert signed(1) == signed(1)
    assert len({signed(1), signed(0), signed(1, count=2)}) == 3
