"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.8095,
        "naming": 0.001393,
        "saving saves": 0.7086,
        "saving touches": 0.001157,
        "following saves": 0.7086,
        "following touches": 0.001157,
        "opening saves": 0.7086,
        "opening touches": 0.001157,
        "finishing saves": 0.7086,
        "finishing touches": 0.001157,
        "alternative saves": 0.7086,
        "alternative touches": 0.001157,
        "alone saves": 0.7086,
        "alone touches": 0.001157,
    },
    floor=0.005,
    slope=0.1,
    below=1.912,
    above=3.896,
    networks=55,
    families=36,
    error=0.004936,
    covered=0.8,
)
