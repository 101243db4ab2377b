"""The Keras door: `read` a Functional or Sequential model, `write` a graph as a new one, run either."""

from addcat.doors.keras.read import is_graph, read, reshape_inputs
from addcat.doors.keras.run import predictor, probe, random_inputs
from addcat.doors.keras.write import write

__all__ = ["is_graph", "predictor", "probe", "random_inputs", "read", "reshape_inputs", "write"]
