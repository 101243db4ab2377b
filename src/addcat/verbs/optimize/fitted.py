"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.792,
        "saving saves": 0.5583,
        "saving touches": 0.03074,
        "following saves": 0.5583,
        "following touches": 0.03074,
        "opening saves": 0.5583,
        "opening touches": 0.03074,
        "finishing saves": 0.5583,
        "finishing touches": 0.03074,
        "alternative saves": 0.5583,
        "alternative touches": 0.03074,
        "alone saves": 0.5583,
        "alone touches": 0.03074,
    },
    floor=0.005,
    slope=0.3,
    below=0.8223,
    above=1.473,
    networks=63,
    families=41,
    error=0.006188,
    covered=0.8242,
)
