"""What is believed before anything is measured fits gains that it was not fitted to."""

import re

ROW = re.compile(r"(seed \d+) +(own|shared) +(\d+) +([\d.]+) +([\d.]+) \(([\d.]+)\) +(-?[\d.]+) \((-?[\d.]+)\)")


def test_later_gains_are_likelier_than_under_the_prior_before(capsys):
    from prior_gains import main

    main()
    rows = {found.group(1, 2): [*map(float, found.groups()[2:])] for found in ROW.finditer(capsys.readouterr().out)}
    assert set(rows) == {(seed, kind) for seed in ("seed 144", "seed 233", "seed 377") for kind in ("own", "shared")}
    for count, above, expected, was, now, less in rows.values():
        assert now > less
        assert abs(above - expected) < abs(above - was) + 0.5 / count
