"""Small modules after public reports of what bit others, each with the merges that are to be found in it."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

CASES = {}


def case(found, *shapes):
    """A module after a public report, the merges that are to be found, and the shapes of its inputs."""

    def keep(cls):
        CASES[cls.__name__] = (cls, found, shapes)
        return cls

    return keep


class Net(nn.Module):
    """Linear layers and convolutions by name."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def pointwise(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 1)


@case("cat AC109", (2, 3, 8, 8))
class BranchChangesSkip(Net):
    """rosinality/vq-vae-2-pytorch#60: the branch's ReLU is in place, so the skip is relu(x)."""

    def __init__(self):
        branch = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1))
        super().__init__(stem=pointwise(3, 4), branch=branch, head=pointwise(8, 2))

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.cat([x, self.branch(x)], 1))


@case("add concat, add#2 concat", (2, 3))
class ShortcutBeforeInPlace(Net):
    """pytorch/pytorch#15428, pytorch/vision#807: the shortcut is computed before the branch that writes in place."""

    def __init__(self):
        branch = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4))
        super().__init__(stem=nn.Linear(3, 4), short=nn.Linear(4, 4), branch=branch, head=nn.Linear(4, 2))

    def forward(self, x):
        x = self.stem(x)
        shortcut = self.short(x.clone())
        return self.head(self.branch(x) + shortcut + x)


@case("cat add", (2, 3, 8, 8))
class JoinedWithItself(Net):
    """VainF/Torch-Pruning#146."""

    def __init__(self):
        super().__init__(a=pointwise(3, 4), head=pointwise(8, 2))

    def forward(self, x):
        x = self.a(x)
        return self.head(torch.cat([x, x], dim=1))


@case("cat add", (2, 6))
class WideAndDeep(Net):
    """VainF/Torch-Pruning#481: branches of 3 and 1 channels, dim=-1."""

    def __init__(self):
        deep = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        super().__init__(deep=deep, wide=nn.Linear(6, 3), head=nn.Linear(4, 1))

    def forward(self, x):
        return torch.sigmoid(self.head(torch.concat([self.wide(x), self.deep(x)], dim=-1)))


@case("cat AC109", (1, 5, 8))
class Rotary(Net):
    """VainF/Torch-Pruning#532: the cat inside a rotary embedding joins halves of one tensor."""

    def __init__(self):
        super().__init__(query=nn.Linear(8, 8), head=nn.Linear(8, 2))

    def forward(self, x):
        q = self.query(x)
        turned = torch.cat((-q[..., 4:], q[..., :4]), dim=-1)
        return self.head(F.softmax(turned, -1))


@case("cat AC101", (2, 3), (2, 3))
class JoinedAlongTheBatch(Net):
    """pytorch/pytorch#132993: one layer over several inputs, joined along the batch."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), head=nn.Linear(4, 2))

    def forward(self, x, y):
        return self.head(torch.cat([self.a(v) for v in (x, y)], dim=0))


@case("cat#2 AC109", (2, 3, 8, 8))
class FromAnEmptyTensor(Net):
    """pytorch/pytorch#5332: a dense block that starts from a tensor of shape (0,)."""

    def __init__(self):
        super().__init__(a=pointwise(3, 4), head=pointwise(7, 2))

    def forward(self, x):
        features = x.new_empty(0)
        for value in (x, self.a(x)):
            features = torch.cat([features, value], 1)
        return self.head(features)


@case("cat AC109", (2, 3, 8, 8))
class ListGrows(Net):
    """nianticlabs/monodepth2#51: += on a list is no Add."""

    def __init__(self):
        super().__init__(down=nn.Conv2d(3, 4, 3, 2, 1), head=pointwise(7, 2))

    def forward(self, x):
        values = [F.interpolate(self.down(x), scale_factor=2, mode="nearest")]
        values += [x]
        return self.head(torch.cat(values, 1))


@case("add AC102", (2, 6, 3), (2, 5))
class Broadcasts(Net):
    """pytorch/pytorch#2973: (batch, 1, channels) + (batch, places, channels)."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(5, 4), head=nn.Linear(4, 2))

    def forward(self, x, t):
        return self.head(self.a(x) + self.b(t)[:, None])


@case("add concat", (2, 3))
class Alpha(Net):
    """pytorch/executorch#11777: x + 0.5 y is a scaled Add."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(torch.add(self.a(x), self.b(x), alpha=0.5))


