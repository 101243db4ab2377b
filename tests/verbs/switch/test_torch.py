"""The whole ladder on PyTorch modules, and a switch made again from its record."""

import json

import modules
import numpy as np
import pytest
import torch
from modules import build
from torch import nn

import addcat
from addcat.errors import OptionError, RefusedError, SiteError

EXACT = [
    ("towers_added", "add", "concat", "tie"),
    ("towers_added", "add", "scale", "raise"),
    ("towers_added", "add", "channel_scale", "raise"),
    ("towers_added", "add", "low_rank:2", "raise"),
    ("towers_joined", "cat", "add", "absorb"),
    ("towers_joined", "cat", "scale", "absorb"),
    ("signals", "cat", "channel_scale", "absorb"),
    ("preact_resnet", "1.add", "concat", "tie"),
    ("preact_resnet", "1.add", "low_rank:1", "raise"),
    ("resnet", "layers.1.add", "concat", "project"),
    ("resnet", "layers.1.add", "channel_scale", "raise"),
    ("sums", "sum", "concat", "tie"),
    ("sums", "sum", "channel_scale", "raise"),
    ("alpha", "add", "concat", "project"),
    ("alpha", "add", "add", "lower"),
    ("volumes", "add", "concat", "tie"),
]


class Sums(nn.Module):
    def __init__(self, alpha=None):
        super().__init__()
        self.heads, self.out, self.alpha = nn.ModuleList(nn.Linear(5, 6) for _ in range(3)), nn.Linear(6, 2), alpha

    def forward(self, x):
        if self.alpha is not None:
            return self.out(torch.add(self.heads[0](x), self.heads[1](x), alpha=self.alpha))
        return self.out(torch.stack([head(x) for head in self.heads]).sum(0))


def made(name):
    torch.manual_seed(0)
    if name in ("sums", "alpha"):
        return Sums(0.5 if name == "alpha" else None).eval(), (torch.randn(3, 5),)
    model, args, _ = build(name)
    return model, args


def moved(model):
    """Scales away from 1, so that a rung is no Add any more."""
    with torch.no_grad():
        for module in model.modules():
            if type(module).__module__.startswith("addcat.modules"):
                for parameter in module.parameters():
                    parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize(("name", "site", "rung", "rule"), EXACT)
def test_exact_switches_keep_outputs_and_come_back(name, site, rung, rule):
    model, args = made(name)
    done = addcat.switch(model, {site: rung}, example_inputs=args)
    step = done.record.steps[0]
    assert (step.rule, done.record.exact) == (rule, True)
    torch.testing.assert_close(done.model(*args), model(*args))
    found = addcat.inspect(done.model, example_inputs=args)
    assert site in [merge.site for merge in found.merges]
    further = addcat.switch(moved(done.model), {site: "concat"}, example_inputs=args)
    torch.testing.assert_close(further.model(*args), done.model(*args))


@pytest.mark.parametrize("rung", ["add", "scale", "channel_scale", "low_rank:2", "drop"])
def test_what_is_fitted(rung):
    model, args, _ = build("densenet")
    x = torch.randn(64, 3, 8, 8)
    done = addcat.switch(model, {"cat": rung}, data=x.numpy(), example_inputs=args)
    assert done.record.steps[0].rule == "fit"
    assert list(done.record.steps[0].distortion) == ["fc"]
    assert done.model(x).shape == model(x).shape


def test_a_drop_takes_branches_out():
    model, args = made("towers_added")
    data = [np.random.default_rng(0).standard_normal((64, size)).astype("float32") for size in (5, 7)]
    done = addcat.switch(model, {"add": "drop"}, data=data, example_inputs=args)
    kept = {name for name, _ in done.model.named_parameters()}
    assert kept == {"left.weight", "left.bias", "head.weight", "head.bias"}


