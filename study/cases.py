"""The cases of the guide: a picture, an identity, and the tasks that speak for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study.analysis import Figure, Outcome, over_tasks, select, signs
from study.drawing import percent
from study.sayings import SMALL, figure_words, mean_share

FEW = 6
"""Tasks below which an interval over tasks says little."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case.

    Attributes:
        title: What somebody has in front of them.
        picture: A diagram in characters.
        identity: What the two merges compute here, in words and one formula.
        except_when: What turns the advice around.
        mine: Whether a task belongs to it.
        must: What follows from the identity, whatever is measured; "" where nothing does.
    """

    title: str
    picture: str
    identity: str
    except_when: str
    mine: Callable[[Outcome], bool]
    must: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the study says of a case, in words.

    Attributes:
        case: The case.
        do: What to do.
        sure: How many tasks each merge won beyond the noise, of how many.
        gain: The mean at equal widths, with its interval over tasks.
        matched: The mean at equal parameters, with its interval over tasks.
        costs: What Concatenate costs.
        tasks: How many tasks, at equal widths.
        clear: Tasks with a winner beyond the noise, in words, at each budget.
    """

    case: Case
    do: str
    sure: str
    gain: str
    matched: str
    costs: str
    tasks: int
    clear: dict[str, str]


def answer(case: Case, found: Sequence[Outcome]) -> Answer:
    """Answer a case by its tasks."""
    wide, matched = ([one for one in select(found, budget=b) if case.mine(one)] for b in ("widths", "parameters"))
    first, second = mean_share(wide), mean_share(matched)
    won = signs(wide)
    sure = f"Concatenate {won['concat']}, Add {won['add']}, of {len(wide)}"
    more = sorted(one.facts.more for one in wide)
    costs = f"{percent(more[0])} to {percent(more[-1])}" if more else "not run"
    do = case.must or (_do(first, second) if wide else "not run")
    clear = {"widths": _clear(wide), "parameters": _clear(matched)}
    return Answer(case, do, sure, _words(first), _words(second), costs, len(wide), clear)


def _clear(found: Sequence[Outcome]) -> str:
    """Tasks with a winner beyond the noise, the largest gain first."""
    won = sorted((one for one in found if one.sign), key=lambda one: -abs(one.share))
    named = [f"{one.task.split('/')[1].replace('-', ' ')} ({percent(one.share, signed=True)})" for one in won]
    return ", ".join(named) or "none"


def _words(figure: Figure) -> str:
    return figure_words(figure) if figure.tasks else "not known"


def _do(wide: Figure, matched: Figure) -> str:
    """The advice, by fixed rules on the two intervals over tasks."""
    if wide.high < 0:
        return "Add"
    if wide.low > 0:
        if matched.tasks and matched.high < 0:
            return "Concatenate; Add if you pay for parameters"
        return "Concatenate" if matched.tasks and matched.low > 0 else "Concatenate, if you can pay for it"
    if matched.tasks and matched.high < 0:
        return "Add"
    if max(abs(wide.low), abs(wide.high)) <= SMALL:
        return "Either; Add is smaller"
    if wide.value > SMALL:
        return "Measure; Concatenate leads"
    return "Measure; Add is smaller"


def shrinks(found: Sequence[Outcome]) -> Figure:
    """How much of Concatenate's lead at equal widths is gone at equal parameters, over tasks that have both."""
    wide, matched = ({one.task: one for one in select(found, budget=b)} for b in ("widths", "parameters"))
    both = [wide[name] for name in wide if name in matched]
    return over_tasks(both, lambda one: one.share - matched[one.task].share)


def _family(name: str) -> Callable[[Outcome], bool]:
    return lambda one: one.family == name


def _views(*, shared: bool, ordered: bool = False) -> Callable[[Outcome], bool]:
    return lambda one: one.family == "views" and (one.facts.shared, one.facts.ordered and shared) == (shared, ordered)


