"""What a gain is foretold by, fitted on measured networks. Made by `benchmarks/fit_estimate.py --write`."""

from addcat.verbs.optimize.foresight import Fit

FITTED = Fit(
    weights={
        "tidying": 0.8169,
        "saving saves": 0.6823,
        "saving touches": 0.01005,
        "following saves": 0.6823,
        "following touches": 0.01005,
        "opening saves": 0.6823,
        "opening touches": 0.01005,
        "finishing saves": 0.6823,
        "finishing touches": 0.01005,
        "alternative saves": 0.6823,
        "alternative touches": 0.01005,
        "alone saves": 0.6823,
        "alone touches": 0.01005,
    },
    floor=0.005,
    slope=0.1,
    below=2,
    above=2.961,
    networks=63,
    families=41,
    error=0.004256,
    covered=0.8088,
)
