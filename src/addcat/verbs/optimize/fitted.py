"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.7433,
        "naming": 0.01334,
        "saving saves": 0.5973,
        "saving touches": 0.02329,
        "following saves": 0.5973,
        "following touches": 0.02329,
        "opening saves": 0.5973,
        "opening touches": 0.02329,
        "finishing saves": 0.5973,
        "finishing touches": 0.02329,
        "alternative saves": 0.5973,
        "alternative touches": 0.02329,
        "alone saves": 0.5973,
        "alone touches": 0.02329,
    },
    floor=0.005,
    slope=0.3,
    below=0.8765,
    above=1.192,
    networks=63,
    families=41,
    error=0.005467,
    covered=0.8095,
)
