"""Merges in a module that is called several times: one site, switched for all calls at once, or refused by name."""

import copy
import io

import numpy as np
import pytest
import torch
from modules import Step
from torch import nn

import addcat
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.read import graph_of
from addcat.doors.torch.unnested import recorded_edges, unnested
from addcat.evidence import tensors
from addcat.graph import Edge
from addcat.graph.nested import flatten
from addcat.merges import find_merges


class Unrolled(nn.Module):
    """One step in a loop."""

    def __init__(self):
        super().__init__()
        self.stem, self.step, self.head = nn.Conv2d(3, 4, 1), Step(), nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = self.step(x)
        return self.head(x.mean((2, 3)))


class Encoder(nn.Module):
    """Two convolutions added, and one that reads the sum; two more joined, and one that reads both."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.mix = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1)
        self.c, self.d, self.fuse = nn.Conv2d(6, 3, 1), nn.Conv2d(6, 5, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = torch.relu(self.mix(self.a(x) + self.b(x)))
        return self.fuse(torch.cat([self.c(x), self.d(x)], 1)).mean((2, 3))


class Towers(nn.Module):
    """Two inputs through one encoder."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = Encoder(), nn.Linear(8, 2)

    def forward(self, left, right):
        return self.head(torch.cat([self.encoder(left), self.encoder(right)], 1))


class Stage(nn.Module):
    """One step twice, and a layer of its own."""

    def __init__(self):
        super().__init__()
        self.step, self.last = Step(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.last(self.step(self.step(x)))


class Stages(nn.Module):
    """A stage twice: four calls of its step."""

    def __init__(self):
        super().__init__()
        self.stem, self.stage, self.head = nn.Conv2d(3, 4, 1), Stage(), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.head(self.stage(self.stage(self.stem(x)))).mean((2, 3))


def image(*sizes):
    return torch.randn(sizes or (2, 3, 6, 6))


NETWORKS = {
    "unrolled": (Unrolled, 1, {"step/add": "concat project"}),
    "towers": (Towers, 2, {"encoder/add": "concat tie", "encoder/cat": "add absorb"}),
    "stages": (Stages, 1, {"stage/step/add": "concat project"}),
}


def made(name):
    torch.manual_seed(1)
    cls, inputs, _ = NETWORKS[name]
    model, args = cls(), tuple(image() for _ in range(inputs))
    for _ in range(3):  # statistics of batch norms that are none of a fresh one
        model(*(image() * 2 + 1 for _ in args))
    return model.eval(), args


SITES = [(name, site, *how.split()) for name, (_, _, found) in NETWORKS.items() for site, how in found.items()]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_merge_is_one_site_with_its_calls(name):
    model, args = made(name)
    graph = TorchDoor(Example(args, {})).read(model)
    calls = {"unrolled": [3], "towers": [2, 2, 1], "stages": [4]}[name]
    found = find_merges(graph)
    assert [merge.site for merge in found] == [*NETWORKS[name][2], *(["cat"] if name == "towers" else [])]
    assert [merge.calls for merge in found] == calls


@pytest.mark.parametrize("name", NETWORKS)
def test_the_flat_graph_comes_back(name):
    model, args = made(name)
    graph = TorchDoor(Example(args, {})).read(model)
    recorded = graph_of(graph.native)
    flat = unnested(graph, recorded).graph
    assert set(flat.nodes) == set(recorded.nodes)
    for key, node in flat.nodes.items():
        assert node.native is recorded.nodes[key].native
        assert node.inputs == recorded.nodes[key].inputs
    assert flat.outputs == recorded.outputs


def gradients(model, args):
    model.zero_grad()
    model(*args).square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("name", "site", "to", "rule"), SITES)
