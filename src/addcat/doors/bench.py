"""What `optimize` works on: a model on a bench, where it is read, rewritten, run and, in some frameworks, timed."""

from collections.abc import Callable, Hashable, Mapping
from math import inf
from typing import Any, Literal, Protocol

from addcat.doors.timing import Ratio
from addcat.graph import Array, Graph, Node

Feeds = Mapping[str, Array]
RunByName = Callable[[Feeds], list[Array]]
"""Takes arrays by the names of the inputs; gives one for each output."""


class Timer(Protocol):
    """Measures models and parts of them."""

    @property
    def conditions(self) -> str:
        """All that a time depends on beside the model: machine, runtime and threads."""
        ...

    def compare(
        self,
        old: Graph,
        new: Graph,
        *,
        limit: float = 0.8,
        worth: float = 1.0,
        most: float = inf,
        anew: bool = False,
    ) -> Ratio:
        """Time what differs between two graphs, until it is seen whether the ratio is below `worth`.

        The whole is timed where what differs cannot be run alone. `limit` and `most` are those of `interleave`;
        with `anew` nothing that was made ready for an earlier comparison is run again.
        """
        ...

    def compare_whole(self, old: Any, new: Any, *, limit: float, most: float = inf) -> Ratio:
        """Time two models against each other, over all pairs that the time allows."""
        ...

    def elsewhere(self, old: Any, new: Any) -> tuple[str, ...]:
        """What a model gains where it was not asked for, in whole sentences."""
        ...

    def signature(self, old: Graph, new: Graph) -> Hashable:
        """A key of what differs between two graphs: operations, settings and sizes, no names and no values."""
        ...

    def process_peak(self, model: Any) -> int | None:
        """Bytes that a process grows by when it loads and runs a model; the least that was seen."""
        ...

    def known_peak(self, model: Any) -> int | None:
        """The same, measured once."""
        ...


class Bench(Protocol):
    """What the search and the verification ask of a model."""

    @property
    def framework(self) -> Literal["keras", "onnx", "torch"]:
        """Where results are written, which decides what rewrites may make."""
        ...

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        ...

    @property
    def sized(self) -> Graph:
        """The graph with the sizes at which it is run, where `graph` leaves more of them open than the batch.

        The search counts and measures there, and what it finds is done to `graph`.
        """
        ...

    @property
    def original(self) -> Any:
        """The model as it was passed."""
        ...

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs at which it is run."""
        ...

    @property
    def given(self) -> Feeds:
        """The inputs that were given; the others are drawn at random."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of the model as it was read, in whole sentences."""
        ...

    @property
    def timing(self) -> Timer | None:
        """Measures it; None where it is only counted."""
        ...

    def missing(self, node: Node) -> str:
        """Why the framework has no form for a node that a rewrite made or changed; "" where it has one."""
        ...

    @property
    def unwritable(self) -> Callable[[Graph], str] | None:
        """Says why no model can be made of a graph, "" where one can; None where one can be made of all."""
        ...

    def write(self, graph: Graph) -> Any:
        """The model of a graph."""
        ...

    def read(self, model: Any) -> Graph:
        """The graph of a model, with sizes as they are at the shapes where it is run."""
        ...

    def runner(self, model: Any, *, optimised: bool = True) -> RunByName:
        """A function that runs a model on inputs by name, in the precision that it states."""
        ...

    def as_timed(self, model: Any) -> tuple[RunByName, str]:
        """A run of a model as it is timed, and the type that is computed in."""
        ...

    def feeds(self, seed: int) -> Feeds:
        """Random inputs; other sizes for other seeds where they are free."""
        ...

    def reference(self, model: Any, feeds: Feeds) -> list[Array] | None:
        """Outputs in float64; None where the model is too large or not known."""
        ...

    def give(self, model: Any) -> Any:
        """The model in the form in which it was passed."""
        ...
