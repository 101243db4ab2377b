"""`optimize` on PyTorch modules: exported, held against the module, optimised as ONNX."""

import copy
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import addcat
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch import export as exporting
from addcat.doors.torch.export import exported
from addcat.errors import MissingExtraError, ModelError, OptionError


class Net(nn.Module):
    """Two convolutions added, a batch norm, a concatenation."""

    def __init__(self):
        super().__init__()
        self.three, self.one = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Conv2d(7, 2, 1)

    def forward(self, x):
        y = self.norm(self.three(x) + self.one(x))
        return self.head(torch.cat([torch.relu(y), x], 1))


class Indexed(nn.Module):
    """Indices, nested inputs, a number and two outputs."""

    def __init__(self):
        super().__init__()
        self.table, self.mix = nn.Embedding(5, 4), nn.Linear(4, 4)

    def forward(self, words, times, more):
        found = self.table(words)
        return {"sum": self.mix(found + more["bias"]) * times, "cat": torch.cat([found, more["bias"]], -1)}


class Choosing(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x


class Drawing(nn.Module):
    def forward(self, x):
        return x + torch.rand(4)


class Flat(nn.Module):
    """Works for one batch only."""

    def forward(self, x):
        return x + x.reshape(2, 4)


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = Net()
    nn.init.uniform_(made.norm.running_mean, -0.5, 0.5)
    nn.init.uniform_(made.norm.running_var, 0.5, 2.0)
    return made.train()


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: np.asarray(value) for name, value in feeds.items()})


def test_module_is_exported_and_optimised_and_left_as_it_was(net):
    net.register_forward_hook(lambda *_: None)
    before, hooks, x = copy.deepcopy(net.state_dict()), dict(net._forward_hooks), torch.randn(1, 3, 8, 8)
    kept = x.clone()
    found = addcat.optimize(net, example_inputs=(x,), goal="parameters")
    assert found.record.after.parameters < found.record.before.parameters
    assert found.record.notes[-1] == (
        "Net was exported to ONNX by torch.onnx.export at inference; the result is that model."
    )
    assert found.record.shapes == {"x": (1, 3, 8, 8)}
    assert net.training
    assert net.norm.training
    assert net._forward_hooks == hooks
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert torch.equal(x, kept)
    net.eval()
    assert [node.op_type for node in found.model.graph.node].count("Conv") == 2
    for batch in (1, 3):
        x = torch.randn(batch, 3, 8, 8)
        np.testing.assert_allclose(run(found.model, {"x": x})[0], net(x).detach(), atol=1e-5)


def test_indices_nested_inputs_and_several_outputs():
    torch.manual_seed(0)
    net, words, bias = Indexed(), torch.tensor([[1, 4], [0, 2]]), torch.randn(2, 2, 4)
    args = (words, 3, {"bias": bias})
    bench = TorchDoor(Example.of(args)).bench_of(net)
    assert bench.shapes == {"words": (2, 2), "more_bias": (2, 2, 4)}
    assert {given: array.tolist() for given, array in bench.given.items()} == {"words": words.tolist()}
    found = addcat.optimize(net, example_inputs=args, shapes={"more_bias": (2, 2, 4)}, goal="memory", measure=False)
    outputs = run(found.model, {"words": words, "more_bias": bias})
    for got, wanted in zip(outputs, net(words, 3, {"bias": bias}).values(), strict=True):
        np.testing.assert_allclose(got, wanted.detach(), atol=1e-5)


def test_a_batch_that_the_module_fixes_stays_fixed():
    model, tensors = exported(Flat(), Example.of(torch.randn(2, 4)))
    assert list(tensors) == ["x"]
    assert list(model.graph.inputs[0].shape) == [2, 4]


def test_a_module_whose_control_flow_hangs_on_values_is_refused():
    with pytest.raises(ModelError) as caught:
        addcat.optimize(Choosing(), example_inputs=(torch.ones(2, 4),))
    assert str(caught.value) == (
        "torch.onnx.export does not export Choosing: GuardOnDataDependentSymNode: Could not guard on data-dependent "
        "expression Eq(u0, 1) (unhinted: Eq(u0, 1)).  (Size-like symbols: none). Change the module so that it exports, "
        "or export it yourself, and pass that .onnx file."
    )


def test_an_export_that_computes_something_else_is_refused():
    with pytest.raises(ModelError) as caught:
        addcat.optimize(Drawing(), example_inputs=(torch.ones(2, 4),))
    assert str(caught.value) == (
        "torch.onnx.export does not export Drawing: what it exports computes another output 0 than the module. Change "
        "the module so that it exports, or export it yourself, and pass that .onnx file."
    )


def test_a_module_that_does_not_run_is_refused(net):
    with pytest.raises(ModelError) as caught:
        addcat.optimize(net, example_inputs=(torch.ones(1, 2, 8, 8),))
    assert str(caught.value).startswith("torch.onnx.export does not export Net: RuntimeError: ")


def test_what_the_export_needs_is_named(net, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError) as caught:
        exporting.exported(net, Example.of(torch.ones(1, 3, 8, 8)))
    assert str(caught.value) == (
        "'onnxscript' cannot be imported: import of onnxscript halted; None in sys.modules. It comes with the extra "
        "'export': pip install 'addcat[export]'."
    )


def test_example_inputs_are_for_modules_and_modules_need_them(net):
    with pytest.raises(ModelError, match="Net is a PyTorch module, which keeps no input shapes"):
        addcat.optimize(net)
    with pytest.raises(OptionError, match="example_inputs are for PyTorch modules"):
        addcat.optimize(exported(net, Example.of(torch.ones(1, 3, 8, 8)))[0], example_inputs=(torch.ones(1),))
