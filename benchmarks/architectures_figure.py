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

from study.drawing import CONCAT, INK, Axis, Picture  # noqa: E402

RECORDS, FIGURE = HERE / "architectures.json", HERE.parent / "docs/figures/architectures.svg"
WIDE, ROW, TOP = 760, 15, 64
MOST = 0.6
"""Share of the time at which the axis ends."""


def gain(record: Mapping[str, Any], runtime: str) -> float | None:
    """Share of the time that is saved; 0 where the result is its input, None where nothing was measured."""
    search = record.get(runtime, {})
    if "ratio" not in search:
        return None
    return 1 - search["ratio"]["estimate"] if search["changed"] else 0.0


def figure(records: Mapping[str, Any]) -> str:
    """Every network a row, most saved first."""
    gains = {name: (gain(r, "onnxruntime"), gain(r, "openvino")) for name, r in records.items()}
    rows = sorted((item for item in gains.items() if item[1][0] is not None), key=lambda item: -(item[1][0] or 0.0))
    picture = Picture(WIDE, TOP + ROW * len(rows) + 14, "What optimize saves on public architectures")
    axis = Axis(-0.05, MOST, 190, WIDE - 30)
    bottom = TOP + ROW * len(rows) - 4
    picture.text(axis(0), 18, "time saved beyond onnxsim, one thread", bold=True)
    picture.text(axis(0), 34, "filled: ONNX Runtime · ring: OpenVINO · at 0 nothing was found · on busy cores", size=11)
    for share in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
        picture.line(axis(share), TOP - 10, axis(share), bottom, INK, dash="" if share == 0 else "2 4")
        picture.text(axis(share), TOP - 14, f"{share:.0%}".replace("%", " %"), at="middle", size=11)
    for place, (name, (first, second)) in enumerate(rows):
        y = TOP + ROW * place
        picture.text(axis.start - 16, y + 4, name, at="end", size=11)
        if second is not None:
            picture.dot(axis(second), y, 4, CONCAT, hollow=True)
        picture.dot(axis(first or 0.0), y, 3.5, CONCAT)
    return picture.svg()


if __name__ == "__main__":
    FIGURE.write_text(figure(json.loads(RECORDS.read_text(encoding="utf-8"))), encoding="utf-8")
