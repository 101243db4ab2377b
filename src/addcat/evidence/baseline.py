"""Is the network trained at all? Held against the best constant output."""

from typing import Any

import numpy as np

from addcat.data.examples import Examples
from addcat.doors.base import Laboratory


def beats_constant(door: Laboratory, model: Any, losses: Any, held: Examples) -> tuple[float, bool]:
    """Whether a network does better with each example's own output than with another example's.

    The outputs stay what they are and the targets change places, so a network that ignores its inputs loses nothing.

    Args:
        door: Runs the model.
        model: The network.
        losses: Of its outputs.
        held: Examples that it was not fitted on.

    Returns:
        Its mean loss, and whether that is lower than the loss with shuffled targets, beyond noise.
    """
    own = door.losses_of(model, losses, held)
    order = np.random.default_rng(0).permutation(held.count)
    shuffled = Examples(held.inputs, tuple(np.asarray(target)[order] for target in held.targets))
    other = door.losses_of(model, losses, shuffled)
    difference = other - own
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5
    return float(own.mean()), bool(difference.mean() > 2 * error)
