"""The Keras door: `read` a Functional or Sequential model, `write` a graph as a new one, run and train either."""

from addcat.doors.keras.bench import bench_of
from addcat.doors.keras.constants import constant_losses
from addcat.doors.keras.losses import couples, forms, lowest_loss, metric_named, outputs_of, resolve_loss
from addcat.doors.keras.measure import assign, gradient, losses_of, predictions, state
from addcat.doors.keras.read import is_graph, read, reshape_inputs
from addcat.doors.keras.run import predictor, probe, random_inputs
from addcat.doors.keras.training import recipe_of, trainer
from addcat.doors.keras.write import write

SUFFIX = ".keras"

__all__ = [
    "SUFFIX",
    "assign",
    "bench_of",
    "constant_losses",
    "couples",
    "forms",
    "gradient",
    "is_graph",
    "losses_of",
    "lowest_loss",
    "metric_named",
    "outputs_of",
    "predictions",
    "predictor",
    "probe",
    "random_inputs",
    "read",
    "recipe_of",
    "reshape_inputs",
    "resolve_loss",
    "state",
    "trainer",
    "write",
]
