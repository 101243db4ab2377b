"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.6531,
        "saving saves": 0.6638,
        "following saves": 0.6638,
        "opening saves": 0.6638,
        "finishing saves": 0.6638,
        "alternative saves": 0.6638,
        "alone saves": 0.6638,
    },
    floor=0.005,
    slope=0.1,
    below=4.174,
    above=3.367,
    networks=15,
    families=15,
    error=0.01444,
    covered=0.9444,
)