CASES = (
    Case(
        "A residual link",
        "x ──┬── layers ──┐\n    └────────────┴─ merge ── next layer",
        "W (x + f(x)) against W1 x + W2 f(x). f can learn any scale and sign, so Add loses only what f would have "
        "to keep apart from x.",
        "The network is deep. These have three blocks at most; in a very deep one Add also keeps gradients alive "
        "and the width constant, which no small study can show.",
        _family("residual"),
    ),
    Case(
        "A skip of a U-Net",
        "fine ───────────────────────┐\n  └─ pool ── layers ── enlarge ─ merge ── next layer",
        "W (fine + coarse) against W1 fine + W2 coarse: the fine map and the enlarged coarse one mean different things "
        "at the same pixel.",
        "Memory is what you pay for: Concatenate holds both maps at full resolution.",
        _family("skips"),
    ),
    Case(
        "Convolutions side by side",
        "    ┌─ 1 tap ──┐\nx ──┼─ 3 taps ─┼─ merge ── next layer\n    └─ 5 taps ─┘",
        "Behind a ReLU each branch shows features of its own, and a sum mixes them. Without one, a sum of "
        "convolutions is a single convolution.",
        "Channels are few: at equal parameters the reader of the concatenated maps has to be narrower.",
        _family("siblings"),
    ),
    Case(
        "Two inputs, a tower each",
        "x ── tower A ──┐\ny ── tower B ──┴─ merge ── next layer",
        "W (A x + B y) against W1 A x + W2 B y: with towers of their own, what belongs together can go to one "
        "channel and the rest to others, as long as there are enough.",
        "Narrow towers, at equal parameters: the layer behind Concatenate becomes a bottleneck. One input that is much "
        "better than the other speaks for Concatenate at either budget.",
        _views(shared=False),
    ),
    Case(
        "Two inputs, one tower, order matters",
        "x ──┐         ┌──┐\n    ├─ tower ─┤  ├─ merge ── which is larger?\ny ──┘         └──┘",
        "x + y = y + x: no layer behind a sum can tell which input was which, however long it is trained.",
        "Nothing. A difference, or a mark on one of the inputs, would do as well as Concatenate.",
        _views(shared=True, ordered=True),
        must="Concatenate: a sum forgets the order",
    ),
    Case(
        "Two inputs, one tower, order does not matter",
        "x ──┐         ┌──┐\n    ├─ tower ─┤  ├─ merge ── what are they together?\ny ──┘         └──┘",
        "Concatenate has to learn from examples that W1 = W2; Add has it built in.",
        "The answer is whether the two are alike: a sum of what a tower saw hides that.",
        _views(shared=True),
    ),
    Case(
        "Positional encodings",
        "tokens ── embedding ──┐\nplaces ── embedding ──┴─ merge ── projection ── attention",
        "W (t + p) against W1 t + W2 p. Embeddings that are learned can keep to channels of their own; then the sum is "
        "the concatenation of two narrower ones.",
        "The width is small, or encodings are fixed, so that they cannot move out of the way.",
        _family("positions"),
    ),
    Case(
        "A sequence read both ways",
        "x ──┬── reads → ──┐\n    └── reads ← ──┴─ merge ── next layer",
        '`Bidirectional(merge_mode="sum")` against `"concat"`: two layers of their own, so a sum can still keep what '
        "they say apart, in half of the channels each.",
        "The two directions see the same: then a sum averages noise away.",
        _family("bidirectional"),
    ),
    Case(
        "A condition on a picture",
        "picture ── layers ──────────────┐\ncondition ── layer ── every pixel ─ merge ── next layer",
        "A class, a level of noise or a table is the same at every pixel, so W2 c is a bias: both merges shift "
        "channels by what the condition says. Add shifts them before the layer, Concatenate behind it.",
        "Neither can scale: where the condition should switch features on and off, multiply.",
        _family("conditioning"),
    ),
    Case(
        "A node and its neighbours in a graph",
        "node ──────────────────┐\nneighbours ── mean ──────┴─ merge ── W",
        "W (node + mean) against W1 node + W2 mean (GraphSAGE): one kernel for both treats a neighbour's feature as if "
        "it were the node's own.",
        "A node has one neighbour, like itself and as noisy: then one kernel for both is right. The mean of several is "
        "less noisy than the node and wants a kernel of its own, even where all are alike.",
        _family("graph"),
    ),
)
