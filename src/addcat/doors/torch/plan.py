"""What has to be done to a copy of a module so that it computes an edited graph: found by comparing the two graphs.

| difference | what is done |
| --- | --- |
| a module of `torch.nn` with other weights or sizes | changed where it is |
| a layer of another copy of the model, in its own place | its values are taken over |
| a merge that is a module, replaced by another one | a new module under its path |
| a module that is gone, whose readers take its input | `nn.Identity` under its path |
| a row of modules that became one new one | it under the path of the last, `nn.Identity` under the others |
| a function that is gone or another one now | its owner's code written anew (`Edit`), new modules as its children |
| a merge that reads the same tensors in another order | the same |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from addcat.doors.torch.calls import Call
from addcat.doors.torch.edits import Apply, Edit, Read, Site
from addcat.doors.torch.record import Recording
from addcat.doors.torch.tables import children_of
from addcat.doors.torch.unnested import unnested
from addcat.errors import ModelError
from addcat.graph import Edge, Graph, Node
from addcat.report.rows import counted


@dataclass(slots=True)
class Plan:
    """See above.

    Attributes:
        changed: Nodes whose module is given other weights, by path of the module; functions under their name.
        taken: Nodes of another copy of the model, whose values are taken over.
        replaced: Nodes that become a new module, by path.
        passed: Paths of modules that become an identity.
        edits: By path of the owner.
    """

    changed: list[Node] = field(default_factory=list[Node])
    taken: list[Node] = field(default_factory=list[Node])
    replaced: dict[str, Node | None] = field(default_factory=dict[str, "Node | None"])
    passed: list[str] = field(default_factory=list[str])
    edits: dict[str, list[Edit]] = field(default_factory=dict[str, list[Edit]])

    @property
    def empty(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.changed or self.taken or self.replaced or self.passed or self.edits)


def plan(old: Graph, new: Graph) -> Plan:
    """Compare a graph with what `read` gave.

    Args:
        old: The flat graph, as it was recorded.
        new: What was read of it, edited.

    Raises:
        ModelError: if the difference is none that can be made in the user's own code.
    """
    return _Planner(old, new).plan()


class _Planner:
    def __init__(self, old: Graph, new: Graph) -> None:
        self.made = Plan()
        opened = unnested(new, old)
        self.first = opened.first
        self.old, self.new = old, self._with_own_calls(old, opened.graph)
        self.recording: Recording = old.native
        self.calls: dict[str, Call] = {call.name: call for call in self.recording.calls}
        self.moved = self._moved()
        self.times: dict[tuple[str, Site], int] = {}

    def plan(self) -> Plan:
        for name, node in self.new.nodes.items():
            before = self.old.nodes.get(name)
            if before is None or node.native is not before.native:
                continue
            if _reordered(before, node):
                self._edit(before, Edge(name))
            elif node.op == before.op and node.edited:
                self.made.changed.append(node)
        for name, before in self.old.nodes.items():
            node = self.new.nodes.get(name)
            now = self.moved.get(Edge(name), Edge(name))
            same = node is not None and node.native is before.native and node.op == before.op
            if not same or now != Edge(name):
                self._replace(before, node, now)
        for (owner, site), times in self.times.items():
            calls = len(self.recording.owners[owner].calls)
            if times != calls:
                raise ModelError(
                    f"{owner!r} is called {calls} times, and {site.word!r} in it would change in {times} of them. "
                    "Change it in all, or in none."
                )
        return self.made

    def _with_own_calls(self, old: Graph, new: Graph) -> Graph:
        """Layers of another copy of the model become our own ones, with the values of those."""
        own: list[Node] = []
        for name, node in new.nodes.items():
            before = old.nodes.get(name)
            if before is not None and node.native is not before.native and _same_place(before, node):
                self.made.taken.append(node)
                own.append(replace(node, native=before.native, edited=False))
        return new.edit(put=own) if own else new

    def _moved(self) -> dict[Edge, Edge]:
        """For each tensor that readers no longer take, the one that they take now."""
        moved: dict[Edge, Edge] = {}
        readers = [
            (self.old.nodes[name].inputs, node.inputs, name)
            for name, node in self.new.nodes.items()
            if name in self.old.nodes and node.native is not None and node.native is self.old.nodes[name].native
            if not _reordered(self.old.nodes[name], node)
        ]
        for before, after, name in [*readers, (self.old.outputs, self.new.outputs, "the output")]:
            if len(before) != len(after):
                raise ModelError(f"{name!r} would read {counted(len(after), 'tensor')} in the place of {len(before)}.")
            for was, now in zip(before, after, strict=True):
                if moved.setdefault(was, now) != now:
                    raise ModelError(f"Readers of {was.node!r} would read several tensors in its place.")
        for name, node in self.new.nodes.items():  # merges that have changed too read what changed before them
            before = self.old.nodes.get(name)
            if before is None or node.native is before.native or len(node.inputs) != len(before.inputs):
                continue
            for was, now in zip(before.inputs, node.inputs, strict=True):
                if was != now and now.node not in self.old.nodes and not self._is_of(now.node, name):
                    moved.setdefault(was, now)
        return moved

    def _is_of(self, node: str, merge: str) -> bool:
        """Whether a new node was made for a merge, such as a layer that widens a branch, at any call of the two."""
        return self.first.get(node, node).startswith(f"{self.first.get(merge, merge)}_")

    def _replace(self, before: Node, node: Node | None, now: Edge) -> None:
        call = self.calls[before.name]
        own = node is not None and now == Edge(before.name)
        inputs = tuple(self.moved.get(edge, edge) for edge in before.inputs)
        if call.module is not None and own and node is not None and node.inputs == inputs:
            self.made.replaced[call.path] = node
            return
        if call.module is not None and node is None and len(before.inputs) == 1 and now == before.inputs[0]:
            self.made.passed.append(call.path)
            return
        if call.module is not None and node is None and (row := self._row(before, now)) is not None:
            self.made.replaced[call.path] = self.new.nodes[now.node]
            self.made.passed.extend(row)
            return
        if node is None and now == Edge(before.name):
            return  # nobody reads it: its module is left to what its owner does
        self._edit(before, now)

    def _row(self, last: Node, now: Edge) -> list[str] | None:
        """Paths of the modules before the last of a row that became one new node; None where it is no such row."""
        new, paths = self.new.nodes.get(now.node), list[str]()
        if new is None or new.native is not None or len(new.inputs) != 1:
            return None
        edge = last.inputs[0]
        while edge != new.inputs[0]:
            node = self.old.nodes[edge.node]
            call = self.calls[node.name]
            if node.name in self.new.nodes or call.module is None or len(node.inputs) != 1:
                return None
            paths.append(call.path)
            edge = node.inputs[0]
        return paths

    def _edit(self, before: Node, now: Edge) -> None:
        """Have the owner of an old call compute a tensor of the new graph in its place."""
        call = self.calls[before.name]
        owner = call.place.owner
        value = self._value(now, before, owner)
        if isinstance(value, Read):  # an identity of its name keeps the names of what follows
            child = self._child(before.name, owner)
            self.made.replaced[self._path(owner, child)] = None
            value = Apply(child, (value,))
        edit = Edit(self._site(call), value, self._unused(before, owner), self._brought(value, owner))
        edits = self.made.edits.setdefault(owner, [])
        if edit not in edits:  # of another call of the same code
            edits.append(edit)
        self.times[owner, edit.site] = self.times.get((owner, edit.site), 0) + 1

    def _brought(self, value: Apply | Read, owner: str) -> tuple[str, ...]:
        """Children that a value calls and that the owner has not had."""
        if isinstance(value, Read):
            return ()
        known = children_of(self.recording.model.get_submodule(owner))
        inner = [name for one in value.inputs for name in self._brought(one, owner)]
        return tuple(dict.fromkeys([*inner, *([] if value.child in known else [value.child])]))

    def _value(self, edge: Edge, site: Node, owner: str) -> Apply | Read:
        """A tensor of the new graph in terms of what the old call reads."""
        for name in self._read_before(site):
            for place, operand in enumerate(self.calls[name].operands):
                passed = self._passed(operand.edge, edge)
                if passed is not None:
                    self.made.passed.extend(path for path in passed if path not in self.made.passed)
                    return Read(self._site(self.calls[name]), place)
        node = self.new.nodes.get(edge.node)
        mine = node is not None and (node.name == site.name or node.name not in self.old.nodes)
        if node is None or not mine:
            raise ModelError(
                f"{site.name!r} would read {edge.node!r}, which is out of reach of the code of "
                f"{owner or 'the model'!r}. Change one merge at a time."
            )
        child = self._child(node.name, owner)
        self.made.replaced[self._path(owner, child)] = node
        return Apply(child, tuple(self._value(one, site, owner) for one in node.inputs))

    def _passed(self, read: Edge | None, wanted: Edge) -> list[str] | None:
        """Paths of modules that have to pass on what they read, for a call to read what is wanted; None if none do."""
        paths: list[str] = []
        while read is not None and self.moved.get(read, read) != wanted:
            node = self.old.nodes.get(read.node)  # None for a stack that is summed
            if node is None or node.name in self.new.nodes or self.calls[node.name].module is None:
                return None
            if len(node.inputs) != 1:
                return None
            paths.append(self.calls[node.name].path)
            read = node.inputs[0]
        return None if read is None else paths

    def _read_before(self, site: Node) -> Iterator[str]:
        """Calls whose operands are at hand where a call is made: it, a stack that it sums, and functions that went."""
        owner, waiting = self.calls[site.name].place.owner, [site]
        while waiting:
            node = waiting.pop()
            if node is site or self.calls[node.name].module is None:
                yield node.name
            if "stack" in node.attrs:
                yield str(node.attrs["stack"])
            before = [self.old.nodes[edge.node] for edge in node.inputs]
            waiting += [n for n in before if n.name not in self.new.nodes and self.calls[n.name].place.owner == owner]

    def _site(self, call: Call) -> Site:
        if call.module is None:
            return Site(call.place.order, call.word)
        owner = call.place.owner
        return Site(0, call.path.removeprefix(f"{owner}.") if owner else call.path)

    def _unused(self, before: Node, owner: str) -> tuple[str, ...]:
        """Children of the owner of which no call is left."""
        prefix = f"{owner}." if owner else ""
        gone = [name for name in self.old.nodes if name not in self.new.nodes]
        modules = {self.calls[name].path for name in gone if self.calls[name].module is not None}
        kept = {self.calls[name].path for name in self.new.nodes if name in self.calls}
        children = {path.removeprefix(prefix).split(".")[0] for path in modules if path.startswith(prefix)}
        return tuple(
            sorted(child for child in children if not any(f"{path}.".startswith(f"{prefix}{child}.") for path in kept))
        )

    def _child(self, name: str, owner: str) -> str:
        name = self.first.get(name, name)  # one module for all calls
        child = name.removeprefix(f"{owner}.") if owner else name
        if "." in child:
            raise ModelError(f"{name!r} does not lie in the module {owner!r} that would compute it.")
        return child

    def _path(self, owner: str, child: str) -> str:
        return f"{owner}.{child}" if owner else child


def _reordered(before: Node, node: Node) -> bool:
    """Whether a node reads what it read, in another order."""
    return node.inputs != before.inputs and sorted(node.inputs, key=str) == sorted(before.inputs, key=str)


def _same_place(before: Node, node: Node) -> bool:
    """Whether a node is the call of the same layer in a copy of the model."""
    one, other = before.native, node.native
    return (
        isinstance(one, Call)
        and isinstance(other, Call)
        and (one.path, one.word, type(one.module), before.op) == (other.path, other.word, type(other.module), node.op)
    )
