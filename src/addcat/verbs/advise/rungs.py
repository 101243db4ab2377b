"""The rungs of the climb: which probe a question allows, which stages of pairs, and in which order."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from addcat.errors import DataError, RefusedError
from addcat.evidence import order as ordering
from addcat.evidence.heads import Heads
from addcat.evidence.kernel import FEWEST as FEWEST_FOR_KERNEL
from addcat.evidence.kernel import kernel, shares, unfit
from addcat.evidence.matched import Runs
from addcat.evidence.meter import STEP, Meter
from addcat.evidence.order import order
from addcat.evidence.pairs import BOTH, COMPILING, Pairs, Stage
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.evidence.score import FEWEST, PASSES, score
from addcat.evidence.starts import Kind
from addcat.evidence.swap import swap
from addcat.evidence.tie import MOST_SITES, tie, tying

FULL = tuple(Stage("fresh", 1.0, pairs) for pairs in (4, 8, 16, 32))
"""Looks at full pairs; few looks have to share the error."""
METHOD = {
    "fresh": "short", "tied": "tied", "warm": "warm", "loose": "warm", "heads": "heads", "beside": "other arm"
}  # fmt: skip
"""Names of stages that are no full pairs."""
LOOSER: dict[Kind, Kind] = {"warm": "loose", "tied": "fresh"}
"""Starts that serve where consumers cannot be tied."""
WARM = Stage("warm", 0.2, 2)
PLANS: tuple[tuple[Stage, ...], ...] = (
    *((WARM, Stage("tied", 1.0, pairs)) for pairs in (3, 2, 1)),
    (WARM,),
    (Stage("warm", 0.2, 1),),
)
"""What to run where four full pairs cannot be paid: the first that can."""
SHORT = tuple(Stage("fresh", 0.33, pairs) for pairs in (2, 1))
"""What is left after heads where four full pairs cannot be paid: branches may learn what these have not."""
BESIDE = tuple(Stage("beside", share / 20, 1) for share in range(20, 14, -1))
"""The other arm alone, as far as the budget goes; what learns slowly says little at two thirds of its steps."""
FEW = tuple(Stage("fresh", 1.0, pairs) for pairs in (1, 2, 3))
"""Full pairs that prove nothing, where four cannot be paid behind heads."""
HEADS = tuple(Stage("heads", 0.4, pairs) for pairs in (4, 2, 1))
"""Heads of branches that share their weights: the first that the budget allows."""
PUT_BY = 750
"""Examples that the order and the exchange leave to an infinitely wide head, at most."""
JUDGES = 400
"""Held-out examples that judge heads where what is left does not pay for a pair judged by all."""
HEADS_SHARE = 0.6
"""Of what is left, heads may take so much; all of it where it pays for no pairs."""
PAIRS_FROM, CHEAP = 0.45, 0.1
"""From so many trainings on pairs can be paid, and what is cheap may take this share of the budget; all of it below."""
QUICK = 0.15
"""Share of the time in which eight full pairs are quick."""
LARGE = 0.5
"""Share of the time that tying some members of a large family may take."""
JUDGED, PREFIX = 1.5, 1.0
"""What that compiles: the tied network, which is written first, and for each member what comes before its readers in
two networks, half of each."""
SCORED = 6
"""What the score compiles: a pass of the opened network, one of its inside, and a gradient."""
SWAPPED = 2
"""Passes of an exchange of branches."""
MOST_TIED = 2000
"""Examples that are enough to tie a Concatenate by regression."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one network says without training: the method, and how much of the data it takes.

    Attributes:
        name: "order", "swap", "kernel", "score" or "tie".
        most: Examples, at most.
        cost: In trainings.
        compiled: How many programs it compiles, each as long as the first pass of the network.
        members: Merges of the family that it asks.
    """

    name: str
    most: int
    cost: float
    compiled: int
    members: int = 1

    def ask(self, problem: Problem) -> Evidence:
        """Run it."""
        methods = {
            "order": partial(order, most=self.most),
            "kernel": partial(kernel, most=self.most),
            "score": partial(score, most=self.most),
            "tie": partial(tie, most=self.most, members=self.members),
            "swap": partial(swap, most=self.most),
        }
        return methods[self.name](problem)


def probes_of(
    problem: Problem,
    meter: Meter,
    relative: float,
    first_pass: float,
    *,
    shared: bool,
    put_by: float,
    enough: Callable[[], bool],
    headed: Callable[[], bool],
    heard: Callable[[str], bool],
) -> Iterator[Probe | str]:
    """The probes that a question allows, each chosen by what those before it have left: charge it, then ask on.

    Of branches that share their weights heads say all that the score and the tie would, and more, so after them these
    are left out; and what comes before them leaves them what one pair costs. Where an infinitely wide head can be
    fitted to the branches, it takes the place of the score and the tie, too.

    Args:
        problem: The merges.
        meter: What may be spent.
        relative: Cost of a pass of the Concatenate arm.
        first_pass: Seconds that the first forward pass of the network took.
        shared: Whether the branches share their weights.
        put_by: Trainings that a pair of heads costs; 0 where what is left does not pay for one.
        enough: Whether the order or the exchange leaves no need of more, or full pairs are quick.
        headed: Trains heads of such branches where the budget allows it; whether no more is needed.
        heard: Whether a probe has said something.

    Yields:
        A probe, or a sentence on why there is none.
    """
    add, held = problem.now == "add", problem.held.count
    if shared:
        passes = ordering.PASSES if add else SWAPPED
        left = put_by or _left_to_kernel(problem, meter)
        most = min(held, meter.examples_for(min(_allowance(meter), meter.left - left), passes))
        cost = meter.passes(most, passes)
        if most >= FEWEST and meter.affords(cost, 2 * first_pass):
            yield Probe("order" if add else "swap", most, cost, 2)
        if enough():
            return
    fit = _kernel(problem, meter, first_pass, put_by)
    if fit is not None:
        yield fit
    if shared and headed():
        return
    if fit is None or not heard("kernel"):
        yield _main(problem, meter, relative, first_pass)


def _left_to_kernel(problem: Problem, meter: Meter) -> float:
    """Trainings that the order and the exchange leave to an infinitely wide head."""
    if meter.passes(FEWEST_FOR_KERNEL) > meter.left or unfit(problem) is not None:
        return 0.0
    return meter.passes(min(PUT_BY, sum(shares(problem, None))))


def _kernel(problem: Problem, meter: Meter, first_pass: float, put_by: float) -> Probe | None:
    """An infinitely wide head, where the merge allows it and the budget pays for it, and for a pair of heads too."""
    if unfit(problem) is not None:
        return None
    most = min(sum(shares(problem, None)), meter.examples_for(min(_allowance(meter), meter.left - put_by), 1))
    if most < FEWEST_FOR_KERNEL or not meter.affords(meter.passes(most), 2 * first_pass):
        return None
    return Probe("kernel", most, meter.passes(most), 2)


def _main(problem: Problem, meter: Meter, relative: float, first_pass: float) -> Probe | str:
    """The score of an Add, the tie of a Concatenate."""
    add, merges = problem.now == "add", len(problem.merges)
    members = merges if add else _members(merges, meter, first_pass)
    compiled = 4 if add else 3 + members if members == merges else math.ceil(JUDGED + PREFIX * members)
    if not members or not meter.affords(0.0, compiled * first_pass):
        return "The time does not allow to measure the network as it is."
    passes = PASSES * relative if add else tying(members)
    whole = problem.held.count if add else max(problem.data.count, problem.held.count)
    most = min(meter.examples_for(_allowance(meter), passes), max(problem.held.count, MOST_TIED))
    if most < FEWEST <= problem.held.count:
        return f"What is left of the budget does not pay for a {'score' if add else 'tie'}."
    return Probe("score" if add else "tie", most, meter.passes(min(most, whole), passes), compiled, members)


def _allowance(meter: Meter) -> float:
    """Trainings that a probe may cost."""
    return meter.left if meter.left < PAIRS_FROM else CHEAP * meter.left


def _members(merges: int, meter: Meter, first_pass: float) -> int:
    """How many members of a family can be tied: all of a small one, of a large one what a share of the time allows."""
    if merges <= MOST_SITES:
        return merges
    if math.isinf(meter.seconds_left):
        return MOST_SITES
    passes = LARGE * meter.seconds_left / max(first_pass, 1e-3)
    return max(0, min(MOST_SITES, int((passes - JUDGED) / PREFIX)))


def heads_of(problem: Problem, meter: Meter, first_pass: float) -> Heads:
    """Heads judged by all held-out examples, or by as many as are enough where the budget does not pay for all.

    Args:
        problem: The question.
        meter: What may be spent.
        first_pass: Seconds that the first forward pass of the network took.

    Raises:
        DataError: if the merge has none, see `Heads`.
    """
    heads = Heads(problem, meter, first_pass)
    if heads.cost(HEADS[-1]) <= meter.left or problem.held.count <= JUDGES:
        return heads
    return Heads(problem.judged_by(JUDGES), meter, first_pass)


def put_by_for(heads: Heads | None, meter: Meter) -> float:
    """Trainings that a pair of heads costs; 0 where what is left does not pay for one."""
    cost = 0.0 if heads is None else heads.cost(HEADS[-1])
    return cost if cost <= meter.left else 0.0


def heads_within(heads: Pairs, meter: Meter, whole: Runs | None = None) -> Stage | None:
    """The stage of heads to run with what is left, if any.

    More than one pair of heads narrows what seeds do, which is less than what heads are off by; what is trained behind
    them errs by itself, so where only fewer of them leave it its cost, they are fewer.

    Args:
        heads: Reckon their cost.
        meter: What may be spent.
        whole: Reckons what pairs of the whole network cost, which may follow.
    """
    allowed = (1.0 if meter.left < PAIRS_FROM else HEADS_SHARE) * meter.left
    if whole is not None:
        one = heads.cost(HEADS[-1])
        costs = (whole.cost(stage) for stage in (FULL[0], FEW[0], *BESIDE))
        behind = next((cost for cost in costs if cost <= meter.left - one), 0.0)
        allowed = min(allowed, max(one, meter.left - behind))
    for stage in HEADS:
        if heads.cost(stage) <= allowed and heads.seconds(stage) <= HEADS_SHARE * meter.seconds_left:
            return stage
    return None


def quickly(problem: Problem, pairs: Pairs, meter: Meter, first_pass: float) -> bool:
    """Whether eight full pairs take a small share of the time: where the truth is cheap, short cuts to it are dear.

    Each short cut compiles programs of its own, which takes longer than training small networks in full.

    Args:
        problem: The question.
        pairs: Reckon how long a training takes whose steps are too short to be timed.
        meter: What may be spent; a budget in trainings does not count what compiling costs, so it is spent as it was.
        first_pass: Seconds that the first forward pass of the network took.
    """
    if problem.given is None or not math.isinf(meter.trainings):
        return False
    try:
        recipe, training = problem.recipe, pairs.reckoned_seconds()
    except (DataError, RefusedError):  # who trains them says why they cannot be
        return False
    if training is None:
        training = STEP * recipe.steps * recipe.batch * problem.given.again
    eight = BOTH * 2 * FULL[1].pairs * training + COMPILING * max(first_pass, 0.1)
    return eight <= QUICK * meter.seconds_left


def stages_within(pairs: Runs, meter: Meter, *, heads: bool = False, quick: bool = False) -> tuple[Stage, ...]:
    """The stages of pairs to run with what is left: short ones, then full ones, tied where four cannot be paid.

    Behind heads, which are trained on branches as they are, both arms are drawn anew, or the other alone.

    Args:
        pairs: Reckon their cost.
        meter: What may be spent.
        heads: Whether heads were trained, which say more of branches that share their weights than short runs do.
        quick: Whether full pairs are there sooner than short ones.
    """
    full = FULL[1:] if quick and not pairs.one_by_one(FULL[1]) else FULL  # one program trains four no sooner than eight
    if (heads or quick) and meter.affords(pairs.cost(full[0]), pairs.seconds(full[0])):
        return full
    if heads:
        some = (FEW[0], *BESIDE, *SHORT)
        first = next((stage for stage in some if meter.affords(pairs.cost(stage), pairs.seconds(stage))), None)
        return () if first is None else FEW if first == FEW[0] else (first,)
    first = (WARM, FULL[0])
    if meter.affords(sum(map(pairs.cost, first)), sum(map(pairs.seconds, first))):
        return (WARM, *FULL)
    for plan in PLANS:
        if meter.affords(sum(map(pairs.cost, plan)), sum(map(pairs.seconds, plan))):
            return plan
    return ()
