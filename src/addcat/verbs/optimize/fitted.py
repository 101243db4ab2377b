"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 1,
        "naming": 0.07713,
        "saving saves": 0.5827,
        "saving touches": 0.0258,
        "following saves": 0.5827,
        "following touches": 0.0258,
        "opening saves": 0.5827,
        "opening touches": 0.0258,
        "finishing saves": 0.5827,
        "finishing touches": 0.0258,
        "alternative saves": 0.5827,
        "alternative touches": 0.0258,
        "alone saves": 0.5827,
        "alone touches": 0.0258,
    },
    floor=0.005,
    slope=0.3,
    below=0.9265,
    above=1.614,
    networks=71,
    families=46,
    error=0.01078,
    covered=0.8169,
)
