"""Broken .keras files and data through the command line: one sentence or a result, never a traceback."""

import json
import zipfile

import numpy as np
import pytest
from networks import keras
from small import drawn_by_numpy

from tests.fuzz.clock import search
from tests.fuzz.files import TEXTS, bytes_of, run
from tests.fuzz.keras_models import random_model

NUMBERS = (-1, 0, 1, 2, 3, 7, 255, 2**16, 2**62, -(2**63), 0.5, float("nan"), True, None)
"""Sizes that are small, or larger than any machine: what lies between would be allocated."""


def _places(value, path=()):
    """Where something lies in JSON: every key and every element of it."""
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in found:
        yield (*path, key)
        yield from _places(one, (*path, key))


def config_changed(rng, text):
    """JSON with one to three values replaced, dropped or doubled."""
    config = json.loads(text)
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(config))
        *above, key = places[int(rng.integers(len(places)))]
        parent = config
        for step in above:
            parent = parent[step]
        what = int(rng.integers(4))
        if what == 0:
            del parent[key]
        elif what == 1 and isinstance(parent, list):
            parent.insert(key, parent[key])
        elif what == 2:
            parent[key] = TEXTS[int(rng.integers(len(TEXTS)))]
        else:
            parent[key] = [*NUMBERS, [], {}, [1, 2]][int(rng.integers(len(NUMBERS) + 3))]
    return json.dumps(config).encode()


def archive_changed(rng, path):
    """A .keras file with its configuration, its weights or the archive itself changed."""
    if rng.random() < 0.2:
        path.write_bytes(bytes_of(rng, path.read_bytes()))
        return
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = rng.choice(["config.json", "config.json", "config.json", "metadata.json", "model.weights.h5", "drop"])
    if changed == "drop":
        del parts[list(parts)[int(rng.integers(len(parts)))]]
    elif changed.endswith(".json"):
        parts[changed] = config_changed(rng, parts[changed])
    else:
        parts[changed] = bytes_of(rng, parts[changed])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def data_of(rng, net, path):
    """Examples that fit, but for what was changed: types, sizes, values, names, or the bytes of the file."""
    arrays = {one.name: rng.standard_normal((12, *one.shape[1:])).astype("f") for one in net.inputs}
    arrays |= {f"y{k}": rng.standard_normal((12, *one.shape[1:])).astype("f") for k, one in enumerate(net.outputs)}
    if len(net.outputs) == 1:
        arrays["y"] = arrays.pop("y0")
    for name in list(arrays):
        kind = int(rng.integers(12))
        if kind == 0:
            arrays[name][int(rng.integers(12))] = rng.choice([np.nan, np.inf, 1e38])
        elif kind == 1:
            arrays[name] = arrays[name].astype(str(rng.choice(["f8", "i4", "u1", "f2", "?", "U3", "c8"])))
        elif kind == 2:
            arrays[name] = arrays[name][: int(rng.integers(3))]
        elif kind == 3:
            arrays[name + "z"] = arrays.pop(name)
    np.savez(path, **arrays)
    if rng.random() < 0.1:
        path.write_bytes(bytes_of(rng, path.read_bytes()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Keras warns of much of what it reads; what is asked is below
def test_mutated_keras_files(tmp_path, capfd, drawn):
    path, data, out = tmp_path / "m.keras", tmp_path / "d.npz", tmp_path / "out.keras"

    def check(seed):
        rng = np.random.default_rng(seed)
        with drawn_by_numpy():
            net = random_model(seed // 3)
        if rng.random() < 0.5:
            net.compile("adam", "mse")
        net.save(path)
        if seed % 4 != 3:
            archive_changed(rng, path)
        data_of(rng, net, data)
        merge = rng.choice([layer.name for layer in net.layers])
        command = (
            ["inspect", str(path)],
            ["switch", str(path), "-o", str(out), "--set", f"{merge}={rng.choice(['add', 'concat'])}"],
            ["optimize", str(path), "-o", str(out), "--goal", "parameters", "--time-limit", "2"],
            ["advise", str(path), "--data", str(data), "--loss", "mse", "--budget", "1s"],
        )[seed % 4]
        run(command, [path, data], out, capfd, drawn)
        keras.backend.clear_session()

    search("Keras files", check)
