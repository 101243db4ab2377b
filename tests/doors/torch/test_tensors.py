"""What torch counts of a tensor, and what a module holds itself."""

import torch
from torch import nn

from addcat.doors.torch.tables import buffers_of, children_of, named_modules, parameters_of
from addcat.doors.torch.tensors import is_tensor, storage_of, tensors_in, version_of


def test_tensors_are_found_in_nested_structures_in_order():
    one, two, three = torch.zeros(1), torch.zeros(2), nn.Parameter(torch.zeros(3))
    found = list(tensors_in({"a": [one, 4, (two, "no")], "b": {"c": three, "d": None}}))
    assert [id(tensor) for tensor in found] == [id(one), id(two), id(three)]
    assert is_tensor(three)
    assert not is_tensor([1.0])


def test_versions_count_what_is_written_and_are_zero_where_torch_does_not_count():
    tensor = torch.zeros(3)
    before = version_of(tensor)
    tensor += 1
    assert version_of(tensor) == before + 1
    with torch.inference_mode():
        silent = torch.zeros(3)
        silent += 1
    assert version_of(silent) == 0


def test_views_share_their_storage_and_tensors_without_one_have_their_own():
    tensor, sparse = torch.zeros(2, 3), torch.zeros(2, 2).to_sparse()
    assert storage_of(tensor) == storage_of(tensor[0]) == storage_of(tensor.flatten())
    assert storage_of(tensor) != storage_of(tensor.clone())
    assert storage_of(sparse) == id(sparse)


def test_tables_hold_what_is_the_modules_own_and_what_is_none():
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3))
    assert parameters_of(model) == {}
    assert list(parameters_of(model[0])) == ["weight", "bias"]
    assert parameters_of(model[0])["bias"] is None
    assert list(buffers_of(model[1])) == ["running_mean", "running_var", "num_batches_tracked"]
    assert children_of(model)["1"] is model[1]
    assert [path for path, _ in named_modules(model)] == ["", "0", "1"]