def test_all_calls_change_at_once_and_exactly(name, site, to, rule):
    model, args = made(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    done = addcat.switch(model, {site: to}, example_inputs=args)
    (step,) = done.record.steps
    assert (step.rule, step.exact) == (rule, True)
    double = tuple(value.double() for value in args)
    one, two = copy.deepcopy(model).double(), copy.deepcopy(done.model).double()
    torch.testing.assert_close(two(*double), one(*double), rtol=1e-6, atol=1e-6)  # weights were float32
    other = tuple(image(5, 3, 6, 6) for _ in args)
    torch.testing.assert_close(done.model(*other), model(*other), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("name", "site", "to", "rule"), [one for one in SITES if one[3] != "absorb"])
def test_gradients_and_statistics_are_those_of_the_original(name, site, to, rule):
    model, args = made(name)
    new = addcat.switch(model, {site: to}, example_inputs=args).model
    for training in (False, True):
        model.train(training)
        new.train(training)
        one, two = gradients(model, args), gradients(new, args)
        weights = dict(model.named_parameters()), dict(new.named_parameters())
        same = [key for key in one if key in two and weights[0][key].shape == weights[1][key].shape]
        assert len(same) >= len(one) - 1  # the reader of a tied Concatenate is wider
        for key in same:
            torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=1e-4)
    for key, value in model.named_buffers():
        torch.testing.assert_close(dict(new.named_buffers())[key], value)


@pytest.mark.parametrize("rung", ["concat", "scale", "channel_scale", "low_rank:2"])
@pytest.mark.parametrize(("name", "site"), [(one[0], one[1]) for one in SITES if one[2] == "concat"])
def test_there_and_back(name, site, rung):
    model, args = made(name)
    there = addcat.switch(model, {site: rung}, example_inputs=args).model
    assert set(dict(model.named_parameters())) <= set(dict(there.named_parameters()))
    back = addcat.switch(there, {site: "add"}, example_inputs=args)
    assert back.record.exact
    assert list(back.model.state_dict()) == list(model.state_dict())
    for key, value in model.state_dict().items():
        torch.testing.assert_close(back.model.state_dict()[key], value)
    torch.testing.assert_close(back.model(*args), model(*args))


def test_an_absorbed_concatenate_goes_back_to_another_one():
    model, args = made("towers")
    there = addcat.switch(model, {"encoder/cat": "add"}, example_inputs=args).model
    assert isinstance(there.encoder, Encoder)
    back = addcat.switch(there, {"encoder/cat": "concat"}, example_inputs=args)
    torch.testing.assert_close(back.model(*args), model(*args))


@pytest.mark.parametrize(("name", "site", "to", "rule"), SITES)
def test_a_switched_module_is_kept_as_the_users_own(name, site, to, rule):
    model, args = made(name)
    done = addcat.switch(model, {site: to}, example_inputs=args)
    want = done.model(*args)
    buffer = io.BytesIO()
    torch.save(done.model, buffer)
    buffer.seek(0)
    # our own file: a whole module is pickled Python
    for other in (torch.load(buffer, weights_only=False), copy.deepcopy(done.model)):
        assert torch.equal(other(*args), want)
    again = addcat.apply(made(name)[0], done.record, example_inputs=args)
    again.load_state_dict(done.model.state_dict(), strict=True)
    assert torch.equal(again(*args), want)
    done.model.train()
    before = [parameter.clone() for parameter in done.model.parameters()]
    optimizer = torch.optim.SGD(done.model.parameters(), 0.1)
    done.model(*args).square().sum().backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, done.model.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 1


def test_several_sites_at_once():
    model, args = made("towers")
    changes = {"encoder/add": "concat", "encoder/cat": "add", "cat": "add"}
    done = addcat.switch(model, changes, example_inputs=args, data=[torch.randn(64, 3, 6, 6).numpy()] * 2)
    assert [step.rule for step in done.record.steps] == ["tie", "absorb", "fit"]
    exact = {site: changes[site] for site in ("encoder/add", "encoder/cat")}
    done = addcat.switch(model, exact, example_inputs=args)
    torch.testing.assert_close(done.model(*args), model(*args))


