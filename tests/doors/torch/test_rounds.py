"""A place in the user's code is found again, however often that code has run."""

import pytest

from addcat.doors.torch.rounds import location


class Value:
    """Writes down where in the user's code it is added to something."""

    def __init__(self, seen):
        self.seen = seen

    def __radd__(self, _):
        self.seen.append(location(run.__code__))
        return self


def by_sum(value):
    return sum([value])


def within_list(value):
    return list(0 + one for one in [value])  # noqa: C400


def by_operator(value):
    return 0 + value


def run(code, value):
    code(value)


@pytest.mark.parametrize("code", [by_sum, within_list, by_operator])
def test_a_place_is_the_same_once_python_knows_what_is_called(code):
    seen = []
    for _ in range(100):
        run(code, Value(seen))
    assert len(seen) == 100
    assert len(set(seen)) == 1
