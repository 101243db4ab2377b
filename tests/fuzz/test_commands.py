"""Random command lines for every verb: exit codes that we have, one sentence on the error stream, no traceback."""

import numpy as np
import onnx
import pytest
from typer.main import get_command

from addcat.cli import app, main
from addcat.frameworks import keras
from tests.doors.onnx.models import MODELS
from tests.fuzz.clock import search

ODD = (
    *("", " ", "-1", "0", "1", "2", "nan", "inf", "-inf", "1e400", "9" * 30, "0x10", "x", "é\u202e", "[bold]x[/]"),
    *("1x3", "1x8", "?x?", "x=1x8", "x=", "=1x8", "x=999999999x8x16x16", "x=999999999999999999x8", "1,2", "()", "None"),
    *("merge=concat", "merge=", "merge=low_rank:0", "merge=low_rank:999", "nothing=add", "merge=scale", "merge=drop"),
    *("dense:3", "conv3x3:4", "conv0x0:4", "conv3x3:4/0", "dense:0", "dense:-1", "dense:99999999999999999999"),
    *(
        "auto",
        "structure",
        "latency",
        "memory",
        "all",
        "onnxruntime",
        "openvino",
        "mse",
        "os:system",
        "a.b:c",
        "os:getcwd",
    ),
)
VERBS = get_command(app).commands
LONG = {
    "workers",
    "on",
    "address",
    "gpus",
    "pairs",
    "steps",
    "epochs",
    "store",
    "thorough",
    "budget",
    "time_limit",
    "help",
}
"""Options under which a line may take for ever, or leaves this process; each verb gets its own bound instead."""
BOUNDS = {
    "advise": ("--budget", "1s"),
    "compare": ("--steps", "2", "--pairs", "2"),
    "optimize": ("--time-limit", "1"),
}


def options_of(verb, *, flags):
    """The options that the verb really has: those with a value, or the flags."""
    found = [one for one in VERBS[verb].params if one.param_type_name == "option" and one.name not in LONG]
    return [word for one in found if one.is_flag == flags for word in (*one.opts[:1], *one.secondary_opts)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good and bad files of every kind."""
    folder = tmp_path_factory.mktemp("fuzz")
    layers = keras().layers
    x = keras().Input((8,), name="x")
    y = layers.Add(name="merge")([layers.Dense(8)(x), x])
    model = keras().Model(x, layers.Dense(2)(y))
    model.compile("adam", "mse")
    model.save(folder / "m.keras")
    for name in ("residual", "optional_input", "subgraphs"):
        onnx.save(MODELS[name](), folder / f"{name}.onnx")
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.standard_normal((40, 8)).astype("f"), y=rng.standard_normal((40, 2)).astype("f"))
    np.savez(folder / "odd.npz", x=np.zeros((0, 8)), y=np.array(["a"]))
    for name in ("empty.onnx", "empty.keras", "empty.npz"):
        (folder / name).write_bytes(b"")
    (folder / "text.npz").write_text("no archive")
    (folder / "folder.keras").mkdir()
    return folder


def command_of(rng, folder):
    present = [str(path) for path in sorted(folder.iterdir())]
    targets = [str(folder / name) for name in ("out.keras", "out.onnx", "out.html", "no/out.onnx", "out")]

    def word():
        pool = (ODD, present, targets)[rng.choice(3, p=[0.5, 0.3, 0.2])]
        return pool[int(rng.integers(len(pool)))]

    def likely(option):
        if option in ("--output", "--html") and rng.random() < 0.8:
            return targets[int(rng.integers(2))] if option == "--output" else targets[2]
        if option in ("--data", "--validation", "--inputs") and rng.random() < 0.7:
            return str(folder / ("d.npz" if rng.random() < 0.7 else "odd.npz"))
        if option == "--set" and rng.random() < 0.6:
            return "merge=concat"
        return word()

    verb = sorted(set(VERBS) - {"demo"})[int(rng.integers(len(VERBS) - 1))]
    models = [name for name in present if name.endswith((".keras", ".onnx"))]
    if verb == "explain":
        words = [word() if rng.random() < 0.4 else "8x4x4" for _ in range(int(rng.integers(0, 4)))]
    else:
        words = [models[int(rng.integers(len(models)))] if rng.random() < 0.85 else word()]
    if verb in ("switch", "optimize"):
        words += ["-o", likely("--output")]
    if verb == "switch":
        words += ["--set", likely("--set")]
    if verb in ("advise", "compare"):
        words += ["--data", likely("--data")]
    words += BOUNDS.get(verb, ())
    given, flags = options_of(verb, flags=False), options_of(verb, flags=True)
    for _ in range(int(rng.integers(0, 3))):
        option = given[int(rng.integers(len(given)))]
        words += [option, likely(option)]
    words += [flags[int(rng.integers(len(flags)))]] * int(rng.integers(0, 2))
    return [verb, *words]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_random_command_lines(files, capfd, monkeypatch, drawn):
    monkeypatch.chdir(files)
    kept = {path: path.read_bytes() for path in files.iterdir() if path.is_file()}

    def check(seed):
        command = command_of(np.random.default_rng(seed), files)
        code = main(command)
        said = capfd.readouterr()
        left = [path for path in files.iterdir() if path not in kept and path.is_file()]
        changed = [path for path, data in kept.items() if path.read_bytes() != data]
        for path in left:
            path.unlink()
        for path in changed:
            path.write_bytes(kept[path])
        drawn[f"lines to {command[0]}"] += 1
        drawn[f"that end with {code}"] += 1
        assert code in (0, 1, 2), command
        assert "Traceback" not in said.out + said.err, (command, said.err)
        # a file that -o names is replaced
        assert all(code == 0 and str(path) in command[2:] for path in changed), (command, changed)
        assert code != 2 or not left, (command, left)

    search("commands", check)
