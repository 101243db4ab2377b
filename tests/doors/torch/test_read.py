"""Reading a module by running it once: what is found, under which name, and that the module is as before."""

import copy

import modules
import pytest
import torch
from modules import NETWORKS, build, given
from torch import nn
from torch.nn import functional as F  # noqa: N812

import addcat
from addcat.doors.base import NEEDS, Reader, door_for
from addcat.doors.torch import Example, TorchDoor
from addcat.errors import ModelError, OptionError
from addcat.merges import find_merges

FOUND = {
    "resnet": [f"layers.{i}.add add" for i in range(3)],
    "preact_resnet": ["1.add add"],
    "unet": ["cat concat", "cat#2 concat"],
    "unet_odd_size": ["cat concat", "cat#2 concat"],
    "unet_that_adds": ["add add", "add#2 add"],
    "densenet": ["layers.1.cat concat", "layers.2.cat concat", "cat concat"],
    "inception": ["cat concat"],
    "two_tower_dict": ["hstack concat"],
    "towers_added": ["add add"],
    "towers_joined": ["cat concat"],
    "siamese": ["sub subtract", "mul multiply", "cat concat"],
    "add_forms": ["add#2 scaled_add", "add#3 add", "add#4 add", "sub subtract"],
    "functional_weights": ["cat concat"],
    "stochastic_depth": ["add add", "add#2 add", "add#3 add"],
    "checkpointed": ["add add"],
    "recurrent": ["cat concat"],
    "transformer_encoder": [f"encoder.layers.{i}.add{n} add" for i in range(2) for n in ("", "#2")],
    "patch_transformer": ["add#2 add", "add#3 add"],
    "fixed_shapes": ["cat concat"],
    "fixed_shapes_added": ["add add"],
    "conditioned": ["add add"],
    "shared_blocks": ["block/add add"],
    "mixer": ["add add", "add#2 add"],
    "volumes": ["add add"],
    "signals": ["cat concat"],
}


def graph_of(model, example):
    return door_for(model, example_inputs=example).read(model)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_merge_is_found_under_its_place(name):
    model, example = given(name)
    graph = graph_of(model, example)
    assert [f"{merge.site} {merge.op}" for merge in find_merges(graph)] == FOUND[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_counted_as_torch_counts_them(name):
    model, example = given(name)
    used = sum(parameter.numel() for parameter in model.parameters())
    assert addcat.inspect(model, example_inputs=example).totals.parameters == used


@pytest.mark.parametrize("name", ["resnet", "densenet", "stochastic_depth", "two_tower_dict", "recurrent"])
def test_the_model_is_as_before(name):
    model, args, kwargs = build(name)
    model.train()
    for module in list(model.modules())[::2]:
        module.eval()
    flags = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attributes = [dict(module.__dict__) for module in model.modules()]
    generator = torch.get_rng_state()
    graph_of(model, args or kwargs)
    assert [module.training for module in model.modules()] == flags
    assert [dict(module.__dict__) for module in model.modules()] == attributes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert "forward" not in model.__dict__
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl
    model(*args, **kwargs)


def test_nothing_of_the_recorder_is_left_after_an_error():
    model, _ = given("resnet")
    text = (
        r"^ResNet does not run on example inputs of shape \(1, 4, 8, 8\): Conv2d 'stem\.0' raised "
        r"RuntimeError: .*expected input\[1, 4, 8, 8\] to have 3 channels, "
        r"but got 4 channels instead\. Pass example_inputs that it takes\.$"
    )
    with pytest.raises(ModelError, match=text):
        graph_of(model, (torch.zeros(1, 4, 8, 8),))
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_a_dict_that_is_meant_as_the_one_argument():
    class Named(nn.Module):
        def forward(self, batch):
            return batch["image"] * 2

    batch = {"image": torch.zeros(2, 3)}
    with pytest.raises(ModelError) as error:
        addcat.inspect(Named(), example_inputs=batch)
    assert str(error.value) == (
        "Named does not run on example inputs of shape (2, 3): Named raised TypeError: "
        "test_a_dict_that_is_meant_as_the_one_argument.<locals>.Named.forward() got an unexpected keyword argument "
        "'image'. A dict is passed as keyword arguments, and forward has none of the name 'image'. Pass those that it "
        "has, or the dict itself as an argument: example_inputs=(batch,)."
    )
    assert addcat.inspect(Named(), example_inputs=(batch,)).merges == ()


@pytest.mark.parametrize("name", ["unet", "towers_added", "transformer_encoder"])
def test_shapes_have_an_open_batch_and_channels_where_torch_has_them(name):
    model, example = given(name)
    graph = graph_of(model, example)
    assert all(node.shape[0] is None for node in graph.nodes.values())
    axes = {"unet": 1, "towers_added": 1, "transformer_encoder": 2}
    for merge in find_merges(graph):
        assert merge.channel_axis == axes[name]


class Merging(nn.Module):
    """The patch merging of a Swin transformer: neighbours of an image whose channels lie last are joined."""

    def __init__(self, norm, reader):
        super().__init__()
        self.embed, self.norm, self.reader = nn.Conv2d(3, 4, 1), norm, reader

    def forward(self, image):
        x = self.embed(image).permute(0, 2, 3, 1)
        return self.reader(self.norm(torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 1::2]], -1)))


