"""Trials that are decided beforehand: no training, every effect known, in any process."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from addcat.trials.execute import in_singles
from addcat.trials.trial import of_value


@dataclass(slots=True)
class Scripted:
    """Gives each trial a loss that depends on its arm and seed alone; may write a line to a file, wait, or fail.

    Attributes:
        gain: What the second arm has over the first.
        log: A file that gets a line a trial; "" for none.
        seconds: What a trial takes.
        diverges: Trials that give NaN.
        fails: Trials that raise.
        kills: Trials that end their process.
    """

    gain: float = 0.3
    log: str = ""
    seconds: float = 0.0
    diverges: tuple = ()
    fails: tuple = ()
    kills: tuple = ()
    threads: bool = False

    def units(self, keys, workers):
        return in_singles(keys)

    def __call__(self, unit):
        return [self.one(key) for key in unit]

    def stop(self):
        pass

    def one(self, key):
        time.sleep(self.seconds)
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{key.arm} {key.seed}\n")
        if key in self.fails:
            raise ValueError(f"no luck with {key.arm} {key.seed}")
        if key in self.kills:
            import os

            os._exit(9)
        noise = np.random.default_rng([key.seed, len(key.arm)]).normal(scale=0.05)
        loss = float("nan") if key in self.diverges else 1.0 + noise - self.gain * (key.arm == "concat")
        return of_value(key, loss, {"accuracy": 1 - loss / 2})
