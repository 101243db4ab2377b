"""The last few percent of a search for memory are left out."""

from graphs import Sketch

from addcat.graph import Graph
from addcat.graph.peak import memory
from addcat.verbs.optimize.candidates import Kept
from addcat.verbs.optimize.objectives import ByMemory
from addcat.verbs.optimize.result import KEPT, REFUSED, Attempt
from addcat.verbs.optimize.rounds import Rounds
from addcat.verbs.optimize.trimming import NEARLY, worthwhile


def wide(channels: int) -> Graph:
    sketch = Sketch(dtype="float32")
    sketch.conv(sketch.relu(sketch.conv(sketch.input(2, (8, 8)), channels, 1)), 2, 1)
    return sketch.graph()


def searched(*widths: int) -> Rounds:
    search = Rounds((), ByMemory(), 0.0)
    for width in widths:
        search.kept.append(Kept((), wide(width), 1.0))
        search.attempts.append(Attempt(f"to {width}", ("hidden-halves",), (), KEPT, None, "less memory is alive"))
        search.attempts.append(Attempt(f"not {width}", ("split",), (), REFUSED, None, "no less memory is alive"))
    return search


def test_what_brings_little_is_left_out() -> None:
    search = searched(400, 204, 203, 202, 201, 200)
    kept = worthwhile(search)
    assert len(kept) == 2
    assert [step.outcome for step in search.attempts[::2]] == [KEPT, KEPT, REFUSED, REFUSED, REFUSED, REFUSED]
    assert search.attempts[4].reason == "lowers the peak by too little for its time"
    last, end = memory(kept[-1].graph), memory(search.kept[-1].graph)
    assert last is not None
    assert end is not None
    assert last.peak <= NEARLY * end.peak


def test_what_brings_much_stays() -> None:
    search = searched(400, 300, 200, 100)
    assert worthwhile(search) == search.kept
    assert all(step.outcome == KEPT for step in search.attempts[::2])


def test_nothing_kept() -> None:
    assert worthwhile(Rounds((), ByMemory(), 0.0)) == []
