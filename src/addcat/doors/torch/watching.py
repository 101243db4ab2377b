"""A model is run under a watcher, and is as it was afterwards: training flags, attributes, buffers, `forward`.

`nn.Module.__call__` is replaced while a run lasts, so one run at a time; modules of other models, and other threads, go
their own way.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast

from addcat.doors.torch.tables import named_modules
from addcat.doors.torch.tensors import version_of
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_nn: Any = _torch.nn
LOCK = threading.RLock()
"""Held while torch's own functions are replaced."""
_ACTIVE: list[object] = []
"""Watchers, the innermost last: a module that is recorded within a recording is seen by that one alone."""


def is_active(watcher: object) -> bool:
    """Whether a watcher is the one that sees what runs now."""
    return bool(_ACTIVE) and _ACTIVE[-1] is watcher


Run = Callable[..., Any]
"""What the user wrote: it takes and gives anything."""


class Watcher(Protocol):
    """Is told when a module is called, and runs its `forward`."""

    def call(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A module is called: its hooks run, and its `forward` between them."""
        ...

    def forward(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Its `forward` runs."""
        ...

    def custom_function(self, run: Run, args: tuple[Any, ...]) -> Any:
        """`autograd.Function.apply` runs."""
        ...


@contextmanager
def unwatched() -> Generator[None]:
    """Within, nothing that runs is written down by a recording around it."""
    _ACTIVE.append(None)
    try:
        yield
    finally:
        _ACTIVE.pop()


@contextmanager
def watched(root: "typed.nn.Module", watcher: Watcher) -> Generator[None]:
    """Within, every call of a module of `root` goes through the watcher."""
    modules = {id(module): module for module in root.modules()}
    thread = threading.get_ident()

    def call(module: "typed.nn.Module", *args: Any, **kwargs: Any) -> Any:
        if id(module) not in modules or threading.get_ident() != thread or not is_active(watcher):
            return original(module, *args, **kwargs)
        return watcher.call(module, partial(original, module), args, kwargs)

    def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
        def run(*values: Any) -> Any:
            return original_apply.__get__(None, cls)(*values, **kwargs)

        mine = threading.get_ident() == thread and is_active(watcher)
        return watcher.custom_function(run, args) if mine else run(*args)

    with LOCK:
        original = _nn.Module.__call__
        original_apply = cast("Any", vars(_torch.autograd.Function)["apply"])  # a method of C, from torch 2.14 on
        _nn.Module.__call__ = call
        _torch.autograd.Function.apply = classmethod(apply)
        _ACTIVE.append(watcher)
        try:
            with _forwards_through(modules.values(), watcher):
                yield
        finally:
            _ACTIVE.pop()
            _nn.Module.__call__ = original
            _torch.autograd.Function.apply = original_apply


@contextmanager
def _forwards_through(modules: Iterable["typed.nn.Module"], watcher: Watcher) -> Generator[None]:
    put: list[tuple[dict[str, Any], Run | None]] = []
    for module in modules:
        if isinstance(module, _torch.jit.ScriptModule):
            continue
        place: dict[str, Any] = module.__dict__
        put.append((place, place.get("forward")))
        place["forward"] = _through(module, module.forward, watcher)
    try:
        yield
    finally:
        for place, before in put:
            if before is None:
                place.pop("forward", None)
            else:
                place["forward"] = before


def _through(module: "typed.nn.Module", run: Run, watcher: Watcher) -> Run:
    def forward(*args: Any, **kwargs: Any) -> Any:
        return watcher.forward(module, run, args, kwargs) if is_active(watcher) else run(*args, **kwargs)

    return forward


@contextmanager
def asked_modes(notice: Callable[[], None]) -> Generator[None]:
    """Within, code that asks any module whether it is trained is noticed; put into `watched`, which holds the lock."""

    def asked(module: "typed.nn.Module") -> bool:
        if "training" not in module.__dict__:
            raise AttributeError("training")  # compiled TorchScript keeps its own
        notice()
        return module.__dict__["training"]

    def put(module: "typed.nn.Module", value: bool) -> None:
        module.__dict__["training"] = value

    _nn.Module.training = property(asked, put)
    try:
        yield
    finally:
        del _nn.Module.training  # each module holds its own


@contextmanager
def untouched(root: "typed.nn.Module") -> Generator[dict[str, list[str]]]:
    """Within, a model may be run; afterwards its attributes and buffers are as before.

    Args:
        root: The model.

    Yields:
        Filled at the end: by path, the attributes that `forward` had set.
    """
    kept = [(path, module, _held(module), _containers(module)) for path, module in named_modules(root)]
    buffers = [(buffer, version_of(buffer), buffer.clone()) for buffer in root.buffers() if not buffer.is_inference()]
    changed: dict[str, list[str]] = {}
    try:
        yield changed
    finally:
        for path, module, before, containers in kept:
            names = [*_restore(module, before), *_refill(containers)]
            if names:
                changed[path] = names
        with _torch.no_grad():
            for buffer, version, value in buffers:
                if version_of(buffer) != version:
                    buffer.copy_(value)


_TABLES = ("_parameters", "_buffers", "_modules")
_OWN = frozenset(_nn.Module().__dict__)
"""What torch itself keeps on a module."""
Held = list[Any] | deque[Any] | dict[Any, Any] | set[Any]
Container = tuple[str, Held, list[Any] | dict[Any, Any]]
"""What holds others on a module, or in such: the name of the attribute, itself, and a copy of it."""


def _held(module: "typed.nn.Module") -> dict[str, Any]:
    """The attributes of a module, its tables copied, and those of its hooks: some install them when they first run."""
    return {name: dict(value) if _is_table(name, value) else value for name, value in module.__dict__.items()}


def _is_table(name: str, value: object) -> bool:
    return name in _TABLES or ("_hooks" in name and isinstance(value, dict))


def _containers(module: "typed.nn.Module") -> list[Container]:
    """Lists, dicts and the like that a module holds, with copies of what is in them: hooks keep tensors there."""
    found: dict[int, Container] = {}
    waiting: list[tuple[str, object]] = [(name, one) for name, one in module.__dict__.items() if name not in _OWN]
    while waiting:
        name, value = waiting.pop()
        if _is_held(value) and id(value) not in found:
            found[id(value)] = (name, value, dict(value) if isinstance(value, dict) else list(value))
            waiting += [(name, inner) for inner in _inside(value)]
    return list(found.values())


def _is_held(value: object) -> TypeGuard[Held]:
    return isinstance(value, list | deque | dict | set)


def _inside(held: Held) -> list[Any]:
    return list(held.values() if isinstance(held, dict) else held)


def _refill(containers: list[Container]) -> list[str]:
    """Put back what was in lists and dicts; the names of those that had changed."""
    changed: dict[str, None] = {}
    for name, value, before in containers:
        if _values(value, before):
            continue
        changed[name] = None
        value.clear()
        if isinstance(value, dict | set):
            value.update(before)
        else:
            value.extend(before)
    return list(changed)


def _values(now: Held, before: Held) -> bool:
    """Whether two lists, or two dicts, hold the same objects."""
    one, other = _inside(now), _inside(before)
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _restore(module: "typed.nn.Module", before: dict[str, Any]) -> list[str]:
    now: dict[str, Any] = module.__dict__
    changed: list[str] = []
    tables = [name for name, value in before.items() if _is_table(name, value)]
    for table in tables:
        held = now.get(table)
        if held is not None and not _same(held, before[table]):
            if table in _TABLES:
                changed.extend(n for n in {*held, *before[table]} if held.get(n) is not before[table].get(n))
            held.clear()
            held.update(before[table])
    for name in [*now]:
        if name not in before:
            del now[name]
            changed.append(name)
    for name, value in before.items():
        if name not in tables and now.get(name) is not value:
            now[name] = value
            changed.append(name)
    return sorted(set(changed) - {"training"})


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return now.keys() == before.keys() and all(now[name] is before[name] for name in now)


@contextmanager
def in_mode(root: "typed.nn.Module", *, training: bool) -> Generator[None]:
    """Within, every module is in this mode; afterwards each is in its own again."""
    flags = [(module, module.training) for module in root.modules()]
    try:
        for module, _ in flags:
            module.training = training
        yield
    finally:
        for module, flag in flags:
            module.training = flag
