"""The figure of `architectures.json`: what each network gains, sorted, one dot a network and runtime.

Run: python benchmarks/architectures_figure.py, which writes docs/figures/architectures.svg.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from study.drawing import ADD, CONCAT, INK, Axis, Picture, percent  # noqa: E402

RECORDS, FIGURE = HERE / "architectures.json", HERE.parent / "docs/figures/architectures.svg"
RUNTIMES = {"onnxruntime": ("ONNX Runtime", CONCAT, 4.5), "openvino": ("OpenVINO", ADD, 3.5)}
"""Name, colour and radius of a dot; OpenVINO's is drawn over the other."""
WIDE, ROW, TOP, COLUMNS = 760, 17, 74, 4
LEFT, NAMES = 180, 16
"""Where the axis begins, and how far before it names end."""


def gain(record: Mapping[str, Any], runtime: str) -> float | None:
    """Share of the time that is saved; 0 where the result is its input, None where nothing was measured."""
    search = record.get(runtime, {})
    if "ratio" not in search:
        return None
    return 1 - search["ratio"]["estimate"] if search["changed"] else 0.0


def sorted_gains(records: Mapping[str, Any]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Networks where something was found, by runtime and most first; and the names of the others."""
    gains: dict[str, dict[str, float]] = {}
    for name, record in records.items():
        found = {runtime: value for runtime in RUNTIMES if (value := gain(record, runtime)) is not None}
        if "onnxruntime" in found:
            gains[name] = found
    changed = {name: one for name, one in gains.items() if any(one.values())}
    order = sorted(changed, key=lambda name: (-changed[name]["onnxruntime"], -max(changed[name].values())))
    return {name: changed[name] for name in order}, sorted(set(gains) - set(changed), key=str.casefold)


def figure(records: Mapping[str, Any]) -> str:
    """Every network that gains a row, most saved first; those that gain nothing together below."""
    changed, same = sorted_gains(records)
    lines = -(-len(same) // COLUMNS)
    bottom = TOP + ROW * len(changed)
    picture = Picture(WIDE, bottom + (44 + ROW * lines if same else 12), "What optimize saves on public architectures")
    most = max((value for one in changed.values() for value in one.values()), default=0.1)
    axis = Axis(-0.05, max(-(-most // 0.1) / 10, 0.1), LEFT - 8, WIDE - 56)
    _head(picture, axis, bottom - 6)
    for place, (name, found) in enumerate(changed.items()):
        _row(picture, axis, TOP + ROW * place + 4, name, found)
    if same:
        picture.text(20, bottom + 22, f"{len(same)} come back as they were: nothing to gain was found", bold=True)
    for place, name in enumerate(same):
        column, line = divmod(place, lines)
        x, y = 24 + column * (WIDE - 40) / COLUMNS, bottom + 44 + ROW * line
        picture.dot(x, y, 2.5, CONCAT)
        picture.text(x + 9, y + 4, name, size=11)
    return picture.svg()


def _head(picture: Picture, axis: Axis, bottom: float) -> None:
    words = "Time saved beyond onnxsim: one thread, batch 1, random weights, busy cores"
    picture.text(20, 20, words, size=13, bold=True)
    x = 24.0
    for name, colour, radius in RUNTIMES.values():
        picture.dot(x, 36, radius, colour)
        picture.text(x + 10, 40, name, size=11)
        x += 110
    share = 0.0
    while share < axis.high + 0.01:
        picture.line(axis(share), TOP - 12, axis(share), bottom, INK, dash="" if share == 0 else "2 4")
        picture.text(axis(share), TOP - 18, percent(share), at="middle", size=11)
        share += 0.1


def _row(picture: Picture, axis: Axis, y: float, name: str, found: Mapping[str, float]) -> None:
    picture.text(axis(0) - NAMES, y + 4, name, at="end", size=12)
    picture.line(axis(0), y, axis(max(found.values())), y, INK, wide=1)
    for runtime, value in found.items():
        _, colour, radius = RUNTIMES[runtime]
        picture.dot(axis(value), y, radius, colour)
    shares = ", ".join(percent(found[runtime]) for runtime in RUNTIMES if runtime in found)
    picture.text(axis(max(found.values())) + 10, y + 4, shares, size=11)


if __name__ == "__main__":
    FIGURE.write_text(figure(json.loads(RECORDS.read_text(encoding="utf-8"))), encoding="utf-8")
