"""Targets by the names and in the order of the outputs."""

import numpy as np
import pytest

from addcat.data import as_dataset, load_data, materialise
from addcat.data.dataset import Outputs
from addcat.data.examples import Examples
from addcat.errors import DataError

XS = [("x", (None, 3))]
SORTED, TURNED = Outputs(("a", "b"), ("a", "b")), Outputs(("a", "b"), ("b", "a"))
A, B = np.arange(5.0), np.arange(5.0) + 10


def targets_of(y, outputs):
    ((_, targets),) = as_dataset((np.ones((5, 3)), y), inputs=XS, outputs=outputs)
    return [target.tolist() for target in targets]


@pytest.mark.parametrize("outputs", [SORTED, TURNED])
def test_targets_in_a_dict_are_matched_by_name(outputs):
    assert targets_of({"b": B, "a": A}, outputs) == [A.tolist(), B.tolist()]
    layers_in_a_list = Outputs(("b", "a"), ("b", "a"))
    assert targets_of({"a": A, "b": B}, layers_in_a_list) == [B.tolist(), A.tolist()]


def test_a_list_of_targets_is_taken_where_only_one_order_can_be_meant():
    assert targets_of([A, B], SORTED) == [A.tolist(), B.tolist()]
    with pytest.raises(DataError) as caught:
        targets_of([A, B], TURNED)
    assert str(caught.value) == (
        "The model's outputs are written 'b', 'a' and counted 'a', 'b', so a list of targets could be meant in either "
        "order. Pass a dict of targets by these names."
    )


def test_targets_of_other_names():
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "c": B}, SORTED)
    assert str(caught.value) == (
        "The data have targets 'a', 'c'; the model has outputs 'a', 'b'. Pass a dict with these names."
    )


def test_a_target_is_called_by_its_name_in_messages():
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "b": np.full(5, np.nan)}, SORTED)
    assert str(caught.value) == ("The target 'b' is nan at index (0,). Remove or replace values that are not finite.")
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "b": B[:4]}, SORTED)
    assert str(caught.value) == (
        "Inputs and targets differ in their number of examples: 'x' has 5, target 'a' has 5, target 'b' has 4. "
        "Pass one of each together."
    )


def test_examples_and_streams_keep_the_order_of_the_outputs():
    whole = Examples((np.ones((5, 3)),), (A, B))
    assert [t.tolist() for t in materialise(as_dataset(whole, inputs=XS, outputs=TURNED)).targets] == [
        A.tolist(),
        B.tolist(),
    ]
    stream = [(np.ones((5, 3)), {"b": B, "a": A})]
    assert materialise(as_dataset(stream, inputs=XS, outputs=TURNED)).targets[0].tolist() == A.tolist()


def test_npz_by_the_names_of_the_outputs(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.ones((5, 3)), b=B, a=A)
    data = load_data(str(tmp_path / "d.npz"), inputs=XS, outputs=TURNED)
    assert materialise(as_dataset(data, inputs=XS, outputs=TURNED)).targets[1].tolist() == B.tolist()
    np.savez(tmp_path / "e.npz", x=np.ones((5, 3)), b=B, c=A)
    with pytest.raises(DataError) as caught:
        load_data(str(tmp_path / "e.npz"), inputs=XS, outputs=TURNED)
    assert str(caught.value) == (
        f"{str(tmp_path / 'e.npz')!r} holds 'x', 'b', 'c'. Expected x (for several inputs x0, x1, ..., or 'x') and y "
        "(for several targets y0, y1, ..., or 'a', 'b'), and nothing else."
    )
