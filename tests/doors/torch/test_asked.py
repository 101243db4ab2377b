"""Networks of people who ask whether to add or to concatenate, each a small one of the same make, and what is said."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import addcat
from addcat.errors import RefusedError
from addcat.graph import Refusal

MAKES = {}


def make(found, *shapes):
    """A module as in a public question, the merges that are to be found with how each is switched, and input shapes."""

    def keep(cls):
        MAKES[cls.__name__] = (cls, found, shapes)
        return cls

    return keep


def conv(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)


@make("add tie, add#2 tie", (2, 3, 8, 8))
class DiscriminatorThatAdds(nn.Module):
    """cszn/KAIR#117: "should it be concatenate instead of just add?" Activations in place, skips added behind them."""

    def __init__(self):
        super().__init__()
        self.conv0, self.conv1, self.conv2 = conv(3, 4), conv(4, 8, 2), conv(8, 16, 2)
        self.conv3, self.conv4, self.conv5 = conv(16, 8), conv(8, 4), conv(4, 1)

    def forward(self, x):
        x0 = F.leaky_relu(self.conv0(x), 0.2, inplace=True)
        x1 = F.leaky_relu(self.conv1(x0), 0.2, inplace=True)
        x2 = F.leaky_relu(self.conv2(x1), 0.2, inplace=True)
        x3 = F.leaky_relu(self.conv3(self.larger(x2)), 0.2, inplace=True)
        x3 = x3 + x1
        x4 = F.leaky_relu(self.conv4(self.larger(x3)), 0.2, inplace=True)
        x4 = x4 + x0
        return F.leaky_relu(self.conv5(x4), 0.2, inplace=True)

    @staticmethod
    def larger(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@make("add tie", (2, 3, 8, 8))
class DecoderThatAdds(nn.Module):
    """jeya-maria-jose/UNeXt-pytorch#9: torch.add where U-Nets concatenate."""

    def __init__(self):
        super().__init__()
        self.encoder, self.low, self.decoder, self.last = conv(3, 4), conv(4, 8), conv(8, 4), conv(4, 2)
        self.norm, self.lower_norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x):
        skip = F.relu(F.max_pool2d(self.norm(self.encoder(x)), 2, 2))
        out = F.relu(F.max_pool2d(self.low(skip), 2, 2))
        out = F.relu(F.interpolate(self.lower_norm(self.decoder(out)), scale_factor=(2, 2), mode="bilinear"))
        return self.last(torch.add(out, skip))


@make("cat AC109", (2, 3, 8, 8))
class PixelShuffleThatJoins(nn.Module):
    """TiagoCortinhal/SalsaNext#38: from add to concat, because the shuffle before it takes channels."""

    def __init__(self):
        super().__init__()
        self.skip, self.low, self.shuffle = conv(3, 8), conv(8, 16, 2), nn.PixelShuffle(2)
        self.drop, self.last = nn.Dropout2d(0.2), conv(12, 2)

    def forward(self, x):
        skip = self.skip(x)
        return self.last(self.drop(torch.cat((self.shuffle(self.low(skip)), skip), dim=1)))


class GraphUNet(nn.Module):
    """pyg-team/pytorch_geometric#37: a flag says whether a skip is summed or joined; nodes are put back by index."""

    def __init__(self, sum_res):
        super().__init__()
        self.sum_res = sum_res
        self.score, self.down, self.up = nn.Linear(4, 1), nn.Linear(4, 4), nn.Linear(4 if sum_res else 8, 2)
        self.first = nn.Linear(3, 4)

    def forward(self, x):
        residual = self.first(x).relu()
        kept = self.score(residual).squeeze(-1).topk(3).indices
        low = self.down(residual[kept])
        up = torch.zeros_like(residual).index_copy(0, kept, low)
        x = residual + up if self.sum_res else torch.cat((residual, up), dim=-1)
        return self.up(x)


@make("add tie", (6, 3))
class GraphUNetThatSums(GraphUNet):
    """The flag set."""

    def __init__(self):
        super().__init__(True)


@make("cat AC109", (6, 3))
class GraphUNetThatJoins(GraphUNet):
    """The flag not set."""

    def __init__(self):
        super().__init__(False)


class SkipConnection(nn.Module):
    """The first call keeps its input, the second adds it."""

    def __init__(self):
        super().__init__()
        self.cache = None

    def forward(self, x):
        if self.cache is None:
            self.cache = x
            return x
        out, self.cache = x + self.cache, None
        return out


@make("skip.add AC116", (2, 4))
class SkipThatRemembers(nn.Module):
    """NatLabRockies/phygnn#59: a keyword for concatenation is wanted of a layer that keeps its skip on itself."""

    def __init__(self):
        super().__init__()
        skip = SkipConnection()
        self.first, self.skip, self.middle, self.last = nn.Linear(4, 4), skip, nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.skip(self.first(x))
        return self.last(self.skip(self.middle(x).relu()))


@make("down.add project, up.add project, up.add#2 tie", (2, 3, 8, 8))
class ResidualUNetThatAdds(nn.Module):
    """tryonlabs/opentryon#24: "instead of concatenating, I added": the blocks' own residuals stay Adds."""

    class Block(nn.Module):
        """GroupNorm, swish, convolution; the input goes by a convolution of its own."""

        def __init__(self, inputs, outputs):
            super().__init__()
            self.norm, self.main, self.short = nn.GroupNorm(2, inputs), conv(inputs, outputs), conv(inputs, outputs)

        def forward(self, x, skip=None):
            x = x if skip is None else x + skip
            return self.main(F.silu(self.norm(x))) + self.short(x)

    def __init__(self):
        super().__init__()
        self.first, self.last = conv(3, 4), conv(4, 2)
        self.down, self.low, self.up = self.Block(4, 4), conv(4, 4, 2), self.Block(4, 4)

    def forward(self, x):
        skip = self.down(self.first(x))
        low = F.interpolate(self.low(skip), scale_factor=2)
        return self.last(self.up(low, skip))


@pytest.mark.parametrize("name", MAKES)
def test_each_merge_is_found_and_switched_or_refused_with_its_reason(name):
    cls, wanted, shapes = MAKES[name]
    torch.manual_seed(0)
    model, args = cls().eval(), tuple(torch.randn(shape) for shape in shapes)
    for _, buffer in model.named_buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    before = model(*args)
    found = addcat.inspect(model, example_inputs=args).merges
    ways = [f"{one.site} {one.switch.code if isinstance(one.switch, Refusal) else one.switch}" for one in found]
    assert ", ".join(ways) == wanted
    for one in found:
        to = "concat" if one.merge.adds else "add"
        if isinstance(one.switch, Refusal):
            with pytest.raises(RefusedError, match=one.switch.code):
                addcat.switch(model, {one.site: to}, example_inputs=args)
            continue
        made = addcat.switch(model, {one.site: to}, example_inputs=args).model
        torch.testing.assert_close(made(*args), before, rtol=1e-4, atol=1e-5)
        back = addcat.switch(made, {one.site: "add"}, example_inputs=args).model
        torch.testing.assert_close(back(*args), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(*args), before)
