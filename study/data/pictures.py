"""Pictures: scikit-learn's digits and photographs, and what scikit-image has in its wheel, as patches."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np

from study.data.examples import Data, Source

SKLEARN_PHOTOGRAPHS = {"china": "CC BY 2.0 (Maggie Ng)", "flower": "CC BY 2.0 (dany13)"}
SKIMAGE_PICTURES = {
    "astronaut": "public domain (NASA)",
    "brick": "CC0 (CC0Textures)",
    "camera": "CC0 (Lav Varshney)",
    "chelsea": "CC0 (Stefan van der Walt)",
    "coffee": "CC0 (Rachel Michetti)",
    "coins": "no known copyright restrictions (Brooklyn Museum)",
    "grass": "CC0 (linolafett)",
    "gravel": "CC0 (CC0Textures)",
    "hubble_deep_field": "public domain (NASA)",
    "ihc": "no known copyright restrictions (CMMI)",
    "retina": "CC0 (Mikael Häggström)",
    "rocket": "public domain (SpaceX)",
}
MOST = 1800


def digits() -> Data:
    """Handwritten digits of 8 by 8 pixels, of shape (1797, 8, 8, 1)."""
    x, y = importlib.import_module("sklearn.datasets").load_digits(return_X_y=True)
    source = Source("handwritten digits of scikit-learn", "scikit-learn", "BSD-3-Clause (package); CC BY 4.0 (UCI)")
    return Data(((x / 16).reshape(-1, 8, 8, 1).astype("float32"),), y.astype("int32"), 10, source)


def photograph(name: str, size: int = 8, *, colour: bool = False) -> Data:
    """Patches of one picture that do not overlap; target and input are the patch, for a task to change.

    Args:
        name: Of `SKLEARN_PHOTOGRAPHS` or `SKIMAGE_PICTURES`.
        size: Pixels on each side.
        colour: Red, green and blue; else grey.

    Returns:
        Numbers from 0 to 1 of shape (1800 at most, size, size, 1 or 3).
    """
    picture = _read(name) / 255.0
    picture = picture[..., :3] if colour else _grey(picture)[..., None]
    rows, columns = (side // size for side in picture.shape[:2])
    cut = picture[: rows * size, : columns * size].reshape(rows, size, columns, size, -1).swapaxes(1, 2)
    patches = cut.reshape(rows * columns, size, size, -1).astype("float32")
    drawn = np.random.default_rng(0).permutation(len(patches))[:MOST]
    sklearn = name in SKLEARN_PHOTOGRAPHS
    licence = SKLEARN_PHOTOGRAPHS[name] if sklearn else SKIMAGE_PICTURES[name]
    source = Source(f"patches of the picture {name}", "scikit-learn" if sklearn else "scikit-image", licence)
    return Data((patches[drawn],), patches[drawn], 0, source)


def textures(size: int = 8) -> Data:
    """Patches of brick, grass and gravel, and which of them it is."""
    names = ("brick", "grass", "gravel")
    parts = [photograph(name, size).inputs[0][:600] for name in names]
    y = np.repeat(np.arange(len(names)), [len(part) for part in parts]).astype("int32")
    source = Source("patches of brick, grass and gravel", "scikit-image", "CC0")
    return Data((np.concatenate(parts),), y, len(names), source)


def _read(name: str) -> np.ndarray:
    if name in SKLEARN_PHOTOGRAPHS:
        return importlib.import_module("sklearn.datasets").load_sample_image(f"{name}.jpg")
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("scikit-image is missing: pip install 'addcat[study]'")
    folder = Path(found.origin).parent / "data"
    path = next(path for path in sorted(folder.glob(f"{name}.*")) if path.suffix in {".png", ".jpg"})
    return importlib.import_module("skimage.io").imread(path)


def _grey(picture: np.ndarray) -> np.ndarray:
    """Luminance (Rec. 601)."""
    return picture if picture.ndim == 2 else picture[..., :3] @ np.array([0.299, 0.587, 0.114])
