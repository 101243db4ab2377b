"""Exact rewrites of a graph: same outputs up to rounding, other cost. One a file; its docstring is its identity.

`RULES` lists them all, in the order in which they are worth trying: first those that leave less to do in every case,
then those whose gain has to be measured, last what writes an operation in another way.
"""

from addcat.rules.affine_after import AFFINE_AFTER
from addcat.rules.affine_before import AFFINE_BEFORE
from addcat.rules.affine_chain import AFFINE_CHAIN
from addcat.rules.base import Framework, Goal, Plan, Proposal, Role, Rule
from addcat.rules.before_resize import BEFORE_RESIZE
from addcat.rules.cancel import CANCEL
from addcat.rules.compose import COMPOSE
from addcat.rules.dead_shift import DEAD_SHIFT
from addcat.rules.early_stride import EARLY_STRIDE
from addcat.rules.exchange_layout import EXCHANGE_LAYOUT
from addcat.rules.exchange_pool import EXCHANGE_POOL
from addcat.rules.exchange_resize import EXCHANGE_RESIZE
from addcat.rules.flatten import FLATTEN
from addcat.rules.fold import FOLD
from addcat.rules.gather import GATHER
from addcat.rules.hidden import HIDDEN_EIGHTHS, HIDDEN_HALVES, HIDDEN_QUARTERS
from addcat.rules.named import NAMED
from addcat.rules.nearest_conv import NEAREST_CONV
from addcat.rules.norm_before import NORM_BEFORE
from addcat.rules.over_concat import OVER_CONCAT
from addcat.rules.pad_into import PAD_INTO
from addcat.rules.passing import PASSING
from addcat.rules.phases import PHASES_EACH, PHASES_ONE
from addcat.rules.recompute import RECOMPUTE
from addcat.rules.resize_product import RESIZE_PRODUCT, SUM_PRODUCT
from addcat.rules.siblings import SIBLINGS
from addcat.rules.split import SPLIT
from addcat.rules.split_resized import SPLIT_RESIZED, SPLIT_WIDE
from addcat.rules.split_shared import SPLIT_SHARED
from addcat.rules.stack import STACK
from addcat.rules.sum_order import LINEAR_LAST
from addcat.rules.transposed_compose import TRANSPOSED_COMPOSE
from addcat.rules.twice import TWICE
from addcat.rules.views import VIEWS

RULES: tuple[Rule, ...] = (
    NAMED,
    PAD_INTO,
    PASSING,
    CANCEL,
    VIEWS,
    FLATTEN,
    TWICE,
    AFFINE_AFTER,
    AFFINE_BEFORE,
    AFFINE_CHAIN,
    DEAD_SHIFT,
    FOLD,
    EARLY_STRIDE,
    EXCHANGE_RESIZE,
    EXCHANGE_POOL,
    EXCHANGE_LAYOUT,
    BEFORE_RESIZE,
    SPLIT_RESIZED,
    SPLIT_WIDE,
    NEAREST_CONV,
    TRANSPOSED_COMPOSE,
    COMPOSE,
    GATHER,
    STACK,
    SIBLINGS,
    NORM_BEFORE,
    OVER_CONCAT,
    SPLIT,
    LINEAR_LAST,
    PHASES_EACH,
    PHASES_ONE,
    HIDDEN_HALVES,
    HIDDEN_QUARTERS,
    HIDDEN_EIGHTHS,
    RECOMPUTE,
    SPLIT_SHARED,
    RESIZE_PRODUCT,
    SUM_PRODUCT,
)


IN_A_MODULE = (TWICE, AFFINE_AFTER, AFFINE_BEFORE, AFFINE_CHAIN, SPLIT)
"""Rules that leave a PyTorch module the module that it is: others would need its code to be another."""


def rules_for(framework: Framework, goal: Goal) -> tuple[Rule, ...]:
    """The rules that may serve a goal in a framework, and those that tidy up behind them."""
    return tuple(
        rule
        for rule in (IN_A_MODULE if framework == "torch" else RULES)
        if (rule.frameworks is None or framework in rule.frameworks) and (goal in rule.goals or rule.role is Role.TIDY)
    )


__all__ = ["RULES", "Framework", "Goal", "Plan", "Proposal", "Role", "Rule", "rules_for"]
