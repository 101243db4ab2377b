"""Does a candidate improve the goal? One judge for each way to know.

- By time: the part of the model that changes is run against what it was, interleaved.
- By expected time, without running anything.
- By memory of live activations, counted; a candidate must lower its p-norm and may not raise the peak.
- By parameters, counted.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from addcat.doors.timing import Ratio, UndecidedError
from addcat.errors import ModelError
from addcat.graph import Graph
from addcat.graph.cost import parameters
from addcat.graph.peak import Memory, memory
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.measured import Measured

WORTH = 0.985
"""A part must be at least this much faster: the last percent may be layout at the borders of the part."""
CERTAIN = 0.93
"""A part that is this much faster beyond the noise is not measured again."""
WORTH_MEMORY = 0.9999
"""A rewrite must bring memory down by at least this factor."""
BEARABLE = 1.5
"""Times as long as before that a model which needs less memory may be expected to take."""
HOPELESS = 1.3
"""A part that is expected to take this much longer is not measured."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says.

    Attributes:
        better: Whether the goal improves.
        gain: By how much, in the judge's unit; to choose among alternatives.
        ratio: The measured ratio, where there is one.
        reason: In words.
        measured: Whether the candidate was tried at all.
    """

    better: bool
    gain: float
    ratio: Ratio | None
    reason: str
    measured: bool = True


class Objective(Protocol):
    """Compares a graph with the current best."""

    def __call__(self, old: Graph, new: Graph) -> Judgement:
        """Say whether `new` improves on `old`."""
        ...


@dataclass
class ByTime:
    """Measures the part that changes; parts that look the same are measured once.

    Attributes:
        compare: Runs the parts of two graphs that differ against each other.
        closely: The same with more time, in new sessions: where two lie in memory makes a percent or two.
        signature: A key of the two parts that ignores names and values.
        known: What was measured, by such keys.
    """

    compare: Callable[[Graph, Graph], Ratio]
    closely: Callable[[Graph, Graph], Ratio]
    signature: Callable[[Graph, Graph], Hashable]
    known: Measured = field(default_factory=Measured)

    def __call__(self, old: Graph, new: Graph) -> Judgement:
        """Judge by measurement."""
        changed = [name for name, node in old.nodes.items() if new.nodes.get(name) is not node]
        before, added = predict.seconds(old, changed), predict.change(old, new)
        if before and added is not None and added > (HOPELESS - 1) * before:
            return Judgement(
                False, 0.0, None, f"expected to take {1 + added / before:.1f} times as long", measured=False
            )
        key = self.signature(old, new)
        ratio = self.known.get(key)
        if ratio is None:
            try:
                ratio = self._compared(old, new)
            except (ModelError, UndecidedError) as error:  # the runtime does not take it, or it takes too long
                return Judgement(False, 0.0, None, str(error), measured=False)
            self.known.put(key, ratio)
        if ratio.faster and ratio.estimate <= WORTH:
            return Judgement(True, ratio.old - ratio.new, ratio, "faster")
        words = (
            "slower" if ratio.slower else "no faster than the noise" if ratio.estimate > WORTH else "within the noise"
        )
        return Judgement(False, 0.0, ratio, words)

    def _compared(self, old: Graph, new: Graph) -> Ratio:
        """Measure; what looks a little faster once more and longer, since among many candidates some do by luck."""
        ratio = self.compare(old, new)
        if ratio.estimate <= WORTH and not (ratio.faster and ratio.estimate <= CERTAIN):
            ratio = self.closely(old, new)
        return ratio

    def together(self, old: Graph, new: Graph) -> Judgement:
        """Judge changes at several places, none of which could be told from the noise alone."""
        try:
            ratio = self.closely(old, new)
        except (ModelError, UndecidedError) as error:
            return Judgement(False, 0.0, None, str(error), measured=False)
        if ratio.faster and ratio.estimate <= WORTH:
            return Judgement(True, ratio.old - ratio.new, ratio, "faster together")
        return Judgement(False, 0.0, ratio, "no faster together")

    def prefers(self, one: Graph, other: Graph) -> bool:
        """Whether, of two graphs that both improve, the second is faster beyond the noise."""
        key = self.signature(one, other)
        ratio = self.known.get(key)
        if ratio is None:
            try:
                ratio = self.closely(one, other)
            except (ModelError, UndecidedError):
                return False
            self.known.put(key, ratio)
        return ratio.faster


def by_expected_time(old: Graph, new: Graph) -> Judgement:
    """Judge by the cost model alone."""
    added = predict.change(old, new)
    if added is None:
        return Judgement(False, 0.0, None, "a size is unknown", measured=False)
    reason = "expected to be faster" if added < 0 else "not expected to be faster"
    return Judgement(added < 0, -added, None, reason, measured=False)


@dataclass
class ByMemory:
    """Judges by the memory of live activations, at no more than a bearable cost of time.

    Attributes:
        known: The current best and its memory.
        most: Seconds that a graph may be expected to take.
    """

    known: tuple[Graph, Memory | None] | None = None
    most: float | None = None

    def __call__(self, old: Graph, new: Graph) -> Judgement:
        """Judge by counting."""
        if self.known is None or self.known[0] is not old:
            self.known = old, memory(old)
        expected = predict.seconds(new)
        if self.most is None:
            self.most = BEARABLE * (predict.seconds(old) or inf)
        if expected is not None and expected > self.most:
            words = f"the whole is expected to take more than {BEARABLE} times as long as before"
            return Judgement(False, 0.0, None, words, measured=False)
        before, after = self.known[1], memory(new)
        if before is None or after is None:
            return Judgement(False, 0.0, None, "a size is unknown", measured=False)
        if after.rises_from(before):
            return Judgement(False, 0.0, None, "the peak of live activations rises")
        better = after.norm < before.norm * WORTH_MEMORY
        reason = "less memory is alive" if better else "no less memory is alive"
        return Judgement(better, before.norm - after.norm, None, reason)


def by_time_at_no_memory(old: Graph, new: Graph) -> Judgement:
    """Judge by the cost model, where no more memory is alive."""
    judgement = by_expected_time(old, new)
    if not judgement.better:
        return judgement
    before, after = memory(old), memory(new)
    if before is None or after is None or after.rises_from(before) or after.norm > before.norm:
        return Judgement(False, 0.0, None, "more memory is alive", measured=False)
    return judgement


def by_parameters(old: Graph, new: Graph) -> Judgement:
    """Judge by the number of parameters."""
    saved = parameters(old) - parameters(new)
    reason = "fewer parameters" if saved > 0 else "no fewer parameters"
    return Judgement(saved > 0, float(saved), None, reason)
