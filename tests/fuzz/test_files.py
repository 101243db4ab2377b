"""Broken and hostile .onnx files through the command line: one sentence or a result, never a traceback."""

import numpy as np
import onnx
import pytest

from addcat.doors import inputs
from addcat.doors.onnx import bench
from tests.doors.onnx.models import MODELS
from tests.fuzz.clock import search
from tests.fuzz.files import TEXTS, bytes_of, run
from tests.fuzz.graphs import random_graph


def bytes_changed(rng, proto):
    return bytes_of(rng, proto.SerializeToString())


def _messages(message):
    """Every message inside a message, and itself."""
    yield message
    for description, value in message.ListFields():
        if description.message_type is not None:
            for one in value if hasattr(value, "add") else [value]:
                yield from _messages(one)


NUMBERS = (-1, 0, 1, 2, 3, 7, 255, 2**20, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**31), -(2**63))


def _scalar(rng, description):
    kind = description.cpp_type
    if kind == description.CPPTYPE_STRING:
        text = TEXTS[int(rng.integers(len(TEXTS)))]
        return text.encode("utf-8") if description.type == description.TYPE_BYTES else text
    if kind in (description.CPPTYPE_FLOAT, description.CPPTYPE_DOUBLE):
        return float(rng.choice([0.0, -1.0, 1e30, float("nan"), float("inf"), 0.5]))
    return NUMBERS[int(rng.integers(len(NUMBERS)))]


def _change_listed(rng, description, value):
    """Change, drop or add an element of a repeated field."""
    if description.message_type is not None:
        if len(value) and rng.random() < 0.5:
            del value[int(rng.integers(len(value)))]
        elif len(value):
            value.add().CopyFrom(value[int(rng.integers(len(value)))])
        else:
            value.add()
    elif len(value) and rng.random() < 0.7:
        value[int(rng.integers(len(value)))] = _scalar(rng, description)
    elif len(value) and rng.random() < 0.5:
        del value[int(rng.integers(len(value)))]
    else:
        value.append(_scalar(rng, description))


def fields_changed(rng, proto):
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for _ in range(int(rng.integers(1, 4))):
        messages = list(_messages(copy))
        message = messages[int(rng.integers(len(messages)))]
        fields = list(message.DESCRIPTOR.fields)
        given = [description for description, _ in message.ListFields()]
        fields = given if given and rng.random() < 0.8 else fields
        description = fields[int(rng.integers(len(fields)))]
        value = getattr(message, description.name)
        try:
            if hasattr(value, "append") or hasattr(value, "add"):
                _change_listed(rng, description, value)
            elif description.message_type is not None or rng.random() < 0.2:
                message.ClearField(description.name)
            else:
                setattr(message, description.name, _scalar(rng, description))
        except (ValueError, TypeError):  # the field does not take this value, so no file can have it
            continue
    return copy.SerializeToString()


@pytest.mark.slow
def test_mutated_files(tmp_path, capfd, monkeypatch, drawn):
    for module in (inputs, bench):  # a large tensor takes long and says nothing
        monkeypatch.setattr(module, "memory_bytes", lambda: 2**28)
    path, out = tmp_path / "m.onnx", tmp_path / "out.onnx"
    names = list(MODELS)

    def check(seed):
        rng = np.random.default_rng(seed)
        proto = random_graph(seed // 3) if rng.random() < 0.5 else MODELS[names[seed % len(names)]]()
        path.write_bytes((bytes_changed if rng.random() < 0.4 else fields_changed)(rng, proto))
        command = ["inspect", str(path)]
        if seed % 2 == 0:
            command = ["optimize", str(path), "-o", str(out), "--no-measure", "--time-limit", "2"]
            command += ["--shape", "x=2x4x6x6"] if rng.random() < 0.8 else []
        code, said = run(command, [path], out, capfd, drawn)
        assert said.startswith("Error: ") if code else not said, said

    search("ONNX files", check)


def test_a_field_is_changed():
    """The mutations are what they say, from equal seeds the same."""
    proto = MODELS["residual"]()
    before = proto.SerializeToString()
    for mutate in (bytes_changed, fields_changed):
        one, two = (mutate(np.random.default_rng(3), proto) for _ in range(2))
        assert one == two != before
        assert proto.SerializeToString() == before
