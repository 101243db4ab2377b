"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.8198,
        "saving saves": 0.6821,
        "saving touches": 0.01004,
        "following saves": 0.6821,
        "following touches": 0.01004,
        "opening saves": 0.6821,
        "opening touches": 0.01004,
        "finishing saves": 0.6821,
        "finishing touches": 0.01004,
        "alternative saves": 0.6821,
        "alternative touches": 0.01004,
        "alone saves": 0.6821,
        "alone touches": 0.01004,
    },
    floor=0.005,
    slope=0.1,
    below=2.042,
    above=3.823,
    networks=63,
    families=41,
    error=0.004847,
    covered=0.8088,
)
