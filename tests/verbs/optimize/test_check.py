"""A model passes that is as near to float64 as the original, and none that is further away."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from addcat.doors.onnx.bench import bench_of
from addcat.graph import Graph
from addcat.verbs.optimize.check import Checker
from tests.verbs.optimize.test_optimize import head

TRUTH = np.array([1.0, 0.5])


@dataclass
class Bench:
    """Models are lists: by how much they are off on each set of inputs."""

    off: list[float]
    exact: int = 3
    plain: float = 0.0
    given: dict[str, np.ndarray] = field(default_factory=dict)
    evaluated: list[int] = field(default_factory=list)

    @property
    def graph(self) -> Graph:
        return bench_of(head()).graph

    @property
    def original(self) -> list[float]:
        return self.off

    def runner(self, model, *, optimised=True):
        def run(feeds):
            off = model[feeds["seed"]] + (0.0 if optimised else self.plain)
            return [TRUTH + np.array([off, 0.0])]

        return run

    def feeds(self, seed):
        return {"seed": seed}

    def reference(self, model, feeds):
        self.evaluated.append(feeds["seed"])
        return [TRUTH] if feeds["seed"] < self.exact else None


def checked(bench, model):
    return Checker(bench, tolerance=1e-5, seed=0).check(model)


def test_a_model_that_is_nearer_to_float64_than_the_original_passes():
    bench = Bench([0.0, 0.0, 1.5e-4], plain=2e-6)
    found = checked(bench, [0.0, 0.0, -5e-5])
    assert found.passed
    assert found.error == pytest.approx(2e-4, rel=1e-3)
    assert found.noise == pytest.approx(1.5e-4)
    assert found.allowed == pytest.approx(3.1e-4)
    assert bench.evaluated == [0, 1, 2]


@pytest.mark.parametrize("model", [[0.0, 0.0, -2e-4], [0.0, 4e-4, 1.5e-4], [4e-4, 0.0, 1.5e-4]])
def test_a_model_that_is_further_away_does_not(model):
    assert not checked(Bench([0.0, 0.0, 1.5e-4], plain=2e-6), model).passed


def test_without_float64_the_other_kernels_alone_say_what_the_original_shows():
    found = checked(Bench([0.0, 0.0, 1.5e-4], exact=0, plain=2e-6), [0.0, 0.0, 0.0])
    assert not found.passed
    assert (found.reference, found.reference_original) == (None, None)
    assert found.noise == pytest.approx(2e-6)


def test_float64_is_asked_once_for_inputs_on_which_no_model_differs_by_much():
    bench = Bench([1e-6, 0.0, 1e-6])
    checker = Checker(bench, tolerance=1e-5, seed=0)
    assert all(checker.check([0.0, 1e-6, 0.0]).passed for _ in range(3))
    assert bench.evaluated == [0]
    assert not checker.check([0.1, 0.0, 0.0]).passed
    assert not checker.check([0.1, 0.0, 0.0]).passed
    assert bench.evaluated == [0, 1, 2]


def test_the_references_are_those_of_the_inputs_where_the_model_is_further_by_most():
    found = checked(Bench([1.5e-4, 0.0, 0.0], plain=2e-6), [-1e-4, 3e-5, 0.0])
    assert (found.reference, found.reference_original) == (pytest.approx(3e-5), 0.0)


def test_other_shapes_are_not_looked_at_more_closely():
    bench = Bench([0.0, 0.0, 0.0])
    bench.runner = lambda model, **_: lambda feeds: [TRUTH if model == bench.off else TRUTH[:1]]
    assert not checked(bench, [0.0]).passed
    assert bench.evaluated == [0]
