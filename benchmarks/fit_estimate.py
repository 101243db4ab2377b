"""How well is the gain of a network foretold by the others? Fits what `optimize --estimate` says, and writes it down.

    python benchmarks/fit_estimate.py            # prints the held-out errors
    python benchmarks/fit_estimate.py --write    # writes src/addcat/verbs/optimize/fitted.py as well

Everything comes from `architectures.json`: the measured gains and the features of each network's graph.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from addcat.rules import Role
from addcat.verbs.optimize.foresight import LEVEL, Fit, Foretold, expected, foretell, reach, width
from addcat.verbs.optimize.openings import NAMING, TIDYING

HERE = Path(__file__).parent
FILE = HERE.parent / "src/addcat/verbs/optimize/fitted.py"
RUNTIMES = ("onnxruntime", "openvino")
KINDS = (TIDYING, NAMING, "saves", "touches")
FLOOR, SLOPE, RIDGE = 0.005, 0.3, 0.1
"""Widths are chosen by the interval score on families left out (mean width and ten times what lies outside: 0.157 at a
slope of 0.1, 0.131 at 0.2, 0.129 at 0.3, 0.128 at 0.5), the quantiles in their units by the residuals; the ridge holds
near zero what few networks speak for. Weights of its own for each runtime foretell no better: on 63 networks a score of
0.093 instead of 0.098 under ONNX Runtime, of 0.133 instead of 0.130 under OpenVINO."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network under one runtime, as the fit sees it."""

    name: str
    runtime: str
    family: str
    features: Mapping[str, float]
    gain: float


def cases(records: Mapping[str, Any]) -> list[Case]:
    """What was measured; a network whose result is its input has gained nothing."""
    found: list[Case] = []
    for name, record in records.items():
        seen = record.get("features", {})
        for runtime in RUNTIMES:
            search = record.get(runtime, {})
            if "ratio" in search and "features" in seen:
                ratio = search["own_ratio"][0] if search["changed"] else 1.0
                found.append(Case(name, runtime, record["family"], seen["features"], 1 - ratio))
    return found


def weights_of(known: Sequence[Case]) -> dict[str, float]:
    """Weights between 0 and 1, since a cost model that is right has 1: one for each kind, whatever the role.

    Least squares in units of each network's width, with a little ridge.
    """
    return _weights_of(tuple(known))


@cache  # two families are left out twice, each after the other
def _weights_of(known: tuple[Case, ...]) -> dict[str, float]:
    rows = [_row(case) for case in known]
    matrix, rooms = np.array([totals for totals, _ in rows]), np.array([room for _, room in rows])
    ridge = RIDGE * np.sqrt(len(known)) * np.eye(len(KINDS))
    gains = np.array([case.gain for case in known]) / rooms
    system = np.vstack([matrix / rooms[:, None], ridge]), np.concatenate([gains, np.zeros(len(KINDS))])
    found = lsq_linear(*system, bounds=(0.0, 1.0)).x
    names = [
        *KINDS[:2],
        *(f"{role.name.lower()} {kind}" for role in Role for kind in KINDS[2:] if role is not Role.TIDY),
    ]
    return {name: float(found[KINDS.index(name.split()[-1])]) for name in names}


@cache
def _row(case: Case) -> tuple[list[float], float]:
    """What a case has of each kind, and its width."""
    totals = [sum(value for name, value in case.features.items() if name.split()[-1] == kind) for kind in KINDS]
    return totals, width(case.features, FLOOR, SLOPE)


def held_out(known: Sequence[Case]) -> list[float]:
    """Residuals in units of the width, each family foretold by the others."""
    left: dict[Case, float] = {}
    for family in sorted({case.family for case in known}):
        weights = weights_of([case for case in known if case.family != family])
        for case in known:
            if case.family == family:
                left[case] = (case.gain - expected(case.features, weights)) / width(case.features, FLOOR, SLOPE)
    return [left[case] for case in known]


def fit_of(known: Sequence[Case]) -> Fit:
    """The fit on some networks, without what is said of its errors."""
    residuals = np.sort(held_out(known))
    n, tail = len(residuals), (1 - LEVEL) / 2
    # ranks of a conformal interval: of n + 1 equally likely places of the next residual
    low, high = int(np.floor((n + 1) * tail)), int(np.ceil((n + 1) * (1 - tail)))
    below, above = -residuals[max(low - 1, 0)], residuals[min(high - 1, n - 1)]
    networks, families = len({case.name for case in known}), len({case.family for case in known})
    ends = max(float(below), 0.0), max(float(above), 0.0)
    return Fit(weights_of(known), FLOOR, SLOPE, *ends, networks, families, 0.0, 0.0)


def judged(known: Sequence[Case]) -> tuple[Fit, list[tuple[Case, Foretold]]]:
    """The fit on all networks, and each network foretold by a fit that never saw its family."""
    foretold: list[tuple[Case, Foretold]] = []
    for family in sorted({case.family for case in known}):
        fit = fit_of([case for case in known if case.family != family])
        foretold += [(case, foretell(case.features, fit)) for case in known if case.family == family]
    error = float(np.median([abs(said.gain - case.gain) for case, said in foretold]))
    covered = float(np.mean([said.low <= case.gain <= said.high for case, said in foretold]))
    return replace(fit_of(known), error=error, covered=covered), foretold


def source(fit: Fit) -> str:
    """The file that holds the fit."""
    lines = [
        '"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""',
        "",
        "from addcat.verbs.optimize.foresight import Fit",
        "",
        "FITTED = Fit(",
    ]
    for field in fields(Fit):
        value = getattr(fit, field.name)
        if isinstance(value, Mapping):
            weights = {name: number for name, number in value.items() if number > 1e-4}
            lines += [f"    {field.name}={{", *(f'        "{k}": {v:.4g},' for k, v in weights.items()), "    },"]
        else:
            lines.append(f"    {field.name}={value if isinstance(value, int) else format(value, '.4g')},")
    return "\n".join([*lines, ")", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=HERE / "architectures.json")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    fit, foretold = judged(cases(json.loads(arguments.records.read_text())))
    print(f"{'network':26s} {'runtime':12s} {'measured':>9s} {'expected':>9s} {'low':>7s} {'high':>7s}  at stake")
    for case, said in sorted(foretold, key=lambda pair: -pair[0].gain):
        mark = "" if said.low <= case.gain <= said.high else "  outside"
        ends = f"{said.gain:9.3f} {said.low:7.3f} {said.high:7.3f} {reach(case.features):8.3f}"
        print(f"{case.name:26s} {case.runtime:12s} {case.gain:9.3f} {ends}{mark}")
    print(f"{fit.networks} networks of {fit.families} families, each foretold by the other families: ", end="")
    print(f"median error {fit.error:.3f}, {fit.covered:.0%} inside")
    if arguments.write:
        FILE.write_text(source(fit))


if __name__ == "__main__":
    sys.exit(main())
