"""English text that scikit-learn ships: the descriptions of its data sets, as letters."""

import importlib

import numpy as np

from study.data.examples import Array, Source

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
ALPHABET = " abcdefghijklmnopqrstuvwxyz"
VOWELS = "aeiou"
MOST = 1500


def letters(length: int) -> tuple[Array, Array, Source]:
    """Windows of text that do not overlap where it is long enough.

    Args:
        length: Letters in a window.

    Returns:
        Letters from 0 (no letter) to 26, of shape (1500 at most, length); what each is: 0 for none, 1 for a vowel, 2
        for a consonant; and the source.
    """
    datasets = importlib.import_module("sklearn.datasets")
    text = " ".join(getattr(datasets, f"load_{name}")().DESCR for name in NAMES).lower()
    text = " ".join("".join(letter if letter in ALPHABET else " " for letter in text).split())
    code = np.array([ALPHABET.index(letter) for letter in text], "int32")
    windows = code[: len(code) // length * length].reshape(-1, length)
    windows = np.random.default_rng(0).permutation(windows)[:MOST]
    kinds = np.array([0 if letter == " " else 2 - (letter in VOWELS) for letter in ALPHABET], "int32")
    source = Source("descriptions of data sets in scikit-learn, as letters", "scikit-learn", "BSD-3-Clause")
    return windows, kinds[windows], source
