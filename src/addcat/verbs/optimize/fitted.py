"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.8027,
        "naming": 0.008522,
        "saving saves": 0.6812,
        "saving touches": 0.002316,
        "following saves": 0.6812,
        "following touches": 0.002316,
        "opening saves": 0.6812,
        "opening touches": 0.002316,
        "finishing saves": 0.6812,
        "finishing touches": 0.002316,
        "alternative saves": 0.6812,
        "alternative touches": 0.002316,
        "alone saves": 0.6812,
        "alone touches": 0.002316,
    },
    floor=0.005,
    slope=0.1,
    below=2.796,
    above=3.896,
    networks=24,
    families=23,
    error=0.006428,
    covered=0.8519,
)