class Normalised(nn.Module):
    def forward(self, x):
        return nn.functional.layer_norm(x, x.shape[-1:])


@pytest.mark.parametrize(
    ("norm", "reader", "axis"),
    [
        (nn.LayerNorm(8), nn.Identity(), 3),
        (nn.RMSNorm(8), nn.Identity(), 3),
        (Normalised(), nn.Identity(), 3),
        (nn.Identity(), nn.Linear(8, 2), 3),
        (nn.Dropout(), nn.Linear(8, 2), 3),
        (nn.LayerNorm((8, 8, 8)), nn.Identity(), 1),  # of all axes, which says nothing of channels
        (nn.Identity(), nn.ReLU(), 1),
    ],
)
def test_what_contracts_or_normalises_the_last_axis_says_where_channels_are(norm, reader, axis):
    graph = graph_of(Merging(norm, reader).eval(), (torch.zeros(1, 3, 16, 16),))
    assert graph.nodes["cat"].channel_axis == axis


def test_other_input_shapes_are_run_anew():
    model, example = given("unet")
    door = door_for(model, example_inputs=example)
    graph = door.reshape_inputs(door.read(model), ((1, 3, 32, 48),))
    assert graph.nodes["cat#2"].shape == (None, 8, 32, 48)
    with pytest.raises(ModelError, match=r"^'UNet' has 1 input, got 2 shapes\. Give one shape for each input\.$"):
        door.reshape_inputs(graph, ((1, 3, 8, 8), (1, 3, 8, 8)))
    text = (
        r"^'UNet' was read with an input of shape \(1, 3, 32, 48\), got \(3, 8\)\. Give as many sizes, batch first\.$"
    )
    with pytest.raises(ModelError, match=text):
        door.reshape_inputs(graph, ((3, 8),))


def test_inputs_are_named_after_the_parameters_of_forward():
    model, example = given("two_tower_dict")
    assert graph_of(model, example).inputs == ("batch.user", "batch.item", "batch.id")
    model, example = given("conditioned")
    assert graph_of(model, example).inputs == ("x", "condition")
    assert graph_of(nn.Sequential(nn.Linear(3, 2)), torch.zeros(1, 3)).inputs == ("input",)


class Data(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return x + (self.a(x) if x.sum() > 0 else self.b(x))


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x, times):
        for _ in range(int(times.item())):
            x = x + self.a(x)
        return x


@pytest.mark.parametrize(
    ("model", "example", "sites", "word"),
    [
        (Data(), (torch.ones(2, 4),), ["add"], "bool"),
        (Loop(), (torch.ones(2, 4), torch.tensor(3)), ["add", "add#2", "add#3"], "item"),
    ],
)
def test_a_branch_that_the_example_took_is_said(model, example, sites, word):
    found = addcat.inspect(model, example_inputs=example)
    assert [merge.site for merge in found.merges] == sites
    for merge in found.merges:
        assert merge.switch.code == "AC116"
        assert merge.switch.reason == (
            f"Add {merge.site!r} cannot be changed where it stands: the model looks at the values of a tensor ({word})"
        )


class Cast(nn.Module):
    """Changes a tensor's type by the methods that have the names of Python's own conversions."""

    def __init__(self, cast):
        super().__init__()
        self.a, self.cast = nn.Linear(4, 4), cast

    def forward(self, x, mask):
        weights = getattr(mask, self.cast)()
        return (x + self.a(x)) * weights.unsqueeze(-1)


@pytest.mark.parametrize("cast", ["float", "int", "bool"])
def test_a_tensor_of_another_type_is_no_value(cast):
    example = (torch.ones(2, 4), torch.tensor([1, 0]))
    assert addcat.inspect(Cast(cast), example_inputs=example).merges[0].switch == "project"
    switched = addcat.switch(Cast(cast), {"add": "concat"}, example_inputs=example)
    for mask in ([1, 0], [0, 1]):  # whose values are as they come
        given = (torch.randn(2, 4), torch.tensor(mask))
        assert torch.equal(switched.model(*given)[mask.index(0)], torch.zeros(4))


def test_a_parametrization_is_named():
    model = nn.Sequential(modules.PreActBlock(4), nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 2, 1)))
    found = addcat.inspect(model, example_inputs=torch.zeros(1, 4, 8, 8))
    reason = "ParametrizedConv2d '1' computes its 'weight' anew at each call (a parametrization)"
    assert [blocker.reason for blocker in found.merges[0].merge.blockers] == [reason]
    assert found.merges[0].switch == "project"


