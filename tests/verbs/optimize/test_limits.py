"""Nothing runs on when the time is up: what is not decided by then is not taken, and said to be that."""

import time
from dataclasses import replace
from importlib import import_module

import pytest

from addcat.doors import timing
from addcat.doors.onnx.timer import OnnxTimer
from addcat.doors.timing import Ratio, UndecidedError, interleave
from addcat.rules import RULES, Rule
from addcat.verbs.optimize import _run, objectives, optimize
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.result import KEPT, SKIPPED, UNSURE, WRONG
from addcat.verbs.optimize.search import objective_of, search
from tests.verbs.optimize.test_optimize import head, same, task, timed, wrong_plan  # noqa: F401  (a fixture)

verify = import_module("addcat.verbs.optimize.verify")
confirm = import_module("addcat.verbs.optimize.confirm")
WORDS = (
    "Not decided: 2 pairs of runs in 40.0 s, where 5 are needed. A longer time limit, or a machine that is less busy, "
    "decides it."
)


@pytest.fixture
def busy(monkeypatch):
    """A machine on which little of the time that passes is a run's own: the clock of the wall, and runs."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def run_of(seconds):
        def run():
            now[0] += seconds

        return run

    return now, run_of


@pytest.mark.parametrize(("most", "pairs"), [(100.0, 5), (130.0, 7), (1e9, 8)])
def test_a_comparison_ends_within_its_limit(busy, most, pairs):
    now, run_of = busy
    found = interleave(run_of(10.0), run_of(8.0), clock=lambda: now[0], limit=0.8, level=0.9, most=most)
    assert found.pairs == pairs
    assert now[0] <= 18.0 + most + 18.0
    assert found.faster


@pytest.mark.parametrize(("level", "most", "words"), [(0.9, 40.0, WORDS), (0.99, 115.0, None)])
def test_too_few_pairs_decide_nothing(busy, level, most, words):
    """Eight of eight pairs are faster by chance once in 256 times, two of two once in four."""
    now, run_of = busy
    with pytest.raises(UndecidedError) as raised:
        interleave(run_of(10.0), run_of(5.0), clock=lambda: now[0], limit=0.8, level=level, most=most)
    assert now[0] <= 15.0 + most + 15.0
    if words:
        assert str(raised.value) == words


def test_a_first_run_that_compiles_is_not_counted(busy):
    now, run_of = busy
    fast, compiled = run_of(0.1), [False]

    def compiling():
        now[0] += 0.1 if compiled[0] else 500.0
        compiled[0] = True

    assert interleave(fast, compiling, clock=lambda: now[0], level=0.9, most=10.0).pairs >= 5


def test_a_candidate_that_is_not_decided_is_not_taken(monkeypatch):
    def undecided(*_, **__):
        raise UndecidedError(WORDS)

    monkeypatch.setattr(OnnxTimer, "compare", undecided)
    result = optimize(head(), cache=False)
    tried = [step for step in result.record.steps if step.reason == WORDS]
    assert tried
    assert {step.outcome for step in tried} == {SKIPPED}
    judge = objective_of(task(head(), RULES, measure=True))
    graph = task(head(), RULES).bench.graph
    assert not judge.prefers(graph, graph)
    assert (judge.together(graph, graph).better, judge.together(graph, graph).reason) == (False, WORDS)


def test_a_comparison_may_take_no_more_than_the_search_has_left(monkeypatch):
    asked = []

    def compare(timer, old, new, *, most, **_):
        asked.append(most)
        return Ratio(1.0, 0.9, 1.1, 8, 1.0, 1.0)

    monkeypatch.setattr(OnnxTimer, "compare", compare)
    begun = task(head(), RULES, measure=True, limit=60.0)
    objective_of(begun).compare(begun.bench.graph, begun.bench.graph)
    late = task(head(), RULES, measure=True, limit=-1.0)
    objective_of(late).compare(late.bench.graph, late.bench.graph)
    assert asked[0] == 15.0
    assert asked[1] < 0


def test_a_part_that_is_not_decided_is_not_run_as_a_whole(monkeypatch):
    """Where a part cannot be cut out the whole is timed, which would only take longer."""
    bench = task(head(), RULES).bench
    graph = bench.graph
    monkeypatch.setattr(OnnxTimer, "_part", lambda *_: lambda: time.sleep(0.001))
    monkeypatch.setattr(OnnxTimer, "compare_whole", lambda *_, **__: pytest.fail("the whole was timed"))
    with pytest.raises(UndecidedError, match="0 pairs of runs in 0 ms"):
        bench.timing.compare(graph, graph, most=0.0)


@pytest.mark.usefixtures("timed")
def test_a_whole_that_is_not_decided_is_not_given(monkeypatch):
    asked = []

    def undecided(*_, most, **__):
        asked.append(most)
        raise UndecidedError(WORDS)

    monkeypatch.setattr(OnnxTimer, "compare_whole", undecided)
    proto = head()
    result = optimize(proto, time_limit=90.0)
    assert result.record.notes == (
        f"The time of the whole: {WORDS}",
        "Nothing is known to be faster, so the model is the original.",
    )
    assert asked == [90.0]  # fewer of the rewrites are not tried: they are nearer to the original
    assert [node.op_type for node in result.model.graph.node] == [node.op_type for node in proto.graph.node]
    optimize(proto, time_limit=30.0)
    assert asked[1:] == [confirm.MOST_SECONDS]


@pytest.mark.usefixtures("timed")
def test_other_goals_say_that_the_time_is_not_known(monkeypatch):
    def undecided(*_, **__):
        raise UndecidedError(WORDS)

    monkeypatch.setattr(OnnxTimer, "compare_whole", undecided)
    result = optimize(head(), goal="parameters")
    assert f"The time of the whole: {WORDS}" in result.record.notes
    assert result.record.after.parameters < result.record.before.parameters
    assert "Its time was not decided." in str(result).replace("\n", " ")


# what is to blame


def searched(monkeypatch, passes_at):
    """A search that keeps a rewrite that is wrong, in a time that is up after some checks of the bisection."""
    checks = []
    real = Checker.passes

    def counted(checker, graph):
        checks.append(graph)
        return real(checker, graph)

    class Clock:
        @staticmethod
        def perf_counter():
            return 0.0 if len(checks) < passes_at else 1e9

    proto = head()
    begun = task(proto, (*[rule for rule in RULES if rule.name in ("twice", "affine-after")], HALVE))
    monkeypatch.setattr(objectives.predict, "change", lambda old, new: -1.0)
    monkeypatch.setattr(Checker, "passes", counted)
    monkeypatch.setattr(verify, "time", Clock)
    monkeypatch.setattr(verify, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(import_module("addcat.verbs.optimize.check"), "time", Clock)
    return proto, _run(begun), checks


HALVE = Rule("halve", "AC999", ("latency",), wrong_plan)


def test_where_the_time_is_up_nothing_that_may_be_wrong_is_in(monkeypatch):
    proto, result, checks = searched(monkeypatch, 0)
    assert checks == []
    assert {step.outcome for step in result.record.steps} <= {UNSURE, SKIPPED, "refused"}
    unsure = [step for step in result.record.steps if step.outcome == UNSURE]
    assert any("halve" in step.rules for step in unsure)
    assert {step.reason for step in unsure} == {
        "it or another changed the outputs, and the time was up before it was seen which"
    }
    assert result.record.verification is None
    assert same(proto, result.model, 0.0)
    said = [note for note in result.record.notes if "to blame" in note]
    assert said[0].endswith(
        "more rewrites the outputs changed, or the model could not be written or run, and the time was up before it "
        "was seen which is to blame, so none of these is in. A longer time limit finds it."
    )


def test_what_was_seen_to_pass_by_then_stays(monkeypatch):
    outcomes = []
    for checks in range(6):
        with monkeypatch.context() as patch:
            proto, result, asked = searched(patch, checks)
        assert len(asked) <= checks
        assert same(proto, result.model)
        assert not any("halve" in step.rules and step.outcome == KEPT for step in result.record.steps)
        outcomes.append([step.outcome for step in result.record.steps])
    assert UNSURE in outcomes[0]
    assert WRONG not in outcomes[0]
    assert KEPT in outcomes[-1]
    assert WRONG in outcomes[-1]


def test_a_search_that_has_used_its_time_up_leaves_some_for_that(monkeypatch):
    begun = task(head(), (*[rule for rule in RULES if rule.name in ("twice", "affine-after")], HALVE))
    monkeypatch.setattr(objectives.predict, "change", lambda old, new: -1.0)
    found = search(begun)
    checker = Checker(begun.bench, tolerance=1e-5, seed=0)
    verified = verify.verify(replace(begun, begun=-1e9), [*found.tidied, *found.kept], checker)
    assert verified.wrong
    assert verified.unsure == ()


def test_bisection_begins_where_it_is_known_to_pass():
    asked = []

    class Passing(Checker):
        def __init__(self):
            pass

        def passes(self, graph):
            asked.append(graph)
            return graph < 5

    class One:
        def __init__(self, graph):
            self.graph = graph

    kept = [One(number) for number in range(8)]
    assert Passing().narrowed(kept, -1, float("inf")) == (4, 5)
    assert asked == [3, 5, 4]
    asked.clear()
    assert Passing().narrowed(kept, 3, float("inf")) == (4, 5)
    assert asked == [5, 4]
    assert Passing().narrowed(kept, 1, 0.0) == (1, 7)