def test_several_merges_at_once_and_one_after_the_other():
    model, args = made("resnet")
    sites = [f"layers.{i}.add" for i in range(3)]
    at_once = addcat.switch(model, dict.fromkeys(sites, "concat"), example_inputs=args).model
    later = model
    for site in sites:
        later = addcat.switch(later, {site: "concat"}, example_inputs=args).model
    torch.testing.assert_close(at_once(*args), later(*args))
    assert list(at_once.state_dict()) == list(later.state_dict())
    model, args = made("stochastic_depth")
    for site, rung in (("add", "concat"), ("add#3", "concat"), ("add", "add"), ("add#2", "scale"), ("add", "concat")):
        after = addcat.switch(model, {site: rung}, example_inputs=args).model
        torch.testing.assert_close(after(*args), model(*args))
        model = after


def test_merges_that_read_one_another_are_switched_at_once():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.head = nn.ModuleList(nn.Linear(4, 4) for _ in range(4)), nn.Linear(4, 2)

        def forward(self, x):
            total = torch.relu(self.layers[0](x) + self.layers[1](x))
            return self.head(sum(layer(total) for layer in self.layers))

    torch.manual_seed(0)
    model, args = Chain().eval(), (torch.randn(3, 4),)
    sites = [merge.site for merge in addcat.inspect(model, example_inputs=args).merges]
    assert len(sites) == 4
    done = addcat.switch(model, dict.fromkeys(sites, "concat"), example_inputs=args)
    torch.testing.assert_close(done.model(*args), model(*args))
    preact = nn.Sequential(*(modules.PreActBlock(4) for _ in range(3)), nn.Conv2d(4, 2, 1)).eval()
    image = (torch.randn(2, 4, 6, 6),)
    done = addcat.switch(preact, {f"{i}.add": "concat" for i in range(3)}, example_inputs=image)
    assert [step.rule for step in done.record.steps] == ["project", "project", "tie"]
    torch.testing.assert_close(done.model(*image), preact(*image))


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    ("name", "site", "rung"),
    [(name, site, rung) for name, site, rung, _ in EXACT if name not in ("volumes",)] + [("densenet", "cat", "add")],
)
def test_a_record_makes_the_module_again(name, site, rung, fresh, tmp_path):
    model, args = made(name)
    data = torch.randn(64, 3, 8, 8).numpy() if name == "densenet" else None
    done = addcat.switch(model, {site: rung}, data=data, fresh=fresh, example_inputs=args)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(done.record.to_dict()), encoding="utf-8")
    other, _ = made(name)
    for module in other.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    again = addcat.apply(other, path, example_inputs=args)
    again.load_state_dict(done.model.state_dict(), strict=True)
    torch.testing.assert_close(again(*args), done.model(*args))
    again = addcat.apply(model, done.record, example_inputs=args)
    if done.record.exact:
        torch.testing.assert_close(again(*args), model(*args))


def test_records_that_are_none(tmp_path):
    model, args = made("towers_added")
    for record, shown in ((3, "int"), ({"steps": 1}, "dict"), (str(tmp_path / "no.json"), f"'{tmp_path}/no.json'")):
        with pytest.raises(OptionError) as error:
            addcat.apply(model, record, example_inputs=args)
        assert str(error.value) == (
            f"{shown} is no record of a switch. Pass what `addcat.switch` gave as .record, or the JSON file beside the "
            "switched weights."
        )
    record = addcat.switch(model, {"add": "concat"}, example_inputs=args).record.to_dict()
    other, other_args = made("towers_joined")
    with pytest.raises(SiteError, match=r"^'add' is not a merge of this model\. Nearest: 'cat'\."):
        addcat.apply(other, record, example_inputs=other_args)


class Placed(nn.Module):
    """Words and learned positions, added or joined."""

    def __init__(self, op):
        super().__init__()
        self.op, self.words, self.places = op, nn.Embedding(10, 4), nn.Embedding(6, 4)
        self.mix = nn.Linear(4 if op == "add" else 8, 2)

    def forward(self, words):
        places = self.places(torch.arange(words.shape[1])).expand(words.shape[0], -1, -1)
        words = self.words(words)
        return self.mix(words + places + 1.0 if self.op == "add" else torch.cat([words, places], 2))


