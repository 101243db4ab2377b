"""Pairs that take no time, for what is decided from them."""

import math

import numpy as np

from addcat.evidence.contrast import Contrast
from addcat.evidence.meter import relative_cost
from addcat.evidence.readings import read_beside, read_pairs


class Course:
    """Pairs that take no time: every stage finds the same gain, the noise of which shrinks with its pairs."""

    gain, seeds, step, ran, last = 0.0, 0.04**2, 1e-4, (), None

    def __init__(self, problem, arms, meter, first_pass):
        self.meter, self.held, self.whole = meter, problem.held.count, problem
        self.relative = {name: relative_cost(graph, problem.root) for name, graph in (arms or {}).items()}
        type(self).ran, type(self).last = [], problem

    def cost(self, stage):
        """Runs of the other arm add to those before."""
        if stage.kind == "beside":
            before = [one.pairs for one in self.ran if (one.kind, one.share) == (stage.kind, stage.share)]
            return stage.share * (stage.pairs - max(before, default=0))
        return 2 * stage.share * stage.pairs

    def seconds(self, stage):
        return self.step * stage.share * stage.pairs

    running_seconds = seconds

    def reckoned_seconds(self):
        return None

    def training_seconds(self):
        return self.step

    def run(self, stage):
        self.meter.spent += self.cost(stage)
        type(self).ran.append(stage)
        add = math.exp(self.gain)
        return Contrast(self.gain, self.seeds, 1e-8, stage.pairs, 0.1 * add, 0.1)

    def one_by_one(self, stage):
        return False

    def reading(self, stage, found, way):
        if stage.kind == "beside":
            return read_beside(self.whole.now, found, way, 0.0, 0.0)
        return read_pairs(stage.kind, stage.share, found, way)

    def metrics(self, stage):
        return ()

    def losses(self, stage):
        rng = np.random.default_rng(stage.pairs)
        noise = rng.normal(0, 0.1 * self.seeds**0.5, (stage.pairs, 1)) + rng.normal(0, 1e-6, (stage.pairs, self.held))
        noise -= noise.mean(axis=0)
        return 0.1 * math.exp(self.gain) + noise, np.full_like(noise, 0.1)


class Headed(Course):
    """Heads, which cost a quarter; of branches that share their weights alone."""

    def __init__(self, problem, meter, first_pass):
        super().__init__(problem, None, meter, first_pass)

    def cost(self, stage):
        return super().cost(stage) / 4
