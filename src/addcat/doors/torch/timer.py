"""PyTorch modules timed against each other, interleaved: in eager mode and under `torch.compile`."""

import time
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from addcat.doors.timing import Ratio, UndecidedError, interleave
from addcat.doors.torch.calls import Call
from addcat.doors.torch.devices import wait
from addcat.doors.torch.examples import device_of
from addcat.doors.torch.raised import said
from addcat.errors import AddcatError, ModelError
from addcat.frameworks import torch
from addcat.graph import Graph, Node

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
ELSEWHERE, MOST = 3.0, 30.0
"""Seconds for a time that nobody asked for, and those after which it is left undecided."""
NAMES = {"torch": "eager mode", "torch.compile": "torch.compile"}


@dataclass(slots=True)
class TorchTimer:
    """See `Timer`; whole modules are run, for a part of one has no code of its own.

    Attributes:
        call: Gives a function that calls a module on the inputs of the run.
        write: Makes a module of a graph.
        runtime: "torch" or "torch.compile".
        threads: How many threads a run may use.
        device: Where the module lies, as its maker calls it.
    """

    call: "Callable[[typed.nn.Module], Callable[[], Any]]"
    write: "Callable[[Graph], typed.nn.Module]"
    runtime: str
    threads: int
    device: str = "cpu"
    _peaks: "WeakKeyDictionary[typed.nn.Module, int]" = field(default_factory=WeakKeyDictionary["typed.nn.Module", int])

    @property
    def conditions(self) -> str:
        """All that a time depends on beside the model."""
        where = f"{self.runtime}, {self.threads} threads, {self.device}"
        return f"{_torch.__version__}, {_torch.__config__.show()}, {where}"

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
        """Time the modules of two graphs, which are made anew in any case."""
        options: dict[str, Any] = {"limit": limit, "most": most, "level": 0.9, "worth": worth}
        return self._ratio(self.write(old), self.write(new), self.runtime, **options)

    def compare_whole(
        self, old: "typed.nn.Module", new: "typed.nn.Module", *, limit: float, most: float = inf
    ) -> Ratio:
        """Time two modules against each other, over all pairs that the time allows."""
        return self._ratio(old, new, self.runtime, limit=limit, most=most, stop_early=False)

    def _ratio(self, old: "typed.nn.Module", new: "typed.nn.Module", runtime: str, **options: Any) -> Ratio:
        if runtime == "torch.compile":
            old, new = compiled(old), compiled(new)
        try:
            with on_threads(self.threads):
                runs = self._run(old), self._run(new)
                # on one thread, what else the machine does is not counted
                alone = self.threads == 1 and device_of(old).type == "cpu"
                return interleave(*runs, clock=time.process_time if alone else time.perf_counter, **options)
        except AddcatError:
            raise
        except Exception as error:
            raise ModelError(f"It does not run under {NAMES[runtime]}: {said(error)}.") from error

    def _run(self, model: "typed.nn.Module") -> Callable[[], Any]:
        run, device = self.call(model), device_of(model)
        if device.type == "cpu":
            return run

        def waited() -> None:
            run()
            wait(device)

        return waited

    def elsewhere(self, old: "typed.nn.Module", new: "typed.nn.Module") -> tuple[str, ...]:
        """How the two compare in the other of eager mode and `torch.compile`."""
        other = next(name for name in NAMES if name != self.runtime)
        try:
            ratio = self._ratio(old, new, other, limit=ELSEWHERE, most=MOST, stop_early=False)
        except (ModelError, UndecidedError) as error:
            return (f"Nothing was timed under {NAMES[other]}. {error}",)
        return (
            f"Under {NAMES[other]} it takes {ratio.estimate:.2f} of the time ({ratio.low:.2f} to {ratio.high:.2f}); "
            "that decided nothing.",
        )

    def signature(self, old: Graph, new: Graph) -> Hashable:
        """A key of two graphs: operations, settings and sizes of the whole, no values."""
        return tuple(tuple(_signed(node) for node in graph.nodes.values()) for graph in (old, new))

    def process_peak(self, model: "typed.nn.Module") -> int | None:
        """Bytes of a GPU that a module takes when it runs, its weights among them, as torch counts them there.

        On the CPU a module lives in the process of its user, so its memory is counted alone.
        """
        device = device_of(model)
        if device.type != "cuda":
            return None
        run = self._run(compiled(model) if self.runtime == "torch.compile" else model)
        run()  # what libraries take once is not the module's
        before = _torch.cuda.memory_allocated(device)
        _torch.cuda.reset_peak_memory_stats(device)
        run()
        weights = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
        grown = int(_torch.cuda.max_memory_allocated(device)) - int(before) + sum(weights.values())
        self._peaks[model] = min(grown, self._peaks.get(model, grown))
        return self._peaks[model]

    def known_peak(self, model: "typed.nn.Module") -> int | None:
        """The same, measured once."""
        return self._peaks[model] if model in self._peaks else self.process_peak(model)


def compiled(model: "typed.nn.Module") -> "typed.nn.Module":
    """A module under `torch.compile`, which is compiled when it is first called."""
    return _torch.compile(model, dynamic=False)


@contextmanager
def on_threads(count: int) -> Generator[None]:
    """Within, torch computes on so many threads."""
    before = _torch.get_num_threads()
    _torch.set_num_threads(count)
    try:
        yield
    finally:
        _torch.set_num_threads(before)


def _signed(node: Node) -> Hashable:
    word = node.native.word if isinstance(node.native, Call) else ""
    return (
        *(node.name, node.op, word, node.inputs),
        tuple((tensor.shape, tensor.dtype) for tensor in node.outputs),
        tuple(sorted((name, weight.shape) for name, weight in node.weights.items())),
        tuple(sorted((name, str(value)) for name, value in node.attrs.items())),
    )
