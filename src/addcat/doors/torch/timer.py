"""PyTorch modules timed against each other, interleaved: in eager mode and under `torch.compile`."""

import time
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from addcat.doors.timing import Ratio, interleave
from addcat.doors.torch.calls import Call
from addcat.doors.torch.raised import said
from addcat.errors import AddcatError, ModelError
from addcat.frameworks import torch
from addcat.graph import Graph, Node

_torch: Any = torch()
ELSEWHERE = 3.0
"""Seconds for a time that nobody asked for."""
NAMES = {"torch": "eager mode", "torch.compile": "torch.compile"}


@dataclass(slots=True)
class TorchTimer:
    """See `Timer`; whole modules are run, for a part of one has no code of its own.

    Attributes:
        call: Gives a function that calls a module on the inputs of the run.
        write: Makes a module of a graph.
        runtime: "torch" or "torch.compile".
        threads: How many threads a run may use.
    """

    call: Callable[[Any], Callable[[], Any]]
    write: Callable[[Graph], Any]
    runtime: str
    threads: int

    @property
    def conditions(self) -> str:
        """All that a time depends on beside the model."""
        return f"{_torch.__version__}, {_torch.__config__.show()}, {self.runtime}, {self.threads} threads"

    def compare(self, old: Graph, new: Graph, *, limit: float = 0.8, worth: float = 1.0) -> Ratio:
        """Time the modules of two graphs."""
        return self._ratio(self.write(old), self.write(new), self.runtime, limit=limit, level=0.9, worth=worth)

    def compare_whole(self, old: Any, new: Any, *, limit: float) -> Ratio:
        """Time two modules against each other, over all pairs that the time allows."""
        return self._ratio(old, new, self.runtime, limit=limit, stop_early=False)

    def _ratio(self, old: Any, new: Any, runtime: str, **options: Any) -> Ratio:
        if runtime == "torch.compile":
            old, new = compiled(old), compiled(new)
        try:
            with on_threads(self.threads):
                runs = self._run(old), self._run(new)
                alone = self.threads == 1 and not _on_gpu(old)  # then what else the machine does is not counted
                return interleave(*runs, clock=time.process_time if alone else time.perf_counter, **options)
        except AddcatError:
            raise
        except Exception as error:
            raise ModelError(f"It does not run under {NAMES[runtime]}: {said(error)}.") from error

    def _run(self, model: Any) -> Callable[[], Any]:
        run = self.call(model)
        if not _on_gpu(model):
            return run

        def waited() -> None:
            run()
            _torch.cuda.synchronize()

        return waited

    def elsewhere(self, old: Any, new: Any) -> tuple[str, ...]:
        """How the two compare in the other of eager mode and `torch.compile`."""
        other = next(name for name in NAMES if name != self.runtime)
        try:
            ratio = self._ratio(old, new, other, limit=ELSEWHERE, stop_early=False)
        except ModelError as error:
            return (f"Nothing was timed under {NAMES[other]}. {error}",)
        return (
            f"Under {NAMES[other]} it takes {ratio.estimate:.2f} of the time ({ratio.low:.2f} to {ratio.high:.2f}); "
            "that decided nothing.",
        )

    def signature(self, old: Graph, new: Graph) -> Hashable:
        """A key of two graphs: operations, settings and sizes of the whole, no values."""
        return tuple(tuple(_signed(node) for node in graph.nodes.values()) for graph in (old, new))

    def process_peak(self, model: Any) -> None:
        """A module lives in the process of its user, so its memory is counted alone."""
        return

    def known_peak(self, model: Any) -> None:
        """See `process_peak`."""
        return


def _on_gpu(model: Any) -> bool:
    return any(tensor.is_cuda for tensor in model.parameters())


def compiled(model: Any) -> Any:
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