def test_what_is_fitted_is_fitted_to_all_calls():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.read = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(8, 4)

        def forward(self, x):
            return self.read(torch.relu(torch.cat([self.a(x), self.b(x)], -1)))

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.joined, self.head = Joined(), nn.Linear(8, 1)

        def forward(self, x, y):
            return self.head(torch.cat([self.joined(x), self.joined(y + 3)], -1))

    torch.manual_seed(0)
    model, data = Both().eval(), [torch.randn(200, 3).numpy(), torch.randn(200, 3).numpy()]
    example = tuple(torch.from_numpy(array) for array in data)
    done = addcat.switch(model, {"joined/cat": "add"}, data=data, example_inputs=example)
    assert done.record.steps[0].rule == "fit"
    # least squares over the rows of both calls, 4 of 5 examples of each
    kept = np.arange(200) % 5 != 4
    rows = torch.cat([example[0][kept], example[1][kept] + 3])
    with torch.no_grad():
        old, new = model.joined, done.model.joined
        wanted = old.read(torch.relu(torch.cat([old.a(rows), old.b(rows)], -1)))
        sums = torch.relu(new.a(rows) + new.b(rows))
        design = torch.cat([sums, torch.ones(len(sums), 1)], 1).double()
        best = torch.linalg.lstsq(design, wanted.double()).solution
    torch.testing.assert_close(new.read.weight.double(), best[:4].T, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(new.read.bias.double(), best[4], rtol=1e-3, atol=1e-3)


def test_a_branch_may_be_dropped_at_every_call():
    model, args = made("unrolled")
    data = torch.randn(64, 3, 6, 6).numpy()
    done = addcat.switch(model, {"step/add": "drop"}, data=data, example_inputs=args)
    assert done.record.steps[0].rule == "fit"
    assert done.model(*args).shape == (2, 2)
    assert done.model.step.add_rebuild.weight.shape == (4, 4, 1, 1)


def test_tensors_inside_are_probed_at_every_call():
    model, args = made("stages")
    door = TorchDoor(Example(args, {}))
    graph = door.read(model)
    edges = tensors.inputs_of(graph, "stage/step/conv")
    assert edges == [Edge(f"{stage}/{step}/relu") for stage in ("stage", "stage#2") for step in ("step", "step#2")]
    arrays = [value.numpy() for value in args]
    seen = []
    model.stage.step.conv.register_forward_hook(lambda _, given, __: seen.append(given[0].numpy()))
    found = door.probe(graph, edges)(arrays)
    for wanted, array in zip(seen[:4], found, strict=True):
        np.testing.assert_array_equal(array, wanted)
    (whole,) = door.predictor(model, [Edge("stage#2")])(arrays)[1:]
    names = recorded_edges(graph, graph_of(graph.native), [Edge("stage#2"), Edge("stem")])
    assert names == [Edge("stage.last#2"), Edge("stem")]
    np.testing.assert_array_equal(whole, door.predictor(model, names)(arrays)[1])
    assert set(flatten(graph).nodes) == set(unnested(graph, graph_of(graph.native)).names) | {"x", "stem", "head"} | {
        name for name in graph.nodes if name.startswith("mean")
    }


@pytest.mark.parametrize("effort", ["structure", "forward", "score", "finetune", "retrain"])
def test_advise_judges_all_calls_as_one(effort):
    torch.manual_seed(0)
    x = torch.randn(240, 3, 5, 5)
    found = addcat.advise(
        Unrolled(),
        (x.numpy(), (x.mean((1, 2, 3)) > 0).long().numpy()),
        effort=effort,
        budget="40x" if effort == "retrain" else None,  # trainings, not seconds: however busy the machine is
        loss=nn.CrossEntropyLoss(),
        optimizer=lambda parameters: torch.optim.Adam(parameters, 1e-2),
        epochs=2,
    )
    (verdict,) = found.verdicts
    assert verdict.site == "step/add"
    assert verdict.evidence[-1].method == effort
    assert (verdict.evidence[-1].estimate is None) == (effort == "structure")
