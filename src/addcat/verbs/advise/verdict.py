"""What is believed becomes a recommendation with its odds, and one sentence that a colleague would say.

1. Recommended is the merge that gives less away on average over what is believed of the gain; where the gain lies
   within the margin with a probability of 95 %, both will do, and Add is recommended because it is cheaper.
2. Certain is what the strict rule proves: full pairs whose interval is clear of the margin at the levels of
   `addcat.evidence.decision`, from networks of which one at least learns more than a constant.
3. A merge that already computes what the other would is decided by price alone.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

from addcat.evidence.baseline import nothing_learnt
from addcat.evidence.problem import Problem
from addcat.evidence.readings import SEEDS
from addcat.evidence.result import Evidence
from addcat.graph import Refusal
from addcat.graph.cost import add_up
from addcat.graph.nested import subgraph
from addcat.graph.operations import OPS
from addcat.merges.price import Cost, Price, price
from addcat.merges.switchability import exact_form
from addcat.report import rows
from addcat.statistics.belief import Belief
from addcat.verbs.advise.climbed import Climb, odds_of
from addcat.verbs.advise.result import Gain, More, Odds, Regret, Verdict

MOST_PAIRS = 1000
"""More pairs than this would not be trained by anybody."""


SURE = 1e-6
"""A doubt below this is none."""


def verdict_of(problem: Problem, made: Climb, margin: float, loss: float, *, name: str = "") -> Verdict:
    """Recommend for one question.

    Args:
        problem: The merges.
        made: What was measured.
        margin: Share of the loss below which a gain does not count.
        loss: Held-out loss of the network as it is.
        name: Of the family, where the question is about several merges.

    Returns:
        The verdict.
    """
    reference = loss if made.loss is None else made.loss
    disguised = bool(made.evidence[0].disguised)
    belief = made.belief
    odds, choice = odds_of(belief, margin), made.recommended(margin)
    share = belief.regret(choice)
    measured = any(one.judges for one in made.evidence)
    if disguised:
        odds, share = Odds(0.0, 1.0, 0.0), 0.0
    verdict = Verdict(
        site=name or problem.merge.site,
        sites=tuple(merge.site for merge in problem.merges),
        question=question_of(problem, name),
        now=problem.now,
        choice=choice,
        certain=made.proved is not None,
        probability=1.0 if disguised else made.sure(choice),
        odds=odds,
        regret=Regret(share * abs(reference), share),
        more=None if disguised else _more(made, belief, made.sure(choice), problem.redrawn),
        gain=_gain(made, margin, reference) if measured and not disguised else None,
        margin=margin * abs(reference),
        loss=reference,
        price=whole_price(problem),
        evidence=tuple(made.evidence),
        looks=tuple(made.looks),
        reason="",
        path=tuple(made.path),
        command=_command(problem, choice),
        metrics=made.metrics,
    )
    return replace(verdict, reason=_reason(problem, made, verdict))


def _gain(made: Climb, margin: float, reference: float) -> Gain:
    """What is believed of the gain; of a proof that this doubts, for what was measured before, what the pairs gave."""
    found, full = made.belief.interval().scaled(abs(reference)), made.get("retrain")
    doubted = found.low <= 0 if made.proved == "concat" else found.high >= margin * abs(reference)
    if made.proved is None or not doubted or full is None:
        return Gain(found.estimate, found.low, found.high)
    assert full.estimate is not None  # noqa: S101  (pairs have a gain)
    assert full.low is not None  # noqa: S101
    assert full.high is not None  # noqa: S101
    return Gain(full.estimate, full.low, full.high)


def question_of(problem: Problem, name: str) -> str:
    """What is asked, in words."""
    where = ", on data of this kind" if problem.redrawn else ""
    if len(problem.merges) == 1:
        return f"merge {problem.merge.site!r}{where}"
    return f"the {rows.integer(len(problem.merges))} {name} merges together{where}"


def whole_price(problem: Problem) -> Price:
    """Price of all merges of a question."""
    prices = [price(subgraph(problem.root, merge.site)[0], merge) for merge in problem.merges]
    if len(prices) == 1:
        return prices[0]
    after = [one.after for one in prices]
    known = [one for one in after if one is not None]
    whole = _added(known) if len(known) == len(after) else None
    return Price(_added([one.now for one in prices]), whole, all(one.direct for one in prices))


def _added(costs: Sequence[Cost]) -> Cost:
    return Cost(
        add_up(one.parameters for one in costs),
        add_up(one.multiply_adds for one in costs),
        add_up(one.bytes for one in costs),
    )


def _more(made: Climb, belief: Belief, probability: float, redrawn: float) -> More | None:
    """Full pairs that would halve the probability of being wrong, on average as the normal distribution has it.

    A belief of mean m and variance v is wrong with probability 1 - F(|m| / sqrt(v)); n pairs of variance s² each take v
    to 1 / (1 / v + n / s²). Where pairs draw their data from the same examples, n pairs are worth n / o, with o as
    `overlapping` has it, and more than f / (1 - f) of them cannot be had.
    """
    doubt = 1 - probability
    if made.pair_cost is None or not SURE < doubt < 0.5:
        return None
    normal, quantiles = NormalDist(), belief.interval(0.6827)
    variance = max((quantiles.high - quantiles.low) / 2, 1e-6) ** 2
    now, then = normal.inv_cdf(1 - doubt), normal.inv_cdf(1 - doubt / 2)
    seeds = made.seeds if made.seeds and math.isfinite(made.seeds) else SEEDS
    worth = ((then / max(now, 0.05)) ** 2 - 1) * seeds / variance
    share = worth * (1 - redrawn) / redrawn if redrawn else 0.0
    if share >= 1:
        return None
    pairs = min(max(1, math.ceil(worth / (1 - share))), MOST_PAIRS)
    seconds = None if made.pair_seconds is None else pairs * made.pair_seconds
    return More(pairs, pairs * made.pair_cost, seconds)


def _command(problem: Problem, choice: str) -> str:
    if choice == problem.now:
        return ""
    sets = " ".join(f"--set {merge.site}={choice}" for merge in problem.merges)
    forms = [exact_form(subgraph(problem.root, merge.site)[0], merge) for merge in problem.merges]
    data = " --data DATA" if choice == "add" and any(isinstance(form, Refusal) for form in forms) else ""
    return f"addcat switch MODEL {sets}{data} -o switched{problem.door.SUFFIX}"


def _reason(problem: Problem, made: Climb, verdict: Verdict) -> str:
    if made.evidence[0].disguised:
        return f"This {problem.merge.label} already computes an Add, and Add is the cheaper way to write it."
    other = "concat" if verdict.choice == "add" else "add"
    label, rival = OPS[verdict.choice].label, OPS[other].label
    basis = _basis(made.evidence)
    regret = f"following this gives away {rows.percent(verdict.regret.share)} of the loss on average"
    sure = rows.probability(verdict.probability)
    if verdict.wanting:
        last = [one for one in made.evidence if one.learnt is not None][-1]
        return f"Take {label} for want of evidence, {sure} likely the better: {nothing_learnt(last)}"
    if verdict.gain is None:
        return f"{_unmeasured(verdict, label, rival)}; {regret}.{' ' + made.path[-1] if made.path else ''}"
    figures = f"{rows.signed(verdict.gain.estimate)} {rows.interval_text(verdict.gain.low, verdict.gain.high)}"
    if verdict.certain:
        if verdict.choice == "concat":
            share = rows.percent(verdict.gain.estimate / verdict.loss) if verdict.loss else ""
            return f"Concatenate lowers the loss by {figures}, {share} of Add's {rows.decimal(verdict.loss)}, {basis}."
        worse = verdict.gain.high < 0
        words = "Concatenate does worse" if worse else "Concatenate gains too little to pay for itself"
        return (
            f"{words}, {figures} against a margin of {rows.decimal(verdict.margin)}, {basis}{_saved(problem, verdict)}."
        )
    if verdict.either:
        return (
            f"Either: take Add, it is cheaper. Concatenate gains {figures}, within the margin of "
            f"{rows.decimal(verdict.margin)} with a probability of {rows.probability(verdict.odds.either)}, {basis}."
        )
    if verdict.probability < 0.5:
        return (
            f"{rival} is likelier the better, with a probability of {rows.probability(1 - verdict.probability)}, "
            f"but loses more where it is not: take {label}. Concatenate gains {figures}, {basis}; {regret}."
        )
    return (
        f"{label} is better than {rival} with a probability of {sure}: Concatenate gains {figures}, {basis}; {regret}."
    )


def _unmeasured(verdict: Verdict, label: str, rival: str) -> str:
    """What is recommended, and why, where nothing was measured."""
    said = "nothing was measured, this is what other networks did"
    if verdict.probability >= 0.5:
        return f"Take {label}, with a probability of {rows.probability(verdict.probability)}: {said}"
    likelier = rows.probability(1 - verdict.probability)
    return f"Take {label}: {said}. {rival} was likelier the better, with {likelier}, but lost more where it was not"


def _basis(evidence: Sequence[Evidence]) -> str:
    """What the belief rests on, in words."""
    full = next((one for one in evidence if one.method == "retrain"), None)
    if full is not None:
        return f"trained anew over {rows.counted(full.n, 'pair')}"
    used = [one.method for one in evidence if one.judges]
    return f"judged by {' and '.join([', '.join(used[:-1]), used[-1]] if len(used) > 1 else used)}" if used else ""


def _saved(problem: Problem, verdict: Verdict) -> str:
    now, after = verdict.price.now.parameters, None
    if verdict.price.after is not None:
        after = verdict.price.after.parameters
    if now is None or after is None:
        return ""
    more = after - now if problem.now == "add" else now - after
    if more <= 0:
        return ""
    words = "Add saves" if problem.now == "concat" else "Concatenate would cost"
    return f"; {words} {rows.count(more)} {'parameter' if more == 1 else 'parameters'}"
