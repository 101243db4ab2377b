"""Which of several rewrites that improve is kept: the simplest, unless another beats it directly."""

from dataclasses import replace

import pytest

from addcat.doors.timing import Ratio
from addcat.errors import ModelError
from addcat.graph import Graph
from addcat.rules.base import Proposal
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.candidates import Candidate
from addcat.verbs.optimize.objectives import ByTime, Judgement
from addcat.verbs.optimize.rounds import Rounds


def ratio(value: float, spread: float = 0.01) -> Ratio:
    return Ratio(value, value - spread, value + spread, 8, 1.0, value)


def graph(size: int) -> Graph:
    from graphs import Sketch

    sketch = Sketch()
    edge = sketch.input(2)
    for _ in range(size):
        edge = sketch.relu(edge)
    return sketch.graph()


def entry(gain: float, size: int) -> tuple[Judgement, Candidate, Graph]:
    made = graph(size)
    step = Proposal("rule", f"site{size}", (), "")
    return Judgement(True, gain, None, "faster"), Candidate((step,), made, None, frozenset()), made


def judge_of(direct: Ratio) -> ByTime:
    return ByTime(lambda *_: direct, lambda *_: direct, lambda old, new: (len(old.nodes), len(new.nodes)))


@pytest.mark.parametrize(("direct", "kept"), [(0.9, 3), (1.0, 2), (1.1, 2)])
def test_the_simplest_stands_until_it_is_beaten(direct: float, kept: int) -> None:
    search = Rounds((), judge_of(ratio(direct)), float("inf"))
    winner = search._winner([entry(0.1, 2), entry(0.2, 3)])
    assert winner is not None
    assert len(winner[2].nodes) == kept + 1


def test_counted_goals_take_the_largest_gain() -> None:
    search = Rounds((), lambda old, new: Judgement(True, 0.0, None, ""), float("inf"))
    winner = search._winner([entry(0.1, 2), entry(0.2, 3)])
    assert winner is not None
    assert winner[0].gain == 0.2
    assert search._winner([]) is None


def test_without_time_the_largest_gain_is_taken() -> None:
    winner = Rounds((), judge_of(ratio(1.1)), 0.0)._winner([entry(0.1, 2), entry(0.2, 3)])
    assert winner is not None
    assert winner[0].gain == 0.2


def test_what_cannot_be_built_does_not_win() -> None:
    def fails(*_: Graph) -> Ratio:
        raise ModelError("no")

    judge = replace(judge_of(ratio(0.5)), closely=fails)
    assert not judge.prefers(graph(1), graph(2))


def test_a_small_gain_is_measured_again_and_longer() -> None:
    asked: list[str] = []

    def quick(*_: Graph) -> Ratio:
        asked.append("quick")
        return ratio(0.97, 0.05)

    def closely(*_: Graph) -> Ratio:
        asked.append("closely")
        return ratio(0.97)

    judge = ByTime(quick, closely, lambda old, new: (len(old.nodes), len(new.nodes)))
    assert judge(graph(3), graph(2)).better
    assert judge(graph(3), graph(2)).better
    assert asked == ["quick", "closely"]
    clear = ByTime(lambda *_: ratio(0.5), closely, lambda old, new: 0)
    assert clear(graph(3), graph(2)).better
    none = ByTime(lambda *_: ratio(1.0), closely, lambda old, new: 0)
    assert not none(graph(3), graph(2)).better
    assert asked == ["quick", "closely"]


def decoders(sites: int) -> Graph:
    from graphs import Sketch

    sketch = Sketch(first=True, dtype="float32")
    edge = sketch.input(16, (64, 64))
    for number in range(sites):
        skip = sketch.input(16, (64, 64), name=f"skip{number}")
        edge = sketch.relu(sketch.conv(sketch.concat(edge, skip), 16, 3, name=f"conv{number}"))
    return sketch.graph()


@pytest.mark.parametrize(("whole", "kept"), [(0.97, True), (1.0, False)])
def test_gains_below_the_noise_are_seen_together(whole: float, kept: bool) -> None:
    from addcat.rules.split import SPLIT

    def key(old: Graph, new: Graph) -> object:
        return len(old.nodes), len(new.nodes), tuple(new.nodes)

    judge = ByTime(lambda *_: ratio(0.99, 0.02), lambda *_: ratio(whole), key)
    search = Rounds([SPLIT], judge, float("inf"))
    start = decoders(3)
    result = search.run(start)
    assert [(step.site, step.outcome) for step in search.attempts][-1] == ("3 sites", "kept" if kept else "refused")
    assert sum(node.op == "concat" for node in result.nodes.values()) == (0 if kept else 3)
    assert len(search.kept) == kept
    if kept:
        assert search.kept[0].graph is result


def test_one_site_alone_is_not_asked_again() -> None:
    from addcat.rules.split import SPLIT

    judge = ByTime(lambda *_: ratio(0.99, 0.02), lambda *_: ratio(0.9), lambda old, new: tuple(new.nodes))
    search = Rounds([SPLIT], judge, float("inf"))
    start = decoders(1)
    assert search.run(start) is start


def rival(start: Graph, name: str, added: float) -> Candidate:
    """A candidate that writes the only convolution anew, and is expected to add to its time."""
    site = next(node for node in start.nodes.values() if node.op == "conv")
    nodes = [replace(node, attrs=dict(node.attrs)) if node is site else node for node in start.nodes.values()]
    made = Graph.of(nodes, inputs=start.inputs, outputs=start.outputs, name=name)
    part = predict.seconds(start, [site.name])
    assert part
    return Candidate((Proposal(name, site.name, (site.name,), ""),), made, added * part, frozenset({site.name}))


@pytest.mark.parametrize(
    ("first", "added", "tried"),
    [(0.5, 0.2, ["cheap"]), (0.5, 0.02, ["cheap", "dear"]), (1.0, 0.2, ["cheap", "dear"])],
    ids=["hopeless", "may be wrong", "nothing faster"],
)
def test_what_is_expected_to_cost_is_not_tried_beside_what_is_faster(
    first: float, added: float, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, asked = decoders(1), list[str]()

    def compare(_: Graph, result: Graph) -> Ratio:
        asked.append(result.name)
        return ratio(first if result.name == "cheap" else 0.9)

    search = Rounds((), ByTime(compare, compare, lambda _, result: result.name), float("inf"))
    monkeypatch.setattr(search, "_replayed", lambda _, rivals: ((one, one.graph) for one in rivals))
    search._best(start, [rival(start, "cheap", -0.1), rival(start, "dear", added)])
    assert list(dict.fromkeys(asked)) == tried
    reasons = {step.rules[0]: step.reason for step in search.attempts if step.outcome == "not measured"}
    assert reasons == ({} if len(tried) == 2 else {"dear": "expected to cost, and another is faster"})
