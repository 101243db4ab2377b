"""`addcat demo`: three small networks on real handwriting, whose merges want different things.

The digits are scikit-learn's, 1,797 images of 8 x 8 pixels (Alpaydin and Kaynak 1998, UCI). Each network is trained
with Add. Then every merge is inspected and advised on, one is switched, and the switch is checked.
"""

import os
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from addcat.doors.base import door_for
from addcat.doors.save import report_target, require_targets
from addcat.frameworks import keras, load
from addcat.graph import Array
from addcat.report import rows
from addcat.verbs.advise import Advice, Verdict, advise
from addcat.verbs.advise.html.document import write_report
from addcat.verbs.advise.page import sure_words
from addcat.verbs.inspect import inspect
from addcat.verbs.switch import switch

STEPS, BATCH = 320, 128
EXAMPLES, HELD = 1024, 512
"""To fit on and to judge on: whole batches, since each other size of a batch is compiled anew."""
PLAINLY = "--xla_backend_optimization_level=0"
"""Programs of networks as small as these take longer to be compiled than to run."""
KEPT = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
"""However small a program and short its compiling, it is kept."""

Data = tuple[list[Array] | Array, Array]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One network of the demonstration.

    Attributes:
        title: What it does, in words.
        build: Makes the untrained network.
        data: Makes examples from images and labels.
        loss: Of its output.
    """

    title: str
    build: Callable[[], Any]
    data: Callable[[Array, Array, np.random.Generator, int], Data]
    loss: str = "sparse_categorical_crossentropy"


def towers() -> Any:
    """Two images through one shared encoder, merged, then classified."""
    layers = keras().layers
    encode = layers.Dense(32, activation="relu", name="encoder")
    images = [keras().Input((64,), name=name) for name in ("left", "right")]
    merged = layers.Add(name="merge")([encode(image) for image in images])
    hidden = layers.Dense(32, activation="relu", name="hidden")(merged)
    outputs = layers.Dense(10, activation="softmax", name="digit")(hidden)
    return keras().Model(images, outputs, name="towers")


def skipping() -> Any:
    """One image through a bottleneck, with a skip connection around it."""
    layers = keras().layers
    image = keras().Input((64,), name="image")
    narrow = layers.Dense(16, activation="relu", name="bottleneck")(image)
    decoded = layers.Dense(64, activation="relu", name="decoder")(narrow)
    merged = layers.Add(name="merge")([image, decoded])
    return keras().Model(image, layers.Dense(64, name="clean")(merged), name="skipping")


def denoised(images: Array, labels: Array, rng: np.random.Generator, count: int) -> Data:
    """A noisy image, of which the clean one is asked."""
    pick = rng.integers(len(images), size=count)
    return _noisy(images[pick], 0.3, rng), images[pick]


def left(images: Array, labels: Array, rng: np.random.Generator, count: int) -> Data:
    """Two noisy digits; asked is the left one."""
    one, other = rng.integers(len(images), size=(2, count))
    return [_noisy(images[one], 0.3, rng), _noisy(images[other], 0.3, rng)], labels[one]


def two_looks(images: Array, labels: Array, rng: np.random.Generator, count: int) -> Data:
    """Two noisy looks at one digit, which is asked."""
    pick = rng.integers(len(images), size=count)
    return [_noisy(images[pick], 0.6, rng), _noisy(images[pick], 0.6, rng)], labels[pick]


def _noisy(images: Array, noise: float, rng: np.random.Generator) -> Array:
    return (images + noise * rng.standard_normal(images.shape)).astype("float32")


EXHIBITS = (
    Exhibit("the left one of two digits", towers, left),
    Exhibit("two noisy looks at one digit", towers, two_looks),
    Exhibit("a noisy digit made clean, skip connection", skipping, denoised, "mean_squared_error"),
)


def demonstrate(output: Path, say: Callable[[str], None]) -> list[Advice]:
    """Train, inspect, advise, switch and check.

    Args:
        output: Where the report of the first network goes.
        say: Takes each line of what was found.

    Returns:
        The advice on each network.
    """
    require_targets(report_target(output))
    # frameworks keep global state, so the last network has a process of its own meanwhile; the first two are alike, and
    # the second uses what was compiled for the first
    with _settings(), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        last = pool.submit(_told, len(EXHIBITS) - 1)
        model, train, held, advice, lines = _advised(EXHIBITS[0])
        _say(lines, say)
        _switched(model, advice.verdicts[0], train, held, say)
        write_report(advice, door_for(model).read(model), output)
        given = [advice]
        for told in (*(partial(_told, place) for place in range(1, len(EXHIBITS) - 1)), last.result):
            advice, lines = told()
            _say(lines, say)
            given.append(advice)
        pool.submit(os._exit, 0)  # or the other process takes a second to take its framework down
    say(f"The report of the first network is {output}.")
    return given


def _say(lines: list[str], say: Callable[[str], None]) -> None:
    for line in lines:
        say(line)


@contextmanager
def _settings() -> Generator[None]:
    """Within, JAX compiles plainly, and what was compiled once is not again; what the user has set stays."""
    with TemporaryDirectory() as folder:
        settings = {"XLA_FLAGS": PLAINLY, "JAX_COMPILATION_CACHE_DIR": folder, **KEPT}
        made = [name for name in settings if name not in os.environ]
        os.environ.update({name: settings[name] for name in made})
        try:
            yield
        finally:
            for name in made:
                del os.environ[name]


def _told(place: int) -> tuple[Advice, list[str]]:
    """What another process gives of an exhibit; networks stay there."""
    *_, advice, lines = _advised(EXHIBITS[place])
    return advice, lines


def _advised(exhibit: Exhibit) -> tuple[Any, Data, Data, Advice, list[str]]:
    """A trained network, its data, advice on it, and the lines that say it."""
    model, train, held = _trained(exhibit)
    advice = advise(model, train, validation=held)
    verdict = advice.verdicts[0]
    merge = inspect(model).merges[0].merge
    title = f"{exhibit.title}: {merge.label} ({merge.role}), {verdict.choice} ({sure_words(verdict)})."
    return model, train, held, advice, [title, f"  {verdict.reason}"]


def _switched(model: Any, verdict: Verdict, train: Data, held: Data, say: Callable[[str], None]) -> None:
    """Switch to Concatenate, check that nothing changed, and fine-tune both for as long."""
    result = switch(model, {verdict.site: "concat"})
    assert result.record.difference is not None  # noqa: S101  (only fresh switches have none)
    moved = rows.decimal(result.record.difference.relative)
    say(f"  Switched to Concatenate: outputs differ by {moved} of the largest, the function is the same.")
    before = model.evaluate(*held, verbose=0, return_dict=True)["loss"]
    keras().utils.set_random_seed(0)
    history = result.model.fit(*train, batch_size=BATCH, epochs=10, verbose=0, validation_data=held)
    say(f"  Fine-tuned for 10 epochs, its held-out loss goes from {rows.decimal(before)} to "
        f"{rows.decimal(min(history.history['val_loss']))}.")  # fmt: skip


def _trained(exhibit: Exhibit) -> tuple[Any, Data, Data]:
    digits = load("sklearn.datasets", extra="demo").load_digits()
    images, labels = (digits.data / 16).astype("float32"), digits.target
    order = np.random.default_rng(0).permutation(len(images))
    fit, rest = order[:900], order[900:]
    rng = np.random.default_rng(1)
    train = exhibit.data(images[fit], labels[fit], rng, EXAMPLES)
    held = exhibit.data(images[rest], labels[rest], rng, HELD)
    keras().utils.set_random_seed(0)
    model = exhibit.build()
    schedule = keras().optimizers.schedules.CosineDecay(2e-3, STEPS)
    optimizer = keras().optimizers.AdamW(schedule, weight_decay=1e-3)
    model.compile(optimizer, exhibit.loss)
    model.fit(*train, batch_size=BATCH, epochs=STEPS * BATCH // EXAMPLES, verbose=0)
    return model, train, held
