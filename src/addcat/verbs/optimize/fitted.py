"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.7997,
        "naming": 0.00572,
        "saving saves": 0.6828,
        "saving touches": 0.01401,
        "following saves": 0.6828,
        "following touches": 0.01401,
        "opening saves": 0.6828,
        "opening touches": 0.01401,
        "finishing saves": 0.6828,
        "finishing touches": 0.01401,
        "alternative saves": 0.6828,
        "alternative touches": 0.01401,
        "alone saves": 0.6828,
        "alone touches": 0.01401,
    },
    floor=0.005,
    slope=0.1,
    below=3.044,
    above=3.799,
    networks=24,
    families=23,
    error=0.01024,
    covered=0.8276,
)
