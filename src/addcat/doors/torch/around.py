"""What a module's own code runs under, and changes for a part of it: no gradients, and `torch.autocast`.

Torch holds both in its own state, and no operation shows them. So they are written down where they change: a part of a
network that is not trained would be trained, and one of few bits would run in all of them.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_amp: Any = load("torch.amp.autocast_mode", extra="torch")


class Around:
    """Writes such changes into a graph.

    Args:
        graph: What is recorded.
    """

    def __init__(self, graph: "typed.fx.Graph") -> None:
        self._graph = graph
        self._caller: typed.fx.Node | None = None
        self._off = False
        self._casts: list[typed.fx.Node] = []
        self._before: list[bool] = []

    @property
    def changes(self) -> bool:
        """Whether anything was changed."""
        return self._caller is not None

    def _begin(self) -> "typed.fx.Node":
        if self._caller is None:
            self._caller = self._graph.call_function(_torch.is_grad_enabled)
        return self._caller

    def gradients(self, kept: bool) -> None:
        """The code says whether gradients are kept from now on; where they were to be, the caller's word stands."""
        if kept == (not self._off):
            return
        caller = self._begin()
        self._graph.call_function(_torch._C._set_grad_enabled, (caller if kept else False,))
        self._off = not kept

    @contextmanager
    def noticed(self, own: Callable[[], bool]) -> Generator[None]:
        """Within, changes of precision are seen, and `torch.inference_mode`, which is written down as `no_grad`.

        What it computes is the same, and not trained; the tensors may be kept for a backward pass, which switched
        code that reads them otherwise may do.

        Args:
            own: Whether it is the module's own code that runs.
        """
        kind = _amp.autocast
        begin, end, keeps = kind.__enter__, kind.__exit__, _torch.is_autocast_cache_enabled()

        def enter(cast: Any) -> Any:
            if own():
                self._begin()
                made = (cast.device, cast.fast_dtype, cast._enabled, keeps)
                self._casts.append(self._graph.call_function(_amp._enter_autocast, made))
            entered = begin(cast)
            _torch.set_autocast_cache_enabled(False)
            return entered

        def leave(cast: Any, *error: Any) -> Any:
            if own() and self._casts:
                self._graph.call_function(_amp._exit_autocast, (self._casts.pop(),))
            return end(cast, *error)

        def enter_inference(mode: Any) -> None:
            if own():
                self._before.append(self._off)
                self.gradients(not (mode.mode or self._off))
            into(mode)

        def leave_inference(mode: Any, *error: Any) -> None:
            if own() and self._before:
                self.gradients(not self._before.pop())
            out_of(mode, *error)

        inference = _torch.inference_mode
        into, out_of = inference.__enter__, inference.__exit__
        kind.__enter__, kind.__exit__ = enter, leave
        inference.__enter__, inference.__exit__ = enter_inference, leave_inference
        try:
            with uncached():
                yield
        finally:
            kind.__enter__, kind.__exit__ = begin, end
            inference.__enter__, inference.__exit__ = into, out_of


@contextmanager
def uncached() -> Generator[None]:
    """Within, weights that autocast casts, which may be fake, are not kept for what its caller runs later."""
    keeps = _torch.is_autocast_cache_enabled()
    _torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        _torch.set_autocast_cache_enabled(keeps)


def under_the_callers(run: Callable[[], Any]) -> Any:
    """Run code that changes what it runs under; where it raises in between, all is as the caller had it."""
    gradients = _torch.is_grad_enabled()
    casts = {kind: _torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")}
    try:
        return run()
    except BaseException:
        _torch.set_grad_enabled(gradients)
        for kind, enabled in casts.items():
            _torch.set_autocast_enabled(kind, enabled)
        raise
