"""Verification of a result, and the rewrite that is to blame where it fails."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from addcat.doors.bench import Bench, RunByName
from addcat.errors import AddcatError
from addcat.graph import Array, Graph
from addcat.verbs.optimize.candidates import Kept
from addcat.verbs.optimize.difference import difference, precision, scaled_tolerance
from addcat.verbs.optimize.result import Verification

RUNS = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A model that was written and run beside the original, or why it was not.

    Attributes:
        model: The model; None where there is a problem.
        verification: How it was checked; None where there is a problem.
        problem: Why it cannot be written or run; "" where it can.
    """

    model: object
    verification: Verification | None
    problem: str


class Checker:
    """Runs models against the original, whose outputs are computed once.

    Args:
        bench: The model.
        tolerance: Largest relative difference in float32 that counts as equal.
        seed: First of the seeds of the random inputs; fresh ones for every checker.

    Attributes:
        unverifiable: Why nothing can be said of a model that was changed: the original differs from itself, or gives no
            finite numbers or none at all; "" where it can.
    """

    def __init__(self, bench: Bench, *, tolerance: float, seed: int) -> None:
        self._bench = bench
        tensors = [tensor.dtype for node in bench.graph.nodes.values() for tensor in node.outputs]
        self.precision = precision(tensors)
        self._tolerance = scaled_tolerance(tolerance, self.precision)
        run = bench.runner(bench.original)
        self._feeds: list[Mapping[str, Array]] = []
        self._expected: list[list[Array]] = []
        for number in range(RUNS):
            feeds = bench.feeds(seed + number)
            if number and feeds.keys() == bench.given.keys():  # all that was given has been run
                break
            outputs = self._try(run, feeds, needed=number == 0)
            if outputs is not None:
                self._feeds.append(feeds)
                self._expected.append(outputs)
        self.unverifiable = self._doubts(run)
        plain = bench.runner(bench.original, optimised=False)
        self._noise = max(
            difference(expected, plain(feeds)) for feeds, expected in zip(self._feeds, self._expected, strict=True)
        )
        exact = bench.reference(bench.original, self._feeds[0])
        self._exact = [] if exact is None else [exact]

    def _doubts(self, run: RunByName) -> str:
        again = [output.copy() for output in run(self._feeds[0])]
        if difference(self._expected[0], again) > self._tolerance:
            return "The model gives other outputs each time that it runs on the same inputs"
        where = "on the inputs that were given" if self._bench.given else "on random inputs"
        for place, edge in enumerate(self._bench.graph.outputs):
            arrays = [np.asarray(outputs[place]) for outputs in self._expected]
            if not any(array.size for array in arrays):
                return f"Output {edge.node!r} has no element {where}"
            real = [array.astype(np.float64) for array in arrays if array.size and array.dtype.kind in "fV"]
            if real and not any(np.isfinite(array).any() for array in real):
                return f"Output {edge.node!r} is NaN or infinite throughout {where}"
        return ""

    @staticmethod
    def _try(run: RunByName, feeds: Mapping[str, Array], *, needed: bool) -> list[Array] | None:
        """Outputs of the original; None at sizes that it does not take, such as another batch."""
        try:
            return [output.copy() for output in run(feeds)]
        except Exception:
            if needed:
                raise
            return None

    def check(self, model: object) -> Verification:
        """Compare a model with the original."""
        run = self._bench.runner(model)
        found = [[output.copy() for output in run(feeds)] for feeds in self._feeds]
        error = max(map(_of_one_type, self._expected, found))
        if isfinite(error) and error > self._allowed:
            self._look_closer()
        reference, original = self._references(found)
        runs, given = len(found), tuple(self._bench.given)
        return Verification(self.precision, error, self._noise, self._allowed, reference, original, runs, given)

    @property
    def _allowed(self) -> float:
        return self._tolerance + 2 * self._noise

    def _look_closer(self) -> None:
        """Count the original's own distance from float64, on all inputs, as what it shows itself.

        Two models that round as much as each other differ by up to twice that. One run with other kernels can come out
        near the original by luck, where every other way to write the model is as far from it as from the truth.
        """
        if not self._exact:
            return
        for feeds in self._feeds[len(self._exact) :]:
            exact = self._bench.reference(self._bench.original, feeds)
            if exact is None:
                break
            self._exact.append(exact)
        own = max(map(difference, self._exact, self._expected))
        if isfinite(own):
            self._noise = max(self._noise, own)

    def _references(self, found: Sequence[Sequence[Array]]) -> tuple[float | None, float | None]:
        """How far a model and the original are from float64, on the inputs where the model is further by most."""
        off = [
            (difference(exact, new), difference(exact, old))
            for exact, new, old in zip(self._exact, found, self._expected, strict=False)
        ]
        # where the original overflows and float64 does not, there is nothing to compare
        comparable = [(new, old) for new, old in off if isfinite(old)]
        return max(comparable, key=lambda pair: pair[0] - pair[1]) if comparable else (None, None)

    def narrowed(self, kept: Sequence[Kept], good: int, until: float) -> tuple[int, int]:
        """Between which of the kept candidates the outputs begin to differ, by bisection.

        Args:
            kept: In order, the last of which fails.
            good: The position of one that passes; -1 where only the original is known to.
            until: When to stop, on `time.perf_counter`.

        Returns:
            The positions of one that passes and of a later one that fails: the next, unless the time was up.
        """
        bad = len(kept) - 1
        while bad - good > 1 and time.perf_counter() < until:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.passes(kept[middle].graph) else (good, middle)
        return good, bad

    def passes(self, graph: Graph) -> bool:
        """Whether the model of a graph can be written, runs, and gives the original's outputs."""
        verification = self.written(graph).verification
        return verification is not None and verification.passed

    def written(self, graph: Graph) -> Written:
        """The model of a graph and how it was checked, or why it cannot be written or run."""
        try:
            model = self._bench.write(graph)
            return Written(model, self.check(model), "")
        except AddcatError as error:
            return Written(None, None, str(error))


def _of_one_type(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """The difference of outputs; infinite where they are of other types."""
    types = [[array.dtype for array in outputs] for outputs in (expected, found)]
    return difference(expected, found) if types[0] == types[1] else inf
