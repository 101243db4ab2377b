"""Rules of thumb as people state them in public, each as a function of a task's facts, and a choice for every task."""

from collections.abc import Callable
from dataclasses import dataclass

from study.facts import FAMOUS, Facts

FEW = 500
"""Examples below which a task counts as one with few, in the rule that asks for it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of thumb.

    Attributes:
        name: Short.
        says: What it says, in words.
        source: Where it is said; "" where it is the network's habit or ours.
        choice: "add" or "concat", from facts and a budget.
    """

    name: str
    says: str
    source: str
    choice: Callable[[Facts, str], str]


def _concat_if(condition: Callable[[Facts], bool]) -> Callable[[Facts, str], str]:
    return lambda facts, _: "concat" if condition(facts) else "add"


RULES = (
    Rule(
        "always add",
        "Add: it saves parameters, and the two hardly differ.",
        "conormdurkan/neural-statistician#1, jeya-maria-jose/UNeXt-pytorch#9",
        _concat_if(lambda _: False),
    ),
    Rule(
        "always concatenate",
        "Concatenate: adding loses information, and a sum is a special case of it.",
        "stats.stackexchange.com/q/361018, facebookarchive/fb.resnet.torch#97",
        _concat_if(lambda _: True),
    ),
    Rule(
        "add a correction",
        "Add what corrects the other input, as a residual does; concatenate the rest.",
        "stats.stackexchange.com/q/361018",
        _concat_if(lambda facts: facts.family != "residual"),
    ),
    Rule(
        "concatenate the unrelated",
        "Concatenate inputs that are not closely related; add the others.",
        "stats.stackexchange.com/q/361018",
        _concat_if(lambda facts: not facts.related),
    ),
    Rule(
        "do as the famous network",
        "Do as the network that made the pattern known: ResNet and the Transformer add, U-Net and Inception do not.",
        "TiagoCortinhal/SalsaNext#38, tensorflow/tensor2tensor#1591, melodyguan/enas#90",
        lambda facts, _: FAMOUS[facts.family],
    ),
    Rule(
        "concatenate what has an order",
        "A sum cannot tell its inputs apart: concatenate where one layer makes both and their order matters.",
        "facebookresearch/detr#278",
        _concat_if(lambda facts: facts.shared and facts.ordered),
    ),
    Rule(
        "add only the symmetric",
        "Add where one layer makes both and their order does not matter; concatenate the rest.",
        "",
        _concat_if(lambda facts: not facts.shared or facts.ordered),
    ),
    Rule(
        "add with few examples",
        f"Add with fewer than {FEW} examples to train on, because more weights overfit; concatenate with more.",
        "",
        _concat_if(lambda facts: facts.examples >= FEW),
    ),
    Rule(
        "add where parameters are counted",
        "Concatenate is better because it is larger: concatenate at equal widths, add at equal parameters.",
        "pyg-team/pytorch_geometric#37",
        lambda _, budget: "concat" if budget == "widths" else "add",
    ),
)
