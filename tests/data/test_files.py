"""Data from files: arrays by name, digits, the user's own code."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds_of_data import IMAGE, ONE, TWO, X, Y, whole

from addcat.data import as_dataset, load_data, materialise
from addcat.errors import DataError

NPZ: dict[str, tuple[dict[str, Any], Any]] = {
    "x and y": ({"x": X, "y": Y}, ONE),
    "no labels": ({"x": X}, ONE),
    "numbered": ({"x1": X, "x0": IMAGE, "y": Y}, TWO),
}


@pytest.mark.parametrize("case", NPZ)
def test_npz_files(case: str, tmp_path: Path) -> None:
    arrays, inputs = NPZ[case]
    np.savez(tmp_path / "data.npz", **arrays)
    examples = whole(as_dataset(load_data(str(tmp_path / "data.npz"), inputs=inputs), inputs=inputs))
    np.testing.assert_array_equal(examples.inputs[-1], X)
    assert len(examples.targets) == ("y" in arrays)
    if inputs is TWO:
        np.testing.assert_array_equal(examples.inputs[0], IMAGE)


def test_npz_by_the_names_of_the_model_and_with_several_targets(tmp_path: Path) -> None:
    inputs = [("image", (None, 4, 4, 1)), ("tail", (None, 3))]
    np.savez(tmp_path / "data.npz", tail=X, image=IMAGE, y1=2 * Y, y0=Y)
    examples = whole(as_dataset(load_data(str(tmp_path / "data.npz"), inputs=inputs), inputs=inputs))
    np.testing.assert_array_equal(examples.inputs[0], IMAGE)
    assert [t[1] for t in examples.targets] == [1, 2]


def test_npz_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("more.npz", x=X, y=Y, weights=Y)
    np.savez("none.npz", a=X)
    np.savez("objects.npz", x=np.array([None, "code"], dtype=object))
    np.savez("whole.npz", x=X)
    Path("part.npz").write_bytes(Path("whole.npz").read_bytes()[:100])
    Path("text.npz").write_text("hello")
    content = bytearray(Path("whole.npz").read_bytes())
    content[180:190] = b"damaged!!!"
    Path("damaged.npz").write_bytes(content)
    part = "is not an .npz file, or only a part of one. Save it again with np.savez."
    expected = "Expected 'digits', an .npz file with x and y, or package.module:function."
    keys = (
        "Expected x (for several inputs x0, x1, ..., or 'x') and y (for several targets y0, y1, ...), and nothing else."
    )
    for name, text in {
        "more.npz": f"'more.npz' holds 'x', 'y', 'weights'. {keys}",
        "none.npz": f"'none.npz' holds 'a'. {keys}",
        "objects.npz": "'objects.npz' holds Python objects, and reading them would run code. "
        "Save plain arrays with np.savez.",
        "part.npz": f"'part.npz' {part}",
        "text.npz": f"'text.npz' {part}",
        "damaged.npz": f"'damaged.npz' {part}",
        "missing.npz": f"There is no file 'missing.npz'. {expected}",
        "data.csv": f"'data.csv' is not data. {expected}",
        "": f"'' is not data. {expected}",
    }.items():
        with pytest.raises(DataError) as caught:
            load_data(name, inputs=ONE)
        assert str(caught.value) == text


@pytest.mark.parametrize("shape", [(64,), (8, 8, 1), (8, 8), (1, 8, 8), (64, 1)])
def test_digits_come_in_the_shape_of_the_model(shape: tuple[int, ...]) -> None:
    inputs = [("x", (None, *shape))]
    dataset = as_dataset(load_data("digits", inputs=inputs), inputs=inputs)
    examples = materialise(dataset)
    assert examples.inputs[0].shape == (1797, *shape)
    assert (examples.inputs[0].min(), examples.inputs[0].max()) == (0, 1)
    assert examples.inputs[0].dtype == np.float32
    assert sorted(set(examples.targets[0].tolist())) == list(range(10))


def test_digits_for_open_sizes() -> None:
    assert load_data("digits", inputs=[("x", (None, None, None, 1))])[0].shape == (1797, 8, 8, 1)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (TWO, "'digits' is one array of images; the model has inputs 'image', 'x'. Pass other data."),
        (
            ONE,
            "'digits' are images of 8 by 8 pixels; 'x' takes (None, 3). "
            "Pass a model that takes (None, 64) or (None, 8, 8, 1), or other data.",
        ),
    ],
)
def test_digits_that_do_not_fit(inputs: Any, text: str) -> None:
    with pytest.raises(DataError) as caught:
        load_data("digits", inputs=inputs)
    assert str(caught.value) == text


def test_code_that_gives_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given_data.py").write_text(
        "import numpy as np\n"
        "def arrays(n=10):\n    return np.ones((n, 3)), np.arange(n)\n"
        "def generator():\n    yield np.ones((2, 3)), np.arange(2)\n    yield np.ones((3, 3)), np.arange(3)\n"
        "def broken():\n    raise RuntimeError('disk on fire')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def count(reference: str) -> int:
        return whole(as_dataset(load_data(reference, inputs=ONE), inputs=ONE)).count

    assert count("given_data:arrays") == 10
    assert count("given_data:arrays(n=4)") == 4
    assert count("given_data:generator") == 5
    with pytest.raises(DataError) as caught:
        load_data("given_data:broken", inputs=ONE)
    assert str(caught.value) == (
        "'given_data:broken' raised RuntimeError: disk on fire. Correct the function, or call it with other arguments."
    )
    with pytest.raises(DataError) as caught:
        load_data("given_data:array", inputs=ONE)
    assert str(caught.value) == "'given_data:array': 'given_data' has no 'array'. It has 'arrays'."
