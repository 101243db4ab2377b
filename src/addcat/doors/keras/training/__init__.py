"""One trainer for each Keras backend: compiled on JAX, eager on torch."""

from typing import Any

from addcat.data.examples import Examples
from addcat.doors.keras.losses import Losses
from addcat.doors.keras.training.recipes import recipe_of
from addcat.doors.recipe import ArmTrainer, Plan, Recipe
from addcat.errors import OptionError
from addcat.frameworks import keras

__all__ = ["recipe_of", "trainer"]


def trainer(model: Any, losses: Losses, recipe: Recipe, plan: Plan, data: Examples, held: Examples) -> ArmTrainer:
    """A trainer on the backend that Keras runs on.

    Args:
        model: A Keras model that nobody else uses.
        losses: One for each output.
        recipe: The optimiser.
        plan: Steps and evaluations.
        data: To train on.
        held: To judge on.

    Raises:
        OptionError: if Keras runs on another backend than JAX or torch.
    """
    backend = keras().backend.backend()
    if backend == "jax":
        from addcat.doors.keras.training.jax_trainer import JaxTrainer  # noqa: PLC0415

        return JaxTrainer(model, losses, recipe, plan, data, held)
    if backend == "torch":
        from addcat.doors.keras.training.torch_trainer import TorchTrainer  # noqa: PLC0415

        return TorchTrainer(model, losses, recipe, plan, data, held)
    raise OptionError(
        f"addcat trains on the JAX and torch backends of Keras, not on {backend!r}. Set KERAS_BACKEND=jax."
    )