@pytest.mark.parametrize(("op", "does"), [("add", "adds"), ("cat", "joins")])
def test_what_is_the_same_for_every_example_is_no_branch(op, does):
    words = torch.zeros(60, 6, dtype=torch.long)
    model, data = Placed(op), (words.numpy(), np.zeros((60, 6, 2), "float32"))
    for asked in (
        lambda: addcat.switch(model, {op: "add"}, example_inputs=(words,)),
        lambda: addcat.advise(model, data, sites=[op]),
        lambda: addcat.compare(model, data, sites=[op]),
    ):
        with pytest.raises(SiteError) as error:
            asked()
        assert str(error.value) == (
            f"'{op}' {does} what is the same for every example, such as learned positions, to one branch: that is no "
            "merge of branches. In front of a linear layer adding it and joining its channels both come to W x plus a "
            "constant."
        )
    with pytest.raises(SiteError, match=r"^The model has no merge, so 'add#2' cannot be switched\.$"):
        addcat.switch(model, {"add#2": "concat"}, example_inputs=(words,))  # of a number, or nothing


class ChannelsLast(nn.Module):
    """A block of a Swin transformer, without its attention: channels are the last of any number of axes."""

    def __init__(self):
        super().__init__()
        self.embed, self.inner, self.norm = nn.Linear(3, 4), nn.Linear(4, 4), nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.embed(x)
        return self.head(self.norm(x + torch.relu(self.inner(x))))


class Windows(nn.Module):
    """Images cut into windows, six axes, where nothing that reads the sum says which of them counts channels."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(8, 2)

    def forward(self, x):
        left, right = (layer(x).unflatten(2, (2, 2)).unflatten(1, (2, 2)) for layer in (self.left, self.right))
        return self.head(torch.relu(left + right).flatten(4).flatten(1, 3))


@pytest.mark.parametrize("rank", [2, 3, 4, 5, 6])
def test_a_layer_behind_a_concatenate_of_the_last_axis_is_linear_whatever_the_number_of_axes(rank):
    torch.manual_seed(0)
    model, args = ChannelsLast().eval(), (torch.randn(2, *(3, 4, 2, 5)[: rank - 2], 3),)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.record.steps[0].rule == "project"
    assert isinstance(done.model.add_project, nn.Linear)
    torch.testing.assert_close(done.model(*args), model(*args))
    back = addcat.switch(done.model, {"add": "add"}, example_inputs=args)
    torch.testing.assert_close(back.model(*args), model(*args))
    again = addcat.apply(model, done.record, example_inputs=args)
    again.load_state_dict(done.model.state_dict(), strict=True)


def test_tensors_of_six_axes_count_channels_on_the_last():
    torch.manual_seed(0)
    model, args = Windows().eval(), (torch.randn(2, 4, 4, 3),)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.model.add_project.weight.shape == (4, 8)
    torch.testing.assert_close(done.model(*args), model(*args))


def test_refusals_name_what_is_in_the_way():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = modules.PreActBlock(4)

        def forward(self, x):
            return self.block(self.block(x)[..., ::2])

    with pytest.raises(RefusedError) as error:
        addcat.switch(Twice(), {"block.add": "concat"}, example_inputs=(torch.randn(2, 4, 6, 6),))
    assert str(error.value) == (
        "'block.add' cannot become concat: Add 'block.add' cannot be changed where it stands: PreActBlock 'block' is "
        "called 2 times, and every call would change: 'block.norm' and 'block.norm#2' differ in size: "
        "(None, 4, 6, 6) and (None, 4, 6, 3) [AC116]."
    )


def test_a_rewritten_module_called_in_another_way_is_written_anew_or_says_so():
    model, _, kwargs = build("conditioned")
    done = addcat.switch(model, {"add": "concat"}, example_inputs=kwargs).model
    x, condition = torch.randn(5, 4), torch.randn(5, 3)
    torch.testing.assert_close(done(x, condition, scale=0.5), model(x, condition, scale=0.5))
    with pytest.raises(addcat.ModelError) as error:
        done(x)
    assert str(error.value) == (
        "Conditioned cannot be called like this after the switch: it does not compute 'add', which was switched."
    )


def test_the_module_may_lie_in_a_python_class_that_nobody_can_import():
    class Local(modules.TowersAdded):
        pass

    model = Local().eval()
    args = (torch.randn(2, 5), torch.randn(2, 7))
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    torch.testing.assert_close(done.model(*args), model(*args))
