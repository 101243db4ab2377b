"""Random command lines for every verb: exit codes that we have, one sentence on the error stream, no traceback."""

import numpy as np
import onnx
import pytest

from addcat.cli import main
from addcat.frameworks import keras
from tests.doors.onnx.models import MODELS
from tests.fuzz.clock import seeds

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
OPTIONS = {
    "explain": ("--axis", "--consumer"),
    "inspect": ("--input",),
    "switch": ("-o", "--set", "--data", "--widen", "--seed"),
    "advise": (
        "--data",
        "--validation",
        "--loss",
        "--site",
        "--effort",
        "--time-limit",
        "--margin",
        "--seed",
        "--html",
    ),
    "optimize": (
        "-o",
        "--goal",
        "--runtime",
        "--threads",
        "--shape",
        "--inputs",
        "--tolerance",
        "--time-limit",
        "--html",
    ),
}
FLAGS = {
    "explain": ("--json",),
    "inspect": ("--json", "--unsafe"),
    "switch": ("--json", "--unsafe", "--fresh"),
    "advise": ("--json",),
    "optimize": ("--json", "--no-measure", "--no-measure"),
}


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
        if option in ("-o", "--html") and rng.random() < 0.8:
            return targets[int(rng.integers(2))] if option == "-o" else targets[2]
        if option in ("--data", "--validation", "--inputs") and rng.random() < 0.7:
            return str(folder / ("d.npz" if rng.random() < 0.7 else "odd.npz"))
        if option == "--set" and rng.random() < 0.6:
            return "merge=concat"
        return word()

    verb = list(OPTIONS)[int(rng.integers(len(OPTIONS)))]
    models = [name for name in present if name.endswith((".keras", ".onnx"))]
    if verb == "explain":
        words = [word() if rng.random() < 0.4 else "8x4x4" for _ in range(int(rng.integers(0, 4)))]
    else:
        words = [models[int(rng.integers(len(models)))] if rng.random() < 0.85 else word()]
    if verb in ("switch", "optimize"):
        words += ["-o", likely("-o")]
    if verb == "switch":
        words += ["--set", likely("--set")]
    if verb == "advise":
        words += ["--data", likely("--data"), "--time-limit", "1", "--effort", "structure"]
    if verb == "optimize":
        words += ["--time-limit", "1"]
    for _ in range(int(rng.integers(0, 3))):
        option = OPTIONS[verb][int(rng.integers(len(OPTIONS[verb])))]
        words += [option, likely(option)]
    words += [FLAGS[verb][int(rng.integers(len(FLAGS[verb])))]] * int(rng.integers(0, 2))
    return [verb, *words]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_random_command_lines(files, capfd, monkeypatch):
    monkeypatch.chdir(files)
    kept = {path: path.read_bytes() for path in files.iterdir() if path.is_file()}
    for seed in seeds(0.25):
        command = command_of(np.random.default_rng(seed), files)
        code = main(command)
        said = capfd.readouterr()
        assert code in (0, 1, 2), (seed, command)
        assert "Traceback" not in said.out + said.err, (seed, command, said.err)
        for path, data in kept.items():
            if str(path) in command[2:] and code == 0:  # a file that -o names is replaced
                path.write_bytes(data)
            assert path.read_bytes() == data, (seed, command, path)
        for path in [path for path in files.iterdir() if path not in kept and path.name != "folder.keras"]:
            assert code != 2 or not path.is_file(), (seed, command, path)
            if path.is_file():
                path.unlink()
