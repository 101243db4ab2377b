"""The memory of a GPU: its peak is measured, and what does not fit is said and given back."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_tasks import CROSS_ENTROPY, task, trainer

import addcat
from addcat.doors.torch import Example
from addcat.doors.torch.losses import resolve
from addcat.doors.torch.measure import losses_of
from addcat.doors.torch.training import Training
from addcat.errors import ModelError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
GPU = torch.device("cuda")


class Wide(nn.Module):
    """Its peak is alive while the wide tensors are joined."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(4, 64, 3, padding=1), nn.Conv2d(4, 64, 3, padding=1)
        self.mix = nn.Conv2d(128, 4, 1)

    def forward(self, x):
        return self.mix(torch.cat([self.left(x), self.right(x)], 1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*", "ignore::UserWarning:torch.*")
def test_the_memory_of_the_device_is_measured():
    model, x = Wide().eval().to(GPU), torch.randn(1, 4, 128, 128)
    found = addcat.optimize(model, runtime="torch", goal="memory", example_inputs=(x,), time_limit=20, cache=False)
    wide = 4 * 64 * 128 * 128
    before, after = found.record.before, found.record.after
    assert 4 * wide <= before.process < 8 * wide
    assert after.peak < before.peak
    assert after.process < before.process


class Greedy(nn.Module):
    """Takes more memory than any device has, once it is trained, or for too many examples."""

    def __init__(self, most=None):
        super().__init__()
        self.linear, self.most = nn.Linear(6, 2), most

    def forward(self, x):
        if self.training if self.most is None else len(x) > self.most:
            x = x + torch.empty(2**44, device=x.device)[:6]
        return self.linear(x)


def test_memory_that_does_not_suffice_is_said_and_given_back():
    made = trainer(Greedy().to(GPU), Training())
    before = torch.cuda.memory_allocated()
    with pytest.raises(ModelError) as caught:
        made.run(0)
    assert str(caught.value) == (
        "Greedy does not fit into the memory of the device (tried to allocate 65536.00 GiB) in training. Take smaller "
        "batches, smaller examples, or another device."
    )
    assert torch.cuda.memory_allocated() <= before + 2**20


def test_examples_are_judged_in_smaller_batches_where_many_do_not_fit():
    model, plain = Greedy(most=16).to(GPU), Greedy(most=1000).to(GPU)
    plain.load_state_dict(model.state_dict())
    loss, _ = resolve(CROSS_ENTROPY, torch.zeros(2, 2), task(2).targets)
    found, wanted = (losses_of(one, loss, task(), Example.of((torch.zeros(2, 6),))) for one in (model, plain))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