def test_lazy_modules_have_to_be_called_first():
    text = (
        r"^LazyLinear '0' has no weights yet: it makes them at its first call\. "
        r"Call the model once, and pass it then\.$"
    )
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ModelError, match=text):
        graph_of(model, (torch.zeros(2, 4),))


def wrapped(kind):
    """A module as torch wraps it for several devices, made without any process group."""
    from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel
    from torch.nn.parallel import DistributedDataParallel

    net = nn.Sequential(nn.Linear(4, 4))
    if kind == "DataParallel":
        return nn.DataParallel(net)
    if kind == "FSDPModule":
        net[0].__class__ = type("FSDPLinear", (FSDPModule, nn.Linear), {})
        return net
    cls = {"DistributedDataParallel": DistributedDataParallel, "FullyShardedDataParallel": FullyShardedDataParallel}[
        kind
    ]
    made = cls.__new__(cls)
    nn.Module.__init__(made)
    made.module = net
    return made


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "DataParallel",
            "The model is wrapped in DataParallel, which runs copies of the module in it. "
            "Pass what it wraps: its .module.",
        ),
        (
            "DistributedDataParallel",
            "The model is wrapped in DistributedDataParallel, which runs one copy of the module in it in each "
            "process. Pass what it wraps: its .module.",
        ),
        (
            "FullyShardedDataParallel",
            "The model is wrapped in FullyShardedDataParallel, which keeps a part of its weights in each "
            "process. Pass the module as it was before that.",
        ),
        (
            "FSDPModule",
            "'0' is wrapped in FSDPModule, which keeps a part of its weights in each process. Pass the module as it "
            "was before that.",
        ),
    ],
)
def test_wrappers_for_several_devices_are_refused_by_name(kind, text):
    with pytest.raises(ModelError) as error:
        graph_of(wrapped(kind), (torch.zeros(1, 4),))
    assert str(error.value) == text


def test_what_goes_in():
    model = nn.Linear(3, 2)
    with pytest.raises(
        ModelError,
        match=r"^Linear is a PyTorch module, which keeps no input shapes\. Pass what it is called with: "
        r"example_inputs=\(x,\), a tuple of arguments, or a dict of keyword arguments\.$",
    ):
        addcat.inspect(model)
    with pytest.raises(
        ModelError,
        match=r"^example_inputs hold no tensor: \(1, 2\)\. Pass a tuple of what the model is called with, such as "
        r"example_inputs=\(torch\.zeros\(1, 3, 224, 224\),\), or a dict of keyword arguments\.$",
    ):
        addcat.inspect(model, example_inputs=(1, 2))


def test_keras_layers_go_through_the_keras_door():
    import networks

    model = networks.network("residual")
    assert not isinstance(door_for(model), TorchDoor)
    text = r"^example_inputs are for PyTorch modules; a Functional knows its own inputs\. Leave them out\.$"
    with pytest.raises(OptionError, match=text):
        door_for(model, example_inputs=(1,))


def test_the_door_reads_and_copies_are_read_alike():
    model, args, _ = build("resnet")
    door = TorchDoor(Example.of(args))
    assert isinstance(door, Reader)
    one, two = door.read(model), door.read(copy.deepcopy(model))
    assert list(one.nodes) == list(two.nodes)


def test_outputs_that_do_not_depend_on_the_inputs():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(2)

    text = (
        r"^Constant gives no tensor that depends on its inputs\. "
        r"Let forward give a tensor, or a list, tuple, dict or dataclass of tensors\.$"
    )
    with pytest.raises(ModelError, match=text):
        graph_of(Constant(), (torch.ones(2),))


def test_modules_of_their_own_classes_are_opened():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)

    graph = graph_of(nn.Sequential(Standardised(3, 4, 1)), modules.image())
    assert [node.op for node in graph.nodes.values()] == ["input", "opaque"]


def test_the_door_has_every_capability():
    assert all(isinstance(TorchDoor, capability) for wanted in NEEDS.values() for capability in wanted)


class Capturing(nn.Module):
    """Installs a hook on a part of its own when it first runs, and says so on itself, as transformers' models do."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.seen = nn.Linear(4, 3), nn.Linear(4, 3), []

    def forward(self, x):
        if not hasattr(self, "installed"):
            self.left.register_forward_hook(lambda *_: self.seen.append(1))
            self.installed = True
        return self.left(x) + self.right(x)


def test_hooks_that_a_run_installs_are_not_left_behind():
    """Else the next run, which does not know of them, would install them again."""
    model, x = Capturing().eval(), torch.randn(2, 4)
    for _ in range(2):
        addcat.inspect(model, example_inputs=(x,))
    assert not model.left._forward_hooks
    model(x)
    assert model.seen == [1]