@case("add concat, cat AC109", (2, 3))
class OneFloatFunctional(Net):
    """pytorch/vision#1948: one FloatFunctional, several merges."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(4, 4), head=nn.Linear(8, 2))
        self.functional = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x):
        x = self.a(x)
        x = self.functional.add(x, self.b(x))
        return self.head(self.functional.cat([x, self.b(x)], 1))


@case("add concat", (2, 3, 8, 8))
class TwoConvolutions(Net):
    """junyanz/interactive-deep-colorization#55: conv(a) + conv(b) is one convolution of cat(a, b)."""

    def __init__(self):
        super().__init__(a=nn.Conv2d(3, 4, 3, padding=1), b=pointwise(3, 4), head=pointwise(4, 2))

    def forward(self, x):
        return self.head(self.a(x) + self.b(x))


class WithFlag(Net):
    def __init__(self):
        super().__init__(linear=nn.Linear(4, 4))

    def forward(self, x, skip):
        return x + self.linear(x) if skip else self.linear(x)


@case("block.add AC116", (2, 4))
class CalledWithAnotherFlag(Net):
    """pytorch/pytorch#137013: one submodule, two graphs."""

    def __init__(self):
        super().__init__(block=WithFlag(), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.block(self.block(x, True), False))


@case("cat AC109", (2, 3, 7, 9))
class OddSizes(Net):
    """qubvel-org/segmentation_models.pytorch#57: sizes differ by one, and are cropped before the merge."""

    def __init__(self):
        super().__init__(down=nn.Conv2d(3, 4, 3, 2, 1), up=nn.ConvTranspose2d(4, 4, 2, 2), head=pointwise(7, 2))

    def forward(self, x):
        y = self.up(self.down(x))
        return self.head(torch.cat([x, y[..., : x.shape[2], : x.shape[3]]], 1))


@case("add#2 concat", (2, 5, 3))
class TokenAndPosition(Net):
    """Positions, class token and bias are no merges."""

    def __init__(self):
        super().__init__(embed=nn.Linear(3, 4), f=nn.Linear(4, 4), head=nn.Linear(4, 2))
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 6, 4))

    def forward(self, x):
        x = self.embed(x)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        x = x + self.f(x)
        return self.head(x[:, 0] + 1.0)


@case("sum concat, add#2 concat, add#3 concat, add#4 concat", (2, 3))
class StackAndSum(Net):
    """A stack that is summed, and Python's sum."""

    def __init__(self):
        super().__init__(
            layers=nn.ModuleList(nn.Linear(3, 4) for _ in range(3)), head=nn.Linear(4, 2), last=nn.Linear(2, 2)
        )

    def forward(self, x):
        one = torch.stack([layer(x) for layer in self.layers]).sum(0)
        two = sum(layer(x) for layer in self.layers)
        return self.last(self.head(one) + self.head(two))


@case("add AC116", (2, 3))
class SliceGrows(Net):
    """Pitfall 1: a view written in place, as adapters and ControlNets do."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 6), b=nn.Linear(3, 3), head=nn.Linear(6, 2))

    def forward(self, x):
        y = self.a(x)
        y[:, :3] += self.b(x)
        return self.head(y)


@case("add concat", (4, 3))
class DropoutBehindATransposedAdd(Net):
    """Pitfall 7, pytorch/pytorch#103681: dropout draws in the order of memory."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), drop=nn.Dropout(0.5), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.drop(self.a(x) + self.b(x)))


def made(cls, shapes):
    torch.manual_seed(0)
    return cls().eval(), tuple(torch.randn(shape) for shape in shapes)


def same_gradients(model, other, args):
    """Weights whose shape is as before have the gradients that they had."""
    grads = []
    for one in (model, other):
        one.zero_grad()
        one(*args).square().sum().backward()
        grads.append({name: p.grad for name, p in one.named_parameters() if p.grad is not None})
    weights = dict(model.named_parameters()), dict(other.named_parameters())
    for name, grad in grads[0].items():
        if name in grads[1] and torch.equal(weights[0][name], weights[1][name]):
            torch.testing.assert_close(grads[1][name], grad, rtol=1e-4, atol=1e-5)
