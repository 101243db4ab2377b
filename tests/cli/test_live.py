"""The live table: what it shows after a trial."""

import io
import math

from addcat.cli.live import table
from addcat.report.text import plain_console
from addcat.trials.trial import Key, of_value
from addcat.verbs.compare.conclude import conclude
from addcat.verbs.compare.settings import Arm, Contrast, Settings


def shown(pairs):
    arms = (Arm("add", "add"), Arm("concat", "concat"))
    contrasts = (Contrast("concat over add", "add", "concat", ("add", "concat")),)
    settings = Settings("net", "model", "Add or concat?", arms, contrasts, None, tuple(range(1, 9)), 0.02, "sequential")
    ended = [
        of_value(Key(arm, seed), math.nan if (arm, seed) == ("add", 2) else 1 + seed / 100 - 0.3 * (arm == "concat"))
        for seed in range(1, pairs + 1)
        for arm in ("add", "concat")
    ]
    found = conclude(settings, {trial.key: trial for trial in ended})
    written = io.StringIO()
    plain_console(written, width=80).print(table(found, ended, 10.0))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_arms_losses_time_and_the_sequence_closing():
    lines = shown(5)
    assert lines[0] == "Add or concat?  10 of 16 trials, 6.0 s left"
    assert lines[2].split() == ["pair", "arm", "loss", "evaluations", "time"]
    assert len(lines) == 10  # the last six trials
    assert lines[-1].startswith("concat over add: +")
    assert lines[-1].endswith("after 5 pairs")
    early = shown(2)
    assert "diverged" in early[5]
    assert early[-1] == "concat over add: no interval yet"
